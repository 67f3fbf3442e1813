"""Which names images of a new generator get, before and after its references were added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.model.attribution import ReferenceSpace
from contrafake.model.heads import NearestHead

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from contrafake.model.bundle_config import AttributionRule
    from contrafake.model.heads import Head
    from contrafake.model.validation_memory import ValidationMemory

UNKNOWN, NO_NAME = "unknown generator", "no name"


@dataclass(frozen=True)
class Naming:
    """Names given to the generated images of one origin, whatever the verdict on them.

    Attributes:
        origin: What they are of.
        new: Whether that is a name that was added.
        images: How many.
        before: Number by name, most first, with `UNKNOWN` and `NO_NAME`; empty without a rule.
        after: Likewise.
    """

    origin: str
    new: bool
    images: int
    before: dict[str, int]
    after: dict[str, int]

    def right(self, *, after: bool) -> float | None:
        """Share that got the right name; None without a rule."""
        given = self.after if after else self.before
        return given.get(self.origin, 0) / self.images if given else None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return dict(vars(self))


def names_given(
    head: Head | None, rule: AttributionRule | None, origins: Sequence[str], images: ValidationMemory
) -> NDArray[np.object_] | None:
    """(N,) the name that a rule gives to each image, `UNKNOWN` or `NO_NAME`; None without a rule or references."""
    if rule is None or not isinstance(head, NearestHead) or not len(images.labels):
        return None
    code, share, distance = ReferenceSpace.of(head).stand(images.vectors, images.owner, rule.neighbours).first()
    named = np.array(origins, object)[code]
    named[share < rule.least_share] = NO_NAME
    if rule.limit is not None:
        named[distance > rule.limit] = UNKNOWN
    return named


def compare_names(
    truth: NDArray[np.object_],
    before: NDArray[np.object_] | None,
    after: NDArray[np.object_] | None,
    new: Mapping[str, bool],
) -> tuple[Naming, ...]:
    """Counts names by true origin.

    Args:
        truth: (N,) true origin of each image.
        before: (N,) names given before, None without a rule.
        after: (N,) names given after.
        new: Whether an origin was added, by name; only these are counted.
    """
    found = []
    for origin, is_new in new.items():
        here = truth == origin
        if here.any():
            counts = [_counts(names[here]) if names is not None else {} for names in (before, after)]
            found.append(Naming(origin, is_new, int(here.sum()), *counts))
    return tuple(found)


def _counts(names: NDArray[np.object_]) -> dict[str, int]:
    values, counts = np.unique(names.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {str(values[at]): int(counts[at]) for at in order}
