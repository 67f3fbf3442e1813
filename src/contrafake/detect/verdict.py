"""What a detector says about one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from contrafake.model.calibration import OperatingPoint

SCHEMA_VERSION = 1

UNKNOWN_GENERATOR = "unknown generator"
"""Said of an image that lies far from the training images of all generators."""

Label = Literal["real", "generated", "uncertain", "error"]


@dataclass(frozen=True)
class ModelId:
    """Which model spoke: name, version, and the hash of the bundle's configuration."""

    name: str
    version: str
    hash: str


@dataclass(frozen=True)
class NearOrigin:
    """An origin whose training images lie near.

    Attributes:
        origin: Generator (or generator family) by name.
        share: Share of the votes of the nearest training images, 0 to 1.
        distance: Distance to the origin, 0 upwards: 1 is as far as its own training images lie from their middle.
    """

    origin: str
    share: float
    distance: float


@dataclass(frozen=True)
class Attribution:
    """What generator an image looks like, by the training images that lie nearest.

    Attributes:
        origin: Generator (or generator family) by name; `UNKNOWN_GENERATOR` where even the first of `nearest` lies
            beyond the limit; None where it cannot be told, because no origin stands out.
        distance: Distance to the first of `nearest`, in the unit of `NearOrigin`.
        nearest: Up to three origins, most votes first.
        limit: Distance beyond which the generator is unknown; None if the model knows no limit.
    """

    origin: str | None
    distance: float
    nearest: tuple[NearOrigin, ...] = ()
    limit: float | None = None

    @property
    def known(self) -> bool:
        """Whether a generator is named."""
        return self.origin is not None and self.origin != UNKNOWN_GENERATOR

    def to_dict(self) -> dict[str, Any]:
        """The attribution as plain JSON types."""
        return {
            "origin": self.origin,
            "distance": self.distance,
            "limit": self.limit,
            "nearest": [
                {"origin": near.origin, "share": near.share, "distance": near.distance} for near in self.nearest
            ],
        }


@dataclass(frozen=True)
class Verdict:
    """One image, judged; for a file that could not be read, `label` is "error" and `error` says why.

    Attributes:
        name: Name of the input as the caller gave it.
        sha256: Hex digest of the input's bytes, None for arrays.
        label: "real", "generated", "uncertain" or "error".
        probability: Probability of being generated under the prior in use, 0 to 1; None on error or when uncalibrated.
        calibrated: Whether the probability was calibrated on images, or is what the model's authors would read from the
            score; None without a probability.
        llr: Natural-log likelihood ratio of generated against real, from the calibration; None likewise.
        score: The head's raw score, higher = more likely generated; None on error.
        operating_point: The threshold in use and the false alarms to expect from it (unknown where an uncalibrated
            model was given a threshold); None on error, or when uncalibrated without one.
        head: "linear", "nearest" or "svm".
        crops: Number of crops whose scores were averaged.
        model: Which model spoke.
        attribution: What generator it looks like; None unless labelled "generated" by a model that can tell.
        notes: What a reader should know about this verdict.
        error: One line: cause and remedy; None when judged.
    """

    name: str
    sha256: str | None
    label: Label
    probability: float | None
    llr: float | None
    score: float | None
    operating_point: OperatingPoint | None
    head: str
    crops: int
    model: ModelId
    attribution: Attribution | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    calibrated: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain JSON types, with `schema_version`."""
        point = self.operating_point
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "sha256": self.sha256,
            "label": self.label,
            "probability": self.probability,
            "calibrated": self.calibrated,
            "llr": self.llr,
            "score": self.score,
            "operating_point": None if point is None else point.to_dict(),
            "head": self.head,
            "crops": self.crops,
            "model": {"name": self.model.name, "version": self.model.version, "hash": self.model.hash},
            "attribution": None if self.attribution is None else self.attribution.to_dict(),
            "notes": list(self.notes),
            "error": self.error,
        }
