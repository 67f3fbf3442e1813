"""What each switch of the training recipe does to validation: one small run for each, everything else alike.

The base is the paper's objective in a size that two cores train in minutes: the small convolutional encoder on 96 pixel
views, K = 2, official pool, both loss terms, one generated image per real one. Every variant changes the settings that
it is named after, takes the same number of optimiser steps, and is scored by the package's own validation (linear head
on embeddings of training images, validation images untransformed and transformed). The base runs with several seeds:
how far these lie apart tells which differences mean something. Nothing here touches the test split.

Head fitting is compared on the base's encoders: heads fitted on untouched copies, on transformed ones, and on both.

    python benchmarks/switches.py [--steps 150] [--seeds 3] [--only NAME ...] [--work runs/switches]
    python benchmarks/switches.py --list
    python benchmarks/switches.py --markdown

Interrupted, it goes on where it was; finished runs are kept in --work. Writes results/switches.json.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import RESULTS, write_result
from rich.console import Console

from contrafake.train.config_file import load_config

if TYPE_CHECKING:
    from contrafake.train.config import FitConfig, TrainConfig

BASE = (
    "encoder.image_size=96", "views.global_area=[0.08,0.25]", "views.local_area=[0.02,0.08]",
    "optimizer.records=24", "optimizer.warmup_steps=15", "validation.fit_images=600", "validation.heads=[linear]",
    "validation.per_generator=false", "validation.patience=0", "runtime.checkpoint_every=50",
    "runtime.threads=1", "runtime.workers=1",
)  # fmt: skip
VARIANTS: dict[str, tuple[str, ...]] = {
    "base": (),
    "slip: generated term dropped": ("loss.generated_term=false",),
    "no local-global term": ("loss.multi_scale=false",),
    "K = 0": ("views.max_operations=0",),
    "K = 5": ("views.max_operations=5",),
    "extended pool, K = 2": ("views.pool=extended",),
    "extended pool, K = 5": ("views.pool=extended", "views.max_operations=5"),
    "two native local views": ("views.native_locals=2", "views.native_size=48"),
    "positives by label": ("loss.positives=label",),
    "positives by origin": ("loss.positives=origin",),
    "three generated images per record": ("data.generated_per_record=3",),
    "queue of 256": ("loss.queue=256",),
    "contrast in parts of 6 (four processes, local)": ("optimizer.accumulate=4",),
    "each image once per epoch": ("data.order=epoch",),
    "moving average of the weights": ("optimizer.ema=0.98",),
}
FITTING = {
    "heads fitted on untouched images": {"untouched_copy": True, "transformed_copies": 0},
    "heads fitted on transformed images": {"untouched_copy": False, "transformed_copies": 1},
    "heads fitted on both": {"untouched_copy": True, "transformed_copies": 1},
}
YARDSTICK = (2, "official")  # K and pool that every variant is validated with
SHOWN = ("untransformed/auc", "transformed/auc", "auc", "balanced_accuracy")


def configuration(name: str, seed: int, options: argparse.Namespace) -> TrainConfig:
    length = f"optimizer.steps={options.steps}", f"validation.every={options.steps}"
    overrides = [*BASE, *length, f"seed={seed}", *VARIANTS[name], *(options.overrides or [])]
    return load_config(Path(__file__).parent.parent / "configs" / "code-resnet-mini.yaml", overrides)


def trained(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """The validation of a variant; trains what is not there yet."""
    from contrafake.train.loop import train_encoder
    from contrafake.train.progress import Progress
    from contrafake.train.state import RunState

    config = configuration(name, seed, options)
    folder = options.work / f"{''.join(c if c.isalnum() else '-' for c in name)}-{seed}"
    kept = folder / "state.json"
    began = time.perf_counter()
    if kept.exists():
        state = RunState.from_dict(json.loads(kept.read_text(encoding="utf-8")))
    else:
        state = train_encoder(config, folder, Progress(Console(file=io.StringIO())))
    if state.step != options.steps:
        sys.exit(f"{folder} holds a run of {state.step} steps; name another --work")
    if (config.views.max_operations, config.views.pool) == YARDSTICK:
        found = {key: state.validations[-1][key] for key in SHOWN}
    else:
        found = measured(folder, config)
    shown = ", ".join(f"{key} {value:.3f}" for key, value in found.items())
    print(f"{name}, seed {seed}: {shown} ({time.perf_counter() - began:.0f} s)", file=sys.stderr, flush=True)
    return {"seed": seed, "seconds": state.seconds, "settings": list(VARIANTS[name]), **found}


def measured(folder: Path, config: TrainConfig, copies: FitConfig | None = None) -> dict[str, float]:
    """A run's validation with the transformations of the base, whatever it was trained with."""
    from safetensors.torch import load_file

    from contrafake.data import Listing
    from contrafake.model.encoder import Encoder
    from contrafake.train.watch import Watch

    encoder = Encoder(config.encoder)
    encoder.load_state_dict(load_file(folder / "best.safetensors"))
    operations, pool = YARDSTICK
    views = config.views.model_copy(update={"max_operations": operations, "pool": pool})
    config = config.model_copy(update={"views": views})
    data = config.data.expanded()
    watch = Watch(config, Listing.of(data.train), Listing.of(data.validation))
    found = watch.measure(encoder, copies=copies)
    return {key: found[key] for key in SHOWN}


def fitted(seed: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The base encoder's validation with heads fitted on untouched images, on transformed ones, on both."""
    config = configuration("base", seed, options)
    folder = options.work / f"base-{seed}"
    return {name: measured(folder, config, config.fit.model_copy(update=copies)) for name, copies in FITTING.items()}


def markdown(figures: dict[str, Any]) -> list[str]:
    """The table of docs/training/switches.md; differences are from the base's runs with the same seeds."""
    base = {run["seed"]: run["auc"] for run in figures["runs"]["base"]}
    lines = [
        "| what is changed | AUC untransformed | AUC transformed | mean AUC | balanced accuracy | against the base |"
    ]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for name, row in figures["mean"].items():
        seeds = [run["seed"] for run in figures["runs"].get(name, figures["runs"]["base"])]
        values = " | ".join(f"{row[key]:.3f}" for key in SHOWN)
        against = f"{row['auc'] - np.mean([base[seed] for seed in seeds]):+.3f}"
        lines.append(f"| {name} | {values} | {'' if name == 'base' else against} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3, help="runs of the base")
    parser.add_argument("--variant-seeds", type=int, default=1, help="runs of every variant")
    parser.add_argument("--only", nargs="+", help="these variants; only trains, writes no result")
    parser.add_argument("--set", action="append", dest="overrides", metavar="KEY=VALUE", help="override it in all runs")
    parser.add_argument("--work", type=Path, default=Path("runs/switches"), help="folder of the runs")
    parser.add_argument("--markdown", action="store_true", help="print the table of results/switches.json and leave")
    parser.add_argument("--list", action="store_true", help="name the variants and leave")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    if options.list:
        print("\n".join(VARIANTS))
        return
    if options.markdown:
        print("\n".join(markdown(json.loads((options.results / "switches.json").read_text(encoding="utf-8")))))
        return
    if "CONTRAFAKE_DATA" not in os.environ:
        parser.error("set CONTRAFAKE_DATA to the folder that holds the corpus")
    names = options.only or list(VARIANTS)
    if unknown := set(names) - set(VARIANTS):
        parser.error(f"no variant is called {', '.join(sorted(unknown))}; see --list")
    runs = {
        name: [
            trained(name, seed, options) for seed in range(options.seeds if name == "base" else options.variant_seeds)
        ]
        for name in names
    }
    if options.only:
        return
    heads = [fitted(seed, options) for seed in range(options.seeds)]
    rows = {name: {key: float(np.mean([run[key] for run in found])) for key in SHOWN} for name, found in runs.items()}
    rows |= {name: {key: float(np.mean([one[name][key] for one in heads])) for key in SHOWN} for name in FITTING}
    spread = {key: float(np.ptp([run[key] for run in runs["base"]])) for key in SHOWN}
    figures = {
        "steps": options.steps,
        "base": list(BASE),
        "spread_of_base": spread,
        "mean": rows,
        "runs": runs,
        "heads": heads,
    }
    print("\n".join(markdown(figures)))
    print(f"written: {write_result('switches', figures, options.results).name}")


if __name__ == "__main__":
    main()
