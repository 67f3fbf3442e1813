"""A short trial of a training run's parts: what a record costs the model and the feed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from contrafake.train.batch import Batch
from contrafake.train.feed import batches
from contrafake.train.learner import PRECISIONS
from contrafake.train.loop import make_steps
from contrafake.train.peak_memory import peak_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerate import Accelerator
    from torch import Tensor

    from contrafake.data.listing import Listing
    from contrafake.model.encoder import Encoder
    from contrafake.train.config import TrainConfig
    from contrafake.train.learner import Learner

ON_A_PROCESSOR = 4
"""Records of a timed step on a processor, where time grows with the records; a GPU is timed with what it will get."""
TIMED_STEPS = 3
FED_RECORDS, FED_ROUNDS = 4, 3
"""Records of a batch of the timed feed, and batches of each worker; the first of each only starts it."""


@dataclass(frozen=True)
class Cost:
    """What a record costs.

    Attributes:
        seconds: By the clock.
        cpu: Of processor time.
    """

    seconds: float
    cpu: float


def random_batches(config: TrainConfig, records: int, seed: int = 0) -> Iterator[Batch]:
    """Batches of noise, as the feed would give them.

    Args:
        config: Decides sizes and numbers of views.
        records: B, records of a batch.
        seed: Of the noise.
    """
    chance = torch.Generator().manual_seed(seed)
    siblings = config.data.generated_per_record
    images, size, side = records * (1 + siblings), config.encoder.image_size, config.views.native_size

    def noise(count: int, side: int) -> Tensor:
        return torch.randint(256, (count, side, side, 3), dtype=torch.uint8, generator=chance)

    while True:
        native = noise(config.views.native_locals * images, side) if config.views.native_locals else None
        codes = torch.zeros(records, dtype=torch.int64), torch.arange(records * siblings) % 2 + 1
        yield Batch(noise(4 * images, size), native, None, codes, [], [], 0.0)


def try_model(learner: Learner, config: TrainConfig, share: int, device: torch.device) -> tuple[Cost, int]:
    """Takes a few steps on noise.

    Args:
        learner: Takes them, and is none to go on with.
        config: The run, with one part a step.
        share: Records that a process computes on at once.
        device: Where the learner is.

    Returns:
        What a record costs, and the bytes that activations of `share` records take, views included. Where a GPU cannot
        hold them, both follow from fewer.
    """
    records = share if device.type == "cuda" else min(share, ON_A_PROCESSOR)
    while True:
        try:
            _run(learner, config, records, 1)  # makes the moments, and compiles
            if device.type == "cuda":
                gradients = sum(4 * weight.numel() for weight in learner.encoder.parameters() if weight.requires_grad)
                peak = peak_bytes(partial(_run, learner, config, records, 1), device)
                activations = max(0, peak - gradients) * share // records
            else:
                activations = _activations(learner.encoder, config) * share
            began, cpu = time.perf_counter(), time.process_time()
            _run(learner, config, records, TIMED_STEPS)
            done = TIMED_STEPS * records
            cost = Cost((time.perf_counter() - began) / done, (time.process_time() - cpu) / done)
            return cost, activations
        except torch.OutOfMemoryError:
            if records <= 3:
                raise
            records //= 2


def _activations(encoder: Encoder, config: TrainConfig) -> int:
    """Bytes for a record on a processor, from the difference between few records and fewer.

    The gradients are there before, and what does not grow with the records drops out.
    """
    precision = PRECISIONS[config.runtime.precision]

    def embed(records: int) -> None:
        batch = next(random_batches(config, records))
        with torch.autocast("cpu", precision, enabled=precision is not torch.float32):
            found = [encoder(views).sum() for views in (batch.views, batch.native) if views is not None]
        sum(found).backward()

    encoder.train()
    embed(1)
    fewer, few = (peak_bytes(partial(embed, records), torch.device("cpu")) for records in (1, 2))
    encoder.zero_grad(set_to_none=True)
    return max(0, few - fewer)


def _run(learner: Learner, config: TrainConfig, records: int, steps: int) -> None:
    source = random_batches(config, records)
    for step in range(steps):
        terms, _ = learner.step(step, lambda: next(source))
    terms.total.item()  # waits for the device


def try_feed(config: TrainConfig, listing: Listing, accelerator: Accelerator) -> tuple[Cost, Cost | None]:
    """Takes a few small batches of the feed.

    Args:
        config: The run.
        listing: Its training data.
        accelerator: Tells this process from the others, and where views are cut.

    Returns:
        What a record costs the feed and, where the device cuts the views, there.

    Raises:
        ConfigError: The records do not divide among processes and parts.
        DataError: The data cannot be read, or a class is empty.
    """
    processes, device, workers = accelerator.num_processes, accelerator.device, config.runtime.workers
    records = min(make_steps(config, listing, accelerator).share, FED_RECORDS)
    small = config.optimizer.model_copy(update={"records": processes * records, "accumulate": 1})
    steps = make_steps(config.model_copy(update={"optimizer": small}), listing, accelerator)
    lanes = max(1, workers)
    found, cpu, began = [], 0.0, 0.0
    for number, batch in enumerate(batches(steps, range(FED_ROUNDS * lanes), workers)):
        if number >= lanes:
            cpu += batch.cpu_seconds
            found.append(batch)
        elif number == lanes - 1:
            began = time.perf_counter()
    done = records * len(found)
    feed = Cost((time.perf_counter() - began) / done, cpu / done)
    if found[0].packed is None:
        return feed, None
    found[0].cut(device, config.views)
    _wait(device)
    began, cpu = time.perf_counter(), time.process_time()
    for batch in found:
        batch.cut(device, config.views)
    _wait(device)
    return feed, Cost((time.perf_counter() - began) / done, (time.process_time() - cpu) / done)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
