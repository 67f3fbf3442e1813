"""What fitting heads anew gained and lost: the same images scored before and after, with intervals."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.adapt.held_back import Counted, divide, fewest_to_fit, flagged_held_back
from contrafake.measure import auc
from contrafake.model.calibration import exceeding, least_images
from contrafake.train.head_fitting import score_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from contrafake.adapt.refit_memory import Judged
    from contrafake.model.heads import Head
    from contrafake.model.validation_memory import ValidationMemory

RATE = 0.05
ALL_OLD = "all old origins"
FOLDS = 5
REPEATS = 1000


@dataclass(frozen=True)
class Figure:
    """A figure before and after, of the same images.

    Attributes:
        before: Its value before.
        after: Its value after.
        before_interval: 95 % interval of the one.
        after_interval: Of the other.
        change_interval: Of their difference, both resampled together.
    """

    before: float
    after: float
    before_interval: tuple[float, float]
    after_interval: tuple[float, float]
    change_interval: tuple[float, float]

    @property
    def verdict(self) -> str:
        """Where the interval of the change excludes 0, "gained" or "lost"; "" otherwise."""
        low, high = self.change_interval
        return "gained" if low > 0 else "lost" if high < 0 else ""

    def describe(self) -> str:
        """Such as "0.61 -> 0.58 (-0.07 to +0.01)"; the interval is that of the change."""
        low, high = self.change_interval
        return f"{self.before:.2f} -> {self.after:.2f} ({low:+.2f} to {high:+.2f})"


@dataclass(frozen=True)
class Row:
    """One head on the images of one origin or family.

    Attributes:
        head: Name of the head.
        origin: What the images are of.
        new: Whether that is a name that was added.
        images: Generated images.
        auc: Against the real images remembered.
        caught: Share above the threshold of 5 % false alarms.
    """

    head: str
    origin: str
    new: bool
    images: int
    auc: Figure
    caught: Figure


@dataclass(frozen=True)
class Alarms:
    """Real images flagged at the 5 % threshold, before and after.

    Attributes:
        head: Name of the head.
        of: "remembered": each by a threshold made from other sources' images; "own": those held back of --reals, by
            the threshold from all that are remembered.
        before: Before.
        after: After.
    """

    head: str
    of: str
    before: Counted
    after: Counted


@dataclass(frozen=True)
class Figures:
    """All that is reported.

    Attributes:
        rows: New origins, all old ones together, then the old ones by family; head by head.
        alarms: False alarms; none where there are too few real images.
        real_images: Real images remembered.
    """

    rows: tuple[Row, ...]
    alarms: tuple[Alarms, ...]
    real_images: int

    def row(self, head: str, origin: str, *, new: bool = False) -> Row:
        """The row of a head and an origin, of the new images or of those remembered.

        Raises:
            KeyError: There is none.
        """
        for row in self.rows:
            if (row.head, row.origin, row.new) == (head, origin, new):
                return row
        raise KeyError(origin)

    def lines(self, head: str) -> list[str]:
        """What a head gained and lost, in words."""
        found = []
        for verdict in ("gained", "lost"):
            told = [
                f"{row.origin}{' (new)' if row.new else ''}: {what} {figure.describe()}"
                for row in self.rows
                if row.head == head
                for what, figure in (("AUC", row.auc), ("caught", row.caught))
                if figure.verdict == verdict
            ]
            found += [f"{verdict}: {line}" for line in told] or [f"{verdict}: nothing that these images can show"]
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "alarms": [
                {"head": row.head, "of": row.of, "before": row.before.to_dict(), "after": row.after.to_dict()}
                for row in self.alarms
            ],
            "real_images": self.real_images,
        }


def measure(
    before: Mapping[str, Head],
    after: Mapping[str, Head],
    images: Judged,
    *,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Figures:
    """Compares heads on images that neither was fitted on.

    Args:
        before: Old heads.
        after: New heads, of the same names.
        images: The validation images and the new ones held back.
        repeats: Resamples behind an interval: of the real images and of the generated ones, each image with both of
            its scores; the threshold is found anew in each.
        seed: Of the resampling.
    """
    rows: list[Row] = []
    alarms: list[Alarms] = []
    old, new = images.memory, images.held_memory
    labels, added, families, names = old[0].labels, new[0].labels, images.families, images.held_families
    sources = old[0].sources[labels == 0]
    for head in after:
        scores = _both(before[head], after[head], old)
        fresh = _both(before[head], after[head], new)
        real = scores[labels == 0]
        resampled = _Reals(real, repeats, seed)
        parts = [(str(name), True, fresh[(names == name) & (added == 1)]) for name in dict.fromkeys(names[added == 1])]
        parts.append((ALL_OLD, False, scores[labels == 1]))
        parts += [
            (str(name), False, scores[(families == name) & (labels == 1)])
            for name in np.unique(families[labels == 1].astype(str))
        ]
        rows += [
            Row(head, name, is_new, len(generated), *resampled.figures(generated))
            for name, is_new, generated in parts
            if len(generated)
        ]
        alarms += _alarms(head, real, sources, fresh[added == 0])
    return Figures(tuple(rows), tuple(alarms), int((labels == 0).sum()))


def threshold(real: NDArray[np.float64]) -> float:
    """The 5 % threshold as an operating point sets it; the largest score where there are too few images for one."""
    k = exceeding(RATE, len(real)) if len(real) >= least_images(RATE) else 1
    return float(np.sort(real)[len(real) - k])


def _both(before: Head, after: Head, images: tuple[ValidationMemory, ValidationMemory]) -> NDArray[np.float64]:
    """(N, 2) scores before and after."""
    return np.stack(
        [
            one.mean_scores(score_all(head, one.vectors)) if len(one.labels) else np.empty(0)
            for head, one in zip((before, after), images, strict=True)
        ],
        axis=1,
    )


def _alarms(head: str, real: NDArray[np.float64], sources: NDArray[np.int64], own: NDArray[np.float64]) -> list[Alarms]:
    found = []
    folds = divide(sources, FOLDS, 0)
    if fewest_to_fit(folds) >= least_images(RATE):
        shares = [Counted.over(flagged_held_back(real[:, at], folds, RATE)) for at in (0, 1)]
        found.append(Alarms(head, "remembered", *shares))
    if len(own):
        shares = [Counted.over(own[:, at] > threshold(real[:, at])) for at in (0, 1)]
        found.append(Alarms(head, "own", *shares))
    return found


class _Reals:
    """Resamples of the real images, kept sorted with their thresholds."""

    def __init__(self, real: NDArray[np.float64], repeats: int, seed: int) -> None:
        self.real, self.seed = real, seed
        drawn = np.random.default_rng([seed, 0]).integers(len(real), size=(repeats, len(real)))
        self.sorted = [np.sort(real[drawn, at], axis=1) for at in (0, 1)]
        k = exceeding(RATE, len(real)) if len(real) >= least_images(RATE) else 1
        self.thresholds = [found[:, len(real) - k] for found in self.sorted]

    def figures(self, generated: NDArray[np.float64]) -> tuple[Figure, Figure]:
        """AUC and share caught of (M, 2) scores."""
        size = len(self.thresholds[0]), len(generated)
        drawn = np.random.default_rng([self.seed, 1]).integers(len(generated), size=size)
        areas, caught = [], []
        for at in (0, 1):
            scores = generated[drawn, at]
            caught.append((scores > self.thresholds[at][:, None]).mean(axis=1))
            areas.append(np.array([_auc(one, few) for one, few in zip(self.sorted[at], scores, strict=True)]))
        real = self.real
        return (
            _figure([auc(real[:, at], generated[:, at]) for at in (0, 1)], areas),
            _figure([float((generated[:, at] > threshold(real[:, at])).mean()) for at in (0, 1)], caught),
        )


def _auc(ordered: NDArray[np.float64], generated: NDArray[np.float64]) -> float:
    """As `measure.auc`, of real scores that are sorted already."""
    below = ordered.searchsorted(generated, "left").sum() + ordered.searchsorted(generated, "right").sum()
    return float(below / (2 * ordered.size * generated.size))


def _figure(values: list[float], resampled: list[NDArray[np.float64]]) -> Figure:
    def interval(found: NDArray[np.float64]) -> tuple[float, float]:
        low, high = np.quantile(found, [0.025, 0.975])
        return float(low), float(high)

    first, second = resampled
    return Figure(values[0], values[1], interval(first), interval(second), interval(second - first))
