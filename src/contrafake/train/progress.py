"""Tells a person, or a log file, how training goes."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from contrafake.data.audit.shown import shown
from contrafake.train.views import views_per_record

if TYPE_CHECKING:
    from contrafake.train.config import TrainConfig
    from contrafake.train.state import RunState

LOG_SECONDS = 30.0
LISTING_SECONDS = 5.0
SHOWN = 10  # of what the listing left out


class Progress:
    """A live line on a terminal, a line every half minute elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        """Writes to standard error unless a console is given."""
        self._console = console or Console(stderr=True)
        self._live: Live | None = None
        self._logged = 0.0
        self._listed = time.monotonic()
        self._loss = 0.0

    def listing(self, done: int, total: int) -> None:
        """Called while shards are listed; quick listings say nothing."""
        if time.monotonic() - self._listed > LISTING_SECONDS:
            self._listed = time.monotonic()
            self._console.print(f"listing shards: {done} of {total}", soft_wrap=True)

    def start(self, config: TrainConfig, state: RunState) -> None:
        """Names the run; called once the data is listed."""
        self._config = config
        self._first = state.step
        self._began = (state.seconds, state.waited)
        done = f", going on at step {state.step}" if state.step else ""
        name, backbone = escape(config.name), escape(config.encoder.backbone)
        several = f", {state.processes} processes" if state.processes > 1 else ""
        self._console.print(f"[bold]{name}[/]: {backbone}, {config.optimizer.steps} steps{several}{done}")
        for address, cause in islice(state.damage.items(), SHOWN):
            self.warn(f"left out: {address}: {cause}")
        if len(state.damage) > SHOWN:
            self.warn(f"left out: {len(state.damage) - SHOWN} more; state.json names all")
        for change in state.changes:
            self.warn(f"changed at {change}")
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4)
            self._live.start()

    def step(self, state: RunState) -> None:
        """Called after every step."""
        self._loss = state.loss if state.step - self._first <= 1 else 0.95 * self._loss + 0.05 * state.loss
        if self._live is not None:
            self._live.update(self._line(state))
        elif time.monotonic() - self._logged > LOG_SECONDS:
            self._logged = time.monotonic()
            self._console.print(self._line(state), soft_wrap=True)

    def validated(self, state: RunState) -> None:
        """Called after every validation."""
        found = state.validations[-1]
        best = " (best)" if state.best_step == state.step else ""
        self._console.print(
            f"step {state.step}: validation AUC {found['untransformed/auc']:.3f} untransformed, "
            f"{found['transformed/auc']:.3f} transformed; balanced accuracy {found['balanced_accuracy']:.3f}{best}",
            soft_wrap=True,
        )

    def say(self, line: str) -> None:
        """Says what takes a while."""
        self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        """Gives the terminal back; called however training ends, and more than once does no harm."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def finish(self, state: RunState) -> None:
        """Says how it ended."""
        self.close()
        stopped = "" if state.step == self._config.optimizer.steps else " (stopped early)"
        metric = self._config.validation.metric
        best = "" if state.best is None else f", best {metric} {state.best:.3f} at step {state.best_step}"
        self._console.print(f"{state.step} steps{stopped}{best}")
        if state.broken:
            self._console.print(f"[yellow]{len(state.broken)} unreadable images were replaced[/]; see state.json")

    def warn(self, line: str) -> None:
        """Says what should be looked at."""
        self._console.print(shown(line), style="yellow", markup=False, soft_wrap=True)

    def _line(self, state: RunState) -> Text:
        done = state.step - self._first
        seconds, waited = state.seconds - self._began[0], state.waited - self._began[1]
        records = done * self._config.optimizer.records / max(seconds, 1e-9)
        left = (self._config.optimizer.steps - state.step) * seconds / max(done, 1)
        views = records * views_per_record(self._config)
        busy = state.model_cpu + state.feed_cpu
        return Text(
            f"step {state.step}/{self._config.optimizer.steps}  loss {self._loss:.3f}  {records:.1f} records/s  "
            f"{views:.0f} views/s  waiting for data {waited / max(seconds, 1e-9):.0%}  "
            f"processor time outside the model {state.feed_cpu / max(busy, 1e-9):.0%}  {left / 60:.0f} min left"
        )
