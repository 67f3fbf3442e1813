"""Where a build lies: what a full disk, a failing object store and a folder of somebody else's lead to."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

import pytest

from contrafake.data.lock import locked
from contrafake.errors import DataError
from contrafake.generate.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_full_disk_says_what_to_do_and_keeps_what_was_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("a/b", b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(DataError, match="make room"):
            store.write("a/b", bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.read("a/b") == b"before"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda store, _: store.find("a"), "cannot be read: the gateway is gone"),
        (lambda store, _: store.names(), "cannot be listed: the gateway is gone"),
        (lambda store, _: store.write("a", b""), "cannot be written: the gateway is gone"),
        (lambda store, file: store.put(file, "a"), "cannot be written: the gateway is gone"),
        (lambda store, file: store.fetch("a", file), "cannot be read: the gateway is gone"),
        (lambda store, _: store.remove("a"), "cannot be removed: the gateway is gone"),
        (lambda store, _: store.remove_all("a"), "cannot be removed: the gateway is gone"),
    ],
)
def test_what_an_object_store_raises_is_told(tmp_path: Path, call: Callable[[Store, Path], Any], said: str) -> None:
    fsspec = pytest.importorskip("fsspec")

    class Gone(fsspec.AbstractFileSystem):  # type: ignore[misc, name-defined]
        """Libraries of object stores have errors that are no OSError."""

        protocol = "gone"

        def _fails(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("the gateway is gone")

        ls = cat_file = pipe_file = put_file = get_file = rm_file = exists = makedirs = _fails

    fsspec.register_implementation("gone", Gone, clobber=True)
    with pytest.raises(DataError, match=said):
        call(Store("gone://bucket/set"), tmp_path / "file")


@pytest.mark.parametrize("remote", [False, True])
def test_files_and_folders_are_told_apart(tmp_path: Path, remote: bool) -> None:
    if remote:
        pytest.importorskip("fsspec")
    store = Store(f"memory://{tmp_path.name}/s" if remote else tmp_path)
    assert (store.names("x"), store.folders("x")) == (set(), set())
    for name in ("x/a", "x/deep/b"):
        store.write(name, name.encode())
    assert (store.names("x"), store.folders("x")) == ({"a"}, {"deep"})
    assert (store.names("x/a/c"), store.find("x/c")) == (set(), None)
    store.remove_all("x/deep")
    store.remove_all("x/deep")
    assert store.folders("x") == set()


def test_only_leftovers_of_a_build_are_swept(tmp_path: Path) -> None:
    for name in ("other/.mine.partial", ".work/notes/.n.partial", ".i.partial", ".work/room-1/x"):
        Store(tmp_path).write(name, b"")
    Store(tmp_path).sweep()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".mine.partial"]


def test_a_lock_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(DataError, match="cannot be locked"), locked(tmp_path, None, "in use"):
        pass
