"""Work in several processes: the order, what is taken ahead, and that no end leaves anything running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contrafake.data.parallel import default_workers, in_chunks, map_in_order
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def complain(item: int) -> int:
    if item == 2:
        raise DataError("two", "is refused", "leave it out")
    return item


def tick(folder: Path, number: int) -> None:
    """Grows a file for a minute, and removes it in the end."""
    path = folder / f"{number}.ticks"
    try:
        for _ in range(1200):
            with path.open("a") as file:
                file.write(".")
            time.sleep(0.05)
    finally:
        path.unlink()
        (folder / f"{number}.cleaned").touch()


def test_chunks() -> None:
    assert list(in_chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(in_chunks([], 2)) == []


def test_a_worker_for_each_core_that_may_be_used() -> None:
    assert 1 <= default_workers() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    assert list(map_in_order(nap, [0.2, 0, 0.05, 0], workers)) == [0.2, 0, 0.05, 0]


def test_items_are_taken_as_they_are_needed() -> None:
    taken = []

    def items() -> Iterator[float]:
        for number in range(20):
            taken.append(number)
            yield 0

    results = map_in_order(nap, items(), workers=2, ahead=3)
    next(results)
    assert len(taken) == 6
    next(results)
    assert len(taken) == 7
    results.close()  # type: ignore[attr-defined]


def test_an_error_of_a_worker_arrives_whole() -> None:
    results = map_in_order(complain, range(5), workers=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(DataError, match=r"two: is refused \(leave it out\)"):
        next(results)


def test_a_worker_that_dies_is_named() -> None:
    with pytest.raises(DataError, match="a worker process was killed, most often because memory ran out"):
        list(map_in_order(os._exit, [9, 9], workers=2))


def test_an_early_end_stops_the_work_and_cleans_up(tmp_path: Path) -> None:
    def interrupted() -> Iterator[int]:
        yield from (0, 1, 2)  # the third waits for its turn
        while len(list(tmp_path.glob("*.ticks"))) < 2:
            time.sleep(0.02)
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(map_in_order(partial(tick, tmp_path), interrupted(), workers=2, ahead=4))
    assert time.monotonic() - started < 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.cleaned", "1.cleaned"]


def test_an_end_while_workers_start_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    def ends_at_once() -> Iterator[float]:
        yield 0.0
        raise DataError("the set", "ended early")

    for _ in range(3):
        with pytest.raises(DataError):
            list(map_in_order(nap, ends_at_once(), workers=2))
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="needs kill")
def test_workers_stop_when_their_process_is_killed(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from functools import partial\nfrom pathlib import Path\nfrom test_parallel import tick\n"
        "from contrafake.data.parallel import map_in_order\n"
        f"if __name__ == '__main__': list(map_in_order(partial(tick, Path({str(tmp_path)!r})), [0, 1], 2))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    # What the library's own helper process says of the kill is of no interest here.
    with subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: len(list(tmp_path.glob("*.ticks"))) == 2)
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: len(list(tmp_path.glob("*.cleaned"))) == 2)
    assert list(tmp_path.glob("*.ticks")) == []


def wait_until(reached: object, seconds: float = 20) -> None:
    assert callable(reached)
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_script_without_a_guard_may_use_several_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from operator import neg\n"
        "from contrafake.data.parallel import map_in_order\n"
        "print('once', *map_in_order(neg, range(5), 2))\n"
        "print(__spec__, __file__ is not None)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("once 0 -1 -2 -3 -4\nNone True\n", "")
