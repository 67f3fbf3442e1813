"""The training loop: eight views per record, one loss, resumable at every checkpoint."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from torch.utils.tensorboard import SummaryWriter

from contrafake.data import ShardSet
from contrafake.model.encoder import Encoder
from contrafake.train.checkpoint import contiguous, load_checkpoint, save_checkpoint
from contrafake.train.feed import Steps, batches
from contrafake.train.losses import LossTerms, Views, code_loss, derangement
from contrafake.train.watch import Watch

if TYPE_CHECKING:
    import os

    from torch import Tensor

    from contrafake.train.config import TrainConfig
    from contrafake.train.feed import Batch
    from contrafake.train.progress import Progress

VIEWS_PER_RECORD = 8


@dataclass
class RunState:
    """What a run knows beside its tensors; saved in every checkpoint.

    Attributes:
        step: Steps done.
        draws: Images drawn so far, by "class/origin".
        broken: Causes of unreadable images, with how often each was drawn.
        best: Best value of the watched metric, None before the first validation.
        best_step: Step of that value.
        stale: Validations since then.
        validations: All validations, in order.
        seconds: Wall time spent training, without validation.
        waited: Share of it that the model waited for views, in seconds.
        feed_cpu: Processor seconds that reading and cutting views took.
        model_cpu: Processor seconds of the training process.
    """

    step: int = 0
    draws: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    best: float | None = None
    best_step: int = 0
    stale: int = 0
    validations: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    waited: float = 0.0
    feed_cpu: float = 0.0
    model_cpu: float = 0.0

    def count(self, batch: Batch) -> None:
        """Records what a batch held."""
        self.draws.update(batch.origins)
        self.broken.update(batch.broken)
        self.feed_cpu += batch.cpu_seconds

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe facts, the inverse of `from_dict`."""
        return {**vars(self), "draws": dict(self.draws), "broken": dict(self.broken)}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> RunState:
        """Restores a state from a checkpoint's facts."""
        return cls(**{**facts, "draws": Counter(facts["draws"]), "broken": Counter(facts["broken"])})


def train_encoder(config: TrainConfig, out: str | os.PathLike[str], progress: Progress) -> RunState:
    """Trains an encoder, or goes on with the run found in `out`.

    Args:
        config: Everything that decides the run.
        out: Folder of the run: `config.json`, `checkpoints/`, `best.safetensors`, `state.json`, TensorBoard events.
        progress: Told about steps and validations.

    Returns:
        The final state. `best.safetensors` holds the weights of the best validation.

    Raises:
        DataError: If shards are missing or broken, or a class is empty.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    if config.runtime.threads:
        torch.set_num_threads(config.runtime.threads)
    torch.manual_seed(config.seed)
    accelerator = Accelerator(
        cpu=config.runtime.device == "cpu", mixed_precision="bf16" if config.runtime.precision == "bf16" else "no"
    )
    encoder = Encoder(config.encoder).to(memory_format=torch.channels_last)  # convolutions on a CPU: a third faster
    rates = config.optimizer
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=rates.learning_rate, weight_decay=rates.weight_decay)
    encoder, optimizer = accelerator.prepare(encoder, optimizer)
    facts = load_checkpoint(out / "checkpoints", encoder, optimizer)
    state = RunState() if facts is None else RunState.from_dict(facts)
    (out / "config.json").write_text(config.model_dump_json(indent=2), encoding="utf-8")

    data = config.data.expanded()
    with (
        ShardSet(data.train) as train,
        ShardSet(data.validation) as validation,
        SummaryWriter(str(out / "tensorboard"), purge_step=state.step) as board,
    ):
        watch = Watch(config, train, validation)
        steps = Steps(train, config.views, size=config.encoder.image_size, records=rates.records, seed=config.seed)
        progress.start(config, state)
        feed = batches(steps, range(state.step, rates.steps), config.runtime.workers)
        while state.step < rates.steps:
            began, cpu = time.perf_counter(), time.process_time()
            batch = next(feed)
            arrived = time.perf_counter()
            rate = learning_rate(state.step, rates.steps, rates.warmup_steps, rates.learning_rate)
            for group in optimizer.param_groups:
                group["lr"] = rate
            terms = _step(encoder, optimizer, accelerator, batch, config, state.step)
            state.step += 1
            state.count(batch)
            state.seconds += time.perf_counter() - began
            state.waited += arrived - began
            state.model_cpu += time.process_time() - cpu
            for name, value in vars(terms).items():
                board.add_scalar(f"loss/{name}", value.item(), state.step)
            board.add_scalar("learning_rate", rate, state.step)
            progress.step(state, terms.total.item())
            if state.step % config.validation.every == 0 or state.step == rates.steps:
                _validate(state, watch, encoder, config, out, board)
                progress.validated(state)
                if config.validation.patience and state.stale >= config.validation.patience:
                    break
            if state.step % config.runtime.checkpoint_every == 0:
                save_checkpoint(out / "checkpoints", state.step, encoder, optimizer, state.to_dict())
        save_checkpoint(out / "checkpoints", state.step, encoder, optimizer, state.to_dict())
    (out / "state.json").write_text(json.dumps(state.to_dict(), indent=1), encoding="utf-8")
    progress.finish(state)
    return state


def learning_rate(step: int, steps: int, warmup: int, peak: float) -> float:
    """Linear warm-up from peak / 2000, then a cosine to zero at `steps`."""
    if step < warmup:
        return peak / 2000 + (peak - peak / 2000) * step / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def split_views(embeddings: Tensor) -> tuple[Views, Views]:
    """(8 B, D) embeddings in the feed's order -> the views of the real and of the generated images."""
    real, generated = embeddings.unflatten(0, (2, 4, -1)).unbind(0)
    return Views(*real.unbind(0)), Views(*generated.unbind(0))


def _step(
    encoder: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
    batch: Batch,
    config: TrainConfig,
    step: int,
) -> LossTerms:
    encoder.train()
    permutation = derangement(
        config.optimizer.records, torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    ).to(accelerator.device)
    with accelerator.autocast():
        embeddings = encoder(batch.views.to(accelerator.device, non_blocking=True))
    real, generated = split_views(embeddings.float())
    terms = code_loss(real, generated, permutation, **config.loss.model_dump())
    if not torch.isfinite(terms.total):
        raise FloatingPointError(f"the loss is {float(terms.total)} at step {step}; lower optimizer.learning_rate")
    optimizer.zero_grad(set_to_none=True)
    accelerator.backward(terms.total)
    optimizer.step()
    return terms


def _validate(
    state: RunState, watch: Watch, encoder: Encoder, config: TrainConfig, out: Path, board: SummaryWriter
) -> None:
    found = watch.measure(encoder)
    for name, value in found.items():
        board.add_scalar(f"validation/{name}", value, state.step)
    state.validations.append({"step": state.step, **found})
    value = found[config.validation.metric]
    if state.best is None or value > state.best:
        state.best, state.best_step, state.stale = value, state.step, 0
        partial = out / ".best.partial"
        save_file(contiguous(encoder.state_dict()), partial)
        partial.replace(out / "best.safetensors")
    else:
        state.stale += 1
