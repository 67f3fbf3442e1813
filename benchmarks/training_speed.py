"""Training speed on this machine: views per second, and what the processor does beside the model.

What is measured: the package's own loop (`contrafake.train.loop.train_encoder`) for a number of steps of
`configs/code-resnet-mini.yaml`, and of `configs/code-vit-tiny.yaml` with a batch that a processor can take (8 records,
float32). Validation is cut down to four images and its time is not counted. The first steps, in which worker
processes start and the queue of finished batches fills, are left out.

- views/s: eight views of every record, over wall time.
- waiting: share of wall time in which the model waited for views.
- outside the model: processor time that reading and cutting views took, divided by that plus the training process's.

The data is the corpus at ${CONTRAFAKE_DATA}/corpus; without it, shards that the script makes from the example
pictures, cut to the corpus's sizes. Views cost about the same: what counts is the size of the images.

    python benchmarks/training_speed.py [--steps N] [--device cpu|auto|cuda]

Writes results/training_speed.json, on a GPU results/training_speed_cuda.json.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from machine import EXAMPLES, RESULTS, table, write_result
from PIL import Image
from rich.console import Console

from contrafake.data import ShardWriter
from contrafake.images import encode
from contrafake.train.config_file import load_config
from contrafake.train.loop import train_encoder
from contrafake.train.progress import Progress
from contrafake.train.views import views_per_record

if TYPE_CHECKING:
    from contrafake.train.config import TrainConfig
    from contrafake.train.state import RunState

CONFIGS = Path(__file__).parent.parent / "configs"
COPIES = 40  # cuts of each example picture
COUNTED = ("seconds", "waited", "feed_cpu", "model_cpu")


@dataclass(frozen=True)
class Setting:
    """A configuration, what is overridden, and how long it runs."""

    name: str
    file: str
    steps: int
    skipped: int
    overrides: tuple[str, ...] = ()


@dataclass
class Stopwatch(Progress):
    """A progress display that shows nothing and notes the loop's own clocks after every step."""

    marks: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(Console(file=io.StringIO()))

    def step(self, state: RunState) -> None:
        """Called after every step."""
        self.marks.append({name: getattr(state, name) for name in COUNTED} | {"loss": state.loss})


def measure(setting: Setting, config: TrainConfig, folder: Path) -> dict[str, Any]:
    """Runs the loop and returns rates and shares over the counted steps."""
    stopwatch = Stopwatch()
    began = time.perf_counter()
    state = train_encoder(config, folder / setting.name, stopwatch)
    whole = time.perf_counter() - began
    first, last = stopwatch.marks[setting.skipped - 1], stopwatch.marks[-1]
    spent = {name: last[name] - first[name] for name in COUNTED}
    steps = len(stopwatch.marks) - setting.skipped
    views = steps * config.optimizer.records * views_per_record(config)
    model_cpu = spent["model_cpu"]
    return {
        "backbone": config.encoder.backbone,
        "image_size": config.encoder.image_size,
        "records_per_step": config.optimizer.records,
        "precision": config.runtime.precision,
        "workers": config.runtime.workers,
        "torch_threads": torch.get_num_threads(),
        "overrides": list(setting.overrides),
        "steps": steps,
        "steps_left_out": setting.skipped,
        "views_per_s": views / spent["seconds"],
        "records_per_s": views / views_per_record(config) / spent["seconds"],
        "waiting_share": spent["waited"] / spent["seconds"],
        "outside_the_model_share": spent["feed_cpu"] / (spent["feed_cpu"] + model_cpu),
        "feed_cpu_ms_per_view": 1000 * spent["feed_cpu"] / views,
        "model_cpu_ms_per_view": 1000 * model_cpu / views,
        "cores_busy": (spent["feed_cpu"] + model_cpu) / spent["seconds"],
        "unreadable_images": sum(state.broken.values()),
        "last_loss": last["loss"],
        "whole_run_s": whole,
    }


def prepared(setting: Setting, train: list[str], validation: Path, device: str) -> TrainConfig:
    """The configuration with the steps, data and validation of this benchmark."""
    config = load_config(CONFIGS / setting.file, list(setting.overrides))
    steps = setting.steps + setting.skipped
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"train": train, "validation": [str(validation)], "origins": None}),
            "optimizer": config.optimizer.model_copy(update={"steps": steps}),
            "runtime": config.runtime.model_copy(update={"device": device, "checkpoint_every": steps}),
            "validation": config.validation.model_copy(update={"every": steps, "fit_images": 2}),
        }
    )


def write_shard(path: Path, copies: int) -> Path:
    """Cuts of the example pictures as lone samples, of the corpus's sizes and qualities."""
    with ShardWriter(path) as shard:
        for label in ("real", "generated"):
            for number, picture in enumerate(sorted((EXAMPLES / label).glob("*.jpg"))):
                rng = np.random.default_rng([number, label == "real"])
                with Image.open(picture) as file:
                    pixels = np.asarray(file.convert("RGB"))
                for copy in range(copies):
                    side = int(rng.integers(232, 313))
                    top, left = (int(rng.integers(length - side + 1)) for length in pixels.shape[:2])
                    data = encode(pixels[top : top + side, left : left + side], "JPEG", int(rng.integers(70, 97)))
                    facts = {"label": label, "origin": picture.stem, "source": picture.stem}
                    shard.write(f"{label}-{number}-{copy}", {"jpg": data, "json": json.dumps(facts).encode()})
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=40, help="counted steps of the small convolutional one")
    parser.add_argument("--vit-steps", type=int, default=12, help="counted steps of ViT-Tiny; 0 leaves it out")
    parser.add_argument("--vit-records", type=int, default=8, help="records per step of ViT-Tiny")
    parser.add_argument("--skip", type=int, default=6, help="first steps to leave out")
    parser.add_argument("--device", default="cpu", choices=["cpu", "auto", "cuda"])
    parser.add_argument(
        "--records", type=int, help="records per step of the small convolutional one; the configuration's own"
    )
    parser.add_argument("--examples", action="store_true", help="use the example pictures even where the corpus is")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    if min(options.steps, options.skip) < 1:
        parser.error("--steps and --skip need at least 1")

    vit = (f"optimizer.records={options.vit_records}", "runtime.workers=1", "runtime.precision=fp32")
    own = () if options.records is None else (f"optimizer.records={options.records}",)
    settings = [Setting("code-resnet-mini", "code-resnet-mini.yaml", options.steps, options.skip, own)]
    if options.vit_steps:
        settings.append(Setting("code-vit-tiny", "code-vit-tiny.yaml", options.vit_steps, options.skip, vit))
    data = os.environ.get("CONTRAFAKE_DATA")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if data and not options.examples and any(Path(data, "corpus").glob("train-*.tar")):
            source, train = "corpus", [str(Path(data, "corpus", "train-*.tar"))]
        else:
            source, train = "example pictures", [str(write_shard(folder / "train-0000.tar", COPIES))]
        validation = write_shard(folder / "val-0000.tar", 1)
        found = {
            setting.name: measure(setting, prepared(setting, train, validation, options.device), folder)
            for setting in settings
        }

    rows = [
        [
            name, f"{f['views_per_s']:.0f}", f"{f['records_per_s']:.1f}", f"{f['outside_the_model_share']:.1%}",
            f"{f['waiting_share']:.1%}", f"{f['feed_cpu_ms_per_view']:.2f}", f"{f['model_cpu_ms_per_view']:.2f}",
            f"{f['cores_busy']:.2f}",
        ]
        for name, f in found.items()
    ]  # fmt: skip
    header = ["", "views/s", "records/s", "outside the model", "waiting", "feed ms/view", "model ms/view", "cores busy"]
    print(f"data: {source}\n")
    print(table(header, rows))
    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() and options.device != "cpu" else None
    name = "training_speed_cuda" if accelerator else "training_speed"
    figures = {"data": source, "accelerator": accelerator, "configurations": found}
    written = write_result(name, figures, options.results)
    print(f"\nwritten: {written.name}")


if __name__ == "__main__":
    main()
