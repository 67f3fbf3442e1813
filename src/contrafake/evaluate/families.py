"""Leave-one-family-out with the encoder as it is: the heads and their calibration are fitted anew for each fold.

Minutes on a processor, since images are embedded once. But the encoder was trained with the families that are absent
from the heads: an upper bound. `family_runs.train_families` trains the encoder without them, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import ContrafakeError, DataError, UsageError
from contrafake.evaluate.contestants import BundleContestant
from contrafake.evaluate.crop_vectors import embed_samples
from contrafake.evaluate.family_judging import RATE, checked_rows, run_facts, score_rows
from contrafake.evaluate.family_scores import FamilyScore, FamilyScores, FoldFacts
from contrafake.evaluate.run import silent
from contrafake.evaluate.suites import parse_variants
from contrafake.evaluate.variant import UNTOUCHED, Draw, Variant
from contrafake.model.calibration import fit_calibration
from contrafake.model.heads import EVERY_HEAD
from contrafake.model.lineage import encoder_was_taught
from contrafake.train.head_fitting import HeadFit, fit_heads
from contrafake.train.unseen import Provenance, unseen_folds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from contrafake.data.origins import OriginTable
    from contrafake.data.sample import Sample
    from contrafake.detect.detector import Detector
    from contrafake.evaluate.cache import Cache
    from contrafake.evaluate.crop_vectors import CropVectors
    from contrafake.evaluate.family_folds import Fold
    from contrafake.model.bundle import Bundle
    from contrafake.model.calibration import Calibration
    from contrafake.model.heads import Head


def refit_families(
    detector: Detector,
    samples: Sequence[Sample],
    origins: OriginTable,
    folds: Sequence[Fold],
    *,
    also: Sequence[Sample] = (),
    heads: Sequence[str] | None = None,
    variants: Sequence[Variant] | None = None,
    crops: int | None = None,
    rate: float = RATE,
    cache: Cache | None = None,
    workers: int | None = None,
    report: Callable[[str, int, int | None], None] = silent,
) -> FamilyScores:
    """For each fold, fits heads on what is left of "train", calibrates them on what is left of "val", and scores.

    Heads are fitted as the bundle's were, by its own note of its training: on the centre crop of each image, untouched
    and with the same number of transformed copies. Thresholds aim at `rate` on the untouched images left of "val".

    Args:
        detector: Whose encoder embeds.
        samples: Images of the splits "train" and "val", with their content in the metadata where it is known.
        origins: Families of the generators.
        folds: From `plan_folds`.
        also: Generated images that heads are fitted on in every fold beside those of `samples`, and that no fold tests
            on: reconstructions, for example. The real images of their records may stand among them, and are not fitted
            on: what was made from one of an absent source is absent with it.
        heads: Names out of `EVERY_HEAD`; None takes the model's default head.
        variants: What the test images undergo, both classes alike; None takes untouched and JPEG 90.
        crops: Crops of calibration and test images; None takes the model's default.
        rate: Share of false alarms that the thresholds aim at.
        cache: Embeddings of earlier runs.
        workers: Images embedded at a time; None takes one for each core.
        report: Called with what is being done, the steps done since the last call, and the number of all steps.

    Returns:
        The scores of all folds.

    Raises:
        UsageError: An unknown head, or too few real images left for the rate.
        DataError: A fold has nothing to fit, calibrate or test on, or nothing can be read.
    """
    names = (detector.default_head,) if heads is None else tuple(heads)
    for name in names:
        if name not in EVERY_HEAD:
            raise UsageError(f"head {name}", "is unknown", f"one of {', '.join(EVERY_HEAD)}")
    rows = checked_rows(samples, folds, rate)
    siblings, sources = generated_of(also)
    places = range(len(samples), len(samples) + len(siblings))
    joining = [
        [place for place, source in zip(places, sources, strict=True) if source not in fold.sources] for fold in folds
    ]
    samples = [*samples, *siblings]
    tested = parse_variants(("jpeg-90",)) if variants is None else tuple(variants)
    count = detector.default_crops if crops is None else crops
    copies = Copies.of(detector.bundle)

    wanted = [(variant, count) for variant in {UNTOUCHED.name: UNTOUCHED, **{v.name: v for v in tested}}.values()]
    vectors, broken = embed_samples(detector, samples, wanted, cache=cache, workers=workers, report=report)
    images = _Images(samples, vectors, origins)
    fit_on = [vectors[UNTOUCHED.name]] if copies.untouched else []
    if copies.transformed:
        train = [row for row, sample in enumerate(samples) if sample.split == "train" or row in places]
        chosen = [samples[row] for row in train]
        changed = [(variant, 1) for variant in copies.transformed]
        again, _ = embed_samples(detector, chosen, changed, cache=cache, workers=workers, report=report)
        fit_on += [part.spread(np.array(train), len(samples)) for part in again.values()]
    saw, taught = BundleContestant(detector, detector.heads[:1]).trained_on, encoder_was_taught(detector.bundle.config)

    found: list[FamilyScore] = []
    facts: list[FoldFacts] = []
    for fold, parts, joined in zip(folds, rows, joining, strict=True):
        fitting = (*parts.fitting, *joined)
        try:
            made = images.fit(fitting, fit_on, copies, names)
            scored = images.judge(made, fitting, parts.calibration, fit_on, copies)
            calibrations = {name: images.calibrate(found, parts.calibration) for name, found in scored.items()}
            thresholds = {name: known.operating_point(rate).threshold for name, known in calibrations.items()}
        except ContrafakeError as error:
            raise type(error)(f"fold {fold.name}: {error.subject}", error.cause, error.remedy) from error
        test = images.read(parts.test)
        chosen = [samples[row] for row in test]
        for name, head in made.items():
            for variant in tested:
                scores = vectors[variant.name].scores(head, test)
                found += score_rows(chosen, scores, calibrations[name], origins, (fold, name, variant))
        facts.append(
            FoldFacts(
                fold=fold,
                fitting=images.both(fitting),
                calibration=images.both(parts.calibration),
                thresholds=thresholds,
                encoder_saw=_seen(fold, saw) if taught else (),
            )
        )
        report("fitting heads", 1, len(folds))
    return FamilyScores.of(
        facts, found, run_facts("refit", detector, crops=count, rate=rate, variants=tested, broken=broken)
    )


def _seen(fold: Fold, saw: frozenset[tuple[int, str]]) -> tuple[str, ...] | None:
    return tuple(name for name in fold.origins if (GENERATED, name) in saw) if saw else None


def generated_of(samples: Sequence[Sample]) -> tuple[list[Sample], list[str]]:
    """The generated images among some, and for each the source of its record's real image, "" where that is unknown."""
    source = {sample.group: sample.source for sample in samples if sample.label == REAL and sample.group}
    generated = [sample for sample in samples if sample.label == GENERATED]
    return generated, [source.get(sample.group or "", "") for sample in generated]


@dataclass(frozen=True)
class Copies:
    """How the heads of a bundle were fitted, by its own note; CoDE's settings where it notes nothing.

    Attributes:
        untouched: Whether they saw each fitting image as it is.
        transformed: And which changed copies of it.
        settings: Of the heads.
        seed: Of the choice of references.
        as_strangers: Whether they were calibrated on images of families and sources that they had not seen.
        together: Families that were taken out together for that.
    """

    untouched: bool
    transformed: tuple[Variant, ...]
    settings: HeadFit
    seed: int
    as_strangers: bool = False
    together: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, bundle: Bundle) -> Copies:
        """Reads the note."""
        noted: dict[str, Any] = bundle.config.training.get("configuration") or {}
        fit, views, seed = noted.get("fit") or {}, noted.get("views") or {}, int(noted.get("seed", 42))
        draws = [
            Draw(str(views.get("pool", "official")), int(views.get("max_operations", 2)), seed + 1 + copy)
            for copy in range(int(fit.get("transformed_copies", 1)))
        ]
        variants = tuple(Variant(f"copy-{at}", f"Transformed copy {at}", draw=draw) for at, draw in enumerate(draws, 1))
        settings = HeadFit(int(fit.get("nearest_references", 20000)), float(fit.get("svm_nu", 0.1)))
        together = tuple(tuple(group) for group in fit.get("together") or ())
        untouched = bool(fit.get("untouched_copy", True)) or not variants
        return cls(untouched, variants, settings, seed, bool(fit.get("as_strangers")), together)


class _Images:
    """The images of all folds by position, of which unreadable ones take no part."""

    def __init__(self, samples: Sequence[Sample], vectors: dict[str, CropVectors], origins: OriginTable) -> None:
        self._untouched = vectors[UNTOUCHED.name]
        self._readable = self._untouched.readable
        self._label = np.array([sample.label for sample in samples], np.int64)
        self._family = np.array([origins.get(sample.label, sample.origin).family for sample in samples], object)
        self._name = np.array([sample.source for sample in samples], object)
        self._source = np.unique(self._name.astype(str), return_inverse=True)[1].astype(np.int32)

    def read(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of some positions that could be read."""
        listed = np.array(rows, np.int64)
        return listed[self._readable[listed]]

    def both(self, rows: Sequence[int]) -> tuple[int, int]:
        """How many of them are real and generated."""
        label = self._label[self.read(rows)]
        return int((label == REAL).sum()), int((label == GENERATED).sum())

    def fit(
        self,
        rows: Sequence[int] | NDArray[np.int64],
        fit_on: Sequence[CropVectors],
        copies: Copies,
        names: Sequence[str],
    ) -> dict[str, Head]:
        """Heads fitted on the centre crops of some images."""
        fitting = self.read(rows)
        vectors = np.concatenate([part.centre(fitting) for part in fit_on])
        labels = np.tile(self._label[fitting], len(fit_on))
        return fit_heads(vectors, labels, config=copies.settings, seed=copies.seed, names=names)

    def judge(
        self,
        heads: dict[str, Head],
        fitting: Sequence[int],
        rows: Sequence[int],
        fit_on: Sequence[CropVectors],
        copies: Copies,
    ) -> dict[str, NDArray[np.float64]]:
        """Scores of calibration images, untouched, by heads fitted on `fitting`; as strangers if so noted."""
        known = self.read(rows)
        scores = {name: self._untouched.scores(head, known) for name, head in heads.items()}
        if copies.as_strangers:
            fitted = self.read(fitting)
            for fold in unseen_folds(self._provenance(fitted), self._provenance(known), copies.together)[1:]:
                made = self.fit(fitted[fold.keep], fit_on, copies, list(heads))
                for name, head in made.items():
                    scores[name][fold.judged] = self._untouched.scores(head, known[fold.judged])
        return scores

    def _provenance(self, rows: NDArray[np.int64]) -> Provenance:
        return Provenance(self._label[rows], self._family[rows], self._name[rows])

    def calibrate(self, scores: NDArray[np.float64], rows: Sequence[int]) -> Calibration:
        """A calibration on the scores of some images."""
        known = self.read(rows)
        real = self._label[known] == REAL
        if real.all() or not real.any():
            raise DataError("calibration", "a class has no readable image left")
        return fit_calibration(scores[real], scores[~real], self._source[known][real])
