"""How much of the model's own speed the whole training loop reaches, with views cut by torch and by Pillow.

Three measurements in one run, with the same encoder, batch and precision, taking turns:

- model: the package's own step (`contrafake.train.learner.Learner`) on views that already lie on the device;
- torch: end to end, images read and decoded by worker processes, views cut and transformed on the device;
- pillow: end to end, views cut and transformed by Pillow in the worker processes.

The data are made here: cuts of the example pictures in the sizes of the D3 set (256 x 256, 512 x 512, 640 x 480,
640 x 360), saved as JPEG 70-96. `--data` names other shards.

    python benchmarks/training_limits.py      # one GPU, 16 workers, ViT-Tiny at 224, bf16, all transformations
    python benchmarks/training_limits.py --device cpu --records 4 --workers 1 --steps 6 --precision fp32

Writes results/training_limits.json, on a processor results/training_limits_cpu.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from machine import EXAMPLES, RESULTS, table, write_result
from PIL import Image

from contrafake.data import Listing, ShardWriter
from contrafake.images import encode
from contrafake.train.config_file import parse_config
from contrafake.train.devices import make_accelerator
from contrafake.train.feed import batches
from contrafake.train.learner import Learner
from contrafake.train.loop import make_steps
from contrafake.train.views import views_per_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerate import Accelerator
    from torch import Tensor

    from contrafake.train.batch import Batch
    from contrafake.train.config import TrainConfig, ViewConfig

D3_SIZES = ((256, 256), (512, 512), (640, 480), (640, 360))  # width, height
COPIES = 60  # cuts of each example picture


class Cut:
    """A batch whose views already lie on the device."""

    def __init__(self, batch: Batch, device: torch.device, config: ViewConfig) -> None:
        self.views, self.native = batch.cut(device, config)
        self.origin_codes = batch.origin_codes

    def cut(self, device: torch.device, config: ViewConfig) -> tuple[Tensor, Tensor | None]:
        """What was cut before."""
        del device, config
        return self.views, self.native


def write_shard(path: Path, copies: int) -> Path:
    """Cuts of the example pictures as lone samples, in the sizes of D3."""
    rng = np.random.default_rng(0)
    with ShardWriter(path) as shard:
        for label in ("real", "generated"):
            for number, picture in enumerate(sorted((EXAMPLES / label).glob("*.jpg"))):
                with Image.open(picture) as file:
                    whole = file.convert("RGB")
                for copy in range(copies):
                    width, height = D3_SIZES[copy % len(D3_SIZES)]
                    scale = max(width / whole.width, height / whole.height) * rng.uniform(1.01, 1.3)
                    image = whole.resize((round(whole.width * scale), round(whole.height * scale)))
                    left, top = rng.integers(image.width - width + 1), rng.integers(image.height - height + 1)
                    pixels = np.asarray(image.crop((int(left), int(top), int(left) + width, int(top) + height)))
                    facts = {"label": label, "origin": picture.stem, "source": picture.stem}
                    data = encode(pixels, "JPEG", int(rng.integers(70, 97)))
                    shard.write(f"{label}-{number}-{copy}", {"jpg": data, "json": json.dumps(facts).encode()})
    return path


def timed(config: TrainConfig, accelerator: Accelerator, fetch: Callable[[], Any], *, skip: int, steps: int) -> float:
    """Views per second of `steps` steps, after `skip` steps that do not count."""
    learner = Learner(config, accelerator)

    def wait() -> float:
        if accelerator.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    for number in range(skip):
        learner.step(number, fetch)
    began = wait()
    for number in range(skip, skip + steps):
        learner.step(number, fetch)
    return steps * config.optimizer.records * views_per_record(config) / (wait() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=["cpu", "cuda"])
    parser.add_argument("--backbone", default="vit-tiny-16")
    parser.add_argument("--size", type=int, default=224, help="side of the views")
    parser.add_argument("--records", type=int, default=256, help="records of a step")
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--precision", default="bf16", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--compile", action="store_true", help="torch.compile the encoder")
    parser.add_argument("--steps", type=int, default=30, help="counted steps")
    parser.add_argument("--skip", type=int, default=8, help="first steps to leave out")
    parser.add_argument("--rounds", type=int, default=2, help="turns of all three")
    parser.add_argument("--data", nargs="+", help="training shards")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        data = options.data or [str(write_shard(Path(scratch) / "train-0000.tar", COPIES))]
        config = parse_config(
            {
                "name": "limits",
                "data": {"train": data, "validation": data},
                "encoder": {"backbone": options.backbone, "image_size": options.size},
                "optimizer": {"steps": 10**6, "records": options.records, "learning_rate": 1e-4},
                "runtime": {
                    "device": options.device,
                    "precision": options.precision,
                    "workers": options.workers,
                    "compile": options.compile,
                },
            }
        )
        accelerator = make_accelerator(config)
        listing = Listing.of(data)
        speeds: dict[str, list[float]] = {"model": [], "torch": [], "pillow": []}
        for _ in range(options.rounds):
            for name, found in speeds.items():
                wanted = "torch" if name == "torch" else "pillow"
                turn = config.model_copy(update={"views": config.views.model_copy(update={"transforms": wanted})})
                steps = make_steps(turn, listing, accelerator)
                count = options.skip + options.steps
                feed = batches(steps, range(count), options.workers, pin=options.device == "cuda")
                fetch: Callable[[], Any] = feed.__next__
                if name == "model":
                    ready = Cut(next(feed), accelerator.device, config.views)
                    fetch = repeat(ready).__next__
                found.append(timed(config, accelerator, fetch, skip=options.skip, steps=options.steps))
                del feed

    best = {name: max(found) for name, found in speeds.items()}
    figures = {
        "data": "given shards" if options.data else "example pictures in the sizes of D3",
        "accelerator": torch.cuda.get_device_name() if options.device == "cuda" else None,
        "configuration": config.model_dump(mode="json", include={"encoder", "views", "optimizer", "runtime"}),
        "steps": options.steps,
        "views_per_s": speeds,
        "best_views_per_s": best,
        "torch_share_of_model": best["torch"] / best["model"],
        "pillow_share_of_model": best["pillow"] / best["model"],
        "torch_by_pillow": best["torch"] / best["pillow"],
    }
    rows = [
        [name, f"{best[name]:.0f}", f"{best[name] / best['model']:.0%}", ", ".join(f"{speed:.0f}" for speed in found)]
        for name, found in speeds.items()
    ]
    print(table(["", "views/s", "of the model's", "all rounds"], rows))
    print(f"torch by Pillow: {figures['torch_by_pillow']:.2f}")
    name = "training_limits" if options.device == "cuda" else "training_limits_cpu"
    print(f"\nwritten: {write_result(name, figures, options.results).name}")


if __name__ == "__main__":
    main()
