"""Calibration images judged as strangers: by heads that saw neither the family of their generator nor their source.

Heads rank images of the families and sources that they were fitted on better than others, and likelihood ratios from
these promise too much for a generator that comes tomorrow. So each family, with a share of the real sources, is taken
out of the fitting in turn, and its calibration images are scored by what was fitted on the rest.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.sample import GENERATED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST = 10
"""Calibration images below which families share a fold."""


@dataclass(frozen=True, eq=False)
class Provenance:
    """Where N images come from.

    Attributes:
        labels: (N,) 0 = real, 1 = generated.
        families: (N,) of the generators, as strings; of real images it does not matter.
        sources: (N,), as strings; of an image made from a photograph, the photograph's.
    """

    labels: NDArray[np.int64]
    families: NDArray[np.object_]
    sources: NDArray[np.object_]

    def among(self, families: Sequence[str], sources: Sequence[str]) -> NDArray[np.bool_]:
        """(N,) whether each is a generated image of these families or a real one of these sources."""
        return np.where(self.labels == GENERATED, np.isin(self.families, families), np.isin(self.sources, sources))


@dataclass(frozen=True, eq=False)
class UnseenFold:
    """What to fit on, and what to judge with it.

    Attributes:
        keep: (N,) the fitting images that stay.
        judged: (V,) the calibration images that no fitting image of `keep` shares family or source with.
    """

    keep: NDArray[np.bool_]
    judged: NDArray[np.bool_]


def unseen_folds(
    fitting: Provenance, calibration: Provenance, together: Sequence[Sequence[str]] = ()
) -> list[UnseenFold]:
    """Divides the calibration images so that each is judged once, as a stranger.

    Images that share neither family nor source with any fitting image are judged by heads fitted on everything. The
    other families make a fold each, those with fewer than `LEAST` calibration images one together, and the sources of
    the real images go, the largest first, to the fold that has the fewest real images so far. What was generated from a
    photograph of an absent source is absent with it.

    Args:
        fitting: Of the images that heads are fitted on.
        calibration: Of those to be judged.
        together: Families that are absent together, for example ``[("sd", "sdxl")]``.

    Returns:
        The folds, the first fitted on everything. If a fold would leave a class without a fitting image, its images
        are judged in the first.
    """
    generated = calibration.labels == GENERATED
    seen = np.where(
        generated,
        np.isin(calibration.families, fitting.families[fitting.labels == GENERATED]),
        np.isin(calibration.sources, fitting.sources),
    )
    images = Counter(calibration.families[generated & seen].tolist())
    groups = _groups(images, together)
    shares: list[list[str]] = [[] for _ in groups]
    reals = Counter(calibration.sources[~generated & seen].tolist())
    for name in sorted(reals, key=lambda name: (-reals[name], name)):
        if shares:
            min(shares, key=lambda share: (sum(reals[member] for member in share), len(share))).append(name)
    folds = []
    for families, sources in zip(groups, shares, strict=True):
        keep = ~(fitting.among(families, sources) | np.isin(fitting.sources, sources))
        judged = seen & calibration.among(families, sources)
        if len(np.unique(fitting.labels[keep])) == 2:
            folds.append(UnseenFold(keep, judged))
    left = np.ones(len(seen), np.bool_)
    for fold in folds:
        left &= ~fold.judged
    return [UnseenFold(np.ones(len(fitting.labels), np.bool_), left), *folds]


def _groups(images: Counter[str], together: Sequence[Sequence[str]]) -> list[list[str]]:
    joined = [[name for name in group if name in images] for group in together]
    named = {name for group in joined for name in group}
    groups = [group for group in joined if group] + [[name] for name in sorted(images) if name not in named]
    large = [group for group in groups if sum(images[name] for name in group) >= LEAST]
    small = [name for group in groups if group not in large for name in group]
    return [*large, small] if small else large
