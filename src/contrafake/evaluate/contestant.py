"""What an evaluation asks of a detector: one pass over a picture, from which columns of scores follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from contrafake.evaluate.evaluation import DetectorFacts
    from contrafake.images import Picture


class Contestant(Protocol):
    """A detector under evaluation that judges pictures here; scores from elsewhere come through `score_files`."""

    @property
    def columns(self) -> tuple[DetectorFacts, ...]:
        """The columns that one pass gives, for example one for each head on the same encoder."""
        ...

    @property
    def identity(self) -> str:
        """What tells the result of `measure` from anybody else's; "" where nothing does, and nothing is cached."""
        ...

    @property
    def trained_on(self) -> frozenset[tuple[int, str]]:
        """Origins by (label, name) that the model itself says it was trained on; empty where it says nothing."""
        ...

    def measure(self, picture: Picture) -> NDArray[np.float32] | NDArray[np.float64]:
        """The costly part: what is cached for each picture; (n, D) float32 embeddings, or (1, 1) float64 a score.

        Called from several threads at once.
        """
        ...

    def scores(self, measured: NDArray[np.float32] | NDArray[np.float64]) -> tuple[float, ...]:
        """The cheap part: from what `measure` gave to one score a column, higher = more likely generated."""
        ...
