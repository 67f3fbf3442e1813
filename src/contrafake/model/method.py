"""What every detector offers, ours or another method's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from contrafake.images import Picture


@runtime_checkable
class Scorer(Protocol):
    """Anything that orders pictures by how likely they were generated."""

    @property
    def name(self) -> str:
        """What the scorer is called in tables."""
        ...

    def score(self, pictures: Sequence[Picture]) -> NDArray[np.float64]:
        """Pictures -> (N,) float64, higher = more likely generated."""
        ...
