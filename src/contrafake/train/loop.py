"""The training loop: views, one loss, many steps; resumable at every checkpoint, on one device or on many."""

from __future__ import annotations

import json
import math
import platform
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import broadcast_object_list, gather_object
from rich.console import Console
from safetensors.torch import load_file
from torch.utils.tensorboard import SummaryWriter

from contrafake.data.whole_file import write_whole
from contrafake.errors import ConfigError
from contrafake.model.encoder import Encoder
from contrafake.train.checkpoint import holds_weights, load_checkpoint, save_checkpoint, save_weights
from contrafake.train.config_file import changed_settings
from contrafake.train.devices import hardware, make_accelerator, naming_lost_processes
from contrafake.train.feed import Steps, batches, naming_dead_workers
from contrafake.train.learner import Learner
from contrafake.train.listings import list_images
from contrafake.train.progress import Progress
from contrafake.train.report import write_report
from contrafake.train.state import RunState
from contrafake.train.watch import Watch

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from accelerate import Accelerator

    from contrafake.data import Listing
    from contrafake.train.batch import Batch
    from contrafake.train.config import TrainConfig
    from contrafake.train.losses import LossTerms

SOFTWARE = ("contrafake", "torch", "transformers", "accelerate", "scikit-learn", "numpy", "pillow")
READ_EVERY = 20  # steps whose losses stay on an accelerator, since reading one waits for all the work before it


def train_encoder(config: TrainConfig, out: str | os.PathLike[str], progress: Progress) -> RunState:
    """Trains an encoder, or goes on with the run found in `out`; a finished one is left as it is.

    Started by `torchrun` or `accelerate launch`, every process takes its share of each step's records; the first one
    validates and writes.

    Args:
        config: Everything that decides the run.
        out: Folder of the run: `config.json`, `checkpoints/`, `best.safetensors`, `state.json`, TensorBoard events.
        progress: Told about steps and validations.

    Returns:
        The final state. `best.safetensors` holds the weights of the best validation.

    Raises:
        DataError: If shards are missing, a class is empty, or, with `data.strict`, anything is damaged.
        ConfigError: If there is no such device, the records do not divide, `data.leave_out` names what is not there,
            or the loss stops being a number.
    """
    accelerator = make_accelerator(config)
    with naming_lost_processes(accelerator):
        run = _Run(config, Path(out), accelerator, progress if accelerator.is_main_process else _silent())
        with closing(run), naming_dead_workers():
            run.train()
        accelerator.wait_for_everyone()
    return run.state


class _Run:
    """A run under way: its learner, its data, its state and what it writes."""

    def __init__(self, config: TrainConfig, out: Path, accelerator: Accelerator, progress: Progress) -> None:
        self._config, self._out, self._accelerator, self._progress = config, out, accelerator, progress
        self._main: bool = accelerator.is_main_process
        out.mkdir(parents=True, exist_ok=True)
        self._learner = Learner(config, accelerator)
        self._before: dict[str, Any] = {}
        self.state = self._restored()
        self._saved = self.state.step if self.state.step else None
        self._pending: list[tuple[int, LossTerms, float]] = []
        self._describe()
        data = config.data.expanded()
        with accelerator.main_process_first():  # the others find its listings in the cache
            listings = list_images(data, report=progress.listing)
        train, validation = listings["train"], listings["validation"]
        for role, listing in listings.items():
            if self._main:
                self.state.data[role] = listing.fingerprints()
                self.state.damage |= listing.damage
        both = sorted(set(train.shards) & set(validation.shards))
        if both:
            progress.warn(f"{', '.join(both)}: trained and validated on, so that validation says nothing of new images")
        self._steps = make_steps(config, train, accelerator)
        self._watch = Watch(config, train, validation, listings.get("fitting"))
        self._board = SummaryWriter(str(out / "tensorboard"), purge_step=self.state.step + 1) if self._main else None

    def close(self) -> None:
        """Closes what is open, however training ended."""
        self._progress.close()
        if self._board is not None:
            self._board.close()

    def train(self) -> None:
        """Takes all steps that are left."""
        config, state, steps = self._config, self.state, self._config.optimizer.steps
        self._progress.start(config, state)
        parts = config.optimizer.accumulate
        numbers = range(state.step * parts, steps * parts)
        pin = self._accelerator.device.type == "cuda"
        feed = batches(self._steps, numbers, config.runtime.workers, pin=pin)
        while not self._done:
            self._step(feed)
            if state.step % config.validation.every == 0 or state.step == steps:
                self._validate()
            if state.step % config.runtime.checkpoint_every == 0:
                self._save()
        if state.best is None:  # it goes on at its last step, and its kept weights are none of its own
            self._validate()
        fresh = self._saved != state.step
        if fresh:
            self._save()
        state.finished = True
        if self._main:
            self._conclude(again=fresh)
        self._progress.finish(state)

    @property
    def _done(self) -> bool:
        patience = self._config.validation.patience
        return self.state.step >= self._config.optimizer.steps or 0 < patience <= self.state.stale

    def _step(self, feed: Iterator[Batch]) -> None:
        state = self.state
        began, cpu = time.perf_counter(), time.process_time()
        waited = cut_here = 0.0

        def fetch() -> Batch:
            nonlocal waited, cut_here
            asked = time.perf_counter()
            batch = next(feed)
            waited += time.perf_counter() - asked
            state.draws.update(batch.origins)
            state.broken.update(batch.broken)
            state.feed_cpu += batch.cpu_seconds
            cut_here += 0 if self._config.runtime.workers else batch.cpu_seconds  # then in this process
            return batch

        terms, rate = self._learner.step(state.step, fetch)
        state.step += 1
        self._pending.append((state.step, terms, rate))
        if self._accelerator.device.type == "cpu" or len(self._pending) >= READ_EVERY:
            self._read_losses()
        state.seconds += time.perf_counter() - began
        state.waited += waited
        state.model_cpu += time.process_time() - cpu - cut_here
        self._progress.step(state)

    def _read_losses(self) -> None:
        """Fetches the losses of the steps since the last time, and stops where one is no number."""
        if not self._pending:
            return
        names = list(vars(self._pending[0][1]))
        values = torch.stack([torch.stack([*vars(terms).values()]) for _, terms, _ in self._pending])
        rows = self._accelerator.reduce(values, "mean").tolist()  # of all processes' queries
        for (step, _, rate), row in zip(self._pending, rows, strict=True):
            scalars = dict(zip(names, row, strict=True))
            if not all(map(math.isfinite, row)):
                cause = f"the loss is {scalars['total']} at step {step - 1}"
                raise ConfigError("optimizer.learning_rate", cause, "choose a lower one, or more warmup_steps")
            self._log({f"loss/{name}": value for name, value in scalars.items()} | {"learning_rate": rate}, step)
            self.state.draw_curve([(step, scalars["total"])], self._config.optimizer.steps)
            self.state.loss = scalars["total"]
        self._pending.clear()

    def _validate(self) -> None:
        """The first process measures; all judge alike."""
        self._read_losses()
        found = [self._watch.measure(self._learner.kept) if self._main else None]
        if self._accelerator.num_processes > 1:
            broadcast_object_list(found)
        assert found[0] is not None  # noqa: S101
        self._log({f"validation/{name}": value for name, value in found[0].items()}, self.state.step)
        if self.state.judge(found[0], self._config.validation.metric) and self._main:
            save_weights(self._out / "best.safetensors", self._learner.kept, self.state.step)
        self._progress.validated(self.state)

    def _save(self) -> None:
        self._read_losses()
        self._join_counts()
        if self._board is not None:
            self._board.flush()  # a resumed run writes the steps after the checkpoint again, not those before it
            config = self._config.model_dump(mode="json")
            facts = {**self.state.to_dict(), **self._learner.facts(), "config": config}
            save_checkpoint(self._out / "checkpoints", self.state.step, self._learner.tensors(), facts)
        self._saved = self.state.step
        self._accelerator.wait_for_everyone()

    def _conclude(self, *, again: bool) -> None:
        """What is looked at when a run has ended: the state, figures of the kept weights, the report."""
        ended = self._out / "state.json"
        former = _read_facts(ended)
        again |= (former.get("step"), former.get("best_step")) != (self.state.step, self.state.best_step)
        if again or not (self._out / "figures").exists():
            best = Encoder(self._config.encoder)
            best.load_state_dict(load_file(self._out / "best.safetensors"))
            self._progress.say("drawing the embedding, and testing heads of one generator on the others")
            self._watch.conclude(best.to(self._accelerator.device), self._out, self._board, self.state.best_step)
        self.state.damage |= self._watch.broken
        write_whole(ended, json.dumps(self.state.to_dict(), indent=1).encode())
        write_report(self._out, self._config, self.state)

    def _join_counts(self) -> None:
        """The first process's counts become those of all processes; the others' start again from nothing."""
        if self._accelerator.num_processes == 1:
            return
        everyones = gather_object([(self.state.draws, self.state.broken)])
        self.state.draws.clear()
        self.state.broken.clear()
        if self._main:
            for draws, broken in everyones:
                self.state.draws.update(draws)
                self.state.broken.update(broken)

    def _restored(self) -> RunState:
        """The state of the newest checkpoint, its tensors in the learner; an empty one without any."""
        found = load_checkpoint(self._out / "checkpoints")
        if found is None:
            return RunState()
        self._learner.restore(*found)
        state = RunState.from_dict(found[2])
        self._before = found[2].get("config", {})
        if not holds_weights(self._out / "best.safetensors", state.best_step):
            state.best, state.best_step = None, 0  # lost, or chosen by steps after the checkpoint, to be taken again
        state.rejudge(self._config.validation.heads[0], self._config.validation.metric)
        if not self._main:
            state.draws.clear()
            state.broken.clear()
        return state

    def _describe(self) -> None:
        """Notes with what the run goes on, and saves the configuration."""
        state, saved = self.state, self._out / "config.json"
        state.finished = False
        state.processes = self._accelerator.num_processes
        state.hardware = hardware(self._accelerator)
        state.environment = {"python": platform.python_version(), **{name: version(name) for name in SOFTWARE}}
        if not self._main:
            return
        if self._saved is not None:
            before = self._before or _read_facts(saved)  # checkpoints of earlier versions hold none
            state.changes += [f"step {self._saved}: {change}" for change in changed_settings(before, self._config)]
        saved.write_text(self._config.model_dump_json(indent=2), encoding="utf-8")

    def _log(self, scalars: dict[str, float], step: int) -> None:
        if self._board is not None:
            for name, value in scalars.items():
                self._board.add_scalar(name, value, step)


def make_steps(config: TrainConfig, listing: Listing, accelerator: Accelerator) -> Steps:
    """The batches of this process, by number; torch cuts the views on a GPU, Pillow in the workers elsewhere."""
    wanted = config.views.transforms
    return Steps(
        listing,
        config.data,
        config.views,
        size=config.encoder.image_size,
        records=config.optimizer.records,
        seed=config.seed,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
        accumulate=config.optimizer.accumulate,
        on_device=wanted == "torch" or (wanted == "auto" and accelerator.device.type == "cuda"),
    )


def _silent() -> Progress:
    return Progress(Console(quiet=True))


def _read_facts(path: Path) -> dict[str, Any]:
    """The facts in a file of the run; none where it is missing or damaged."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
