"""Names for origins: the rule by which nearest references name one, and the families that origins belong to."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import DataError
from contrafake.measure import auc
from contrafake.model.attribution import ReferenceSpace
from contrafake.model.bundle_config import AttributionRule, LeftOutFamily
from contrafake.model.heads import NearestHead

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from contrafake.model.attribution import Standings
    from contrafake.model.heads import Head
    from contrafake.train.embedded import Embedded

NEIGHBOURS = 15
KEPT = 0.9
"""Share of images of known origins that lie within the limit."""
LEAST_PRECISION = 0.8
"""Of the names given; where no share of votes reaches it, the share of the best precision is taken."""
LEAST_IMAGES = 20
LEAST_NAMED = 10
OTHERS = "smaller families"
_OWN_ROW = 50
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class KnownImages:
    """Generated images of origins that have references.

    Attributes:
        space: The references.
        vectors: (M, D) embeddings of their crops.
        owner: (M,) the image a row belongs to.
        codes: (N,) codes of their true origins.
    """

    space: ReferenceSpace
    vectors: NDArray[np.float32]
    owner: NDArray[np.int64]
    codes: NDArray[np.int64]

    @classmethod
    def of(
        cls, head: NearestHead, embedded: Embedded, origins: Sequence[str], families: Mapping[str, str]
    ) -> KnownImages:
        """Takes the generated images whose family the head has references of; parameters as of `fit_attribution`."""
        space = ReferenceSpace.of(head)
        place = {origins[code]: int(code) for code in space.codes}
        codes = np.array([place.get(family(origin, families), -1) for origin in embedded.origins], np.int64)
        known = (embedded.labels == 1) & (codes >= 0)
        rows = known[embedded.owner]
        owner = (np.cumsum(known) - 1)[embedded.owner[rows]]
        return cls(space, embedded.vectors[rows], owner, codes[known])

    def stand(self, without: int | None = None) -> Standings:
        """How they stand to the origins, or to all but one of them."""
        space = self.space if without is None else self.space.without(without)
        return space.stand(self.vectors, self.owner, NEIGHBOURS)


def fit_attribution(
    head: Head, embedded: Embedded, origins: list[str], families: dict[str, str]
) -> AttributionRule | None:
    """The limit that keeps 90 % of known images, and the weakest vote of which 8 of 10 names within it are right.

    What the rule says of itself was measured on other images than those it was chosen on: of the names, in five parts,
    each judged by what the other four chose; of unknown origins, by taking the references of each family away, with the
    limit that the other families' images then choose. The encoder saw that family all the same, which flatters.

    Args:
        head: The nearest-neighbour head; another one gives no rule.
        embedded: Validation images, as many crops of each as by default.
        origins: What the head's codes of origins mean.
        families: Family by origin, see `read_families`.

    Returns:
        The rule; None with fewer than 20 generated images of known origins, or fewer than two such origins.
    """
    if not isinstance(head, NearestHead) or not (head.labels == 1).any():
        return None
    images = KnownImages.of(head, embedded, origins, families)
    if len(images.codes) < LEAST_IMAGES or len(np.unique(images.codes)) < 2:
        return None
    winner, share, distance = images.stand().first()
    right = winner == images.codes
    least, limit = choose_rule(share, distance, right)
    kept, named = _on_other_images(share, distance, right)
    rows = left_out(images, least, origins)
    return AttributionRule(
        neighbours=NEIGHBOURS,
        least_share=least,
        limit=limit,
        precision=float(right[named].mean()) if named.any() else 0.0,
        given=float(named.mean()),
        images=len(right),
        accuracy=float(right.mean()),
        known_kept=float(kept.mean()),
        unknown_rejected=float(np.mean([row.rejected for row in rows])),
        auc=float(np.mean([row.auc for row in rows])),
        left_out=rows,
    )


def choose_rule(
    share: NDArray[np.float64], distance: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[float, float]:
    """The least share of votes and the limit of the distance that known images choose.

    Args:
        share: (N,) share of votes of each image's first origin.
        distance: (N,) distance to it.
        right: (N,) whether it is the image's own.
    """
    limit = limit_of(distance)
    chosen, best = 0.0, -1.0
    # Rounded, because a share of exactly the least must count here as it will in use.
    for least in (round(0.05 * twentieths, 2) for twentieths in range(4, 21)):
        named = right[(share >= least) & (distance <= limit)]
        if len(named) < LEAST_NAMED:
            break
        if named.mean() > best:
            chosen, best = least, float(named.mean())
        if best >= LEAST_PRECISION:
            break
    return chosen, limit


def limit_of(distance: NDArray[np.float64]) -> float:
    """The distance within which 90 % of known images lie, rounded up to four digits after the point."""
    return math.ceil(float(np.quantile(distance, KEPT, method="higher")) * 1e4) / 1e4


def left_out(images: KnownImages, least_share: float, origins: Sequence[str]) -> list[LeftOutFamily]:
    """What becomes of each family's images once its references are gone; families of few images share a row.

    Args:
        images: Of all families.
        least_share: Share of votes from which a name is given.
        origins: What the codes mean.
    """
    rows: list[LeftOutFamily] = []
    small: list[LeftOutFamily] = []
    for code in np.unique(images.codes):
        _, share, distance = images.stand(without=int(code)).first()
        unknown = images.codes == code
        limit = limit_of(distance[~unknown])
        row = LeftOutFamily(
            family=origins[code],
            images=int(unknown.sum()),
            rejected=float((distance[unknown] > limit).mean()),
            named=float(((distance <= limit) & (share >= least_share))[unknown].mean()),
            auc=auc(distance[~unknown], distance[unknown]),
        )
        (rows if row.images >= _OWN_ROW else small).append(row)
    if small:
        count = sum(row.images for row in small)
        mean = {
            name: sum(getattr(row, name) * row.images for row in small) / count for name in ("rejected", "named", "auc")
        }
        rows.append(LeftOutFamily(family=small[0].family if len(small) == 1 else OTHERS, images=count, **mean))
    return rows


def _on_other_images(
    share: NDArray[np.float64], distance: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(N,) whether an image is within the limit, and whether it is named, by what the images of other parts choose."""
    part = np.arange(len(right)) % _FOLDS
    kept, named = np.zeros(len(right), bool), np.zeros(len(right), bool)
    for fold in range(_FOLDS):
        here = part == fold
        least, limit = choose_rule(share[~here], distance[~here], right[~here])
        kept[here] = distance[here] <= limit
        named[here] = kept[here] & (share[here] >= least)
    return kept, named


def family(origin: str, families: Mapping[str, str]) -> str:
    """The family of an origin, the origin itself where no table names one."""
    return families.get(origin, origin)


def read_families(path: str | None) -> dict[str, str]:
    """Family by origin, from a table with the columns `origin` and `family`; nothing for None.

    Raises:
        DataError: If it is no such table.
    """
    if path is None:
        return {}
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            return {row["origin"]: row["family"] for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(path, f"is no table of origins: {error}", "it needs the columns origin and family") from error
