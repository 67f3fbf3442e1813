"""What calibrating a bundle anew did and brought, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contrafake.adapt.held_back import Counted
    from contrafake.model.bundle import Bundle
    from contrafake.model.calibration import OperatingPoint

TOLD_APART = 0.05
"""Largest chance that a difference of false alarms is accidental and is still called one."""


@dataclass(frozen=True)
class Comparison:
    """One head at one number of crops and one false-alarm rate, before and after.

    Attributes:
        head: Name of the head.
        crops: Number of crops.
        rate: False-alarm rate aimed at.
        before: The rule that the model had for it; None where it had none.
        after: The rule that it has now, made from all of one's own photographs.
        alarms_before: One's own photographs that the old rule flags; None without one.
        alarms_after: Those that are flagged by a rule made from the others; None where the others are too few.
        chance: Chance of so large a change of these alarms if there were none; None where either is missing.
        found_before: Generated images that the old rule flags; None without them or it.
        found_after: Those that the new rule flags.
        others_after: Real images of the model's validation so far that the new rule flags: photographs unlike one's
            own. None where it had none.
    """

    head: str
    crops: int
    rate: float
    before: OperatingPoint | None
    after: OperatingPoint
    alarms_before: Counted | None
    alarms_after: Counted | None
    chance: float | None
    found_before: Counted | None
    found_after: Counted | None
    others_after: Counted | None

    @property
    def told_apart(self) -> bool | None:
        """Whether the false alarms truly changed, at 5 %; None where that was not tried."""
        return None if self.chance is None else self.chance < TOLD_APART

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, without names of images."""
        counts = {
            "alarms_before": self.alarms_before,
            "alarms_after": self.alarms_after,
            "found_before": self.found_before,
            "found_after": self.found_after,
            "others_after": self.others_after,
        }
        return {
            "head": self.head,
            "crops": self.crops,
            "rate": self.rate,
            "before": None if self.before is None else self.before.to_dict(),
            "after": self.after.to_dict(),
            **{name: None if count is None else count.to_dict() for name, count in counts.items()},
            "chance": self.chance,
            "told_apart": self.told_apart,
        }


@dataclass(frozen=True)
class Quality:
    """How good the likelihood ratios of a head are on one's own images of both classes.

    Attributes:
        head: Name of the head.
        crops: Number of crops.
        before: Cllr in bits of the old calibration, 0 = perfect, 1 = says nothing; None where there was none.
        after: Of calibrations on the other folds; None where these are too few.
    """

    head: str
    crops: int
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Unsupported:
    """A false-alarm rate that the photographs cannot support, and the fewest that could."""

    rate: float
    least: int


@dataclass(frozen=True)
class CalibrationResult:
    """What calibrating a bundle anew did.

    Attributes:
        bundle: The new version, as written.
        photographs: One's own real images that count.
        generated: One's own generated images that count.
        sources: Sources of the photographs.
        folds: Parts that were held back in turn.
        held_back_by: What was never divided between them: "source", "group" or "image".
        seed: Seed of the division.
        found_on: Whose generated images the rules were tried on: "own", "stored" of the model's validation, or "none".
        comparisons: By head, crops and rate; the rule in use first.
        quality: Of the probabilities; empty without generated images of one's own.
        unsupported: Rates that were asked for and left out.
        broken: Cause by name, of images that could not be read.
        repeated: Names of images whose bytes were there before.
        notes: What else there is to say, in sentences without a full stop.
    """

    bundle: Bundle
    photographs: int
    generated: int
    sources: int
    folds: int
    held_back_by: str
    seed: int
    found_on: str
    comparisons: tuple[Comparison, ...]
    quality: tuple[Quality, ...]
    unsupported: tuple[Unsupported, ...]
    broken: dict[str, str]
    repeated: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON types."""
        config = self.bundle.config
        return {
            "bundle": str(self.bundle.path),
            "model": {"name": config.name, "version": config.version, "hash": self.bundle.hash},
            **self.facts(),
            "broken": self.broken,
            "repeated": list(self.repeated),
            "notes": list(self.notes),
        }

    def facts(self) -> dict[str, Any]:
        """What may stand in the bundle: no name of an image or a folder."""
        plain = ("photographs", "generated", "sources", "folds", "held_back_by", "seed", "found_on")
        return {
            **{name: getattr(self, name) for name in plain},
            "comparisons": [one.to_dict() for one in self.comparisons],
            "quality": [vars(one) for one in self.quality],
            "unsupported": [vars(one) for one in self.unsupported],
        }
