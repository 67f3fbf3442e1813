"""What a refit found, brought and wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contrafake.adapt.refit_figures import Figures
    from contrafake.adapt.refit_images import Found
    from contrafake.adapt.refit_names import Naming
    from contrafake.model.bundle import Bundle


@dataclass(frozen=True, eq=False)
class Outcome:
    """What fitting anew found and brought.

    Attributes:
        found: What was found of images, by name; own real ones are called `refit_memory.OWN`.
        figures: Every head before and after, on images that neither was fitted on.
        names: Names given to images of the new origins held back, then of old families.
        notes: What a reader should know.
    """

    found: dict[str, Found]
    figures: Figures
    names: tuple[Naming, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RefitResult(Outcome):
    """What `refit` did, and the new bundle.

    Attributes:
        bundle: The new bundle.
        seconds: Time that it took.
    """

    bundle: Bundle
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        config = self.bundle.config
        return {
            "bundle": str(self.bundle.path),
            "name": config.name,
            "version": config.version,
            "hash": self.bundle.hash,
            "images": {name: dict(vars(found)) for name, found in self.found.items()},
            "default_head": config.default_head,
            "figures": self.figures.to_dict(),
            "names": [naming.to_dict() for naming in self.names],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }
