"""One group of images, one detector, one variant: a row of figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from contrafake.evaluate.figures import METRICS, Estimate, Row
from contrafake.evaluate.group_metrics import (
    ACCURACIES,
    GROW_WITH_NOISE,
    SHARES,
    GroupMetrics,
    exact_interval,
    point_figures,
)
from contrafake.evaluate.resampling import estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from contrafake.evaluate.evaluation import DetectorFacts
    from contrafake.evaluate.groups import Group
    from contrafake.evaluate.resampling import Resampler

FEW_SOURCES = 5
"""Below this many, an interval over sources is called rough."""


@dataclass(frozen=True, eq=False)
class MeasuredRow:
    """A row, and what its intervals are made from.

    Attributes:
        row: The row.
        resampled: (R,) each metric of every resample, by name; those that were not resampled are not there.
    """

    row: Row
    resampled: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def measure_row(
    group: Group,
    facts: DetectorFacts,
    variant: str,
    scores: NDArray[np.float64],
    resampler: Resampler,
    *,
    least: int,
    intervals: Sequence[str] | None = None,
) -> MeasuredRow:
    """Measures a group.

    Args:
        group: Its images.
        facts: The detector.
        variant: Name of the variant.
        scores: (N,) scores of all images by the detector on the variant, NaN where missing.
        resampler: Draws of the images.
        least: Generated images below which a note says that they are few.
        intervals: Metrics that get one; None gives all one.
    """
    scored = ~np.isnan(scores)
    real, generated = (rows[scored[rows]] for rows in (group.real, group.generated))
    measured = GroupMetrics(facts, scores[real], scores[generated])
    found: dict[str, NDArray[np.float64]] = {}
    if resampler.repeats and measured.values and (intervals is None or intervals):
        of_real, of_generated = (resampler.counts(rows) if len(rows) else None for rows in (real, generated))
        found = measured.resampled(of_real, of_generated, intervals)
    sources = tuple(resampler.sources(rows) for rows in (real, generated))
    row = Row(
        detector=facts.name,
        variant=variant,
        part=group.part,
        level=group.level,
        name=group.name,
        real=len(real),
        generated=len(generated),
        sources_real=sources[0],
        sources_generated=sources[1],
        missing=len(group.real) + len(group.generated) - len(real) - len(generated),
        borrowed=group.borrowed,
        metrics=_estimates(measured, found, {"real": len(real), "generated": len(generated)}),
        points=tuple(point_figures(point, scores[real], scores[generated]) for point in facts.points),
        notes=(
            *_about(group, len(real), len(generated), least),
            *([] if facts.points else ["no accuracies: the detector has no decision rule"]),
            *measured.notes,
            *(_about_sources(sources, (len(real), len(generated))) if found else []),
        ),
    )
    return MeasuredRow(row, found)


def _estimates(
    measured: GroupMetrics, resampled: dict[str, NDArray[np.float64]], images: dict[str, int]
) -> dict[str, Estimate]:
    found = {
        name: estimate(measured.values[name], resampled.get(name), shifted=name in GROW_WITH_NOISE)
        for name in METRICS
        if name in measured.values
    }
    # Where all images of a class are called alike, so they are in every resample: that alone would say "certainly".
    exact = {
        name: exact_interval(round(found[name].value * images[label]), images[label])
        for name, label in SHARES.items()
        if name in found
    }
    if "balanced_accuracy" in found:
        exact["balanced_accuracy"] = _mean_of(*((found[name].value, exact[name]) for name in ACCURACIES))
    return {name: _widened(one, exact.get(name)) for name, one in found.items()}


def _widened(found: Estimate, exact: tuple[float, float] | None) -> Estimate:
    if exact is None or found.low is None or found.high is None:
        return found
    return Estimate(found.value, min(found.low, exact[0]), max(found.high, exact[1]))


def _mean_of(*shares: tuple[float, tuple[float, float]]) -> tuple[float, float]:
    """Interval of the mean of two independent shares from theirs (Zou and Donner 2008, "MOVER")."""
    mean = sum(value for value, _ in shares) / 2
    below, above = (math.hypot(*(value - interval[end] for value, interval in shares)) / 2 for end in (0, 1))
    return mean - below, mean + above


def _about(group: Group, real: int, generated: int, least: int) -> list[str]:
    notes = []
    if group.borrowed and real:
        notes.append(f"no real images of its own: the {real} of the other parts stand in")
    if group.level != "real":
        absent = [name for name, count in (("real", real), ("generated", generated)) if not count]
        if absent:
            notes.append(f"no {' and no '.join(absent)} images: nothing compares the classes")
        if 0 < generated < least:
            notes.append(f"{generated} generated images only")
    return notes


def _about_sources(sources: tuple[int, ...], images: tuple[int, int]) -> list[str]:
    notes = []
    for name, count, size in zip(("real", "generated"), sources, images, strict=True):
        if count == 1 and size > 1:
            notes.append(f"{name} images are of one source: intervals are over its images and say nothing of others")
        elif 1 < count < FEW_SOURCES:
            notes.append(f"{name} images are of {count} sources only: intervals are rough")
    return notes
