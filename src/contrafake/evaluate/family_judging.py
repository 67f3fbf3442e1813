"""From the scores of a fold's test images to the lines that are kept, whether heads or encoders were fitted."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from contrafake import __version__
from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import UsageError
from contrafake.evaluate.family_folds import fold_rows
from contrafake.evaluate.family_scores import FamilyScore
from contrafake.model.calibration import exceeding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from contrafake.data.origins import OriginTable
    from contrafake.data.sample import Sample
    from contrafake.detect.detector import Detector
    from contrafake.evaluate.family_folds import Fold, FoldRows
    from contrafake.evaluate.variant import Variant
    from contrafake.model.calibration import Calibration

RATE = 0.05
"""Share of false alarms that the thresholds aim at."""


def checked_rows(samples: Sequence[Sample], folds: Sequence[Fold], rate: float) -> list[FoldRows]:
    """The images of each fold; what is wrong with one of them is better known before hours of work.

    Raises:
        DataError: A fold lacks a class to fit or calibrate on.
        UsageError: Too few real images are left in a fold for thresholds at `rate`.
    """
    found = [fold_rows(samples, fold) for fold in folds]
    for fold, rows in zip(folds, found, strict=True):
        real = sum(samples[row].label == REAL for row in rows.calibration)
        try:
            exceeding(rate, real)
        except UsageError as error:
            raise UsageError(f"fold {fold.name}: {error.subject}", error.cause, error.remedy) from error
    return found


def score_rows(
    samples: Sequence[Sample],
    scores: NDArray[np.float64],
    calibration: Calibration,
    origins: OriginTable,
    place: tuple[Fold, str, Variant],
) -> Iterator[FamilyScore]:
    """The lines of one fold, head and variant.

    Args:
        samples: N test images.
        scores: (N,) their scores; those without (NaN) are left out.
        calibration: Of the fold's head.
        origins: Families of the generators.
        place: Fold, head and variant.
    """
    fold, head, variant = place
    for sample, score in zip(samples, scores.tolist(), strict=True):
        if np.isfinite(score):
            generated = sample.label == GENERATED
            yield FamilyScore(
                fold=fold.name,
                head=head,
                variant=variant.name,
                key=sample.key,
                label=sample.label,
                origin=sample.origin,
                family=origins.get(GENERATED, sample.origin).family if generated else "real",
                source=sample.source,
                content=str(sample.metadata.get("content") or ""),
                score=score,
                llr=calibration.llr(score),
            )


def run_facts(
    mode: Literal["refit", "train"],
    detector: Detector,
    *,
    crops: int,
    rate: float,
    variants: Sequence[Variant],
    broken: Mapping[str, str],
) -> dict[str, Any]:
    """What a reader of the scores needs to know beside the folds, in plain JSON types."""
    return {
        "mode": mode,
        "model": detector.model.name,
        "version": detector.model.version,
        "hash": detector.model.hash,
        "default_head": detector.default_head,
        "crops": crops,
        "rate": rate,
        "variants": [variant.to_dict() for variant in variants],
        "unreadable": dict(broken),
        "software": {
            "contrafake": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "pillow", "onnxruntime", "scikit-learn")},
        },
    }
