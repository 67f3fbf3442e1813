"""The training loop: eight views per record, one loss, resumable at every checkpoint."""

from __future__ import annotations

import json
import math
import platform
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from torch.utils.tensorboard import SummaryWriter

from contrafake.data import ShardSet
from contrafake.errors import ConfigError, UsageError
from contrafake.model.encoder import Encoder
from contrafake.train.checkpoint import contiguous, load_checkpoint, save_checkpoint
from contrafake.train.config import flat_settings
from contrafake.train.feed import Steps, batches
from contrafake.train.losses import Views, code_loss, derangement
from contrafake.train.watch import Watch

if TYPE_CHECKING:
    import os

    from torch import Tensor

    from contrafake.train.config import TrainConfig
    from contrafake.train.feed import Batch
    from contrafake.train.progress import Progress


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
        hardware: What it was trained on.
        changes: Settings that were changed while the run went on, each with the step.
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
    hardware: str = ""
    changes: list[str] = field(default_factory=list)

    def count(self, batch: Batch) -> None:
        """Records what a batch held."""
        self.draws.update(batch.origins)
        self.broken.update(batch.broken)
        self.feed_cpu += batch.cpu_seconds

    def judge(self, found: dict[str, float], metric: str) -> bool:
        """Records a validation; returns whether it is the best so far."""
        self.validations.append({"step": self.step, **found})
        if self.best is not None and found[metric] <= self.best:
            self.stale += 1
            return False
        self.best, self.best_step, self.stale = found[metric], self.step, 0
        return True

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe facts, the inverse of `from_dict`."""
        return {**vars(self), "draws": dict(self.draws), "broken": dict(self.broken)}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> RunState:
        """Restores a state from a checkpoint's facts."""
        return cls(**{**facts, "draws": Counter(facts["draws"]), "broken": Counter(facts["broken"])})


def train_encoder(config: TrainConfig, out: str | os.PathLike[str], progress: Progress) -> RunState:
    """Trains an encoder, or goes on with the run found in `out`; a finished one is left as it is.

    Args:
        config: Everything that decides the run.
        out: Folder of the run: `config.json`, `checkpoints/`, `best.safetensors`, `state.json`, TensorBoard events.
        progress: Told about steps and validations.

    Returns:
        The final state. `best.safetensors` holds the weights of the best validation.

    Raises:
        DataError: If shards are missing or broken, or a class is empty.
        ConfigError: If there is no such device, or the loss stops being a number.
    """
    accelerator = _accelerator(config)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    encoder = Encoder(config.encoder)
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # the layout that crops arrive in
    rates = config.optimizer
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=rates.learning_rate, weight_decay=rates.weight_decay)
    encoder, optimizer = accelerator.prepare(encoder, optimizer)
    facts = load_checkpoint(out / "checkpoints", encoder, optimizer)
    state = RunState() if facts is None else RunState.from_dict(facts)
    saved = None if facts is None else state.step
    state.hardware = _hardware(accelerator)
    if saved is not None:
        state.changes += [f"step {saved}: {change}" for change in _changes(out / "config.json", config)]
    (out / "config.json").write_text(config.model_dump_json(indent=2), encoding="utf-8")

    data = config.data.expanded()
    train, validation = ShardSet(data.train), ShardSet(data.validation)
    with (
        SummaryWriter(str(out / "tensorboard"), purge_step=state.step + 1) as board,
        closing(progress),
    ):
        watch = Watch(config, train, validation)
        steps = Steps(train, config.views, size=config.encoder.image_size, records=rates.records, seed=config.seed)
        progress.start(config, state)
        feed = batches(steps, range(state.step, rates.steps), config.runtime.workers)
        while not _finished(state, config):
            began, cpu = time.perf_counter(), time.process_time()
            batch = next(feed)
            arrived = time.perf_counter()
            scalars = _step(encoder, optimizer, accelerator, batch, config=config, step=state.step)
            state.step += 1
            state.count(batch)
            state.seconds += time.perf_counter() - began
            state.waited += arrived - began
            # Without workers the views are cut in this process as well.
            state.model_cpu += time.process_time() - cpu - (0 if config.runtime.workers else batch.cpu_seconds)
            _log(board, scalars, state.step)
            progress.step(state, scalars["loss/total"])
            if state.step % config.validation.every == 0 or state.step == rates.steps:
                found = watch.measure(encoder)
                _log(board, {f"validation/{name}": value for name, value in found.items()}, state.step)
                if state.judge(found, config.validation.metric):
                    _replace_weights(out / "best.safetensors", encoder)
                progress.validated(state)
            if state.step % config.runtime.checkpoint_every == 0:
                board.flush()  # a resumed run writes the steps after the checkpoint again, not those before it
                save_checkpoint(out / "checkpoints", state.step, encoder, optimizer, state.to_dict())
                saved = state.step
        if saved != state.step:
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
    real, generated = embeddings.reshape(2, 4, -1, embeddings.shape[1])
    return Views(*real), Views(*generated)


def _accelerator(config: TrainConfig) -> Accelerator:
    runtime = config.runtime
    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("runtime.device", "there is no CUDA GPU that torch can use", "choose auto or cpu")
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    # Autocast is ours: Accelerate fixes its precision once for the whole process, and validates in it too.
    accelerator = Accelerator(cpu=runtime.device == "cpu", mixed_precision="no")
    if accelerator.num_processes > 1:
        raise UsageError("training", f"was started as {accelerator.num_processes} processes", "start one process")
    return accelerator


def _hardware(accelerator: Accelerator) -> str:
    if accelerator.device.type == "cuda":
        return torch.cuda.get_device_name(accelerator.device)
    return f"{platform.machine()} processor, {torch.get_num_threads()} threads"


def _changes(saved: Path, config: TrainConfig) -> list[str]:
    """What differs from the configuration that the run was last started with: "optimizer.steps 2000 -> 1700"."""
    try:
        before = flat_settings(json.loads(saved.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return []
    now = flat_settings(config.model_dump(mode="json"))
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    return [f"{key} {before.get(key)} -> {now.get(key)}" for key in changed]


def _finished(state: RunState, config: TrainConfig) -> bool:
    patience = config.validation.patience
    return state.step >= config.optimizer.steps or 0 < patience <= state.stale


def _step(
    encoder: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
    batch: Batch,
    *,
    config: TrainConfig,
    step: int,
) -> dict[str, float]:
    rates = config.optimizer
    rate = learning_rate(step, rates.steps, rates.warmup_steps, rates.learning_rate)
    for group in optimizer.param_groups:
        group["lr"] = rate
    # All chance of a step, dropout too, follows from its number, so that a resumed run draws the same.
    seed = config.seed * 1_000_003 + step
    torch.manual_seed(seed)
    permutation = derangement(rates.records, torch.Generator().manual_seed(seed)).to(accelerator.device)
    encoder.train()
    with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=config.runtime.precision == "bf16"):
        embeddings = encoder(batch.views.to(accelerator.device, non_blocking=True))
    real, generated = split_views(embeddings.float())
    terms = code_loss(real, generated, permutation, **config.loss.model_dump())
    if not torch.isfinite(terms.total):
        cause = f"the loss is {terms.total.item()} at step {step}"
        raise ConfigError("optimizer.learning_rate", cause, "choose a lower one, or more warmup_steps")
    optimizer.zero_grad(set_to_none=True)
    accelerator.backward(terms.total)
    optimizer.step()
    return {f"loss/{name}": term.item() for name, term in vars(terms).items()} | {"learning_rate": rate}


def _log(board: SummaryWriter, scalars: dict[str, float], step: int) -> None:
    for name, value in scalars.items():
        board.add_scalar(name, value, step)


def _replace_weights(path: Path, encoder: torch.nn.Module) -> None:
    partial = path.with_name(f".{path.name}.partial")
    save_file(contiguous(encoder.state_dict()), partial)
    partial.replace(path)
