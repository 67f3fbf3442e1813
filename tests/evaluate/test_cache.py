from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import sys
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contrafake.evaluate.cache import FILE, Cache, CacheWarning, default_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHA = "0" * 64


@settings(max_examples=30)
@given(
    measured=arrays.arrays(
        st.sampled_from([np.float32, np.float64]), arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=7)
    )
)
def test_what_is_kept_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, measured: NDArray[np.float32]
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    with Cache(folder) as cache:
        cache.put("a", "b", SHA, measured)
    with Cache(folder) as cache:
        found = cache.get("a", "b", SHA)
    assert found is not None
    assert (found.dtype, found.shape) == (measured.dtype, measured.shape)
    assert found.tobytes() == measured.tobytes()


def test_each_part_of_a_key_counts(tmp_path: Path) -> None:
    keys = list(itertools.product(("a", "ab", ""), ("b", "bc", "\udcff"), ("1", "2")))
    with Cache(tmp_path) as cache:
        assert all(cache.get(*key) is None for key in keys)
        for number, key in enumerate(keys):
            cache.put(*key, np.array([float(number)]))
        for number, key in enumerate(keys):
            found = cache.get(*key)
            assert found is not None
            assert found.tolist() == [number]
        cache.put(*keys[0], np.array([99.0]))
        replaced = cache.get(*keys[0])
    assert replaced is not None
    assert replaced.tolist() == [99]


def test_costs_belong_to_a_processor(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        assert cache.seconds("a", "p") is None
        cache.keep_seconds("a", "p", 3.5)
        cache.keep_seconds("a", "p", 4.5)
    with Cache(tmp_path) as cache:
        assert cache.seconds("a", "p") == 4.5
        assert cache.seconds("a", "q") is None
        assert cache.seconds("b", "p") is None


def test_the_users_cache_folder_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "contrafake" / "evaluations"
    with Cache() as cache:
        assert cache.path.parent == default_folder()
        assert cache.path.is_file()
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_folder() == Path("~/.cache/contrafake/evaluations").expanduser()


@pytest.mark.parametrize("content", [b"something else entirely", b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_file_that_is_no_cache_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.warns(CacheWarning, match="damaged") as caught:
        cache = Cache(tmp_path)
    assert len(caught) == 1
    assert len(cache.notes) == 1
    cache.put("a", "b", SHA, np.ones(3))
    assert cache.get("a", "b", SHA) is not None
    cache.close()
    assert (tmp_path / f"{FILE}.damaged").read_bytes() == content


def test_damage_in_the_middle_is_set_aside_when_met(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        for number in range(50):
            cache.put("a", str(number), SHA, np.full(2000, float(number)))
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    data[4096 * 8 :] = os.urandom(len(data) - 4096 * 8)
    path.write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Cache(tmp_path) as cache:
            found = [cache.get("a", str(number), SHA) for number in range(50)]
            cache.put("new", "", SHA, np.ones(2))
            assert cache.get("new", "", SHA) is not None
    assert len(caught) <= 1
    # What came back is right, or nothing came back.
    assert all(one is None or (one == number).all() for number, one in enumerate(found))
    assert any(one is None for one in found)


def test_a_changed_row_is_not_believed(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.put("a", "b", SHA, np.ones(4))
    for change in ("data = x'00'", "shape = '2,2'", "dtype = 'float32'", "dtype = 'object'"):
        with sqlite3.connect(tmp_path / FILE) as db:
            before = db.execute("SELECT dtype, shape, data FROM measured").fetchone()
            db.execute(f"UPDATE measured SET {change}")  # noqa: S608
        with Cache(tmp_path) as cache:
            assert cache.get("a", "b", SHA) is None
        with sqlite3.connect(tmp_path / FILE) as db:
            db.execute("UPDATE measured SET dtype = ?, shape = ?, data = ?", before)
    with Cache(tmp_path) as cache:
        assert cache.get("a", "b", SHA) is not None


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cache = Cache(tmp_path / "file" / "folder")
        cache.put("a", "b", SHA, np.ones(3))
        assert cache.get("a", "b", SHA) is None
        cache.keep_seconds("a", "p", 1.0)
        assert cache.seconds("a", "p") is None
        cache.close()
    [warning] = caught
    assert warning.category is CacheWarning
    assert "cannot be used" in str(warning.message)


FULL = """
import resource, sys, warnings
import numpy as np
from contrafake.evaluate.cache import Cache
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    with Cache(sys.argv[1]) as cache:
        for number in range(100):
            cache.put("a", str(number), "", np.full(1000, float(number)))
        assert cache.get("a", "99", "") is None
print(len(caught), caught[0].message)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_a_full_disk_is_said_once_and_what_was_kept_stays(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("1 ")
    assert "cannot be used" in done.stdout
    with Cache(tmp_path) as cache:
        first = cache.get("a", "0", "")
    assert first is not None
    assert (first == 0).all()


def test_what_was_used_longest_ago_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, clock = 1 << 20, [1000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    for day in range(8):
        clock[0] += 86_400
        with Cache(tmp_path, size_limit=limit) as cache:
            for number in range(5):
                cache.put("a", f"{day} {number}", SHA, np.full(4096, float(day)))  # 32 KiB
            assert cache.get("a", "0 0", SHA) is not None  # used every day
    assert (tmp_path / FILE).stat().st_size <= limit
    with Cache(tmp_path, size_limit=limit) as cache:
        there = [[cache.get("a", f"{day} {number}", SHA) is not None for number in range(5)] for day in range(8)]
    assert there[0] == [True, False, False, False, False]
    assert all(there[7])
    assert all(there[6])
    assert not any(there[1])
    assert sum(map(sum, there)) >= 0.6 * limit / (4096 * 8)


def test_the_limit_holds_within_one_long_run(tmp_path: Path) -> None:
    limit = 1 << 20
    with Cache(tmp_path, size_limit=limit) as cache:
        for number in range(200):
            cache.put("a", str(number), SHA, np.full(4096, float(number)))
        last = cache.get("a", "199", SHA)
        assert last is not None
        assert cache.get("a", "0", SHA) is None
    assert (tmp_path / FILE).stat().st_size <= limit


@pytest.mark.parametrize("change", ["shape = '-1,-1'", "shape = 'x'", "data = 'text'", "dtype = 'object'", "crc = 'x'"])
def test_an_entry_that_was_tampered_with_is_none(tmp_path: Path, change: str) -> None:
    with Cache(tmp_path) as cache:
        cache.put("a", "b", SHA, np.ones(3))
    with sqlite3.connect(tmp_path / FILE) as db:
        query = f"UPDATE measured SET {change} RETURNING dtype, shape, data"  # noqa: S608 - our own text
        dtype, shape, data = db.execute(query).fetchone()
        if isinstance(data, bytes) and "crc" not in change:  # a sum that fits does not make it a measurement
            db.execute("UPDATE measured SET crc = ?", (zlib.crc32(data, zlib.crc32(f"{dtype} {shape}".encode())),))
    db.close()
    with Cache(tmp_path) as cache:
        assert cache.get("a", "b", SHA) is None


MANY = """
import sys
import numpy as np
from contrafake.evaluate.cache import Cache
with Cache(sys.argv[1]) as cache:
    for number in range(200):
        if cache.get("a", str(number), "") is None:
            cache.put("a", str(number), "", np.full(500, float(number)))
    print(len(cache.notes))
"""


def test_processes_and_threads_share_it(tmp_path: Path) -> None:
    call = [sys.executable, "-c", MANY, str(tmp_path)]
    others = [subprocess.Popen(call, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    with Cache(tmp_path) as cache, ThreadPoolExecutor(4) as pool:

        def use(number: int) -> None:
            cache.put("a", str(number), "", np.full(500, float(number)))
            found = cache.get("a", str(number), "")
            assert found is not None
            assert (found == number).all()

        list(pool.map(use, range(150, 300)))
        assert [other.communicate(timeout=60)[0].strip() for other in others] == ["0", "0", "0"]
        assert all(other.returncode == 0 for other in others)
        kept = [cache.get("a", str(number), "") for number in range(300)]
    assert all(one is not None and (one == number).all() for number, one in enumerate(kept))
