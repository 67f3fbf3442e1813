"""A run's curves as pictures: the loss over the steps, and what each validation found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.train.drawing import BLUE, DIM, ORANGE, RAIL, canvas, png, style

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

POINTS = 1000
_SMOOTHING = 50  # the smoothed curve is the mean over a fiftieth of it to both sides


def read_curve(run: Path) -> list[list[float]]:
    """[step, total loss] of a run's TensorBoard events, at most `POINTS` of them; none where there are no events."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415 - slow

    if not (run / "tensorboard").is_dir():
        return []
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": POINTS}).Reload()
    if "loss/total" not in events.Tags()["scalars"]:
        return []
    return [[event.step, event.value] for event in events.Scalars("loss/total")]


def draw_loss(curve: Sequence[Sequence[float]]) -> bytes:
    """PNG of [step, total loss] pairs: as they are, and smoothed."""
    steps, losses = zip(*_thinned(curve), strict=True)
    reach = len(losses) // _SMOOTHING
    smooth = [float(np.mean(losses[max(0, i - reach) : i + reach + 1])) for i in range(len(losses))]
    with style():
        figure, axes = canvas(4.8, 3.0)
        axes.plot(steps, losses, color=RAIL if reach else BLUE, linewidth=1.0)
        if reach:
            axes.plot(steps, smooth, color=BLUE, linewidth=1.6)
        _label(axes, "total loss")
        return png(figure)


def draw_validations(validations: Sequence[dict[str, float]], best_step: int) -> bytes:
    """PNG of the first head's AUC and balanced accuracy over the steps, in both conditions."""
    steps = [found["step"] for found in validations]
    with style():
        figure, axes = canvas(4.8, 3.0)
        for metric, name, line in (("auc", "AUC", "-"), ("balanced_accuracy", "balanced accuracy", "--")):
            for condition, colour, marker in (("untransformed", BLUE, "o"), ("transformed", ORANGE, "^")):
                values = [found.get(f"{condition}/{metric}", float("nan")) for found in validations]
                label = f"{name}, {condition}"
                axes.plot(steps, values, line, color=colour, marker=marker, markersize=3, linewidth=1.3, label=label)
        axes.axvline(best_step, color=DIM, linewidth=0.8, linestyle=":")
        axes.axhline(0.5, color=RAIL, linewidth=0.8)
        _label(axes, "validation; dotted: weights kept")
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=7.5)
        return png(figure)


def _thinned(curve: Sequence[Sequence[float]]) -> Sequence[Sequence[float]]:
    return curve[:: -(-len(curve) // POINTS)]


def _label(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xlabel("step")
    axes.grid(axis="y", color=RAIL, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
