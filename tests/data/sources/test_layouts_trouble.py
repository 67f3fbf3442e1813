"""What a listing does with disorder on disk: one broken thing never stops the rest, and nothing is left out unnamed."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layout_miniatures import MINIATURES, listed, pixels, write

from contrafake.data.location import File
from contrafake.data.sources import open_source
from contrafake.data.sources.folders import DEEPEST, _keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TREE = ("0_real/a.jpg", "0_real/b.jpg", "1_fake/a.png")


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes folders of a name unreadable, for root too, whom no mode of a folder stops."""
    scandir = os.scandir

    def install(name: str) -> None:
        def refuse(path: Any = ".") -> Any:
            if os.fspath(path).endswith(name):
                raise PermissionError(13, "Permission denied", path)
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)

    return install


def test_suffixes_count_in_any_case_and_no_format_of_the_field_is_left_out(tmp_path: Path) -> None:
    names = ("a.JPG", "b.Jpeg", "c.PNG", "d.gif", "e.TIF", "f.tiff", "g.webp", "h.BMP")
    write(tmp_path, *[f"0_real/{name}" for name in names], *[f"1_fake/{name}" for name in names])
    source, samples = listed(tmp_path)
    assert len(samples) == 16
    assert not source.census.skipped


def test_what_is_no_image_is_named_with_its_reason(tmp_path: Path) -> None:
    write(tmp_path, *TREE)
    folder = tmp_path / "0_real"
    (folder / "notes.txt").write_text("x")
    (folder / "none").write_text("x")
    (folder / ".hidden.jpg").write_bytes(pixels("jpg"))
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "dead.jpg").symlink_to(folder / "gone.jpg")
    (folder / "dead").symlink_to(folder / "gone")
    os.mkfifo(folder / "pipe.jpg")
    source, samples = listed(tmp_path)
    assert set(samples) == {"0_real/a", "0_real/b", "1_fake/a"}
    assert source.census.examples == {
        "no image by its suffix (.txt)": [str(folder / "notes.txt")],
        "no image by its suffix (none)": [str(folder / "none")],
        "hidden file": [str(folder / ".hidden.jpg")],
        "empty file": [str(folder / "empty.jpg")],
        "a dead link": [str(folder / "dead"), str(folder / "dead.jpg")],
        "not a regular file": [str(folder / "pipe.jpg")],
    }


def test_links_are_followed_but_never_in_circles(tmp_path: Path) -> None:
    write(tmp_path / "set", *TREE)
    write(tmp_path / "elsewhere", "c.jpg")
    (tmp_path / "set/0_real/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/0_real/around").symlink_to(tmp_path / "set")
    (tmp_path / "set/0_real/itself").symlink_to(tmp_path / "set/0_real/itself")
    source, samples = listed(tmp_path / "set")
    assert set(samples) == {"0_real/a", "0_real/b", "0_real/more/c", "1_fake/a"}
    assert source.census.examples["a link back to a folder above"] == [str(tmp_path / "set/0_real/around")]
    assert source.census.skipped.total() == 2


def test_a_chain_of_folders_without_end_is_cut(tmp_path: Path) -> None:
    write(tmp_path, *TREE)
    folder = tmp_path / "0_real"
    for _ in range(DEEPEST + 3):
        folder = folder / "d"
        folder.mkdir()
        (folder / "x.jpg").write_bytes(pixels("jpg"))
    source, samples = listed(tmp_path)
    assert len(samples) == 3 + DEEPEST - 1
    assert source.census.skipped == {f"more than {DEEPEST} folders deep": 1}


def test_two_files_of_one_stem_get_keys_that_differ(tmp_path: Path) -> None:
    write(tmp_path, "0_real/a.jpg", "0_real/a.png", "0_real/b.jpg", "0_real/a.jpg.png", "1_fake/a.png")
    _, samples = listed(tmp_path)
    assert set(samples) == {"0_real/a.jpg", "0_real/a.png", "0_real/b", "0_real/a.jpg.png", "1_fake/a"}
    for key, sample in samples.items():
        assert sample.image.file_name.startswith(key.partition("/")[2])


@given(st.lists(st.lists(st.sampled_from(["a", "b", "jpg", "png", ""]), min_size=1, max_size=4)))
def test_keys_are_unique_and_whole_names_only_where_they_must_be(parts: list[list[str]]) -> None:
    names = sorted({"x" + ".".join([*part, ("jpg", "png")[len(part) % 2]]) for part in parts})
    stems = Counter(os.path.splitext(name)[0] for name in names)  # noqa: PTH122 - the independent way
    keys = [key for _, _, key in _keys(names)]
    assert len(set(keys)) == len(names)
    for name, key in zip(names, keys, strict=True):
        stem = name[: -len(".jpg")]
        assert key == (name if stems[stem] > 1 or stem in names else stem)


def test_undecodable_names_are_kept_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, *TREE)
    os.makedirs(os.fsencode(tmp_path) + b"/0_real/\xff")  # noqa: PTH103 - a name no str holds
    with open(os.fsencode(tmp_path) + b"/0_real/\xff/\xfe.jpg", "wb") as file:  # noqa: PTH123 - as above
        file.write(pixels("jpg"))
    _, samples = listed(tmp_path)
    image = samples["0_real/\udcff/\udcfe"].image
    assert isinstance(image, File)
    assert os.path.exists(image.path)  # noqa: PTH110 - as above


def test_an_unreadable_folder_is_named_and_the_rest_is_listed(tmp_path: Path, forbid: Callable[[str], None]) -> None:
    root = write(tmp_path, *TREE, "0_real/locked/c.jpg")
    forbid("locked")
    source, samples = listed(root)
    assert set(samples) == {"0_real/a", "0_real/b", "1_fake/a"}
    assert source.census.examples == {"the folder cannot be read: Permission denied": [str(root / "0_real/locked")]}


@pytest.mark.parametrize("layout", MINIATURES)
def test_an_unreadable_folder_does_not_keep_a_layout_from_being_recognised(
    layout: str, tmp_path: Path, forbid: Callable[[str], None]
) -> None:
    root = write(MINIATURES[layout](tmp_path / "set"), "locked/1.jpg")
    forbid("locked")
    source = open_source(root)
    assert source.layout == layout
    assert list(source)
    assert str(root / "locked") in {where for found in source.census.examples.values() for where in found}


@pytest.mark.parametrize("layout", MINIATURES)
def test_the_order_does_not_depend_on_the_disk(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = MINIATURES[layout](tmp_path / "set")
    expected = list(open_source(root))
    scandir = os.scandir

    class Backwards:
        def __init__(self, path: Any) -> None:
            with scandir(path) as entries:
                self.entries = list(entries)[::-1]

        def __enter__(self) -> Any:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(os, "scandir", Backwards)
    source = open_source(root, layout)
    assert list(source) == expected
    assert list(source) == expected  # and a second listing counts anew
    again = open_source(root, layout)
    list(again)
    assert (again.census.images, again.census.notes) == (source.census.images, source.census.notes)
