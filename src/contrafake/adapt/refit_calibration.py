"""Thresholds, probabilities and the rule for names of heads that were fitted anew, from the images remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.adapt.refit_memory import as_memory
from contrafake.adapt.refit_names import compare_names, names_given
from contrafake.errors import UsageError
from contrafake.measure import auc
from contrafake.model.bundle_config import CalibrationFacts
from contrafake.model.calibration import exceeding, fit_calibration
from contrafake.train.attribution import fit_attribution
from contrafake.train.head_fitting import score_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contrafake.adapt.refit_memory import Judged
    from contrafake.adapt.refit_names import Naming
    from contrafake.model.bundle import Bundle
    from contrafake.model.bundle_config import AttributionRule, BundleConfig
    from contrafake.model.calibration import Calibration
    from contrafake.model.heads import Head
    from contrafake.model.validation_memory import ValidationMemory

RATES = (0.05, 0.01)


def calibrated(
    config: BundleConfig, heads: Mapping[str, Head], memory: ValidationMemory, crops: int
) -> tuple[list[CalibrationFacts], dict[tuple[str, int], Calibration]]:
    """Calibrations of heads, at the false-alarm rates that a bundle has points for.

    Args:
        config: Description of the bundle.
        heads: The heads.
        memory: Validation images.
        crops: Most crops of each; calibrated is at one, the centre, and at all.
    """
    real = memory.labels == 0
    rates = _rates(config, int(real.sum()))
    facts: list[CalibrationFacts] = []
    calibrations: dict[tuple[str, int], Calibration] = {}
    for count in sorted({1, crops}):
        for name, head in heads.items():
            scores = (
                score_all(head, memory.centres()) if count == 1 else memory.mean_scores(score_all(head, memory.vectors))
            )
            found = fit_calibration(scores[real], scores[~real], memory.sources[real].astype(np.int32))
            calibrations[name, count] = found
            facts.append(
                CalibrationFacts(
                    head=name, crops=count, slope=found.slope, intercept=found.intercept, bound=found.bound,
                    auc=auc(found.real_scores, found.generated_scores),
                    operating_points=[found.operating_point(rate) for rate in rates],
                )
            )  # fmt: skip
    return facts, calibrations


def _rates(config: BundleConfig, images: int) -> list[float]:
    """The false-alarm rates that the bundle has points for, as far as its real images support them."""
    named = [point.name.partition("%") for facts in config.calibrations for point in facts.operating_points]
    stored = [float(number) / 100 for number, sign, _ in named if sign and number.replace(".", "", 1).isdigit()]
    wanted = dict.fromkeys(stored or RATES)
    supported = []
    for rate in wanted:
        try:
            exceeding(rate, images)
        except UsageError:
            continue
        supported.append(rate)
    return supported


def named_anew(
    bundle: Bundle, after: Mapping[str, Head], origins: list[str], images: Judged
) -> tuple[AttributionRule | None, tuple[Naming, ...]]:
    """The rule for names, fitted anew, and what it and the old one say of images that are no references.

    Args:
        bundle: The old model.
        after: The new heads.
        origins: What the new references' codes mean.
        images: What the rule is fitted on, and tried on.
    """
    old, new = images.everything()
    rule = fit_attribution(after["nearest"], new, origins, {})
    generated = new.labels == 1
    before = names_given(bundle.head("nearest"), bundle.config.attribution, bundle.config.origins, as_memory(old))
    now = names_given(after["nearest"], rule, origins, as_memory(new))
    added = dict.fromkeys(images.held_families[images.held[0].labels == 1].tolist(), True)
    known = np.unique(images.families[images.memory[0].labels == 1].astype(str)).tolist()
    return rule, compare_names(
        new.origins[generated],
        None if before is None else before[generated],
        None if now is None else now[generated],
        {**added, **{name: False for name in known if name not in added}},
    )
