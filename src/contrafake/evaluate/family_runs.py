"""Leave-one-family-out with the encoder trained anew for each fold, which no longer sees the family at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.sample import GENERATED, REAL
from contrafake.detect.load import load
from contrafake.errors import ContrafakeError, UsageError
from contrafake.evaluate.crop_vectors import embed_samples
from contrafake.evaluate.family_judging import RATE, checked_rows, run_facts, score_rows
from contrafake.evaluate.family_scores import FamilyScore, FamilyScores, FoldFacts
from contrafake.evaluate.run import silent
from contrafake.evaluate.suites import parse_variants

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from contrafake.data.origins import OriginTable
    from contrafake.data.sample import Sample
    from contrafake.detect.detector import Detector
    from contrafake.evaluate.cache import Cache
    from contrafake.evaluate.family_folds import Fold
    from contrafake.evaluate.variant import Variant
    from contrafake.train.config import TrainConfig
    from contrafake.train.progress import Progress


def train_families(
    config: TrainConfig,
    samples: Sequence[Sample],
    origins: OriginTable,
    folds: Sequence[Fold],
    *,
    runs: str | os.PathLike[str] = "runs",
    heads: Sequence[str] | None = None,
    variants: Sequence[Variant] | None = None,
    crops: int | None = None,
    rate: float = RATE,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    report: Callable[[str, int, int | None], None] = silent,
) -> FamilyScores:
    """For each fold, trains an encoder without its family and sources, makes the bundle, and scores what was absent.

    The run of a fold lies in `runs/NAME-without-FAMILY`; one that was interrupted goes on, and a finished one is taken
    as it is. What `config` itself leaves out stays out.

    Args:
        config: Of the runs; its shards are those that `samples` come from.
        samples: Images of the splits "train" and "val".
        origins: Families of the generators.
        folds: From `plan_folds`.
        runs: Folder of the runs.
        heads: Names of the bundles' heads; None takes what the configuration names, else the first fold's default.
        variants: What the test images undergo; None takes untouched and JPEG 90.
        crops: Crops of a test image; None takes the configuration's default.
        rate: Share of false alarms that the thresholds aim at.
        cache: Embeddings of earlier runs.
        workers: Images embedded at a time; None takes one for each core.
        progress: Told about steps and validations of the training.
        report: Called with what is being done, the steps done since the last call, and the number of all steps.

    Returns:
        The scores of all folds.

    Raises:
        UsageError: The bundles have no such head or are not calibrated at these crops, or too few real images are left
            for the rate.
        DataError: A fold has nothing to test on, or training fails for want of data.
        ConfigError: The configuration's shards lack what a fold leaves out.
    """
    from contrafake.train.fit import check_fit  # noqa: PLC0415 - torch is needed for training alone

    rows = checked_rows(samples, folds, rate)
    known = {1} if config.views.geometry == "resize-crop" else {*config.fit.crops, config.fit.default_crops}
    if crops is not None and crops not in known:
        cause = f"{crops} is not among those that the configuration calibrates"
        raise UsageError("crops", cause, f"one of {', '.join(map(str, sorted(known)))}")
    for fold in folds:
        check_fit(_settings(config, fold))
    tested = parse_variants(("jpeg-90",)) if variants is None else tuple(variants)
    found: list[FamilyScore] = []
    facts: list[FoldFacts] = []
    about: dict[str, Any] = {}
    broken: dict[str, str] = {}
    names = tuple(heads) if heads is not None else None
    for fold, parts in zip(folds, rows, strict=True):
        try:
            detector = trained_without(config, fold, runs, progress)
        except ContrafakeError as error:
            raise type(error)(f"fold {fold.name}: {error.subject}", error.cause, error.remedy) from error
        # One head for all folds: their figures are put together.
        names = names or (detector.default_head,)
        count = detector.default_crops if crops is None else crops
        chosen = [samples[row] for row in parts.test]
        wanted = [(variant, count) for variant in tested]
        vectors, lost = embed_samples(detector, chosen, wanted, cache=cache, workers=workers, report=report)
        broken |= lost
        thresholds: dict[str, float] = {}
        for name in names:
            calibration = detector.bundle.calibration(name, count)
            if calibration is None:
                raise UsageError(f"fold {fold.name}", f"its {name} head is not calibrated at {count} crops")
            thresholds[name] = calibration.operating_point(rate).threshold
            head = detector.bundle.head(name)
            for variant in tested:
                scores = vectors[variant.name].scores(head, np.arange(len(chosen)))
                found += score_rows(chosen, scores, calibration, origins, (fold, name, variant))
        facts.append(
            FoldFacts(
                fold=fold,
                fitting=_images(detector, "fitting") or _images(detector, "train") or (0, 0),
                calibration=_images(detector, "validation") or (0, 0),
                thresholds=thresholds,
                encoder_saw=(),
            )
        )
        about = about or run_facts("train", detector, crops=count, rate=rate, variants=tested, broken=broken)
        report("training without each family", 1, len(folds))
    # Names and hashes differ between folds; what they have in common is the configuration.
    about |= {"model": config.name, "hash": "", "unreadable": broken, "configuration": config.model_dump(mode="json")}
    return FamilyScores.of(facts, found, about)


def trained_without(
    config: TrainConfig, fold: Fold, runs: str | os.PathLike[str], progress: Progress | None = None
) -> Detector:
    """The detector of one fold; trains, or goes on training, unless its run is finished.

    Args:
        config: Of the run.
        fold: What it leaves out.
        runs: Folder of the runs.
        progress: Told about steps and validations.
    """
    from contrafake.train.fit import fit_bundle  # noqa: PLC0415 - torch is needed for training alone
    from contrafake.train.loop import train_encoder  # noqa: PLC0415
    from contrafake.train.progress import Progress as Told  # noqa: PLC0415

    settings = _settings(config, fold)
    run = Path(runs) / settings.name
    train_encoder(settings, run, progress or Told())
    bundle, weights = run / "bundle", run / "best.safetensors"
    made = bundle / "config.json"
    if not made.exists() or made.stat().st_mtime < weights.stat().st_mtime:
        fit_bundle(settings, run, bundle)
    return load(bundle)


def _settings(config: TrainConfig, fold: Fold) -> TrainConfig:
    """The configuration of a fold's run."""
    found = leaving_out(config, fold.origins, fold.sources)
    return found.model_copy(update={"name": run_name(config.name, fold)})


def leaving_out(config: TrainConfig, origins: Iterable[str], sources: Iterable[str] = ()) -> TrainConfig:
    """The configuration of a run that does not see these either.

    Args:
        config: Of a run; what it leaves out stays out.
        origins: Generators.
        sources: Sources of real images.
    """
    without = config.data.leave_out
    update = {"origins": sorted({*without.origins, *origins}), "sources": sorted({*without.sources, *sources})}
    data = config.data.model_copy(update={"leave_out": without.model_copy(update=update)})
    return config.model_copy(update={"data": data})


def run_name(name: str, fold: Fold) -> str:
    """Name of a fold's run: "embedded-without-sd", without what has no place in the name of a folder."""
    return f"{name}-without-{re.sub(r'[^A-Za-z0-9._+-]', '_', fold.name)}"


def _images(detector: Detector, role: str) -> tuple[int, int] | None:
    counts = detector.bundle.config.training.get("images", {}).get(role)
    if counts is None:
        return None
    both = [sum(count for name, count in counts.items() if name.startswith(kind)) for kind in ("real/", "generated/")]
    return both[REAL], both[GENERATED]
