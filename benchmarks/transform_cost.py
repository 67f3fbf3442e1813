"""What transformations cost: milliseconds for each operation of the extended pool, and for whole chains.

One photograph, resized to squares of 224 and 512 pixels. Each operation is drawn several times, as in training, and
timed on each draw, best of several; stated are the mean over the draws and the slowest draw. A chain is drawn as for a
view and timed whole. It is processor time, which other programs on the machine disturb less than time on the clock.
Written to results/transform_cost.json.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import EXAMPLES, RESULTS, write_result
from PIL import Image

from contrafake.images.transforms import EXTENDED, POOLS, apply_chain, sample_chain

if TYPE_CHECKING:
    from collections.abc import Callable

SIDES = (224, 512)
CHAINS = (("official", 2), ("extended", 2), ("extended", 5))


def photograph(side: int) -> Image.Image:
    """The middle square of an example, resized."""
    image = Image.open(EXAMPLES / "real" / "china.jpg").convert("RGB")
    left = (image.width - image.height) // 2
    box = (left, 0, left + image.height, image.height)
    return image.resize((side, side), Image.Resampling.LANCZOS, box=box)


def best_ms(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return 1000 * min(times)


def summary(times: list[float]) -> dict[str, float]:
    return {"mean_ms": float(np.mean(times)), "slowest_ms": max(times)}


def markdown(figures: dict[str, Any]) -> list[str]:
    """The tables of docs/transformations.md, line by line: mean and slowest of each row at each side."""
    lines = []
    for kind, rows in (("operation", figures["operations"]), ("chain", figures["chains"])):
        lines += [f"| {kind} | " + " | ".join(f"{side} px | slowest" for side in SIDES) + " |"]
        lines += ["|---|" + "---:|---:|" * len(SIDES)]
        for name, sides in rows.items():
            cells = (f"{sides[str(side)]['mean_ms']:.2f} | {sides[str(side)]['slowest_ms']:.2f}" for side in SIDES)
            lines += [f"| {name} | {' | '.join(cells)} |"]
        lines += [""]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=30, help="draws of each operation")
    parser.add_argument("--chains", type=int, default=300, help="draws of each kind of chain")
    parser.add_argument("--repeats", type=int, default=5, help="of each draw; the best counts")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    figures: dict[str, Any] = {"draws": options.draws, "chains_drawn": options.chains, "repeats": options.repeats}
    images = {side: photograph(side) for side in SIDES}

    operations: dict[str, dict[str, dict[str, float]]] = {}
    for kind in EXTENDED:
        rng = np.random.default_rng(1)
        drawn = [kind.sample(rng) for _ in range(options.draws)]
        operations[kind.name] = {
            str(side): summary([best_ms(partial(one, image), options.repeats) for one in drawn])
            for side, image in images.items()
        }
    chains: dict[str, dict[str, dict[str, float]]] = {}
    for pool, most in CHAINS:
        rng = np.random.default_rng(1)
        sampled = [sample_chain(rng, most, POOLS[pool]) for _ in range(options.chains)]
        chains[f"{pool}, up to {most}"] = {
            str(side): summary([best_ms(partial(apply_chain, image, one), options.repeats) for one in sampled])
            for side, image in images.items()
        }

    written = write_result("transform_cost", {**figures, "operations": operations, "chains": chains}, options.results)
    print("\n".join(markdown(json.loads(written.read_text(encoding="utf-8")))))  # rounded as they stand there


if __name__ == "__main__":
    main()
