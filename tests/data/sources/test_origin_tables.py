"""Origin tables: what is read, what is written back, and the table of public sets that comes with the package."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data.origins import Origin, OriginTable, known_origins, read_origins
from contrafake.errors import DataError

TEXT = """label,origin,family,class,base,content,train,val,test,seen_in_training
fake,sdxl,sdxl,latent diffusion,SDXL,"mixed; photo, art",211,23,3,yes
fake,new,,,,,,,,
real,phone,,,,real-photo,7,,0,no
"""


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "origins.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_what_a_row_says(tmp_path: Path) -> None:
    table = read_origins(written(tmp_path, TEXT))
    assert [origin.name for origin in table] == ["phone", "new", "sdxl"]
    sdxl = table.get(1, "sdxl")
    assert sdxl == Origin("sdxl", 1, "sdxl", "latent diffusion", "SDXL", "mixed; photo, art", seen=True)
    assert sdxl.counts == {"train": 211, "val": 23, "test": 3}
    assert table.get(1, "new") == Origin("new", 1, "new")  # without a family, a generator is its own
    phone = table.get(0, "phone")
    assert (phone.family, phone.counts, phone.seen) == ("", {"train": 7, "test": 0}, False)


def test_unknown_origins_have_at_least_a_name() -> None:
    assert OriginTable().get(1, "new") == Origin("new", 1, "new")
    assert OriginTable().get(0, "new") == Origin("new", 0)
    table = OriginTable([Origin("same", 0, content="photo"), Origin("same", 1, "f")])
    assert (len(table), table.get(0, "same").content, table.get(1, "same").family) == (2, "photo", "f")


def test_two_columns_are_enough(tmp_path: Path) -> None:
    table = read_origins(written(tmp_path, "origin,label,comment\n a , FAKE ,x\n", "utf-8-sig"))
    assert list(table) == [Origin("a", 1, "a")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "needs the columns label, origin"),
        ("label,name\nreal,a\n", "needs the columns origin"),
        ("label,origin\nphoto,a\n", "line 2: unknown label 'photo'"),
        ("label,origin,train\nreal,a,1\nreal,b,many\n", "line 3: a count is no number"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(DataError) as caught:
        read_origins(written(tmp_path, text))
    assert complaint in str(caught.value)
    assert "origins.csv" in str(caught.value)


def test_a_row_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 3: no origin"):
        read_origins(written(tmp_path, "label,origin\nreal,a\nfake,\n"))


def test_an_origin_may_stand_under_both_labels_but_once_under_each(tmp_path: Path) -> None:
    assert len(read_origins(written(tmp_path, "label,origin\nreal,a\nfake,a\n"))) == 2
    with pytest.raises(DataError, match="line 4: the origin 'a' stands there twice under one label"):
        read_origins(written(tmp_path, "label,origin\nreal,a\nfake,a\n0,a\n"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_origins(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"label,origin\nreal,caf\xe9\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_origins(tmp_path / "latin.csv")
    (tmp_path / "huge.csv").write_text("label,origin\nreal," + "x" * 200_000)
    with pytest.raises(DataError, match="not readable as CSV"):
        read_origins(tmp_path / "huge.csv")


def test_a_count_replaces_the_table_s_own() -> None:
    table = OriginTable([Origin("sdxl", 1, "f", "k", "b", "c", {"train": 1}, seen=True), Origin("gan", 1)])
    found = table.counted({("train", 1, "sdxl"): 5, ("test", 1, "sdxl"): 2, ("", 0, "phone"): 3})
    assert [(o.name, dict(o.counts)) for o in found] == [("phone", {"": 3}), ("sdxl", {"train": 5, "test": 2})]
    sdxl = found.get(1, "sdxl")
    assert (sdxl.family, sdxl.kind, sdxl.base, sdxl.content, sdxl.seen) == ("f", "k", "b", "c", True)


def test_after_a_new_division_seen_is_what_is_in_train() -> None:
    table = OriginTable([Origin("sdxl", 1, "f", seen=True), Origin("gan", 1, seen=False)])
    found = table.counted({("test", 1, "sdxl"): 2, ("train", 1, "gan"): 1}, divided=True)
    assert {origin.name: origin.seen for origin in found} == {"sdxl": False, "gan": True}


text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), max_size=8)
counts = st.dictionaries(st.sampled_from(["train", "val", "test"]), st.integers(0, 10**9), min_size=3)


@given(
    st.lists(
        st.builds(
            Origin,
            text.filter(bool),
            st.sampled_from([0, 1]),
            text.filter(bool),
            text,
            text,
            text,
            st.one_of(st.just({}), counts),
            st.sampled_from([None, True, False]),
            st.booleans(),
        ).map(lambda origin: replace(origin, apart=origin.apart and origin.label == 1)),
        max_size=5,
        unique_by=lambda origin: (origin.label, origin.name),
    )
)
def test_what_is_written_is_read_back(origins: list[Origin]) -> None:
    table = OriginTable(origins)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_text", lambda *_, **__: table.to_csv())
        again = read_origins("any.csv")
    assert list(again) == list(table)
    assert [dict(o.counts) for o in again] == [dict(o.counts) for o in table]


def test_a_table_with_no_origin_apart_has_no_such_column(tmp_path: Path) -> None:
    plain = [Origin("camera", 0), Origin("gan", 1, "gan", seen=False)]
    assert OriginTable(plain).to_csv().splitlines() == [
        "label,origin,family,class,base,content,train,val,test,seen_in_training",
        "real,camera,,,,,,,,",
        "fake,gan,gan,,,,,,,no",
    ]
    table = OriginTable([*plain, Origin("own", 1, "own", apart=True)])
    head, *rows = table.to_csv().splitlines()
    assert head.endswith(",seen_in_training,apart")
    assert rows == ["real,camera,,,,,,,,,", "fake,gan,gan,,,,,,,no,", "fake,own,own,,,,,,,,yes"]
    again = read_origins(written(tmp_path, table.to_csv()))
    assert [origin.apart for origin in again] == [False, False, True]
    assert again.counted({("train", 1, "own"): 2}, divided=True).get(1, "own").apart


@pytest.mark.parametrize(
    ("row", "complaint"),
    [("fake,own,maybe", "line 2: apart is 'maybe'"), ("real,own,yes", "line 2: real images cannot be reported apart")],
)
def test_who_cannot_stand_apart(tmp_path: Path, row: str, complaint: str) -> None:
    assert not read_origins(written(tmp_path, "label,origin,apart\nfake,own,No\nreal,own,\n")).get(1, "own").apart
    with pytest.raises(DataError, match=complaint):
        read_origins(written(tmp_path, f"label,origin,apart\n{row}\n"))


def test_public_sets() -> None:
    table = known_origins()
    assert all(origin.family for origin in table if origin.label == 1)
    assert {"sd1.4", "sd2.1", "sdxl", "deepfloyd-if"} <= {origin.name for origin in table}


@pytest.mark.corpus
@pytest.mark.skipif(
    not Path(os.environ.get("CONTRAFAKE_DATA", "/none"), "corpus").is_dir(),
    reason="${CONTRAFAKE_DATA}/corpus is not there",
)
def test_the_table_of_the_corpus_is_written_back_as_it_is() -> None:
    path = Path(os.environ["CONTRAFAKE_DATA"], "corpus", "origins.csv")
    table = read_origins(path)
    assert len(table) > 50
    assert sorted(table.to_csv().splitlines()) == sorted(path.read_text(encoding="utf-8").splitlines())
