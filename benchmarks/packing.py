"""How fast `contrafake data pack` is against plain decoding of the same files, and how its memory grows.

Speed: photographs of 0.3 to 12 megapixels, and small ones of 0.05 to 0.3. Packing reads and decodes every file, too,
and hashes, fingerprints and writes. Memory: sets of distinct small images. How both are measured: `data_room.py`.

    python benchmarks/packing.py [--work DIR]

Written to results/packing.json.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from data_room import SETS, SIZES, WORK, WORKERS, decode_all, in_folders, peak_memory, small_images, take_turns
from machine import RESULTS, write_result
from photographs import photographs

from contrafake.data.pack import pack
from contrafake.data.sources import open_source

IMAGES_PER_SHARD = 250


def speed(files: list[Path], work: Path, rounds: int) -> dict[str, Any]:
    """Images per second of both contenders on the same files."""
    root, out = in_folders(files, work / "speed"), work / "packed"
    paths = [str(file) for file in files]
    # As many images at once as one process gets from a shard would leave the other idle at the end of so small a set.
    shard = max(1, len(files) // (WORKERS * 4))

    def packing() -> None:
        shutil.rmtree(out, ignore_errors=True)
        packed = pack(open_source(root), out, workers=WORKERS, images_per_shard=shard)
        if packed.images.total() != len(files):
            raise SystemExit("some images were not packed")

    found = take_turns({"decoding": lambda: decode_all(paths), "packing": packing}, len(files), rounds)
    ratio = found["packing_images_per_s"] / found["decoding_images_per_s"]
    return {**found, "megabytes": sum(path.stat().st_size for path in files) / 1e6, "packing_to_decoding": ratio}


def memory(root: Path, out: Path, *more: str) -> dict[str, float]:
    """Peak memory of packing a folder."""
    shutil.rmtree(out, ignore_errors=True)
    settings = ("--workers", str(WORKERS), "--images-per-shard", str(IMAGES_PER_SHARD), *more)
    return peak_memory(["data", "pack", str(root), str(out), *settings])


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
    parser.add_argument("--work", type=Path, default=WORK)
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
