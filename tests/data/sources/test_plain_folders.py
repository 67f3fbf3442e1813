"""Folders whose names say what is in them: classes, origins, splits, and everything that is no image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contrafake.data import Sample
from contrafake.data.location import File, read_bytes
from contrafake.data.sources import open_source
from contrafake.data.sources.folders import PlainFolders
from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def put(root: Path, *names: str) -> Path:
    """Files that hold their own name; a listing reads none of them."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def listed(root: Path) -> dict[str, Sample]:
    samples = [item for item in PlainFolders(root) if isinstance(item, Sample)]
    assert len({sample.key for sample in samples}) == len(samples)
    return {sample.key: sample for sample in samples}


# (folder of the image below the root `set`, label, origin, split)
PLACES = [
    ("real", 0, "set", ""),
    ("fake", 1, "set", ""),
    ("generated", 1, "set", ""),
    ("0_real", 0, "set", ""),
    ("1_fake", 1, "set", ""),
    ("nature", 0, "set", ""),
    ("ai", 1, "set", ""),
    ("REAL", 0, "set", ""),
    ("train/real", 0, "set", "train"),
    ("real/train", 0, "set", "train"),
    ("Validation/Fake", 1, "set", "val"),
    ("test/1_fake", 1, "set", "test"),
    ("fake/sdxl", 1, "sdxl", ""),
    ("sdxl/fake", 1, "sdxl", ""),
    ("train/biggan/1_fake", 1, "biggan", "train"),
    ("fake/train/glide", 1, "glide", "train"),
    ("fake/sdxl/part-1", 1, "sdxl", ""),
    ("outer/sdxl/fake", 1, "sdxl", ""),
    ("fake/sdxl/real-esrgan", 1, "sdxl", ""),
]


@pytest.mark.parametrize(("folder", "label", "origin", "split"), PLACES)
def test_what_a_folder_says(tmp_path: Path, folder: str, label: int, origin: str, split: str) -> None:
    root = put(tmp_path / "set", f"{folder}/1.png", "real/zz.png", "fake/zz.png")
    sample = listed(root)[f"{folder}/1"]
    assert (sample.label, sample.origin, sample.split) == (label, origin, split)
    assert (sample.source, sample.group) == (folder, "")
    assert sample.image == File(str(root / folder / "1.png"))
    assert read_bytes(sample.image) == f"{folder}/1.png".encode()


def test_suffixes_count_in_any_case_and_all_formats_are_taken(tmp_path: Path) -> None:
    names = ["a.JPG", "b.jpeg", "c.PNG", "d.WebP", "e.GIF", "f.tif", "g.TIFF", "h.bmp", "i.avif", "j.HEIC"]
    put(tmp_path, *(f"real/{name}" for name in names), "fake/a.png")
    assert sorted(listed(tmp_path)) == ["fake/a", *(f"real/{name[0]}" for name in names)]


def test_nothing_is_left_out_in_silence(tmp_path: Path) -> None:
    put(tmp_path, "real/1.jpg", "fake/1.jpg", "real/notes.txt", "real/README", "real/.hidden.jpg", "fake/v.MP4")
    (tmp_path / "real" / "empty.jpg").touch()
    (tmp_path / "real" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "real" / "pipe.jpg")
    put(tmp_path, "elsewhere/1.jpg", "loose.jpg")
    source = PlainFolders(tmp_path)
    assert len(list(source)) == 2
    assert source.census.skipped == {
        "no image by its suffix (.txt)": 1,
        "no image by its suffix (none)": 1,
        "no image by its suffix (.mp4)": 1,
        "hidden file": 1,
        "empty file": 1,
        "a dead link": 1,
        "not a regular file": 1,
        "no place for images in this folder of layout folders": 2,
    }
    assert source.census.examples["empty file"] == [str(tmp_path / "real" / "empty.jpg")]
    lines = source.census.describe_skipped()
    assert lines[0].startswith("2 skipped: no place for images")
    assert len(lines) == 8


def test_two_files_of_one_stem_keep_their_suffix_as_key(tmp_path: Path) -> None:
    put(tmp_path, "real/a.jpg", "real/a.png", "real/b.jpg", "fake/a.jpg")
    assert sorted(listed(tmp_path)) == ["fake/a", "real/a.jpg", "real/a.png", "real/b"]


def test_the_order_depends_on_names_alone(tmp_path: Path) -> None:
    names = [f"{folder}/{name}.png" for folder in ("real", "fake/b", "fake/a") for name in ("10", "9", "x", "Y")]
    first = list(listed(put(tmp_path / "one", *names)))
    second = list(listed(put(tmp_path / "two", *reversed(names))))
    assert first == second == sorted(first)


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    put(tmp_path / "set", "real/1.jpg", "fake/1.jpg")
    put(tmp_path / "more", "2.jpg")
    (tmp_path / "set" / "real" / "more").symlink_to(tmp_path / "more")
    (tmp_path / "set" / "real" / "round").symlink_to(tmp_path / "set")
    source = PlainFolders(tmp_path / "set")
    assert sorted(item.key for item in source) == ["fake/1", "real/1", "real/more/2"]
    assert source.census.skipped == {"a link back to a folder above": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_an_unreadable_folder_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    put(tmp_path, "real/1.jpg", "fake/1.jpg", "fake/locked/2.jpg")
    (tmp_path / "fake" / "locked").chmod(0)
    try:
        source = PlainFolders(tmp_path)
        assert len(list(source)) == 2
        assert source.census.skipped == {"the folder cannot be read: Permission denied": 1}
    finally:
        (tmp_path / "fake" / "locked").chmod(0o700)


def test_an_empty_class_is_refused_and_says_what_was_lost(tmp_path: Path) -> None:
    put(tmp_path, "real/1.jpg", "fake/1.mp4")
    with pytest.raises(DataError, match=r"no generated image \(1 skipped: no image by its suffix \(\.mp4\)"):
        list(PlainFolders(tmp_path))
    with pytest.raises(DataError, match="no such folder"):
        list(PlainFolders(tmp_path / "none"))


def test_folders_named_by_origin_take_their_class_from_the_table(tmp_path: Path) -> None:
    (tmp_path / "origins.csv").write_text("label,origin\nreal,album\nfake,dream\n", encoding="utf-8")
    put(tmp_path, "album/1.jpg", "dream/1.jpg", "train/dream/1.jpg", "other/1.jpg")
    source = open_source(tmp_path)
    assert source.layout == "folders"
    samples = {item.key: item for item in source if isinstance(item, Sample)}
    assert {key: (s.label, s.origin, s.split) for key, s in samples.items()} == {
        "album/1": (0, "album", ""),
        "dream/1": (1, "dream", ""),
        "train/dream/1": (1, "dream", "train"),
    }
    assert source.census.skipped["no place for images in this folder of layout folders"] == 1
    assert source.census.images["", 0, "album"] == 1


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    put(tmp_path, "real/1.jpg", "fake/1.jpg")
    odd = os.fsencode(tmp_path / "real") + b"/caf\xe9.jpg"
    try:
        with open(odd, "wb") as file:  # noqa: PTH123 - bytes
            file.write(b"x")
    except OSError:
        pytest.skip("this file system takes text only")
    sample = listed(tmp_path)["real/caf\udce9"]
    assert read_bytes(sample.image) == b"x"


def test_recognition(tmp_path: Path) -> None:
    assert not PlainFolders.recognises(tmp_path)
    put(tmp_path / "a", "x/1.jpg")
    assert not PlainFolders.recognises(tmp_path / "a")
    assert not PlainFolders.recognises(tmp_path / "a" / "x" / "1.jpg")
    put(tmp_path / "b", "deep/Fake/1.jpg")
    assert PlainFolders.recognises(tmp_path / "b")
    put(tmp_path / "c", "origins.csv")
    assert PlainFolders.recognises(tmp_path / "c")


names = st.sampled_from(["real", "fake", "train", "test", "sdxl", "x.y", "ai"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.sets(st.tuples(st.lists(names, max_size=3), st.sampled_from(["a.jpg", "b.PNG", "c.txt"])).map(
    lambda drawn: "/".join([*drawn[0], drawn[1]])
), max_size=12))  # fmt: skip
def test_every_file_is_either_listed_or_counted(tmp_path_factory: pytest.TempPathFactory, files: set[str]) -> None:
    root = put(tmp_path_factory.mktemp("set"), *files, "real/z.jpg", "fake/z.jpg")
    source = PlainFolders(root)
    count = len(list(source))
    assert count + sum(source.census.skipped.values()) == len(files | {"real/z.jpg", "fake/z.jpg"})
