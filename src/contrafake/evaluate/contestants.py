"""Detectors that are measured here: a bundle, any object that scores pictures, and what a command line calls either."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import threading
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.sample import LABELS
from contrafake.detect.load import load
from contrafake.detect.plan import make_plan
from contrafake.errors import BundleError, DataError, UsageError
from contrafake.evaluate.evaluation import OWN_THRESHOLD, Calibration, DetectorFacts, Point
from contrafake.model.method import Scorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from contrafake.detect.detector import Detector
    from contrafake.evaluate.contestant import Contestant
    from contrafake.images import Picture
    from contrafake.model.bundle import Bundle


class BundleContestant:
    """One of our bundles; all of its heads cost one pass of the encoder."""

    def __init__(self, detector: Detector, heads: Sequence[str] | None = None, crops: int | None = None) -> None:
        """Takes an opened bundle.

        A head that is not calibrated at this number of crops gets the decision rules and the calibration of the nearest
        number at which it is; `contrafake.CalibrationWarning` says so. One that is not calibrated at all gets none.

        Args:
            detector: From `contrafake.load`.
            heads: Names of heads, one column each; None takes the model's default.
            crops: Crops whose scores are averaged; None takes the model's default.

        Raises:
            UsageError: The number of crops is out of range, or a head is named twice.
            BundleError: The bundle lacks a head or is damaged.
        """
        self.detector = detector
        self.heads = (detector.default_head,) if heads is None else tuple(heads)
        self.crops = detector.default_crops if crops is None else crops
        if not self.heads or len(set(self.heads)) < len(self.heads):
            raise UsageError("heads", f"{', '.join(self.heads) or 'none'}", "name each head once")
        self.columns = tuple(self._facts(head) for head in self.heads)
        self.trained_on = _trained_on(detector.bundle)
        self.identity = _identity(detector, self.crops)

    def measure(self, picture: Picture) -> NDArray[np.float32] | NDArray[np.float64]:
        """One picture -> (n, D) float32 raw embeddings of its crops, n of them up to `crops`, on one thread."""
        return self.detector.embed_crops(picture, self.crops, threads=1)

    def scores(self, measured: NDArray[np.float32] | NDArray[np.float64]) -> tuple[float, ...]:
        """Embeddings -> the score by each head, as `Detector.detect` gives it."""
        vectors = np.asarray(measured, np.float32)
        return tuple(self.detector.score_crops(vectors, head) for head in self.heads)

    def _facts(self, head: str) -> DetectorFacts:
        plan = make_plan(self.detector.bundle, crops=self.crops, head=head, stacklevel=5)
        model = self.detector.model
        facts = DetectorFacts(
            name=model.name if self.heads == (self.detector.default_head,) else f"{model.name}/{head}",
            kind="bundle",
            model=model.name,
            version=model.version,
            hash=model.hash,
            head=head,
            crops=self.crops,
        )
        if plan.calibration is None or plan.point is None:
            return facts
        known = self.detector.bundle.calibrated_crops(head)
        nearest = min(known, key=lambda crops: abs(crops - self.crops))
        [stored] = [
            found for found in self.detector.bundle.config.calibrations if (found.head, found.crops) == (head, nearest)
        ]
        points = [plan.point, *(point for point in stored.operating_points if point.name != plan.point.name)]
        return replace(
            facts,
            points=tuple(
                Point(point.name, point.threshold, point.uncertain_from, point.false_alarm_rate) for point in points
            ),
            calibration=Calibration(stored.slope, stored.intercept, stored.bound),
        )


class ScorerContestant:
    """Any object with a `name` and a `score(pictures)`.

    The object may also have

    - `identity`, a text that changes whenever its scores could: then scores are cached;
    - `version`, a text for tables;
    - `probability = True` where scores are probabilities of being generated: then 0.5 is its threshold;
    - `threshold`, a score above which it says "generated".

    Its `score` is never called from two threads at once.
    """

    def __init__(self, scorer: Scorer) -> None:
        """Takes the object.

        Raises:
            UsageError: It has no name, nothing to score with, or an attribute of the wrong kind.
        """
        subject = type(scorer).__name__
        if not isinstance(scorer, Scorer) or not callable(scorer.score):
            raise UsageError(subject, "is no scorer", "give it a name and a method score(pictures)")
        if not isinstance(scorer.name, str) or not scorer.name.strip():
            raise UsageError(subject, f"its name is {scorer.name!r}", "give it a text")
        self.scorer = scorer
        self._lock = threading.Lock()
        self.trained_on: frozenset[tuple[int, str]] = frozenset()
        own, probability = getattr(scorer, "threshold", None), getattr(scorer, "probability", False) is True
        if own is not None and (isinstance(own, bool) or not isinstance(own, int | float) or not np.isfinite(own)):
            raise UsageError(scorer.name, f"its threshold is {own!r}", "give a finite number")
        limit = 0.5 if own is None and probability else own
        facts = DetectorFacts(
            name=scorer.name,
            kind="scorer",
            model=scorer.name,
            version=str(getattr(scorer, "version", "")),
            points=() if limit is None else (Point(OWN_THRESHOLD, float(limit), float(limit)),),
            probability=probability,
        )
        self.columns = (facts,)

    @property
    def identity(self) -> str:
        """Digest of the object's own `identity`, its kind and its name; "" where it has none."""
        own = str(getattr(self.scorer, "identity", "") or "")
        kind = type(self.scorer)
        text = json.dumps([kind.__module__, kind.__qualname__, self.scorer.name, own])
        return f"scorer {hashlib.sha256(text.encode()).hexdigest()}" if own else ""

    def measure(self, picture: Picture) -> NDArray[np.float32] | NDArray[np.float64]:
        """One picture -> (1, 1) float64, its score.

        Raises:
            DataError: Not one number came back.
        """
        with self._lock:
            given: Any = self.scorer.score([picture])
        try:
            found = np.asarray(given, np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(self.scorer.name, f"gave no numbers: {error}") from error
        if found.shape != (1,):
            raise DataError(self.scorer.name, f"gave an array of shape {found.shape} for one picture, not (1,)")
        if self.columns[0].probability and not 0 <= found[0] <= 1:
            raise DataError(self.scorer.name, f"gave the probability {found[0]:g}")
        return found[:, None]

    def scores(self, measured: NDArray[np.float32] | NDArray[np.float64]) -> tuple[float, ...]:
        """The one score."""
        return (float(measured[0, 0]),)


def open_contestant(text: str, *, heads: Sequence[str] | None = None, crops: int | None = None) -> Contestant:
    """Opens what a command line names as MODEL.

    Args:
        text: "default", the folder of a bundle, or `package.module:object`, where the object is a scorer, or a class or
            function without arguments that makes one. The current folder is looked in last.
        heads: Of a bundle, as `BundleContestant` takes it; ("all",) for all that it has. Scorers have none.
        crops: Of a bundle, as above.

    Raises:
        UsageError: There is no such object, it is no scorer, or crops or heads make no sense.
        BundleError: There is no such bundle, it is damaged or lacks a head.
    """
    module, colon, name = text.partition(":")
    dotted = f"{module}.{name}".split(".")
    if colon and all(part.isidentifier() for part in dotted) and not Path(text).exists():
        return ScorerContestant(_scorer(text, module, name))
    if text != "default" and not Path(text).exists():
        remedy = 'give "default", the folder of a bundle, package.module:object, or scores as NAME=FILE.csv'
        raise BundleError(text, "there is no such model", remedy)
    detector = load(text)
    everything = heads is not None and tuple(heads) == ("all",)
    return BundleContestant(detector, detector.heads if everything else heads, crops)


def _scorer(text: str, module: str, name: str) -> Scorer:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that a file here hides no installed module
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        if isinstance(found, type) or not hasattr(found, "score"):
            found = found() if callable(found) else found
    except (Exception, SystemExit) as error:  # whatever somebody else's module does
        lines = str(error).splitlines() or [""]
        cause = f"cannot be opened: {type(error).__name__}: {lines[0]}"
        raise UsageError(text, cause, "name an object, or a class or function without arguments") from error
    if not isinstance(found, Scorer) or not callable(found.score):
        cause = f"gives a {type(found).__name__}, which is no scorer"
        raise UsageError(text, cause, "it needs a name and a method score(pictures)")
    return found


def _identity(detector: Detector, crops: int) -> str:
    """Digest of all that embeddings depend on: graph, preprocessing, crops and the runtime; no head."""
    bundle = detector.bundle
    facts = {
        "graph": bundle.config.files[detector.graph.name],
        "preprocessing": bundle.config.preprocessing.model_dump(exclude={"default_crops", "aggregation"}),
        "crops": crops,
        "runtime": version("onnxruntime"),
    }
    return f"bundle {hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()}"


def _trained_on(bundle: Bundle) -> frozenset[tuple[int, str]]:
    """Origins by label and name in any role (training, fitting, validation): the heads or thresholds saw them all."""
    roles = bundle.config.training.get("images", {})
    named = [key for counts in roles.values() for key in counts] if isinstance(roles, dict) else []
    pairs = (key.partition("/") for key in named)
    return frozenset((LABELS[label], origin) for label, slash, origin in pairs if slash and label in LABELS)
