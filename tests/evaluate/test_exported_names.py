"""Keys as file names: back and forth, and what a file system takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contrafake.evaluate.exported_names import LONGEST_PIECE, file_name, key_of

KEYS = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=400),
    st.text("./%_a\\ \0é\udc80", max_size=30),
    st.builds(lambda text, times: text * times, st.text("aé./%", min_size=1, max_size=6), st.integers(1, 200)),
)
ODD = ["", ".", "..", "../up", "/abs", "a//b", "a/", "a.png/b", "a", ".hidden", "a.b/c.d", "%", "%2E", "%_", "%/x"]
ODD += ["x" * 181, "." * 400, "é" * 200, "CON", 'a:b*?<>|"', "a\\b", "a b\n", "\udce9.jpg", "\ud83d", "日本/写真"]


@given(KEYS)
@example("..")
@example("%/a%_")
def test_a_key_comes_back(key: str) -> None:
    assert key_of(file_name(key)) == key


@given(KEYS)
@example("a/" * 30)
def test_every_part_is_a_plain_name(key: str) -> None:
    name = file_name(key)
    assert name.isascii()
    for part in name.split("/"):
        assert 0 < len(part) <= LONGEST_PIECE
        assert not part.startswith(".")
        assert not set(part) & set('\\:*?"<>| ')
        assert part.isprintable()
    assert all("." not in folder for folder in name.split("/")[:-1])


@given(KEYS, KEYS)
@example("a.png/b", "a")
@example("x" * 180, "x" * 180 + "/")
def test_two_keys_never_meet(one: str, other: str) -> None:
    if one != other:
        first, second = f"{file_name(one)}.png", f"{file_name(other)}.png"
        assert first != second
        assert not second.startswith(f"{first}/")


def test_on_a_real_disk(tmp_path: Path) -> None:
    for number, key in enumerate(ODD):
        path = tmp_path / f"{file_name(key)}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.exists(), key
        path.write_text(str(number))
    found = {}
    for folder, _, names in os.walk(tmp_path):
        for name in names:
            path = Path(folder, name)
            found[key_of(path.relative_to(tmp_path).as_posix().removesuffix(".png"))] = int(path.read_text())
    assert found == {key: number for number, key in enumerate(ODD)}


def test_ordinary_keys_stay_as_they_are() -> None:
    for key in ("real-asp-46d6064dee09", "train/fake/0001", "photo_1.2"):
        assert file_name(key) == key
    assert file_name("sd1.4/my photo") == "sd1%2E4/my%20photo"


@pytest.mark.parametrize("name", ["100%", "%zz", "a%FF", "%C3"])
def test_a_name_that_is_none_of_ours_is_no_error(name: str) -> None:
    assert key_of(name) == name
