"""What a run's folder tells of it: state, configuration, and what was measured at the end."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contrafake.errors import DataError
from contrafake.settings import flat_settings
from contrafake.train.config_file import parse_config
from contrafake.train.cross_table import CrossTable
from contrafake.train.state import RunState
from contrafake.train.views import views_per_record

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.train.config import TrainConfig

CONDITIONS = ("untransformed", "transformed")


@dataclass(frozen=True)
class HeadRow:
    """What one head reached in one condition, at the step whose weights were kept; None where it was not measured.

    Attributes:
        head: "linear", "nearest" or "svm".
        condition: "untransformed" or "transformed".
        auc: 0 to 1.
        balanced_accuracy: 0 to 1, at score 0, like the next two.
        accuracy_real: Share of real images called real.
        accuracy_generated: Share of generated images called generated.
    """

    head: str
    condition: str
    auc: float | None
    balanced_accuracy: float | None
    accuracy_real: float | None
    accuracy_generated: float | None


@dataclass(frozen=True)
class RunFacts:
    """A run as its report needs it.

    Attributes:
        config: Its configuration.
        state: Its state at the end, or at the last checkpoint of a run that was interrupted.
        cross: Its cross table, if one was measured.
    """

    config: TrainConfig
    state: RunState
    cross: CrossTable | None

    @property
    def ending(self) -> str:
        """How it ended, in a few words."""
        step, steps = self.state.step, self.config.optimizer.steps
        if not self.state.finished:
            return f"Interrupted: {step:,} of {steps:,} steps are done"
        return f"Stopped early after {step:,} of {steps:,} steps" if step < steps else f"Finished after {step:,} steps"

    @property
    def metric(self) -> str:
        """What early stopping and the choice of weights went by, in words."""
        return {"auc": "AUC", "balanced_accuracy": "balanced accuracy"}[self.config.validation.metric]

    @property
    def best(self) -> dict[str, float]:
        """The validation of the weights that were kept; empty before the first."""
        found = [entry for entry in self.state.validations if entry["step"] == self.state.best_step]
        return found[-1] if found else {}

    @property
    def heads(self) -> list[HeadRow]:
        """The best validation, a row for each head and condition."""
        best, first = self.best, self.config.validation.heads[0]
        names = list(dict.fromkeys(key.split("/")[0] for key in best if key.count("/") == 2))
        # Runs of earlier versions validated one head and did not name it.
        prefixes = {name: f"{name}/" for name in names} or ({first: ""} if best else {})
        return [
            HeadRow(
                name,
                condition,
                best.get(f"{prefix}{condition}/auc"),
                best.get(f"{prefix}{condition}/balanced_accuracy"),
                best.get(f"{prefix}{condition}/accuracy_real"),
                best.get(f"{prefix}{condition}/accuracy_generated"),
            )
            for name, prefix in prefixes.items()
            for condition in CONDITIONS
        ]

    @property
    def settings(self) -> list[tuple[str, str, bool]]:
        """Setting, value as JSON, and whether it differs from the default; all of them."""
        changed = flat_settings(self.config.model_dump(mode="json", exclude_defaults=True))
        every = flat_settings(self.config.model_dump(mode="json"))
        return [(key, json.dumps(value, ensure_ascii=False), key in changed) for key, value in every.items()]

    @property
    def environment(self) -> list[tuple[str, str]]:
        """On what, with what and how fast it ran."""
        state = self.state
        rows = [("hardware", state.hardware or "not noted"), ("processes", str(state.processes))]
        if state.seconds:
            views = state.step * self.config.optimizer.records * views_per_record(self.config)
            busy = state.feed_cpu + state.model_cpu
            rows += [
                ("training time", f"{state.seconds / 60:,.1f} minutes without validation"),
                ("speed", f"{views / state.seconds:,.0f} views per second"),
                ("waiting for data", f"{state.waited / state.seconds:.0%} of that time"),
            ]
            rows += [("processor time outside the model", f"{state.feed_cpu / busy:.0%}")] if busy else []
        return rows + [(f"{name}", value) for name, value in sorted(state.environment.items())]

    @property
    def draws(self) -> list[tuple[str, str, int, float]]:
        """Class, origin, times drawn and their share of the class, most first."""
        rows = [(*name.partition("/")[::2], count) for name, count in self.state.draws.items()]
        totals: dict[str, int] = {}
        for kind, _, count in rows:
            totals[kind] = totals.get(kind, 0) + count
        return sorted(
            ((kind, origin, count, count / totals[kind]) for kind, origin, count in rows),
            key=lambda row: (row[0] != "real", -row[2], row[1]),
        )

    @property
    def data(self) -> list[tuple[str, int, int | None, str, list[dict[str, Any]]]]:
        """Role, number of shards, their bytes, a digest of their fingerprints, and the fingerprints."""
        rows = []
        for role, shards in self.state.data.items():
            sizes = [shard.get("bytes") for shard in shards]
            size = sum(size or 0 for size in sizes) if any(size is not None for size in sizes) else None
            digest = hashlib.sha256(json.dumps(shards, sort_keys=True).encode()).hexdigest()[:16]
            rows.append((role, len(shards), size, digest, shards))
        return rows


def read_facts(run: Path, config: TrainConfig | None = None, state: RunState | None = None) -> RunFacts:
    """Reads what is not given from a run's folder.

    Args:
        run: The folder.
        config: Instead of `config.json`.
        state: Instead of `state.json`, or of the newest checkpoint where the run was interrupted.

    Raises:
        DataError: If the folder holds no run, or a file in it is damaged.
    """
    if config is None:
        config = parse_config(_read_json(run / "config.json"), str(run / "config.json"))
    if state is None:
        state = _read_state(run)
    cross = run / "cross_table.json"
    try:
        table = CrossTable.from_dict(_read_json(cross)) if cross.exists() else None
    except (KeyError, TypeError) as error:
        raise DataError(str(cross), "is no cross table", "remove it") from error
    return RunFacts(config, state, table)


def _read_state(run: Path) -> RunState:
    finished, checkpoints = run / "state.json", sorted((run / "checkpoints").glob("step-*/facts.json"))
    path = checkpoints[-1] if checkpoints else finished
    facts = _read_json(finished) if finished.exists() else None
    # A run that goes on after its end, with more steps, leaves the old state behind until it ends again.
    if facts is None or (checkpoints and int(path.parent.name[5:]) > facts.get("step", 0)):
        return RunState.from_dict({**_read_json(path), "finished": False})
    return RunState.from_dict({"finished": True, **facts})  # earlier versions wrote the file at the end only


def _read_json(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(str(path), "is not there", "name the folder of a run that has reached a checkpoint") from error
    except (OSError, ValueError) as error:
        raise DataError(str(path), f"cannot be read: {error}") from error
    if not isinstance(facts, dict):
        raise DataError(str(path), "holds no table of facts")
    return facts
