"""How fast `contrafake data audit` measures images against plain decoding of the same files, and how its memory grows.

Speed: photographs of 0.3 to 12 megapixels, and small ones of 0.05 to 0.3; "measuring" is what an audit does with each
image: decode, hash, fingerprint, and look for traces. The models that follow depend on the number of images (at most
20,000 a class) and features alone; their time is that of an audit whose measurements are kept. Memory: the whole
command on sets of distinct small images. How both are measured: `data_room.py`.

    python benchmarks/auditing.py [--work DIR]

Written to results/auditing.json.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

from data_room import SETS, SIZES, WORK, WORKERS, decode_all, in_folders, peak_memory, small_images, take_turns
from machine import RESULTS, write_result
from photographs import photographs

from contrafake.data.audit.audit import audit
from contrafake.data.audit.table import measure_all
from contrafake.data.sources import open_source


def speed(files: list[Path], work: Path, rounds: int) -> dict[str, Any]:
    """Images per second of both contenders on the same files."""
    root, kept = in_folders(files, work / "speed"), work / "measured"
    paths = [str(file) for file in files]

    def measuring() -> None:
        shutil.rmtree(kept, ignore_errors=True)
        measure_all(open_source(root), kept, WORKERS)

    found = take_turns({"decoding": lambda: decode_all(paths), "measuring": measuring}, len(files), rounds)
    ratio = found["measuring_images_per_s"] / found["decoding_images_per_s"]
    return {**found, "measuring_to_decoding": ratio}


def whole(root: Path, kept: Path) -> dict[str, float]:
    """Peak memory of the command, and seconds of the models once everything is measured."""
    shutil.rmtree(kept, ignore_errors=True)
    peak = peak_memory(["data", "audit", str(root), "--work", str(kept), "--workers", str(WORKERS)])
    began = time.perf_counter()
    audit(open_source(root), name="again", workers=1, folder=kept)
    return {**peak, "models_seconds": time.perf_counter() - began}


def page(figures: dict[str, Any]) -> str:
    """The two tables of docs/auditing.md."""
    lines = ["| two processes | decoding, images/s | measuring, images/s | ratio |", "|---|---|---|---|"]
    for name, found in figures["speed"].items():
        rates = f"{found['decoding_images_per_s']:.0f} | {found['measuring_images_per_s']:.0f}"
        lines.append(f"| {name} | {rates} | {found['measuring_to_decoding']:.2f} |")
    lines += ["", "| images | peak memory, all processes | first process | models |", "|---|---|---|---|"]
    for count, found in figures["whole"].items():
        peaks = f"{found['all_processes_mb']:.0f} MB | {found['first_process_mb']:.0f} MB"
        lines.append(f"| {int(count):,} | {peaks} | {found['models_seconds']:.0f} s |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    work: Path = options.work
    figures: dict[str, Any] = {"workers": WORKERS, "speed": {}, "whole": {}}
    for name, (count, least, most) in SIZES.items():
        figures["speed"][name] = speed(photographs(work, count, least, most), work, options.rounds)
    for count in SETS:
        figures["whole"][str(count)] = whole(small_images(work / f"distinct-{count}", count), work / "measured")
    print(page(figures))
    for name in ("measured", "speed"):
        shutil.rmtree(work / name, ignore_errors=True)
    print(write_result("auditing", figures, options.results))


if __name__ == "__main__":
    main()
