"""Packing that is cut off: by a kill, by a full disk, by other work in the folder; and in parts."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import picture, write_lone_shard
from PIL import Image

from contrafake.data.location import read_bytes
from contrafake.data.pack import Packed, pack
from contrafake.data.sources import open_source
from contrafake.errors import DataError, ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.location import Location

pytest.importorskip("pyarrow")


def images(root: Path, count: int = 8, side: int = 40) -> Path:
    rng = np.random.default_rng(3)
    for number in range(count):
        path = root / ("real", "fake")[number % 2] / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(rng, generated=bool(number % 2), side=side)).save(path)
    return root


def packed(root: Path, out: Path, **settings: object) -> Packed:
    return pack(open_source(root), out, **{"images_per_shard": 2, "workers": 1, **settings})  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class EnoughError(Exception):
    """Stops a run in the middle."""


def stop_after(images: int, done: int, _total: int, *, seen: list[int]) -> None:
    seen.append(done)
    if sum(seen) >= images:
        raise EnoughError


def cut_off(root: Path, out: Path, after: int = 4, **settings: object) -> None:
    with pytest.raises(EnoughError):
        packed(root, out, progress=partial(stop_after, after, seen=[]), **settings)


# --- going on -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_goes_on_where_it_was_cut_off(tmp_path: Path, workers: int) -> None:
    root, out = images(tmp_path / "set"), tmp_path / "out"
    packed(root, tmp_path / "whole")
    cut_off(root, out, workers=workers)
    assert not (out / "index.parquet").exists()
    assert not (out / "pack.json").exists()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    assert before
    packed(root, out)
    assert contents(out) == contents(tmp_path / "whole")
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before


def test_a_changed_image_is_packed_anew_and_the_others_are_kept(tmp_path: Path) -> None:
    root, out = images(tmp_path / "set"), tmp_path / "out"
    cut_off(root, out, after=6)
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    time.sleep(0.02)
    target = root / "fake" / "0003.png"
    Image.new("RGB", (9, 9), "red").save(target)
    packed(root, out)
    packed(root, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")
    kept = [name for name, at in before.items() if (out / name).stat().st_mtime_ns == at]
    assert (len(before), len(kept)) == (3, 2)


@pytest.mark.parametrize("change", ["an image more in front", "an image less", "half of the set gone"])
def test_a_changed_listing_never_makes_a_mixture(tmp_path: Path, change: str) -> None:
    root, out = images(tmp_path / "set"), tmp_path / "out"
    cut_off(root, out, after=8)
    if change == "an image more in front":
        shutil.copy(root / "fake" / "0003.png", root / "fake" / "0000.png")
    elif change == "an image less":
        (root / "fake" / "0001.png").unlink()
    else:
        for number in (3, 5, 7):
            (root / "fake" / f"000{number}.png").unlink()
        for number in (2, 4, 6):
            (root / "real" / f"000{number}.png").unlink()
    packed(root, out)
    packed(root, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_a_changed_shard_of_the_source_is_noticed(tmp_path: Path) -> None:
    source, out = write_lone_shard(tmp_path / "a.tar", 3, 1), tmp_path / "out"
    cut_off(source, out)
    with tarfile.open(source) as tar:
        first = tar.getmembers()[0]
    data = bytearray(source.read_bytes())
    red = io.BytesIO()
    Image.new("RGB", (72, 72), "red").save(red, "JPEG")
    data[first.offset_data : first.offset_data + len(red.getvalue())] = red.getvalue()
    time.sleep(0.02)
    source.write_bytes(data)
    packed(source, out)
    packed(source, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_a_shard_or_note_that_is_lost_or_damaged_is_made_anew(tmp_path: Path) -> None:
    root, out = images(tmp_path / "set"), tmp_path / "out"
    cut_off(root, out, after=6)
    first, second, third = sorted(out.glob("*.tar"))
    first.unlink()
    (out / ".packing" / f"{second.name}.json").write_text("{")
    packed(root, tmp_path / "whole")
    packed(root, out)
    assert contents(out) == contents(tmp_path / "whole")
    assert third.exists()


def test_other_settings_are_refused(tmp_path: Path) -> None:
    root, out = images(tmp_path / "set"), tmp_path / "out"
    cut_off(root, out)
    with pytest.raises(
        DataError, match=r"unfinished set with other settings .*images_per_shard 2, now 3.*shuffle None"
    ):
        packed(root, out, images_per_shard=3, shuffle=1)
    assert len(list(out.glob("*.tar"))) == 2


# --- killed ---------------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
from contrafake.data.location import read_bytes
from contrafake.data.pack import pack
from contrafake.data.sources import open_source
if __name__ == "__main__":
    pack(open_source(sys.argv[1]), sys.argv[2], images_per_shard=8, workers=2)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs kill")
def test_a_killed_run_leaves_nothing_half_written_and_goes_on(tmp_path: Path) -> None:
    root, out = images(tmp_path / "set", 160, side=200), tmp_path / "out"
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(root), str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 30
        while len(list(out.glob("*.tar"))) < 3:
            assert time.monotonic() < end
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    done = list(out.glob("*.tar"))
    assert 3 <= len(done) < 20
    for shard in done:
        with tarfile.open(shard) as tar:
            assert len(tar.getmembers()) == 16
    subprocess.run(command, check=True, timeout=60)
    packed(root, tmp_path / "whole", images_per_shard=8)
    assert contents(out) == contents(tmp_path / "whole")


# --- a full disk ----------------------------------------------------------------------------------------------------


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "place",
    [
        "tarfile.TarFile.addfile",
        "contrafake.data.whole_file.Path.write_bytes",
        "pyarrow.parquet.ParquetWriter.write_table",
    ],
)
def test_a_full_disk_is_named_and_leaves_nothing_half_written(tmp_path: Path, place: str) -> None:
    root, out = images(tmp_path / "set"), tmp_path / "out"
    cut_off(root, out, after=2)
    finished = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    assert finished
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, full_disk)
        with pytest.raises(DataError, match="cannot be written: No space left on device"):
            packed(root, out)
    assert not [path for path in out.rglob("*") if path.name.endswith(".partial")]
    for path in out.glob("*.tar"):
        with tarfile.open(path) as tar:
            assert len(tar.getmembers()) == 4
    assert not (out / "pack.json").exists()
    assert {name: (out / name).stat().st_mtime_ns for name in finished} == finished
    packed(root, out)
    packed(root, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))" + SCRIPT


@pytest.mark.skipif(os.name != "posix", reason="needs limits")
def test_a_limit_that_the_kernel_sets(tmp_path: Path) -> None:
    root, out = images(tmp_path / "set", 8, side=200), tmp_path / "out"
    (tmp_path / "script.py").write_text(LIMITED.replace("workers=2", "workers=1"))
    command = [sys.executable, str(tmp_path / "script.py"), str(root), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "lone-00000.tar: cannot be written: File too large (make room" in done.stderr
    assert not out.exists()


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    root = images(tmp_path / "set", 2)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        packed(root, tmp_path / "file" / "out")


# --- the folder -----------------------------------------------------------------------------------------------------


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    root, out = images(tmp_path / "set", 2), tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(DataError, match="there is something else already"):
        packed(root, out)
    with pytest.raises(DataError, match="there is something else already"):
        packed(root, out / "mine.txt")
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_a_run_that_failed_before_its_first_shard_is_forgotten(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "set" / "real").mkdir(parents=True)
    (tmp_path / "set" / "fake").mkdir()
    with pytest.raises(DataError, match="no real image"):
        packed(tmp_path / "set", out)
    assert not out.exists()
    packed(images(tmp_path / "set", 4), out, images_per_shard=3)  # other settings are no matter
    assert (out / "pack.json").exists()


def test_an_empty_folder_outlives_a_failed_run(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        pack(open_source(tmp_path / "gone.csv", "manifest"), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_finished_set_is_never_touched(tmp_path: Path) -> None:
    root, out = images(tmp_path / "set", 2), tmp_path / "out"
    packed(root, out)
    before = contents(out)
    with pytest.raises(DataError, match="a finished set lies there"):
        packed(root, out)
    assert contents(out) == before


def test_a_strange_file_in_an_unfinished_set_is_named(tmp_path: Path) -> None:
    root, out = images(tmp_path / "set"), tmp_path / "out"
    cut_off(root, out)
    write_lone_shard(out / "other.tar", 1, 1)
    with pytest.raises(DataError, match=r"other\.tar: no file of the unfinished set"):
        packed(root, out)
    (out / "other.tar").unlink()
    (out / ".lone-00003.tar.partial").touch()  # what a killed run leaves
    packed(root, out)
    assert not list(out.glob(".*"))


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    root, out = images(tmp_path / "set"), tmp_path / "out"

    def second(_done: int, _total: int) -> None:
        with pytest.raises(DataError, match="another run is packing into it"):
            packed(root, out)
        with pytest.raises(DataError, match="another run is packing into it"):
            packed(root, out, part=(1, 2))

    packed(root, out, progress=second)
    assert (out / "pack.json").exists()


# --- parts ----------------------------------------------------------------------------------------------------------


def test_parts_and_a_last_call_give_the_same_bytes(tmp_path: Path) -> None:
    root, out = images(tmp_path / "set", 14), tmp_path / "out"
    first = packed(root, out, part=(1, 3))
    assert (first.complete, list(first.shards)) == (False, ["lone-00000.tar", "lone-00003.tar", "lone-00006.tar"])
    assert sorted(path.name for path in out.glob("*.tar")) == list(first.shards)
    assert not (out / "index.parquet").exists()
    third = packed(root, out, part=(3, 3))
    times = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    assert set(times) == {*first.shards, *third.shards}
    whole = packed(root, out)  # does what the second should have done
    assert whole.complete
    assert {name: (out / name).stat().st_mtime_ns for name in times} == times
    packed(root, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_parts_run_beside_each_other_but_not_the_same_one_twice(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    root, out = images(tmp_path / "set"), tmp_path / "out"

    def meanwhile(_done: int, _total: int) -> None:
        packed(root, out, part=(2, 2))
        with pytest.raises(DataError, match="another run is packing into it"):
            packed(root, out, part=(1, 2))

    packed(root, out, part=(1, 2), progress=meanwhile)
    assert len(list(out.glob("*.tar"))) == 4


def test_an_image_that_goes_away_between_listing_and_reading_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contrafake.data.packing import shard

    root = images(tmp_path / "set")
    original = read_bytes

    def gone(location: Location) -> bytes:
        if "0003" in str(location):
            raise ImageError(str(location), "no such file")
        return original(location)

    monkeypatch.setattr(shard, "read_bytes", gone)
    done = packed(root, tmp_path / "out")
    assert [tuple(failure) for failure in done.failures] == [("fake/0003", "no such file")]


def test_a_broken_origin_table_shows_before_anything_is_packed(tmp_path: Path) -> None:
    root = images(tmp_path / "set", 2)
    (root / "origins.csv").write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"origins\.csv"):
        packed(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()
