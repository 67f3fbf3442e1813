"""Calibrates a model on one's own photographs: new thresholds, new probabilities, and what that changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contrafake.adapt.calibration_report import calibrated_card, remarks
from contrafake.adapt.calibration_result import CalibrationResult, Comparison, Quality, Unsupported
from contrafake.adapt.comparing import compare, probability_costs, rule_before
from contrafake.adapt.held_back import (
    divide,
    fewest_to_fit,
    units_of,
)
from contrafake.adapt.own_images import embed_own, find_own
from contrafake.detect.detector import Detector
from contrafake.detect.load import BUNDLES, load
from contrafake.errors import BundleError, DataError, UsageError
from contrafake.images.crops import MAX_CROPS
from contrafake.measure import auc
from contrafake.model.bundle import CONFIG
from contrafake.model.bundle_config import CalibrationFacts
from contrafake.model.bundle_writing import read_texts, rewrite_bundle
from contrafake.model.calibration import exceeding, fit_calibration, least_images, thresholds_alone
from contrafake.model.lineage import changed
from contrafake.train.head_fitting import score_all

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from contrafake.adapt.own_images import OwnImages
    from contrafake.model.bundle import Bundle
    from contrafake.model.calibration import Calibration

RATES = (0.05, 0.01)


def calibrate(
    model: str | os.PathLike[str] | Detector,
    reals: str | os.PathLike[str],
    generated: str | os.PathLike[str] | None = None,
    *,
    out: str | os.PathLike[str],
    crops: Sequence[int] | None = None,
    heads: Sequence[str] | None = None,
    false_alarm_rates: Sequence[float] = RATES,
    folds: int = 5,
    seed: int = 0,
    workers: int | None = None,
    report: Callable[[str, int, int | None], None] = lambda doing, done, total: None,
) -> CalibrationResult:
    """Sets a model's thresholds by one's own photographs and writes that as a new version of the bundle.

    The rules are made from all photographs. How often they err is estimated by rules made from the others of `folds`
    parts. Without generated images of one's own, those of the model's validation stand behind the probability; where
    it has none either, it gets thresholds and no probability.

    Args:
        model: "default", the folder of a bundle, or an opened detector.
        reals: A folder of photographs, or a labelled set (`find_own`).
        generated: Likewise of generated images.
        out: Folder of the new bundle; the model's own is replaced, but never one inside this package.
        crops: Numbers of crops to calibrate at; None takes those that the model is calibrated at, or else its default.
        heads: Heads to calibrate; None takes all.
        false_alarm_rates: Shares of photographs that may be flagged, above 0 and at most 0.5; the first one that the
            photographs support becomes the model's default.
        folds: Parts of which each is held back once, at least 2.
        seed: Of the division into these.
        workers: Images at a time; None takes one for each core.
        report: Called with what is being done, the steps done since the last call, and the number of all steps.

    Returns:
        The new bundle, and before and after.

    Raises:
        UsageError: For impossible settings, or photographs too few for any of the rates.
        DataError: If there are no images, none can be read, or one stands in both classes.
        BundleError: If the model is missing, damaged, lacks a head, or `out` is taken by something else.
    """
    detector = model if isinstance(model, Detector) else load(model)
    old = detector.bundle
    pairs = _pairs(old, crops, heads)
    rates = _checked(false_alarm_rates, folds)
    _check_out(out)
    own = _embed(detector, reals, 0, pairs, workers, report, needed=min(map(least_images, rates)))
    fakes = None if generated is None else _embed(detector, generated, 1, pairs, workers, report, needed=2)
    if fakes is not None and (both := set(own.hashes) & set(fakes.hashes)):
        raise DataError(str(generated), f"{len(both)} of its images stand among the photographs, too", "remove them")
    count = len(own.keys)
    unsupported = tuple(Unsupported(rate, least_images(rate)) for rate in rates if least_images(rate) > count)
    supported = [rate for rate in rates if least_images(rate) <= count]
    sources = next(iter(own.by_crops.values())).sources.astype(str)
    units, held_back_by = units_of(own.groups, sources.tolist(), folds)
    own_folds = divide(units, folds, seed)
    fake_folds = divide(np.arange(0 if fakes is None else len(fakes.keys)), folds, seed + 1)

    calibrations: dict[tuple[str, int], Calibration] = {}
    facts: dict[tuple[str, int], CalibrationFacts] = {}
    comparisons: list[Comparison] = []
    quality: list[Quality] = []
    codes = np.unique(sources, return_inverse=True)[1].astype(np.int32)
    for head, at in pairs:
        before = old.calibration(head, at)
        scores = _scores(old, own, head, at)
        stored = np.empty(0) if before is None else before.generated_scores
        others = stored if fakes is None else _scores(old, fakes, head, at)
        found = fit_calibration(scores, others, codes) if len(others) else thresholds_alone(scores, codes)
        native = old.config.native_threshold
        points = {rate: found.operating_point(rate, real_below=native) for rate in supported}
        calibrations[head, at] = found
        facts[head, at] = CalibrationFacts(
            head=head,
            crops=at,
            slope=found.slope,
            intercept=found.intercept,
            bound=found.bound,
            auc=auc(found.real_scores, found.generated_scores) if len(others) else float("nan"),
            operating_points=list(points.values()),
        )
        for rate, point in points.items():
            rule = rule_before(old, head, at, rate)
            comparisons.append(compare(before, rule, point, scores, others, own_folds, head=head, crops=at, rate=rate))
        if fakes is not None:
            quality.append(Quality(head, at, *probability_costs(before, scores, others, (own_folds, fake_folds))))
        report("calibrating", 1, len(pairs))

    default = (old.config.default_head, old.config.preprocessing.default_crops)
    result = CalibrationResult(
        bundle=old,
        photographs=count,
        generated=0 if fakes is None else len(fakes.keys),
        sources=len(set(sources.tolist())),
        folds=int(own_folds.max()) + 1,
        held_back_by=held_back_by,
        seed=seed,
        found_on="own" if fakes is not None else "stored" if any(one.found_after for one in comparisons) else "none",
        comparisons=tuple(sorted(comparisons, key=lambda one: (one.head, one.crops) != default)),
        quality=tuple(sorted(quality, key=lambda one: (one.head, one.crops) != default)),
        unsupported=unsupported,
        broken={**own.broken, **(fakes.broken if fakes else {})},
        repeated=(*own.repeated, *(fakes.repeated if fakes else ())),
        notes=(),
    )
    result = replace(result, notes=remarks(result, fewest_to_fit(own_folds), _kept(old, pairs)))
    kept = {(one.head, one.crops): one for one in old.config.calibrations}
    update = changed(old, "calibrate", result.facts()) | {"calibrations": list((kept | facts).values())}
    config = old.config.model_copy(update=update)
    before_all = {pair: calibration for pair in kept if (calibration := old.calibration(*pair)) is not None}
    texts = {"README.md": calibrated_card(read_texts(old).get("README.md", ""), result, config)}
    bundle = rewrite_bundle(old, out, config, calibrations={**before_all, **calibrations}, texts=texts)
    return replace(result, bundle=bundle)


def _pairs(bundle: Bundle, crops: Sequence[int] | None, heads: Sequence[str] | None) -> list[tuple[str, int]]:
    """Heads and numbers of crops to calibrate, the default head first."""
    for head in heads or ():
        bundle.check_head(head)
    default = bundle.config.preprocessing.default_crops
    for at in crops or ():
        if not 1 <= at <= MAX_CROPS:
            raise UsageError("crops", f"{at} is outside 1 to {MAX_CROPS}")
        if bundle.config.preprocessing.geometry == "resize-crop" and at != default:
            raise UsageError("crops", "this model looks at the whole image once", f"leave out the {at}")
    found = []
    for head in dict.fromkeys(heads or bundle.config.heads):
        wanted = sorted({*crops} if crops else {*(bundle.calibrated_crops(head) or [default])})
        found += [(head, at) for at in wanted]
    return found


def _checked(rates: Sequence[float], folds: int) -> list[float]:
    if folds < 2:
        raise UsageError("folds", f"{folds} is below 2")
    if not rates:
        raise UsageError("false-alarm rate", "none given")
    for rate in rates:
        exceeding(rate, 10**9)  # refuses what is no rate; photographs are counted later
    return list(dict.fromkeys(rates))


def _check_out(out: str | os.PathLike[str]) -> None:
    """Refuses before any work what could not be written after it."""
    folder = Path(out).resolve()
    if folder.is_relative_to(BUNDLES.resolve()):
        raise UsageError(str(out), "is inside the package, whose models stay as they are", "choose another folder")
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty and not (folder / CONFIG).is_file():
        raise BundleError(str(out), "exists and is no bundle", "choose another folder")


def _embed(  # noqa: PLR0917 - one call for each class
    detector: Detector,
    path: str | os.PathLike[str],
    label: int,
    pairs: Sequence[tuple[str, int]],
    workers: int | None,
    report: Callable[[str, int, int | None], None],
    *,
    needed: int,
) -> OwnImages:
    samples = find_own(path, 1 if label else 0)
    what = "generated image" if label else "photograph"

    def check(count: int) -> None:
        if count < needed:
            cause = f"1 {what} is too few" if count == 1 else f"{count} {what}s are too few"
            rate = f", or ask for a false-alarm rate of {_least_rate(count)}" if count > 1 and not label else ""
            raise UsageError(str(path), cause, f"give at least {needed}{rate}")

    check(len(samples))
    doing = f"embedding {what}s"
    own = embed_own(
        detector, samples, [crops for _, crops in pairs], workers=workers,
        report=lambda _, done, total: report(doing, done, total),
    )  # fmt: skip
    check(len(own.keys))
    return own


def _least_rate(photographs: int) -> str:
    """The smallest rate in whole percent that so many photographs support."""
    return f"{-(-100 // (photographs + 1)) / 100:g}"


def _scores(bundle: Bundle, own: OwnImages, head: str, crops: int) -> NDArray[np.float64]:
    embedded = own.by_crops[crops]
    return embedded.image_scores(score_all(bundle.head(head), embedded.vectors))


def _kept(bundle: Bundle, pairs: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Calibrations that stay as they were."""
    return [pair for one in bundle.config.calibrations if (pair := (one.head, one.crops)) not in pairs]
