"""The most confident mistakes of a detector: where to look first, for wrong labels as well as for weaknesses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from contrafake.data.sample import REAL

if TYPE_CHECKING:
    from contrafake.evaluate.evaluation import DetectorFacts, Evaluation


@dataclass(frozen=True)
class Mistake:
    """An image that a detector got wrong.

    Attributes:
        kind: "false alarm", a real image called generated, or "miss", a generated one that is not.
        key: The image.
        origin: Its data set or generator.
        source: Where it was collected.
        content: What it shows, as far as that is noted.
        seen: "yes", "no" or "": whether training saw the origin.
        score: The detector's score.
        distance: How far the score lies on the wrong side of the threshold, at least 0.
        llr: Natural-log likelihood ratio, None where the detector gives none.
    """

    kind: Literal["false alarm", "miss"]
    key: str
    origin: str
    source: str
    content: str
    seen: str
    score: float
    distance: float
    llr: float | None


def mistakes(evaluation: Evaluation, detector: str, count: int = 12) -> list[Mistake]:
    """The most confident mistakes on the first variant, by the hard threshold of the first decision rule.

    A detector without a rule that gives likelihood ratios is taken at a ratio of 1. Likelihood ratios rise with the
    score but are bounded, so that the score decides: the further from the threshold, the earlier; equal scores stand in
    the order of the images.

    Args:
        evaluation: The scores.
        detector: The detector's name.
        count: How many false alarms, and how many misses, at most.

    Returns:
        False alarms, then misses; none where the detector decides nothing.

    Raises:
        KeyError: There is no such detector.
    """
    facts = evaluation.detectors[evaluation.place(evaluation.detectors, detector)]
    scores = evaluation.of(evaluation.variants[0].name, detector)
    threshold = _threshold(facts)
    if threshold is None:
        return []
    ratios = facts.llr(scores)
    real = evaluation.images.label == REAL
    alarms = np.flatnonzero(real & (scores > threshold))
    misses = np.flatnonzero(~real & (scores <= threshold))
    alarms = alarms[np.argsort(-scores[alarms], kind="stable")][:count]
    misses = misses[np.argsort(scores[misses], kind="stable")][:count]

    def mistake(row: int, kind: Literal["false alarm", "miss"]) -> Mistake:
        images = evaluation.images
        return Mistake(
            kind=kind,
            key=images.key[row],
            origin=images.origin[row],
            source=images.source[row],
            content=images.content[row],
            seen=images.seen[row],
            score=float(scores[row]),
            distance=abs(float(scores[row]) - threshold),
            llr=None if ratios is None else float(ratios[row]),
        )

    return [mistake(int(row), "false alarm") for row in alarms] + [mistake(int(row), "miss") for row in misses]


def mistaken_keys(evaluation: Evaluation, count: int = 12) -> list[str]:
    """Keys of the images whose thumbnails a report shows, each once.

    Args:
        evaluation: The scores.
        count: As in `mistakes`.
    """
    found = (mistake.key for facts in evaluation.detectors for mistake in mistakes(evaluation, facts.name, count))
    return list(dict.fromkeys(found))


def _threshold(facts: DetectorFacts) -> float | None:
    """Where the verdict turns: the first rule's threshold, else where the likelihood ratio is 1."""
    if facts.points:
        return facts.points[0].threshold
    if facts.calibration is not None and facts.calibration.slope > 0:
        return -facts.calibration.intercept / facts.calibration.slope
    return 0.5 if facts.probability else None
