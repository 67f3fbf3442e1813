"""Tells how much of a download has arrived, by looking at the cache: the client's own bars differ with its version."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEGABYTE = 10**6
EVERY = 0.2


@contextmanager
def watch_arrivals(repo_id: str, total: int, progress: Callable[[str, int, int | None], None] | None) -> Iterator[None]:
    """Watches a model's part of the cache grow.

    Args:
        repo_id: OWNER/NAME.
        total: Bytes that are expected.
        progress: Is called from another thread with "MB fetched", the whole megabytes since the last call, and all of
            them; None watches nothing.
    """
    if progress is None:
        yield
        return
    from huggingface_hub.constants import HF_HUB_CACHE  # noqa: PLC0415 - costs a tenth of a second
    from huggingface_hub.file_download import repo_folder_name  # noqa: PLC0415

    blobs = Path(HF_HUB_CACHE) / repo_folder_name(repo_id=repo_id, repo_type="model") / "blobs"
    before, told, done = _bytes(blobs), 0, threading.Event()

    def look() -> None:
        nonlocal told
        while True:
            last = done.wait(EVERY)
            arrived = min(_bytes(blobs) - before, total) // MEGABYTE
            if arrived > told:
                progress("MB fetched", arrived - told, total // MEGABYTE)
                told = arrived
            if last:
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _bytes(folder: Path) -> int:
    total = 0
    try:
        for path in folder.iterdir():
            total += path.stat().st_size
    except OSError:  # not there yet, or renamed between
        return total
    return total
