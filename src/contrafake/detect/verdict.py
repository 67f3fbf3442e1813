"""What a detector says about one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from contrafake.model.calibration import OperatingPoint

SCHEMA_VERSION = 1

Label = Literal["real", "generated", "uncertain", "error"]


@dataclass(frozen=True)
class ModelId:
    """Which model spoke: name, version, and the hash of the bundle's configuration."""

    name: str
    version: str
    hash: str


@dataclass(frozen=True)
class Attribution:
    """The origin whose training images lie nearest, where one stands out.

    Attributes:
        origin: Generator (or generator family) by name.
        distance: Mean cosine distance to that origin's images among the nearest neighbours, 0 to 2.
    """

    origin: str
    distance: float


@dataclass(frozen=True)
class Verdict:
    """One image, judged; for a file that could not be read, `label` is "error" and `error` says why.

    Attributes:
        name: Name of the input as the caller gave it.
        sha256: Hex digest of the input's bytes, None for arrays.
        label: "real", "generated", "uncertain" or "error".
        probability: Probability of being generated under the prior in use, 0 to 1; None on error or when uncalibrated.
        llr: Natural-log likelihood ratio of generated against real, from the calibration; None likewise.
        score: The head's raw score, higher = more likely generated; None on error.
        operating_point: The threshold in use and the false alarms to expect from it (unknown where an uncalibrated
            model was given a threshold); None on error, or when uncalibrated without one.
        head: "linear", "nearest" or "svm".
        crops: Number of crops whose scores were averaged.
        model: Which model spoke.
        attribution: Nearest origin, where one stands out.
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

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain JSON types, with `schema_version`."""
        point = self.operating_point
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "sha256": self.sha256,
            "label": self.label,
            "probability": self.probability,
            "llr": self.llr,
            "score": self.score,
            "operating_point": None if point is None else point.to_dict(),
            "head": self.head,
            "crops": self.crops,
            "model": {"name": self.model.name, "version": self.model.version, "hash": self.model.hash},
            "attribution": None
            if self.attribution is None
            else {"origin": self.attribution.origin, "distance": self.attribution.distance},
            "notes": list(self.notes),
            "error": self.error,
        }
