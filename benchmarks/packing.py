"""How fast `contrafake data pack` is against plain decoding of the same files, and how its memory grows.

Speed: photographs of 0.3 to 12 megapixels (`photographs.py`), and small ones of 0.05 to 0.3. "Decoding" reads every
file and decodes it, with the same number of processes started by the same code; packing does that, too, and hashes,
fingerprints and writes. Both take turns; the median of the rounds counts, and the start of the processes is in it.

Memory: the highest sum of the resident sizes of the command and all its processes, sampled every 20 ms, for sets of
distinct small images. Pages that processes share are counted in each.

    python benchmarks/packing.py [--work DIR]

Written to results/packing.json.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from machine import RESULTS, write_result
from photographs import photographs
from PIL import Image

from contrafake.data.pack import pack
from contrafake.data.parallel import in_chunks, map_in_order
from contrafake.data.sources import open_source
from contrafake.images import encode, read

WORKERS = 2
CHUNK = 8
IMAGES_PER_SHARD = 250
SIZES = {"photographs": (200, 0.3e6, 12e6), "small images": (1500, 0.05e6, 0.3e6)}
SETS = (1_000, 10_000)
SIDE = 96


def decode(paths: list[str]) -> int:
    return sum(read(path).pixels.shape[0] > 0 for path in paths)


def in_folders(files: list[Path], root: Path) -> Path:
    """The files as a set of two classes: links, half real and half generated."""
    shutil.rmtree(root, ignore_errors=True)
    for number, file in enumerate(files):
        link = root / ("real", "fake")[number % 2] / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    return root


def speed(files: list[Path], work: Path, rounds: int) -> dict[str, Any]:
    """Images per second of both contenders on the same files."""
    root, out = in_folders(files, work / "speed"), work / "packed"
    paths = [str(file) for file in files]
    # As many images at once as one process gets from a shard would leave the other idle at the end of so small a set.
    shard = max(1, len(files) // (WORKERS * 4))

    def decoding() -> None:
        sum(map_in_order(decode, in_chunks(paths, CHUNK), WORKERS))

    def packing() -> None:
        shutil.rmtree(out, ignore_errors=True)
        packed = pack(open_source(root), out, workers=WORKERS, images_per_shard=shard)
        if packed.images.total() != len(files):
            raise SystemExit("some images were not packed")

    contenders = {"decoding": decoding, "packing": packing}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name in sorted(contenders, reverse=bool(turn % 2)):
            began = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - began)
    rates = {name: len(files) / statistics.median(times) for name, times in seconds.items()}
    return {
        "images": len(files),
        "megabytes": sum(path.stat().st_size for path in files) / 1e6,
        "rounds": rounds,
        "decoding_images_per_s": rates["decoding"],
        "packing_images_per_s": rates["packing"],
        "packing_to_decoding": rates["packing"] / rates["decoding"],
        "seconds": seconds,
    }


def write_small(number: int, root: Path) -> None:
    """One of many small images with distinct content."""
    path = root / ("real", "fake")[number % 2] / f"{number:06d}.jpg"
    if not path.exists():
        rng = np.random.default_rng([2025, number])
        coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3), np.uint8))
        pixels = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
        noisy = pixels + rng.normal(0, 5, pixels.shape)
        path.write_bytes(encode(np.clip(noisy, 0, 255).astype(np.uint8), "JPEG", 90, "4:2:0"))


def small_images(root: Path, count: int) -> Path:
    """A folder of distinct small images, made where they are missing."""
    for label in ("real", "fake"):
        (root / label).mkdir(parents=True, exist_ok=True)
    list(map_in_order(partial(write_small, root=root), range(count), WORKERS, ahead=100))
    return root


def memory(root: Path, out: Path, *more: str) -> dict[str, float]:
    """Highest resident megabytes of the command with all its processes, and of the first process alone."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "contrafake", "data", "pack", str(root), str(out)]
    command += ["--workers", str(WORKERS), "--images-per-shard", str(IMAGES_PER_SHARD), *more]
    highest = first = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            sizes = [_resident(one) for one in (watched, *_children(watched))]
            highest, first = max(highest, sum(sizes)), max(first, sizes[0])
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"contrafake data pack ended with {process.returncode}")
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


def page(figures: dict[str, Any]) -> str:
    """The two tables of docs/packing.md."""
    lines = ["| two processes | decoding, images/s | packing, images/s | ratio |", "|---|---|---|---|"]
    for name, found in figures["speed"].items():
        rates = f"{found['decoding_images_per_s']:.0f} | {found['packing_images_per_s']:.0f}"
        lines.append(f"| {name} | {rates} | {found['packing_to_decoding']:.2f} |")
    lines += ["", "| peak memory | all, 1,000 images | all, 10,000 | first process, 1,000 | first, 10,000 |"]
    lines.append("|---|---|---|---|---|")
    for name in ("in order", "shuffled"):
        peaks = [figures["memory"][name][str(count)] for count in SETS]
        cells = [f"{peak[key]:.0f} MB" for key in ("all_processes_mb", "first_process_mb") for peak in peaks]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "contrafake-photographs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    work: Path = options.work
    figures: dict[str, Any] = {"workers": WORKERS, "images_per_shard": IMAGES_PER_SHARD, "speed": {}, "memory": {}}
    for name, (count, least, most) in SIZES.items():
        figures["speed"][name] = speed(photographs(work, count, least, most), work, options.rounds)
    for count in SETS:
        root = small_images(work / f"distinct-{count}", count)
        for name, more in (("in order", ()), ("shuffled", ("--shuffle", "1"))):
            figures["memory"].setdefault(name, {})[str(count)] = memory(root, work / "packed", *more)
    growth = {
        name: peaks[str(SETS[1])]["first_process_mb"] - peaks[str(SETS[0])]["first_process_mb"]
        for name, peaks in figures["memory"].items()
    }
    listing = 1000 * (growth["shuffled"] - growth["in order"]) / (SETS[1] - SETS[0])
    figures["memory"]["kilobytes_an_image_to_shuffle"] = listing
    print(page(figures))
    print(f"{figures['memory']['kilobytes_an_image_to_shuffle']:.1f} kB an image")
    shutil.rmtree(work / "packed", ignore_errors=True)
    shutil.rmtree(work / "speed", ignore_errors=True)
    print(write_result("packing", figures, options.results))


if __name__ == "__main__":
    main()
