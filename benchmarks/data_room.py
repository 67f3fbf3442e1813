"""What the benchmarks of the data room share: sets of files, turns of contenders, and peak memory of a command.

Contenders take turns, the median of the rounds counts, and the start of the processes is in it. Memory is the highest
sum of the resident sizes of the command and all its processes, sampled every 20 ms; pages that processes share are
counted in each.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from PIL import Image

from contrafake.data.parallel import in_chunks, map_in_order
from contrafake.images import encode, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WORK = Path(tempfile.gettempdir()) / "contrafake-photographs"
WORKERS = 2
SIZES = {"photographs": (200, 0.3e6, 12e6), "small images": (1500, 0.05e6, 0.3e6)}
"""Number of images and range of pixels of the sets that speed is measured on (`photographs.py`)."""

SETS = (1_000, 10_000)
"""Sizes of the sets that memory is measured on."""

_CHUNK = 8
_SIDE = 96


def decode_all(paths: Sequence[str]) -> None:
    """Reads and decodes every file, with the same number of processes started by the same code as the contender's."""
    sum(map_in_order(_decode, in_chunks(paths, _CHUNK), WORKERS))


def _decode(paths: list[str]) -> int:
    return sum(read(path).pixels.shape[0] > 0 for path in paths)


def in_folders(files: list[Path], root: Path) -> Path:
    """The files as a set of two classes: links, half real and half generated."""
    shutil.rmtree(root, ignore_errors=True)
    for number, file in enumerate(files):
        link = root / ("real", "fake")[number % 2] / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    return root


def take_turns(contenders: Mapping[str, Callable[[], None]], images: int, rounds: int) -> dict[str, Any]:
    """Images per second of each contender, and all seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name in sorted(contenders, reverse=bool(turn % 2)):
            began = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - began)
    rates = {f"{name}_images_per_s": images / statistics.median(times) for name, times in seconds.items()}
    return {"images": images, "rounds": rounds, **rates, "seconds": seconds}


def _write_small(number: int, root: Path) -> None:
    """One of many small images with distinct content."""
    path = root / ("real", "fake")[number % 2] / f"{number:06d}.jpg"
    if not path.exists():
        rng = np.random.default_rng([2025, number])
        coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3), np.uint8))
        pixels = np.asarray(coarse.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), np.float32)
        noisy = pixels + rng.normal(0, 5, pixels.shape)
        path.write_bytes(encode(np.clip(noisy, 0, 255).astype(np.uint8), "JPEG", 90, "4:2:0"))


def small_images(root: Path, count: int) -> Path:
    """A folder of distinct small images, made where they are missing."""
    for label in ("real", "fake"):
        (root / label).mkdir(parents=True, exist_ok=True)
    list(map_in_order(partial(_write_small, root=root), range(count), WORKERS, ahead=100))
    return root


def peak_memory(arguments: Sequence[str]) -> dict[str, float]:
    """Highest resident megabytes of a contrafake command with all its processes, and of the first process alone."""
    command = [sys.executable, "-m", "contrafake", *arguments]
    highest = first = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            sizes = [_resident(one) for one in (watched, *_children(watched))]
            highest, first = max(highest, sum(sizes)), max(first, sizes[0])
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"contrafake {' '.join(arguments[:2])} ended with {process.returncode}")
    return {"all_processes_mb": highest / 1e6, "first_process_mb": first / 1e6}


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has just ended
        return 0
