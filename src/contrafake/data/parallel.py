"""Work on a stream of items in several processes, in order and in bounded memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from multiprocessing.connection import Connection

Given = TypeVar("Given")
Result = TypeVar("Result")

_GRACE = 2.0
"""Seconds that a worker has to clean up when its work is no longer wanted."""
_STOPPED = 128 + signal.SIGTERM


def default_workers() -> int:
    """As many processes as this process may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_chunks(items: Iterable[Given], size: int) -> Iterator[list[Given]]:
    """The items in lists of `size`; the last may be shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def map_in_order(
    function: Callable[[Given], Result], items: Iterable[Given], workers: int, ahead: int = 2
) -> Iterator[Result]:
    """The results of a function, in the order of the items.

    Whatever ends this early (an error, Ctrl-C, even a kill) ends the work in the other processes, too, in the middle of
    an item; their `finally` and `with` blocks are run.

    Args:
        function: A module's function (or a `functools.partial` of one): it is sent to other processes.
        items: Taken as they are needed, at most `ahead` for each worker beyond what was yielded.
        workers: Processes; with 0 or 1 everything happens in this one.
        ahead: Items in flight for each worker.

    Raises:
        DataError: A worker process died (most often: no memory left).
    """
    if workers <= 1:
        yield from map(function, items)
        return
    # Forking a process that runs threads can deadlock, and numpy runs some.
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    wanted, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_when_unwanted, initargs=(wanted,))
    done = False
    try:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            with _main_left_alone():
                waiting.append(pool.submit(_work, function, item))
            if len(waiting) >= workers * ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        done = True
    except BrokenProcessPool as error:
        cause = "a worker process was killed, most often because memory ran out"
        raise DataError("workers", cause, "start again with fewer --workers; finished work is kept") from error
    finally:
        if not done:
            held.close()
        pool.shutdown(wait=True, cancel_futures=True)
        held.close()
        wanted.close()


@contextmanager
def _main_left_alone() -> Iterator[None]:
    """Workers started within do not import the program's main module, which would run a script without a guard again.

    What they work with comes from modules, so they need nothing of it. Starting a process sends these two names along.
    """
    main = sys.modules["__main__"]
    kept: dict[str, object] = {name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)}
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(kept)


_unwanted = threading.Event()


def _work(function: Callable[[Given], Result], item: Given) -> Result:
    if _unwanted.is_set():  # some items were handed over before
        sys.exit(_STOPPED)
    return function(item)


def _leave_when_unwanted(wanted: Connection) -> None:
    """Ends this worker once the other end of the pipe is closed, or its process gone: the pool itself never notices."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the first process as well, and that one decides

    def watch() -> None:
        wanted.poll(None)
        _unwanted.set()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE)
        os._exit(_STOPPED)

    threading.Thread(target=watch, daemon=True).start()
    # Comes last: an exit from here would be logged as a failure, and until now there was nothing to clean up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_STOPPED))
