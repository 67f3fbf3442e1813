"""Judges images with a bundle: file -> pixels -> crops -> embeddings -> score -> probability -> verdict."""

from __future__ import annotations

import os
import warnings
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.detect.verdict import Attribution, ModelId, Verdict
from contrafake.errors import ImageError, UsageError
from contrafake.images import Picture, cut, read, resize_crop
from contrafake.model.attribution import vote
from contrafake.model.calibration import Calibration, OperatingPoint, probability
from contrafake.model.heads import NearestHead
from contrafake.model.runtime import OnnxEncoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from contrafake.model.bundle import Bundle
    from contrafake.model.heads import Head

MAX_CROPS = 64
DEFAULT_PRIOR = 0.5


class CalibrationWarning(UserWarning):
    """The probability and the operating point were measured under other conditions than those in use."""


@dataclass(frozen=True)
class _Plan:
    """One call's decisions, made before any image is touched."""

    crops: int
    head_name: str
    head: Head
    calibration: Calibration | None
    point: OperatingPoint | None
    prior: float
    notes: tuple[str, ...]


class Detector:
    """A trained model, ready to judge.

    Example:
        >>> import contrafake
        >>> detector = contrafake.load()
        >>> [verdict] = detector.detect(["examples/real/china.jpg"])
        >>> verdict.label in {"real", "generated", "uncertain"}
        True
    """

    def __init__(self, bundle: Bundle) -> None:
        """Wraps an opened bundle; the graph is loaded when first needed."""
        self.bundle = bundle
        config = bundle.config
        self.model = ModelId(config.name, config.version, bundle.hash)
        self.heads = tuple(config.heads)
        self.default_head = config.default_head
        self.default_crops = config.preprocessing.default_crops
        self._encoders: dict[int, OnnxEncoder] = {}
        self._heads: dict[str, Head] = {}

    @property
    def name(self) -> str:
        """What the model is called in tables."""
        return self.model.name

    def detect(self, images: Iterable[Any], **options: Any) -> list[Verdict]:
        """Judges images; takes what `detect_each` takes and returns the verdicts as a list."""
        return list(self.detect_each(images, **options))

    def detect_each(
        self,
        images: Iterable[Any],
        *,
        crops: int | None = None,
        head: str | None = None,
        operating_point: OperatingPoint | None = None,
        false_alarm_rate: float | None = None,
        threshold: float | None = None,
        prior: float | None = None,
        workers: int | None = None,
    ) -> Iterator[Verdict]:
        """Judges images one by one, in order, while later ones are already being read.

        Args:
            images: Paths, bytes, open files, PIL images, uint8 arrays, `Picture`s, or pairs (name, any of these).
            crops: Native crops per image whose scores are averaged; None takes the model's default.
            head: "linear", "nearest" or "svm"; None takes the model's default.
            operating_point: A rule of your own, for example `detector.operating_point(0.02)`.
            false_alarm_rate: Share of real images that may be called generated; None takes the model's default.
            threshold: Instead: call everything with a higher score generated, everything else real.
            prior: Probability of being generated before looking, 0 to 1 exclusive; 0.5 unless told.
            workers: Images judged at the same time; None takes one per core.

        Yields:
            A verdict per image. What cannot be read gives a verdict labelled "error"; the rest goes on.

        Raises:
            UsageError: For impossible settings.
            BundleError: If the bundle lacks the head or is damaged.
        """
        plan = self._plan(crops, head, operating_point, false_alarm_rate, threshold, prior)
        return self._run(iter(images), plan, workers or os.cpu_count() or 1)

    def score(self, pictures: Sequence[Picture]) -> NDArray[np.float64]:
        """Pictures -> (N,) float64 scores of the default head at the default crops, higher = more likely generated."""
        head = self._head(self.default_head)
        return np.array([head.score(self._embed_crops(picture, self.default_crops)).mean() for picture in pictures])

    def embed(self, images: Iterable[Any], crops: int = 1) -> NDArray[np.float32]:
        """Images, as `detect` takes them -> (N, D) float32 raw embeddings, averaged over the crops.

        Raises:
            ImageError: If an image cannot be read.
        """
        vectors = [self._embed_crops(_picture(image), crops).mean(axis=0) for image in images]
        return np.stack(vectors) if vectors else np.empty((0, 0), np.float32)

    def operating_point(
        self, false_alarm_rate: float | None = None, *, head: str | None = None, crops: int | None = None
    ) -> OperatingPoint:
        """The decision rule for a false-alarm target; None gives the model's default.

        Raises:
            UsageError: If the model is not calibrated, or too few real images stand behind the rate.
        """
        plan = self._plan(crops, head, None, false_alarm_rate, None, None)
        if plan.point is None:
            raise UsageError(self.name, "is not calibrated", "give a threshold")
        return plan.point

    @cached_property
    def size(self) -> int:
        """Side of the crops in pixels."""
        return self.bundle.config.preprocessing.crop_size

    def _plan(
        self,
        crops: int | None,
        head: str | None,
        point: OperatingPoint | None,
        rate: float | None,
        threshold: float | None,
        prior: float | None,
    ) -> _Plan:
        crops = self.default_crops if crops is None else crops
        head = self.default_head if head is None else head
        prior = DEFAULT_PRIOR if prior is None else prior
        if not 1 <= crops <= MAX_CROPS:
            raise UsageError("crops", f"{crops} is outside 1 to {MAX_CROPS}")
        if sum(choice is not None for choice in (point, rate, threshold)) > 1:
            raise UsageError("operating point", "give one of operating_point, false_alarm_rate and threshold")
        probability(0.0, prior)  # refuses an impossible prior before any work
        loaded = self._head(head)
        calibrated = self.bundle.calibrated_crops(head)
        if not calibrated:
            notes: tuple[str, ...] = ("uncalibrated model: no probability",)
            if rate is not None:
                raise UsageError(self.name, "is not calibrated", "give --threshold instead of a false-alarm rate")
            if threshold is not None:
                point = OperatingPoint("custom threshold", threshold, threshold, float("nan"), (0.0, 1.0), 0)
            return _Plan(crops, head, loaded, None, point, prior, notes)
        nearest = min(calibrated, key=lambda known: abs(known - crops))
        notes = ()
        if nearest != crops:
            notes = (f"calibrated at {nearest} crops, judged at {crops}",)
            known = " or ".join(map(str, calibrated))
            warnings.warn(
                f"the {head} head is calibrated at {known} crops, not at {crops}: "
                f"probabilities and false alarms are those of {nearest}",
                CalibrationWarning,
                stacklevel=4,
            )
        calibration = self.bundle.calibration(head, nearest)
        assert calibration is not None  # noqa: S101 (calibrated_crops listed it)
        if point is None and threshold is not None:
            point = calibration.custom_point(threshold)
        if point is None:
            point = self.bundle.stored_point(head, nearest, rate)
        if point is None:
            point = calibration.operating_point(0.05 if rate is None else rate)
        return _Plan(crops, head, loaded, calibration, point, prior, notes)

    def _run(self, images: Iterator[Any], plan: _Plan, workers: int) -> Iterator[Verdict]:
        first = list(islice(images, 2))
        if len(first) < 2:
            for image in first:  # alone, one image gets all cores
                yield self._judge(image, plan, self._encoder(0))
            return
        encoder = self._encoder(1)
        with ThreadPoolExecutor(workers) as pool:
            pending: deque[Future[Verdict]] = deque()
            try:
                for image in chain(first, images):
                    pending.append(pool.submit(self._judge, image, plan, encoder))
                    if len(pending) > 2 * workers:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()

    def _judge(self, image: Any, plan: _Plan, encoder: OnnxEncoder) -> Verdict:
        try:
            picture = _picture(image)
            vectors = self._embed_crops(picture, plan.crops, encoder)
        except ImageError as error:
            return self._failed(_name(image), plan, error)
        score = float(plan.head.score(vectors).mean())
        llr = None if plan.calibration is None else plan.calibration.llr(score)
        label = "uncertain" if plan.point is None else plan.point.label(score)
        notes = picture.notes
        if min(picture.pixels.shape[:2]) < self.size and self.bundle.config.preprocessing.geometry == "crop":
            notes += (f"smaller than {self.size} pixels: extended by mirroring",)
        return Verdict(
            name=picture.name,
            sha256=picture.sha256,
            label=label,
            probability=None if llr is None else probability(llr, plan.prior),
            llr=llr,
            score=score,
            operating_point=plan.point,
            head=plan.head_name,
            crops=len(vectors),
            model=self.model,
            attribution=self._attribute(vectors) if label == "generated" else None,
            notes=notes + plan.notes,
        )

    def _failed(self, name: str, plan: _Plan, error: ImageError) -> Verdict:
        remedy = f" ({error.remedy})" if error.remedy else ""
        return Verdict(
            name=name,
            sha256=None,
            label="error",
            probability=None,
            llr=None,
            score=None,
            operating_point=None,
            head=plan.head_name,
            crops=0,
            model=self.model,
            error=f"{error.cause}{remedy}",
        )

    def _attribute(self, vectors: NDArray[np.float32]) -> Attribution | None:
        rule = self.bundle.config.attribution
        if rule is None:
            return None
        references = self._head("nearest")
        assert isinstance(references, NearestHead)  # noqa: S101
        origin, share, distance = vote(references, vectors, rule.neighbours)
        return Attribution(self.bundle.config.origins[origin], distance) if share >= rule.least_share else None

    def _embed_crops(
        self, picture: Picture, crops: int, encoder: OnnxEncoder | None = None
    ) -> NDArray[np.float32]:
        facts = self.bundle.config.preprocessing
        if facts.geometry == "resize-crop":
            cut_out = resize_crop(picture.pixels, facts.crop_size, facts.crop_pct)[None]
        else:
            cut_out = cut(picture.pixels, crops, facts.crop_size)
        return (encoder or self._encoder(0)).embed(cut_out)

    def _encoder(self, threads: int) -> OnnxEncoder:
        if threads not in self._encoders:
            self._encoders[threads] = OnnxEncoder(self.bundle.model_path, threads)
        return self._encoders[threads]

    def _head(self, name: str) -> Head:
        if name not in self._heads:
            self._heads[name] = self.bundle.head(name)
        return self._heads[name]


def _picture(image: Any) -> Picture:
    if isinstance(image, Picture):
        return image
    if isinstance(image, tuple):
        name, source = image
        return replace(source, name=name) if isinstance(source, Picture) else read(source, name=name)
    return read(image)


def _name(image: Any) -> str:
    if isinstance(image, tuple):
        return str(image[0])
    return os.fspath(image) if isinstance(image, (str, os.PathLike)) else type(image).__name__
