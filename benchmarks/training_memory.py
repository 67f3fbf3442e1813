"""Whether memory stays flat over a long run, and whether two runs with one seed have the same losses.

The package's own loop trains a one-layer transformer on 32 pixel views of shards that are made here, so that 10,000
steps take minutes; validation and checkpoints run as they do in a real run. Memory is what the training process and its
workers hold for themselves and their share of what they hold together (PSS), read every hundredth of the run.

The second part trains twice for `--repeat` steps and compares every step's loss: on a processor they are to be equal.

    python benchmarks/training_memory.py [--steps 10000] [--repeat 300] [--device cpu|cuda]

Writes results/training_memory.json, on a GPU results/training_memory_cuda.json.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch
from machine import RESULTS, write_result
from rich.console import Console
from training_speed import write_shard

from contrafake.train.config_file import parse_config
from contrafake.train.loop import train_encoder
from contrafake.train.progress import Progress

if TYPE_CHECKING:
    from contrafake.train.config import TrainConfig
    from contrafake.train.state import RunState

ONE_LAYER = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "patch_size": 8,
}  # fmt: skip
POINTS = 100


class Memory(Progress):
    """Shows nothing; notes every step's loss, and memory every so many steps."""

    def __init__(self, every: int) -> None:
        """Notes memory every `every` steps; 0 never."""
        super().__init__(Console(file=io.StringIO()))
        self.every = every
        self.losses: list[float] = []
        self.marks: list[tuple[int, float]] = []

    def step(self, state: RunState) -> None:
        """Called after every step."""
        self.losses.append(state.loss)
        if self.every and state.step % self.every == 0:
            self.marks.append((state.step, held()))


def held() -> float:
    """MiB held by this process and its children."""
    me = psutil.Process()
    total = 0
    for process in (me, *me.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def configuration(folder: Path, steps: int, device: str) -> TrainConfig:
    shard = folder / "train-0000.tar"
    if not shard.exists():
        write_shard(shard, 10)
    return parse_config(
        {
            "name": "memory",
            "data": {"train": [str(shard)], "validation": [str(shard)], "order": "epoch"},
            "encoder": {"backbone": "vit-tiny-16", "image_size": 32, "options": ONE_LAYER},
            "views": {"max_operations": 2},
            "loss": {"queue": 64},
            "optimizer": {"steps": steps, "records": 2, "learning_rate": 1e-3, "ema": 0.99},
            "runtime": {"device": device, "workers": 1, "checkpoint_every": max(1, steps // 20)},
            "validation": {"every": max(1, steps // 10), "fit_images": 20, "patience": 0, "per_generator": False},
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=300, help="steps of the two equal runs")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    figures: dict[str, Any] = {"device": options.device}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        memory = Memory(max(1, options.steps // POINTS))
        began = time.perf_counter()
        train_encoder(configuration(folder, options.steps, options.device), folder / "long", memory)
        marks = np.array(memory.marks)
        tenths = [float(part[:, 1].mean()) for part in np.array_split(marks, 10)]
        slope = float(np.polyfit(marks[len(marks) // 10 :, 0], marks[len(marks) // 10 :, 1], 1)[0])
        figures["memory"] = {
            "steps": options.steps,
            "seconds": time.perf_counter() - began,
            "mib_by_tenth_of_the_run": tenths,
            "mib_per_1000_steps_after_the_first_tenth": 1000 * slope,
            "largest_mib": float(marks[:, 1].max()),
        }
        print(f"memory, MiB, by tenths of {options.steps} steps: {', '.join(f'{mib:.0f}' for mib in tenths)}")
        print(f"growth after the first tenth: {1000 * slope:.2f} MiB per 1,000 steps")
        runs = []
        for name in ("one", "two"):
            memory = Memory(0)
            train_encoder(configuration(folder, options.repeat, options.device), folder / name, memory)
            runs.append(memory.losses)
        apart = np.abs(np.subtract(runs[0], runs[1]))
        figures["repeat"] = {
            "steps": options.repeat,
            "equal_losses": int((apart == 0).sum()),
            "largest_difference": float(apart.max()),
        }
        equal = figures["repeat"]["equal_losses"]
        print(f"two runs, one seed: {equal} of {options.repeat} losses equal, apart by {apart.max():.2g} at most")
    accelerator = torch.cuda.get_device_name() if options.device == "cuda" else None
    name = "training_memory" if options.device == "cpu" else "training_memory_cuda"
    print(f"written: {write_result(name, {'accelerator': accelerator, **figures}, options.results).name}")


if __name__ == "__main__":
    main()
