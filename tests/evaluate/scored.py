"""Evaluations made by hand: images as rows of (key, label, origin, source, seen), scores as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.evaluate.evaluation import Calibration, DetectorFacts, Evaluation, Point
from contrafake.evaluate.images import Images
from contrafake.evaluate.variant import UNTOUCHED, Variant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

RULE = Point("5% false alarms", 1.0, 0.0, 0.05)


def column(values: Sequence[object]) -> NDArray[np.object_]:
    """Strings as the columns of `Images` hold them."""
    found = np.empty(len(values), object)
    found[:] = [str(value) for value in values]
    return found


def images(
    label: Sequence[int],
    *,
    origin: Sequence[str] | None = None,
    source: Sequence[str] | None = None,
    seen: Sequence[str] | str = "no",
    family: Sequence[str] | None = None,
) -> Images:
    """Images with keys i0000 ...; unless told otherwise one origin a class, each image a source of its own."""
    n = len(label)
    names = ["generator" if one else "camera" for one in label] if origin is None else origin
    return Images(
        key=column([f"i{at:04d}" for at in range(n)]),
        label=np.array(label, np.uint8),
        origin=column(names),
        family=column(family or [name if one else "real" for name, one in zip(names, label, strict=True)]),
        source=column([f"s{at}" for at in range(n)] if source is None else source),
        group=column([""] * n),
        content=column([""] * n),
        seen=column([seen] * n if isinstance(seen, str) else seen),
        sha256=column([""] * n),
    )


def detector(name: str = "ours", **changes: Any) -> DetectorFacts:
    """A detector with one decision rule, and its score for a log-likelihood ratio."""
    facts = {"kind": "bundle", "model": name, "points": (RULE,), "calibration": Calibration(1, 0, 50), **changes}
    return DetectorFacts(name=name, **facts)


def evaluation(
    of: Images, scores: ArrayLike, detectors: Sequence[DetectorFacts] = (), variants: Sequence[str] = ()
) -> Evaluation:
    """Scores (N,), (N, D) or (V, N, D) of given images."""
    cells = np.asarray(scores, np.float64)
    cells = cells[:, None] if cells.ndim == 1 else cells
    cells = cells[None] if cells.ndim == 2 else cells
    return Evaluation(
        images=of,
        variants=(UNTOUCHED, *(Variant(name, name) for name in variants)),
        detectors=tuple(detectors) or (detector(),),
        scores=cells,
    )
