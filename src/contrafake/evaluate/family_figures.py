"""The figures of leave-one-family-out, of one fold and of all together, from their scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from contrafake import measure
from contrafake.data.sample import GENERATED
from contrafake.evaluate.family_folds import photo_like
from contrafake.evaluate.figures import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from contrafake.evaluate.family_scores import FamilyScores

Subset = Literal["all", "photo-like"]
SUBSETS: Final[dict[Subset, str]] = {
    "all": "all generated images against photographs",
    "photo-like": "photo-like generated images against photographs",
}
LEAST_COUNTED: Final = 20
"""Generated images below which a fold takes no part in the mean and the worst."""
BINS: Final = 10


@dataclass(frozen=True)
class FoldFigures:
    """One fold, head, variant and subset.

    Attributes:
        fold: Its name.
        head: Which head scored.
        variant: What the test images underwent.
        subset: Name in `SUBSETS`.
        real: Photographs.
        generated: Images of the absent family.
        sources_real: Sources of the photographs.
        sources_generated: Theirs.
        auc: With an interval by bootstrap over sources and images.
        balanced_accuracy: At the fold's threshold.
        accuracy_generated: Share of generated images above it.
        false_alarms: Share of photographs above it, with an exact binomial interval.
        cllr: Of the fold's likelihood ratios.
        counted: Whether the fold takes part in mean and worst: at least `LEAST_COUNTED` generated images.
    """

    fold: str
    head: str
    variant: str
    subset: Subset
    real: int
    generated: int
    sources_real: int
    sources_generated: int
    auc: Estimate
    balanced_accuracy: float
    accuracy_generated: float
    false_alarms: Estimate
    cllr: float
    counted: bool


@dataclass(frozen=True)
class FamilySummary:
    """All folds of one head, variant and subset.

    Attributes:
        head: Which head scored.
        variant: What the test images underwent.
        subset: Name in `SUBSETS`.
        folds: Folds that take part in mean and worst.
        auc: Mean of their AUCs; the interval resamples sources and images within each fold. None without any.
        worst: The smallest of them.
        worst_name: Whose it is.
        balanced_accuracy: Mean of theirs.
        real: Photographs of all folds, those with few generated images among them.
        generated: Generated images of all folds.
        false_alarms: Share of all photographs above their fold's threshold; interval over sources and images.
        cllr: Of the likelihood ratios of all folds together; interval likewise.
        calibration_error: Theirs, classes weighing half each, in `BINS` bins of equal mass; interval likewise.
    """

    head: str
    variant: str
    subset: Subset
    folds: int
    auc: Estimate | None
    worst: float | None
    worst_name: str
    balanced_accuracy: float | None
    real: int
    generated: int
    false_alarms: Estimate
    cllr: Estimate
    calibration_error: Estimate


@dataclass(frozen=True, eq=False)
class _Part:
    """The scores of one fold in one table: real ones first in each pair."""

    fold: str
    threshold: float
    scores: tuple[NDArray[np.float64], NDArray[np.float64]]
    llr: tuple[NDArray[np.float64], NDArray[np.float64]]
    sources: tuple[NDArray[np.object_], NDArray[np.object_]]


def family_figures(
    scores: FamilyScores, head: str, variant: str, subset: Subset, *, repeats: int, seed: int
) -> tuple[list[FoldFigures], FamilySummary | None]:
    """The figures of all folds for one head, variant and subset, and their summary.

    Args:
        scores: Of all folds.
        head: Which head's.
        variant: Of which variant.
        subset: Name in `SUBSETS`.
        repeats: Resamples behind each interval; 0 gives none.
        seed: Their seed.

    Returns:
        A row for each fold that has both classes, in order; no summary where there is none.
    """
    parts = _parts(scores, head, variant, subset)
    draw = _Draw(repeats, seed)
    rows = [_figures(part, head, variant, subset, draw) for part in parts]
    return rows, _summary(parts, rows, draw) if rows else None


@dataclass(frozen=True)
class _Draw:
    repeats: int
    seed: int

    def __call__(
        self,
        statistic: Callable[..., float],
        samples: Sequence[NDArray[np.float64]],
        sources: Sequence[NDArray[np.object_]],
    ) -> Estimate:
        """A statistic with its interval over sources and images, where any is wanted."""
        if not self.repeats:
            return Estimate(statistic(*samples))
        groups = [names.astype(str) for names in sources]
        low, high = measure.bootstrap_interval(statistic, *samples, groups=groups, repeats=self.repeats, seed=self.seed)
        return Estimate(statistic(*samples), low, high)


def _parts(scores: FamilyScores, head: str, variant: str, subset: Subset) -> list[_Part]:
    columns = scores.columns
    inside = (columns["head"] == head) & (columns["variant"] == variant)
    if subset == "photo-like":
        pairs = zip(columns["label"].tolist(), columns["content"].tolist(), strict=True)
        inside &= np.array([photo_like(label, content) for label, content in pairs], bool)
    generated = columns["label"] == GENERATED
    parts: list[_Part] = []
    for known in scores.folds:
        rows = inside & (columns["fold"] == known.fold.name)
        masks = rows & ~generated, rows & generated
        if all(mask.any() for mask in masks):
            real, made = masks
            parts.append(
                _Part(
                    fold=known.fold.name,
                    threshold=known.thresholds[head],
                    scores=(columns["score"][real], columns["score"][made]),
                    llr=(columns["llr"][real], columns["llr"][made]),
                    sources=(columns["source"][real], columns["source"][made]),
                )
            )
    return parts


def _figures(part: _Part, head: str, variant: str, subset: Subset, draw: _Draw) -> FoldFigures:
    real, generated = part.scores
    at = measure.accuracy_at(real, generated, part.threshold)
    flagged = int((real > part.threshold).sum())
    return FoldFigures(
        fold=part.fold,
        head=head,
        variant=variant,
        subset=subset,
        real=len(real),
        generated=len(generated),
        sources_real=len(set(part.sources[0])),
        sources_generated=len(set(part.sources[1])),
        auc=draw(measure.auc, part.scores, part.sources),
        balanced_accuracy=at.balanced,
        accuracy_generated=at.generated,
        false_alarms=Estimate(flagged / len(real), *measure.clopper_pearson(flagged, len(real))),
        cllr=measure.cllr(*part.llr),
        counted=len(generated) >= LEAST_COUNTED,
    )


def _summary(parts: Sequence[_Part], rows: Sequence[FoldFigures], draw: _Draw) -> FamilySummary:
    counted = [row for row in rows if row.counted]
    chosen = [part for part, row in zip(parts, rows, strict=True) if row.counted]
    worst = min(counted, key=lambda row: row.auc.value, default=None)
    llr = [np.concatenate([part.llr[label] for part in parts]) for label in (0, 1)]
    sources = [np.concatenate([part.sources[label] for part in parts]) for label in (0, 1)]
    flagged = np.concatenate([(part.scores[0] > part.threshold).astype(np.float64) for part in parts])
    return FamilySummary(
        head=rows[0].head,
        variant=rows[0].variant,
        subset=rows[0].subset,
        folds=len(counted),
        auc=_mean_auc(chosen, draw) if chosen else None,
        worst=None if worst is None else worst.auc.value,
        worst_name="" if worst is None else worst.fold,
        balanced_accuracy=float(np.mean([row.balanced_accuracy for row in counted])) if counted else None,
        real=len(llr[0]),
        generated=len(llr[1]),
        false_alarms=draw(_share, [flagged], sources[:1]),
        cllr=draw(measure.cllr, llr, sources),
        calibration_error=draw(_calibration_error, llr, sources),
    )


def _mean_auc(parts: Sequence[_Part], draw: _Draw) -> Estimate:
    def statistic(*samples: NDArray[np.float64]) -> float:
        return float(np.mean([measure.auc(*samples[at : at + 2]) for at in range(0, len(samples), 2)]))

    samples = [scores for part in parts for scores in part.scores]
    return draw(statistic, samples, [names for part in parts for names in part.sources])


def _share(flagged: NDArray[np.float64]) -> float:
    return float(flagged.mean())


def _calibration_error(real: NDArray[np.float64], generated: NDArray[np.float64]) -> float:
    labels = np.repeat([0, 1], [len(real), len(generated)])
    chances = np.exp(-np.logaddexp(0, -np.concatenate([real, generated])))
    return measure.calibration_error(chances, labels, BINS, measure.balanced_weights(labels))
