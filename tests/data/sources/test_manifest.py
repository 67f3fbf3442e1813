"""Manifests: what each column becomes, how lines are named, what is skipped and what is refused."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import jpeg, picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contrafake.data import Sample
from contrafake.data.location import File, read_bytes
from contrafake.data.sources import open_source
from contrafake.data.sources.manifest import Manifest
from contrafake.data.text_table import LONGEST_LINE
from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = ("a/1.jpg", "a/2.JPG", "b/3.png", "4.jpg")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images in three folders."""
    data = jpeg(picture(np.random.default_rng(0), generated=False, side=16))
    for name in IMAGES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def manifest(folder: Path, text: str | bytes, name: str = "set.csv") -> Manifest:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = open_source(path)
    assert isinstance(source, Manifest)
    return source


def listed(source: Manifest) -> list[Sample]:
    return [item for item in source if isinstance(item, Sample)]


FULL = """path,label,origin,source,group,split,key,camera
a/1.jpg,real,phone,album,walk,train,one,X100
a/2.JPG,FAKE,sdxl,,,Validation,,
b/3.png,1,,web,,,,
4.jpg,Generated,,,,TEST,,
"""


def check_full(samples: list[Sample], folder: Path) -> None:
    assert samples == [
        Sample("one", 0, "phone", "album", "walk", File(str(folder / "a/1.jpg")), "train"),
        Sample("a/2.JPG", 1, "sdxl", "a", "", File(str(folder / "a/2.JPG")), "val"),
        Sample("b/3.png", 1, "set", "web", "", File(str(folder / "b/3.png")), ""),
        Sample("4.jpg", 1, "set", ".", "", File(str(folder / "4.jpg")), "test"),
    ]
    assert read_bytes(samples[0].image)


def test_columns(folder: Path) -> None:
    source = manifest(folder, FULL)
    samples = listed(source)
    check_full(samples, folder)
    assert samples[0].metadata == {"camera": "X100"}
    assert source.census.images == {
        ("train", 0, "phone"): 1,
        ("val", 1, "sdxl"): 1,
        ("", 1, "set"): 1,
        ("test", 1, "set"): 1,
    }
    assert not source.census.skipped
    assert listed(source) == samples


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("set.csv", lambda text: text.encode("utf-8-sig")),
        ("set.CSV", lambda text: text.replace("\n", "\r\n").encode()),
        ("set.csv", lambda text: text.rstrip("\n").encode()),
        ("set.csv", lambda text: text.replace("\n", "\n\n").encode()),
        ("set.csv", lambda text: text.replace("path,label", " Path , LABEL").encode()),
        ("set.tsv", lambda text: text.replace(",", "\t").encode()),
        ("set.tsv", lambda text: text.replace(",", "\t").replace("\n", "\r\n").encode("utf-8-sig")),
    ],
)
def test_how_tables_are_written(folder: Path, name: str, change: Any) -> None:
    check_full(listed(manifest(folder, change(FULL), name)), folder)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_json_lines(folder: Path, ending: str, start: str) -> None:
    rows: list[dict[str, Any]] = [
        {"path": "a/1.jpg", "label": 0, "origin": "phone", "source": "album", "group": "walk", "split": "train"},
        {"path": "a/2.JPG", "label": "fake", "origin": "sdxl", "split": "validation", "size": [3, 4]},
        {"path": "b/3.png", "label": 1, "source": "web", "origin": None},
        {"path": "4.jpg", "label": "generated", "split": "test"},
    ]
    rows[0]["key"] = "one"
    text = start + "".join(json.dumps(row) + ending for row in rows)
    samples = listed(manifest(folder, text, "set.jsonl"))
    check_full(samples, folder)
    assert samples[1].metadata == {"size": [3, 4]}


def test_absolute_paths_and_paths_upwards(folder: Path) -> None:
    (folder / "lists").mkdir()
    text = f"path,label\n{folder / 'a/1.jpg'},real\n../4.jpg,fake\n"
    samples = listed(manifest(folder / "lists", text))
    assert [s.image for s in samples] == [File(str(folder / "a/1.jpg")), File(str(folder / "4.jpg"))]


def test_quoted_line_breaks_keep_the_count(folder: Path) -> None:
    text = 'path,label,note\na/1.jpg,real,"two\nlines, and ""quotes"""\ngone.jpg,fake,"x\r\ny"\n4.jpg,fake,\n'
    source = manifest(folder, text)
    samples = listed(source)
    assert samples[0].metadata == {"note": 'two\nlines, and "quotes"'}
    assert source.census.examples == {"no such file": [f"line 4: {folder / 'gone.jpg'}"]}
    assert [s.key for s in samples] == ["a/1.jpg", "4.jpg"]


def test_what_is_skipped_is_counted_with_its_line(folder: Path) -> None:
    (folder / "empty.jpg").touch()
    text = (
        "path,label\na/1.jpg,real\ngone.jpg,real\n./a/1.jpg,0\nempty.jpg,fake\na,fake\n4.jpg,fake\na\0b.jpg,fake\n"
        f"{'x' * 5000}.jpg,fake\nhttp://a.example/1.jpg,fake\n"
    )
    source = manifest(folder, text)
    assert [s.key for s in listed(source)] == ["a/1.jpg", "4.jpg"]
    assert sum(source.census.skipped.values()) == 7
    first = {reason: examples[0].partition(":")[0] for reason, examples in source.census.examples.items()}
    assert first["no such file"] == "line 3"
    assert first["the path stands there before, with the same label"] == "line 4"
    assert first["empty file"] == "line 5"
    assert first["not a regular file"] == "line 6"
    named = {example.partition(":")[0] for examples in source.census.examples.values() for example in examples}
    assert named == {f"line {line}" for line in (3, 4, 5, 6, 8, 9, 10)}


HEADER = "path,label,split,key,origin\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "set.csv: a manifest needs the column path and label"),
        ("file,label\n", "set.csv: a manifest needs the column path"),
        ("path;label\na/1.jpg;real\n", "set.csv: a manifest needs the column path and label (the first line names"),
        ("path,label,path\n", "set.csv: two columns have the same name"),
        ("path,label,Path\n", "set.csv: two columns have the same name"),
        (HEADER + "a/1.jpg,real,,,\n4.jpg,photo,,,\n", "set.csv: line 3: unknown label 'photo'"),
        (HEADER + "a/1.jpg,,,,\n", "set.csv: line 2: no label"),
        (HEADER + "  ,real,,,\n", "set.csv: line 2: no path"),
        (HEADER + "a/1.jpg,real,dev,,\n", "set.csv: line 2: unknown split 'dev'"),
        (HEADER + "a/1.jpg,real\n", "set.csv: line 2: 2 cells, the header has 5"),
        (HEADER + "a/1.jpg,real,,,,x\n", "set.csv: line 2: 6 cells, the header has 5"),
        (HEADER + 'a/1.jpg,real,,,"x\ny"\n4.jpg,what,,,\n', "set.csv: line 4: unknown label 'what'"),
        (HEADER + 'a/1.jpg,real,,,"x\n', "set.csv: line 2: not readable as CSV"),
        (HEADER + "a/1.jpg,real,,k,\n4.jpg,real,,,\nb/3.png,fake,,k,\n", "line 4: the key 'k' stands in line 2 as"),
        (HEADER + "a/1.jpg,real,,4.jpg,\n4.jpg,real,,,\n", "line 3: the key '4.jpg' stands in line 2 as well"),
        (HEADER + "a/1.jpg,real,,,\n4.jpg,real,,,\na/../a/1.jpg,fake,,,\n", "is another one in line 2 (keep one"),
        (HEADER + "a/1.jpg,real,,," + "x" * (LONGEST_LINE + 1), "set.csv: line 2: longer than 1,048,576 characters"),
        (HEADER + "a/1.jpg,real,,,\n4.jpg,real,,," + "x" * 200_000 + "\n", "line 3: not readable as CSV: field larger"),
        (HEADER.encode() + b"caf\xe9.jpg,real,,,\n", "set.csv: not UTF-8 text (save it as UTF-8)"),
        (HEADER.encode("utf-16"), "set.csv: not UTF-8 text"),
    ],
)
def test_what_is_refused_names_the_line(folder: Path, text: str | bytes, complaint: str) -> None:
    with pytest.raises(DataError) as caught:
        listed(manifest(folder, text))
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"path": "4.jpg", "label": "real"}\n[1]\n', "line 2: not a JSON object"),
        ('{"path": "4.jpg", "label": "real"}\n\n{"path": "4.jpg"\n', "line 3: not readable as JSON"),
        ('{"path": "4.jpg"}\n', "line 1: no label"),
        ('{"path": ["4.jpg"], "label": 1}\n', "line 1: path is not a plain value"),
        ('{"path": "4.jpg", "label": true}\n', "line 1: unknown label True"),
        ('{"path": "4.jpg", "label": 1, "x": ' + "[" * 200_000 + "\n", "line 1: not readable as JSON"),
        ('{"path": "4.jpg", "label": 1}\n{"path": "4.jpg", "label": 0}\n', "is another one in line 1"),
    ],
)
def test_the_same_for_json_lines(folder: Path, text: str, complaint: str) -> None:
    with pytest.raises(DataError) as caught:
        listed(manifest(folder, text, "set.jsonl"))
    assert complaint in str(caught.value)


def test_one_class_alone_is_noted(folder: Path) -> None:
    source = manifest(folder, "path,label\n4.jpg,real\n")
    assert len(listed(source)) == 1
    assert source.census.notes == ["set.csv: no generated image"]


def test_recognition(folder: Path) -> None:
    assert not Manifest.recognises(folder / "none.csv")
    assert not Manifest.recognises(folder / "4.jpg")
    assert not Manifest.recognises(folder)


def test_a_file_that_is_gone(folder: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        list(Manifest(folder / "none.csv"))


def test_an_origin_table_beside_it_counts(folder: Path) -> None:
    (folder / "origins.csv").write_text("label,origin,family\nfake,new,strange\n", encoding="utf-8")
    assert manifest(folder, "path,label\n").origins.get(1, "new").family == "strange"


def test_it_is_read_as_it_is_needed(folder: Path) -> None:
    """The first samples come although the end is broken."""
    rows = iter(manifest(folder, "path,label\n4.jpg,real\na/1.jpg,what\n"))
    first = next(rows)
    assert isinstance(first, Sample)
    assert first.key == "4.jpg"
    with pytest.raises(DataError):
        next(rows)


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=4))
def test_whatever_the_csv_writer_writes_is_read_back(folder: Path, cells: list[tuple[str, str, str]]) -> None:
    path = folder / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["note", "path", "label", "origin", "group"])
        for name, (note, origin, group) in zip(IMAGES, cells, strict=False):
            writer.writerow([note, name, "real", origin, group])
    samples = listed(Manifest(path))
    assert [s.metadata["note"] for s in samples] == [note for note, _, _ in cells]
    assert [s.origin for s in samples] == [origin.strip() or "any" for _, origin, _ in cells]
    assert [s.group for s in samples] == [group.strip() for _, _, group in cells]


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.tsv", "manifest.jsonl"])
def test_a_folder_stands_for_the_manifest_in_it(folder: Path, name: str) -> None:
    rows = {"csv": "path,label\n4.jpg,real\n", "tsv": "path\tlabel\n4.jpg\treal\n", "jsonl": ""}
    rows["jsonl"] = json.dumps({"path": "4.jpg", "label": "real"})
    (folder / name).write_text(rows[name.partition(".")[2]])
    source = open_source(folder)
    assert isinstance(source, Manifest)
    assert [sample.key for sample in listed(source)] == ["4.jpg"]


def test_a_folder_with_another_table_called_manifest_is_no_manifest(folder: Path) -> None:
    (folder / "manifest.csv").write_text("split,key,label\ntrain,a,real\n")
    assert not Manifest.recognises(folder)
