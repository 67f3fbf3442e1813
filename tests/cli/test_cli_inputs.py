from __future__ import annotations

import io
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from contrafake.cli.inputs import IMAGE_SUFFIXES, STDIN_NAME, Failure, Image, expand, judge, read_list
from contrafake.detect.verdict import ModelId, Verdict
from contrafake.errors import UsageError
from contrafake.images import container

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(folder: Path, *paths: str) -> list[str]:
    found = expand(paths or [str(folder)])
    return [os.path.relpath(item, folder) if isinstance(item, str) else repr(item) for item in found]


def test_folder_is_listed_recursively_sorted_and_by_suffix_of_any_case(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a.jpeg", "notes.txt", "c/e.WebP", "c/d.png", "c.tif", "README")
    assert names(tmp_path) == ["a.jpeg", "b.JPG", "c/d.png", "c/e.WebP", "c.tif"]


def test_every_format_that_can_be_read_is_found() -> None:
    assert container._IMAGE_SUFFIXES <= IMAGE_SUFFIXES


def test_hidden_files_and_folders_are_left_out_unless_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", ".hidden.jpg", "._a.jpg", ".git/b.jpg")
    assert names(tmp_path) == ["a.jpg"]
    assert names(tmp_path, str(tmp_path / ".git"), str(tmp_path / ".hidden.jpg")) == [".git/b.jpg", ".hidden.jpg"]


def test_a_named_file_is_tried_whatever_its_suffix_and_even_if_missing(tmp_path: Path) -> None:
    touch(tmp_path, "photo.txt")
    assert names(tmp_path, str(tmp_path / "photo.txt"), str(tmp_path / "gone")) == ["photo.txt", "gone"]


def test_names_are_kept_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "sub/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert list(expand(["./sub//a.jpg", "sub/", "."])) == ["./sub//a.jpg", "sub/a.jpg", "./sub/a.jpg"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.jpg", "elsewhere/y.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "self.jpg").symlink_to("self.jpg")
    (tmp_path / "a" / "dead.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "a" / "link.jpg").symlink_to(tmp_path / "a" / "x.jpg")
    assert names(tmp_path / "a") == ["dead.jpg", "link.jpg", "out/y.jpg", "self.jpg", "x.jpg"]


def test_pipes_in_a_folder_do_not_block(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("pipe.jpg")
    assert names(tmp_path) == ["a.jpg"]


def test_folder_without_images_is_a_failure(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "sub/more.txt")
    (failure,) = expand([str(tmp_path)])
    assert isinstance(failure, Failure)
    assert failure.name == str(tmp_path)
    assert "no images" in failure.cause


def test_unreadable_folder_is_a_failure_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.jpg", "locked/b.jpg", "z.jpg")
    scandir = os.scandir

    def refusing(path: str) -> Iterator[os.DirEntry[str]]:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    first, failure, last = expand([str(tmp_path)])
    assert failure == Failure(str(tmp_path / "locked"), "this folder cannot be read: Permission denied")
    assert str(first).endswith("a.jpg")
    assert str(last).endswith("z.jpg")


def test_undecodable_names_survive(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).touch()
    (path,) = expand([str(tmp_path)])
    assert isinstance(path, str)
    assert os.fsencode(path).endswith(b"caf\xe9.jpg")


def test_standard_input_is_one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"bytes")))
    assert list(expand(["-"])) == [(STDIN_NAME, b"bytes")]


def test_nothing_is_read_before_its_turn(tmp_path: Path) -> None:
    found = expand([str(tmp_path / "first"), "-"])
    assert next(found) == str(tmp_path / "first")


def test_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"a.jpg\n\nb c.jpg\r\n\xff.jpg")
    assert read_list(str(path)) == ["a.jpg", "b c.jpg", "\udcff.jpg"]
    path.write_bytes(b"two\nlines.jpg\0b.jpg\0")
    assert read_list(str(path), null=True) == ["two\nlines.jpg", "b.jpg"]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"x.jpg\n")))
    assert read_list("-") == ["x.jpg"]
    with pytest.raises(UsageError, match="cannot be read"):
        read_list(str(tmp_path / "missing"))


def test_a_nul_separated_list_read_by_lines_is_explained() -> None:
    (failure,) = expand(["a.jpg\0b.jpg"])
    assert isinstance(failure, Failure)
    assert "--null" in failure.cause


def verdict(name: str, error: str | None = None) -> Verdict:
    return Verdict(
        name,
        None,
        "error" if error else "real",
        None,
        None,
        None,
        None,
        "linear",
        1,
        ModelId("m", "1", ""),
        error=error,
    )


def one_by_one(images: Iterator[Image]) -> Iterator[Verdict]:
    return (verdict(str(image)) for image in images)


def reading_ahead(images: Iterator[Image]) -> Iterator[Verdict]:
    return (verdict(str(image)) for image in list(images))


@pytest.mark.parametrize("detect_each", [one_by_one, reading_ahead])
@pytest.mark.parametrize("order", ["F", "i", "Fi", "iF", "FFiFiiFF", "iiFii", ""])
def test_failures_keep_their_place(order: str, detect_each: Callable[[Iterator[Image]], Iterator[Verdict]]) -> None:
    inputs = [f"i{at}" if kind == "i" else Failure(f"F{at}", "cause") for at, kind in enumerate(order)]
    judged = judge(inputs, detect_each, lambda failure: verdict(failure.name, failure.cause))
    assert [v.name for v in judged] == [f"{kind}{at}" for at, kind in enumerate(order)]
