"""What one call of the detector decides before any image is touched."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contrafake.errors import UsageError
from contrafake.images.crops import MAX_CROPS
from contrafake.model.calibration import Calibration, OperatingPoint, probability

if TYPE_CHECKING:
    from contrafake.model.bundle import Bundle

DEFAULT_PRIOR = 0.5
_USUAL_RATE = 0.05


class CalibrationWarning(UserWarning):
    """The probability and the operating point were measured under other conditions than those in use."""


@dataclass(frozen=True)
class Plan:
    """How the images of one call are judged.

    Attributes:
        crops: Wanted crops per image.
        head: Name of the head that scores.
        calibration: Turns scores to likelihood ratios; None where the head has none, or thresholds only.
        point: The decision rule; None where the head is not calibrated and no threshold was given.
        prior: Probability of being generated before looking.
        notes: What every verdict of the call has to say.
        native_probability: Whether the score is a logit, and stands in for the likelihood ratio that is missing.
    """

    crops: int
    head: str
    calibration: Calibration | None
    point: OperatingPoint | None
    prior: float
    notes: tuple[str, ...] = ()
    native_probability: bool = False


def make_plan(
    bundle: Bundle,
    *,
    crops: int | None = None,
    head: str | None = None,
    operating_point: OperatingPoint | None = None,
    false_alarm_rate: float | None = None,
    threshold: float | None = None,
    prior: float | None = None,
    stacklevel: int = 3,
) -> Plan:
    """Fills in the bundle's defaults and finds the calibration and the decision rule.

    Args:
        bundle: The model.
        crops: As `Detector.detect_each` takes it, like all that follow.
        head: Name of a head.
        operating_point: A rule of the caller's own.
        false_alarm_rate: Or a target to find the rule for: a stored one, or one computed from the stored scores.
        threshold: Or a bare threshold.
        prior: Prior probability.
        stacklevel: Whose line a warning names.

    Raises:
        UsageError: For impossible settings, or a rate that the validation images cannot support.
        BundleError: If the bundle lacks the head or is damaged.
    """
    crops = bundle.config.preprocessing.default_crops if crops is None else crops
    head = bundle.config.default_head if head is None else head
    prior = DEFAULT_PRIOR if prior is None else prior
    if not 1 <= crops <= MAX_CROPS:
        raise UsageError("crops", f"{crops} is outside 1 to {MAX_CROPS}")
    if sum(choice is not None for choice in (operating_point, false_alarm_rate, threshold)) > 1:
        raise UsageError("operating point", "give one of operating_point, false_alarm_rate and threshold")
    if threshold is not None and not math.isfinite(threshold):
        raise UsageError("threshold", f"{threshold} is no finite number")
    probability(0.0, prior)  # refuses an impossible prior before any work
    bundle.check_head(head)

    calibrated = bundle.calibrated_crops(head)
    if not calibrated:
        if false_alarm_rate is not None:
            raise UsageError(bundle.config.name, "is not calibrated", "give a threshold instead of a false-alarm rate")
        if threshold is not None:
            operating_point = OperatingPoint("custom threshold", threshold, threshold, math.nan, (0.0, 1.0), 0)
        return _uncalibrated(bundle, crops, head, operating_point, prior)
    nearest = min(calibrated, key=lambda known: abs(known - crops))
    calibration = bundle.calibration(head, nearest)
    assert calibration is not None  # noqa: S101 (calibrated_crops listed it)
    if threshold is not None:
        operating_point = calibration.custom_point(threshold)
    if operating_point is None:
        operating_point = bundle.stored_point(head, nearest, false_alarm_rate)
    if operating_point is None:
        rate = _USUAL_RATE if false_alarm_rate is None else false_alarm_rate
        operating_point = calibration.operating_point(rate, real_below=bundle.config.native_threshold)
    plan = Plan(crops, head, calibration, operating_point, prior)
    if not calibration.gives_probability:
        plan = _thresholds_alone(bundle, plan, len(calibration.real_scores))
    if nearest == crops:
        return plan
    warnings.warn(
        f"the {head} head is calibrated at {' or '.join(map(str, calibrated))} crops, not at {crops}: "
        f"probabilities and false alarms are those of {nearest}",
        CalibrationWarning,
        stacklevel=stacklevel,
    )
    note = f"calibrated at {nearest} crop{'' if nearest == 1 else 's'}, judged at {crops}"
    return replace(plan, notes=(*plan.notes, note))


def _thresholds_alone(bundle: Bundle, plan: Plan, photographs: int) -> Plan:
    """Of a head whose threshold comes from photographs alone: for a logit the probability it stands for, or none."""
    logit = plan.head == "linear" and bundle.config.native_threshold is not None
    known = "the probability is not calibrated" if logit else "no probability"
    note = f"threshold from {photographs} photographs and no generated image: {known}"
    return replace(plan, calibration=None, notes=(note,), native_probability=logit)


def _uncalibrated(bundle: Bundle, crops: int, head: str, point: OperatingPoint | None, prior: float) -> Plan:
    """Of a model whose authors published a decision: that, and for a logit the probability it stands for."""
    native = bundle.config.native_threshold
    if native is None:
        return Plan(crops, head, None, point, prior, ("uncalibrated model: no probability",))
    note = "uncalibrated model: the decision is its authors', how often it errs on your images is unknown"
    if point is None:
        point = OperatingPoint("published decision", native, native, math.nan, (0.0, 1.0), 0)
    return Plan(crops, head, None, point, prior, (note,), native_probability=head == "linear")
