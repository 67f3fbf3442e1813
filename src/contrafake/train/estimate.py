"""What a training run would need, before it is started: parameters, memory, disk and time, from a short trial."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from contrafake.data.parallel import default_workers
from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import ContrafakeError, DataError
from contrafake.train.checkpoint import KEEP
from contrafake.train.devices import hardware, make_accelerator
from contrafake.train.feed import share_out
from contrafake.train.learner import Learner
from contrafake.train.listings import list_images
from contrafake.train.optimization import learning_rate
from contrafake.train.trial import Cost, try_feed, try_model
from contrafake.train.views import views_per_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from contrafake.data.listing import Listing
    from contrafake.train.config import TrainConfig


BUSY = 0.5
"""Share of the processor's time below which other programs must have had the rest."""


@dataclass(frozen=True)
class Estimate:
    """What a run needs. Of several processes, memory and time are those of each.

    Attributes:
        name: Of the configuration.
        hardware: What it was tried on.
        processes: Training processes.
        parameters: Numbers of weights by part of the encoder.
        untrained: Weights among them that the embedding does not depend on.
        dimension: Of the embedding.
        steps: Optimiser steps.
        records: Records per step, over all processes.
        views: Views per step, over all processes.
        images: Images of the training data by class; None where it cannot be listed.
        epochs: How often each class is gone through; None as above.
        learning_rates: Rate of the first step, and the peak.
        warmup_steps: Steps until the peak.
        memory: Bytes in a process by what they hold. "activations" are measured and include the views.
        checkpoint: Bytes of a checkpoint.
        disk: Bytes of everything that a run keeps of weights.
        seconds: Of a step: "model" (with "cutting", where the device cuts), "feed" as if it were alone, and "step".
            "feed" is None where the data cannot be read; "step" is then the model's.
        bottleneck: "model", "feed", or "processor" where both share its cores.
        validations: How many there will be; their time comes on top.
        notes: What could not be tried, and why.
    """

    name: str
    hardware: str
    processes: int
    parameters: dict[str, int]
    untrained: int
    dimension: int
    steps: int
    records: int
    views: int
    images: dict[str, int] | None
    epochs: dict[str, float] | None
    learning_rates: tuple[float, float]
    warmup_steps: int
    memory: dict[str, int]
    checkpoint: int
    disk: int
    seconds: dict[str, float | None]
    bottleneck: str
    validations: int
    notes: list[str]

    @property
    def hours(self) -> float:
        """Time of all steps, without validation."""
        return self.steps * (self.seconds["step"] or 0.0) / 3600

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe facts, sums included."""
        sums = {"total_parameters": sum(self.parameters.values()), "total_memory": sum(self.memory.values())}
        return {**asdict(self), **sums, "total_views": self.steps * self.views, "hours": self.hours}


def estimate(config: TrainConfig, report: Callable[[str], None] = lambda _: None) -> Estimate:
    """Tries a few steps on random views, and a few batches of the data.

    Args:
        config: The run; nothing of it is written.
        report: Told what is being tried.

    Raises:
        ConfigError: There is no such device or backbone, or the records do not divide among the processes.
    """
    accelerator = make_accelerator(config)
    processes = accelerator.num_processes
    rates = config.optimizer
    trial = config.model_copy(update={"optimizer": rates.model_copy(update={"accumulate": 1})})
    share = share_out(rates.records, processes, rates.accumulate)
    notes: list[str] = []

    report("listing the data")
    listing = _listed(config, notes)
    report("trying steps of the model")
    learner = Learner(trial, accelerator)
    model, activations = try_model(learner, trial, share, accelerator.device)
    busy = model.cpu / (model.seconds * torch.get_num_threads())
    if accelerator.device.type == "cpu" and busy < BUSY:
        notes.append(
            f"the trial had its processor for {busy:.0%} of the time only: times are longer than on a quiet machine"
        )
    feed: Cost | None = None
    cutting: Cost | None = None
    if listing is not None:
        report("trying batches of the feed")
        try:
            feed, cutting = try_feed(config, listing, accelerator)
        except DataError as error:
            notes.append(f"the feed was not tried: {error}")

    each = rates.records / processes
    seconds, bottleneck = _step_seconds(config, model, feed, cutting, accelerator.device.type)
    groups = {name: sum(map(_bytes, tensors.values())) for name, tensors in learner.tensors().items()}
    weights = sum(map(_bytes, learner.encoder.parameters()))
    memory = {
        "weights": weights,
        "gradients": sum(_bytes(weight) for weight in learner.encoder.parameters() if weight.requires_grad),
        "moments": groups["optimizer"],
        **{name: size for name, size in groups.items() if name in {"average", "queue"}},
        "activations": activations,
    }
    checkpoint = sum(groups.values())
    images, epochs = _passes(config, listing)
    return Estimate(
        name=config.name,
        hardware=hardware(accelerator),
        processes=processes,
        parameters=_by_part(learner),
        untrained=sum(w.numel() for w in learner.encoder.parameters() if not w.requires_grad),
        dimension=learner.encoder.dimension,
        steps=rates.steps,
        records=rates.records,
        views=rates.records * views_per_record(config),
        images=images,
        epochs=epochs,
        learning_rates=(learning_rate(0, rates.steps, rates.warmup_steps, rates.learning_rate), rates.learning_rate),
        warmup_steps=rates.warmup_steps,
        memory=memory,
        checkpoint=checkpoint,
        # The one being written stands beside those that are kept until it is complete.
        disk=(KEEP + 1) * checkpoint + groups["model"],
        seconds={name: None if cost is None else cost * each for name, cost in seconds.items()},
        bottleneck=bottleneck,
        validations=-(-rates.steps // config.validation.every),
        notes=notes,
    )


def _step_seconds(
    config: TrainConfig, model: Cost, feed: Cost | None, cutting: Cost | None, kind: str
) -> tuple[dict[str, float | None], str]:
    """Seconds for a record, by what takes them, and what decides."""
    device = model.seconds + (cutting.seconds if cutting else 0.0)
    parts: dict[str, float | None] = {
        "model": model.seconds,
        "cutting": None if cutting is None else cutting.seconds,
    }
    if feed is None:
        return {**parts, "feed": None, "step": device}, "model"
    parts["feed"] = feed.seconds
    if not config.runtime.workers:  # one after the other
        return {**parts, "step": device + feed.seconds}, "model" if device >= feed.seconds else "feed"
    candidates = {"model": device, "feed": feed.seconds}
    if kind == "cpu":
        busy = model.cpu + feed.cpu + (cutting.cpu if cutting else 0.0)
        candidates["processor"] = busy / default_workers()
    bottleneck = max(candidates, key=lambda name: candidates[name])
    return {**parts, "step": candidates[bottleneck]}, bottleneck


def _listed(config: TrainConfig, notes: list[str]) -> Listing | None:
    try:
        listing = list_images(config.data.expanded(), "train")["train"]
    except ContrafakeError as error:
        notes.append(f"the data was not listed: {error}")
        return None
    if listing.damage:
        address, cause = next(iter(listing.damage.items()))
        notes.append(f"left out of the data: {len(listing.damage)}, such as {address}: {cause}")
    return listing


def _passes(config: TrainConfig, listing: Listing | None) -> tuple[dict[str, int] | None, dict[str, float] | None]:
    """Images by class, and how often the run draws as many."""
    if listing is None:
        return None, None
    images = {name: len(listing.rows(label=label)) for name, label in (("real", REAL), ("generated", GENERATED))}
    drawn = config.optimizer.steps * config.optimizer.records
    each = {"real": drawn, "generated": drawn * config.data.generated_per_record}
    return images, {name: each[name] / count for name, count in images.items() if count}


def _by_part(learner: Learner) -> dict[str, int]:
    parts = {
        name: sum(w.numel() for w in part.parameters()) for name, part in learner.encoder.backbone.named_children()
    }
    parts["norm"] = sum(weight.numel() for weight in learner.encoder.norm.parameters())
    rest = sum(weight.numel() for weight in learner.encoder.parameters()) - sum(parts.values())
    return {name: count for name, count in {**parts, "other": rest}.items() if count}


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
