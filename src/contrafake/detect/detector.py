"""Judges images with a bundle: file -> pixels -> crops -> embeddings -> score -> probability -> verdict."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.detect.plan import DEFAULT_PRIOR, CalibrationWarning, Plan, make_plan
from contrafake.detect.verdict import UNKNOWN_GENERATOR, Attribution, ModelId, NearOrigin, Verdict
from contrafake.errors import ImageError, UsageError
from contrafake.images import Picture, cut, read, resize_crop
from contrafake.model.attribution import ReferenceSpace
from contrafake.model.bundle_config import FP32
from contrafake.model.calibration import OperatingPoint, probability
from contrafake.model.heads import NearestHead
from contrafake.model.runtime import OnnxEncoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from contrafake.model.bundle import Bundle
    from contrafake.model.heads import Head

__all__ = ["DEFAULT_PRIOR", "CalibrationWarning", "Detector"]

_SHOWN_ORIGINS = 3


class Detector:
    """A trained model, ready to judge.

    Example:
        >>> import contrafake
        >>> detector = contrafake.load()
        >>> [verdict] = detector.detect(["examples/real/china.jpg"])
        >>> verdict.label in {"real", "generated", "uncertain"}
        True
    """

    def __init__(self, bundle: Bundle, variant: str | None = None) -> None:
        """Wraps an opened bundle; the graph is loaded when first needed.

        Args:
            bundle: The model.
            variant: Which of its graphs embeds, "fp32", "int8" or "bf16"; None takes the model's default.

        Raises:
            BundleError: If it has no such variant.
        """
        self.bundle = bundle
        self.graph = bundle.graph(variant)
        self._notes: tuple[str, ...] = ()
        if self.graph != bundle.graph(FP32):
            name = variant or bundle.config.default_variant
            self._notes = (f"judged by {name}: thresholds and probabilities are those of {FP32}",)
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

    def detect(
        self,
        images: Iterable[Any],
        crops: int | None = None,
        head: str | None = None,
        operating_point: OperatingPoint | None = None,
        prior: float | None = None,
        *,
        false_alarm_rate: float | None = None,
        threshold: float | None = None,
        workers: int | None = None,
    ) -> list[Verdict]:
        """Judges images; takes what `detect_each` takes and returns the verdicts as a list."""
        plan = make_plan(
            self.bundle, crops=crops, head=head, operating_point=operating_point, prior=prior,
            false_alarm_rate=false_alarm_rate, threshold=threshold,
        )  # fmt: skip
        return list(self._run(images, plan, workers))

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
        plan = make_plan(
            self.bundle, crops=crops, head=head, operating_point=operating_point, prior=prior,
            false_alarm_rate=false_alarm_rate, threshold=threshold,
        )  # fmt: skip
        return self._run(images, plan, workers)

    def score(self, pictures: Sequence[Picture]) -> NDArray[np.float64]:
        """Pictures -> (N,) float64 scores of the default head at the default crops, higher = more likely generated."""
        return np.array([self.score_crops(self.embed_crops(picture)) for picture in pictures], np.float64)

    def embed(self, images: Iterable[Any], crops: int = 1) -> NDArray[np.float32]:
        """Images, as `detect` takes them -> (N, D) float32 raw embeddings, averaged over the crops.

        Raises:
            ImageError: If an image cannot be read.
            UsageError: If `crops` is out of range, or `images` is one image.
        """
        vectors = [self._embed_crops(_picture(image), crops).mean(axis=0) for image in _several(images)]
        dimension = int(self.bundle.config.architecture.get("dimension", 0))
        return np.stack(vectors) if vectors else np.empty((0, dimension), np.float32)

    def embed_crops(self, picture: Picture, crops: int | None = None, *, threads: int = 0) -> NDArray[np.float32]:
        """One picture -> (n, D) float32 raw embeddings of its crops, n of them up to `crops`.

        Safe to call from several threads at once.

        Args:
            picture: The picture.
            crops: Crops wanted; None takes the model's default.
            threads: Threads for this call; 0 takes one per core.
        """
        return self._embed_crops(picture, crops or self.default_crops, self._encoder(threads))

    def score_crops(self, vectors: NDArray[np.float32], head: str | None = None) -> float:
        """(n, D) embeddings of one picture's crops -> its score: the mean of theirs, as in `detect`.

        Args:
            vectors: From `embed_crops`.
            head: Name of a head; None takes the model's default.
        """
        return float(self._head(head or self.default_head).score(vectors).mean())

    def operating_point(
        self, false_alarm_rate: float | None = None, *, head: str | None = None, crops: int | None = None
    ) -> OperatingPoint:
        """The decision rule for a false-alarm target; None gives the model's default.

        Raises:
            UsageError: If the model is not calibrated, or too few real images stand behind the rate.
        """
        plan = make_plan(self.bundle, crops=crops, head=head, false_alarm_rate=false_alarm_rate)
        if plan.point is None:
            raise UsageError(self.name, "is not calibrated", "give a threshold")
        return plan.point

    @cached_property
    def size(self) -> int:
        """Side of the crops in pixels."""
        return self.bundle.config.preprocessing.crop_size

    def _run(self, images: Iterable[Any], plan: Plan, workers: int | None) -> Iterator[Verdict]:
        if workers is not None and workers < 1:
            raise UsageError("workers", f"{workers} is below 1")
        self._head(plan.head)  # a damaged head shall fail here, not at the first image
        return self._each(_several(images), plan, workers or _usable_cores())

    def _each(self, images: Iterator[Any], plan: Plan, workers: int) -> Iterator[Verdict]:
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

    def _judge(self, image: Any, plan: Plan, encoder: OnnxEncoder) -> Verdict:
        name = None
        try:
            picture = _picture(image)
            name = picture.name
            vectors = self._embed_crops(picture, plan.crops, encoder)
        except ImageError as error:
            return self._failed(name or error.subject, plan, error)
        score = self.score_crops(vectors, plan.head)
        llr = None if plan.calibration is None else plan.calibration.llr(score)
        log_odds = score if llr is None and plan.native_probability else llr
        label = "uncertain" if plan.point is None else plan.point.label(score)
        notes = picture.notes
        facts = self.bundle.config.preprocessing
        if min(picture.pixels.shape[:2]) < self.size and facts.geometry == "crop":
            how = "extended by mirroring" if facts.small_images == "mirror" else "padded with black"
            notes += (f"smaller than {self.size} pixels: {how}",)
        return Verdict(
            name=picture.name,
            sha256=picture.sha256,
            label=label,
            probability=None if log_odds is None else probability(log_odds, plan.prior),
            calibrated=None if log_odds is None else llr is not None,
            llr=llr,
            score=score,
            operating_point=plan.point,
            head=plan.head,
            crops=len(vectors),
            model=self.model,
            attribution=self._attribute(vectors) if label == "generated" else None,
            notes=notes + plan.notes + self._notes,
        )

    def _failed(self, name: str, plan: Plan, error: ImageError) -> Verdict:
        remedy = f" ({error.remedy})" if error.remedy else ""
        return Verdict(
            name=name,
            sha256=None,
            label="error",
            probability=None,
            llr=None,
            score=None,
            operating_point=None,
            head=plan.head,
            crops=0,
            model=self.model,
            error=f"{error.cause}{remedy}",
        )

    def _attribute(self, vectors: NDArray[np.float32]) -> Attribution | None:
        rule = self.bundle.config.attribution
        if rule is None:
            return None
        standings = self._references.stand(vectors, np.zeros(len(vectors), np.int64), rule.neighbours)
        [shares], [distances], [ranks] = standings.shares, standings.distances, standings.ranks()
        names = self.bundle.config.origins
        nearest = tuple(
            NearOrigin(names[standings.codes[at]], float(shares[at]), float(distances[at]))
            for at in ranks[:_SHOWN_ORIGINS]
            if shares[at] > 0
        )
        first = nearest[0]
        origin = first.origin if first.share >= rule.least_share else None
        if rule.limit is not None and first.distance > rule.limit:
            origin = UNKNOWN_GENERATOR
        return Attribution(origin, first.distance, nearest, rule.limit)

    @cached_property
    def _references(self) -> ReferenceSpace:
        head = self._head("nearest")
        assert isinstance(head, NearestHead)  # noqa: S101
        return ReferenceSpace.of(head)

    def _embed_crops(self, picture: Picture, crops: int, encoder: OnnxEncoder | None = None) -> NDArray[np.float32]:
        facts = self.bundle.config.preprocessing
        if facts.geometry == "resize-crop":
            cut_out = resize_crop(picture.pixels, facts.crop_size, facts.crop_pct)[None]
        else:
            cut_out = cut(picture.pixels, crops, facts.crop_size, facts.small_images)
        return (encoder or self._encoder(0)).embed(cut_out)

    def _encoder(self, threads: int) -> OnnxEncoder:
        if threads not in self._encoders:
            self._encoders[threads] = OnnxEncoder(self.graph, threads)
        return self._encoders[threads]

    def _head(self, name: str) -> Head:
        if name not in self._heads:
            self._heads[name] = self.bundle.head(name)
        return self._heads[name]


def _usable_cores() -> int:
    """Cores this process may run on, which a container or taskset can make fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _several(images: Iterable[Any]) -> Iterator[Any]:
    if isinstance(images, (str, bytes, os.PathLike, Picture)) or getattr(images, "ndim", 4) < 4:
        # Else a path would be taken for a list of letters, and an array for a list of its rows.
        raise UsageError("images", "this is one image, not several", "put it in a list")
    return iter(images)


def _picture(image: Any) -> Picture:
    if isinstance(image, Picture):
        return image
    if isinstance(image, tuple) and len(image) == 2:
        name, source = str(image[0]), image[1]
        return replace(source, name=name) if isinstance(source, Picture) else read(source, name=name)
    return read(image)
