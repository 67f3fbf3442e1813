"""What a training run knows beside its tensors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

CURVE_POINTS = 1000


@dataclass
class RunState:
    """The facts of a run; saved in every checkpoint and, as `state.json`, in its folder.

    Attributes:
        step: Steps done.
        draws: Images drawn so far, by "class/origin".
        broken: Causes of unreadable images, with how often each was drawn.
        damage: What the listing left out, cause by address.
        best: Best value of the watched metric, None before the first validation.
        best_step: Step of that value.
        stale: Validations since then.
        validations: All validations, in order.
        loss: Total loss of the last step whose loss was read.
        curve: [step, total loss], at most about a thousand of them, evenly spaced.
        seconds: Wall time spent training, without validation.
        waited: How much of it the model waited for views, in seconds.
        feed_cpu: Processor seconds that reading and cutting views took, in the first process and its workers.
        model_cpu: Processor seconds of the first training process beside that.
        hardware: What it was trained on.
        processes: Number of training processes.
        environment: Versions of what it was trained with.
        data: Fingerprints of the shards, by role ("train", "validation", "fitting").
        changes: Settings that were changed while the run went on, each with the step.
        finished: Whether it came to its end, by steps or by patience.
    """

    step: int = 0
    draws: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    damage: dict[str, str] = field(default_factory=dict)
    best: float | None = None
    best_step: int = 0
    stale: int = 0
    validations: list[dict[str, float]] = field(default_factory=list)
    loss: float = 0.0
    curve: list[list[float]] = field(default_factory=list)
    seconds: float = 0.0
    waited: float = 0.0
    feed_cpu: float = 0.0
    model_cpu: float = 0.0
    hardware: str = ""
    processes: int = 1
    environment: dict[str, str] = field(default_factory=dict)
    data: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    finished: bool = False

    def judge(self, found: dict[str, float], metric: str) -> bool:
        """Records a validation; returns whether it is the best so far."""
        self.validations.append({"step": self.step, **found})
        if self.best is not None and found[metric] <= self.best:
            self.stale += 1
            return False
        self.best, self.best_step, self.stale = found[metric], self.step, 0
        return True

    def rejudge(self, head: str, metric: str) -> None:
        """Takes the best value anew from the validation of the kept weights, where head or metric may have changed.

        Where the head was not fitted then, there is no best value.
        """
        kept = next((entry for entry in reversed(self.validations) if entry["step"] == self.best_step), {})
        if not any(name.count("/") == 2 for name in kept):
            self.best = kept.get(metric)  # earlier versions fitted one head and did not name it
            return
        names = [f"{head}/{condition}/{metric}" for condition in ("untransformed", "transformed")]
        self.best = (kept[names[0]] + kept[names[1]]) / 2 if names[0] in kept else None

    def draw_curve(self, losses: Iterable[tuple[int, float]], steps: int) -> None:
        """Keeps the losses of a run of `steps` steps that belong to the curve."""
        stride = -(-steps // CURVE_POINTS)
        self.curve += [[step, loss] for step, loss in losses if step % stride == 0]

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe facts, the inverse of `from_dict`."""
        return {**vars(self), "draws": dict(self.draws), "broken": dict(self.broken)}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> RunState:
        """Restores a state from a checkpoint's facts; those that are no longer known are left out."""
        known = {name.name: facts[name.name] for name in fields(cls) if name.name in facts}
        return cls(**{**known, "draws": Counter(facts.get("draws", {})), "broken": Counter(facts.get("broken", {}))})
