"""Names for origins: the rule by which nearest neighbours vote, and the families that origins belong to."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import DataError
from contrafake.model.attribution import vote
from contrafake.model.bundle import AttributionRule
from contrafake.model.heads import NearestHead

if TYPE_CHECKING:
    from contrafake.model.heads import Head
    from contrafake.train.embedding import Embedded

NEIGHBOURS = 15
LEAST_PRECISION = 0.8  # of the origin names given on validation; below it no rule is stored
LEAST_NAMED = 20


def fit_attribution(
    head: Head, embedded: Embedded, origins: list[str], families: dict[str, str]
) -> AttributionRule | None:
    """The weakest vote that names the right origin in 8 of 10 cases on generated validation images, if there is one.

    Args:
        head: The nearest-neighbour head; another one gives no rule.
        embedded: Validation images, as many crops of each as by default.
        origins: What the head's codes of origins mean.
        families: Family by origin, see `read_families`.

    Returns:
        The rule with its precision, which is measured on the images it was chosen on and so a little flattering.
    """
    if not isinstance(head, NearestHead):
        return None
    votes: list[tuple[float, bool]] = []
    for position in np.flatnonzero(embedded.labels == 1):
        winner, share, _ = vote(head, embedded.vectors[embedded.owner == position], NEIGHBOURS)
        votes.append((share, origins[winner] == family(embedded.origins[position], families)))
    # Rounded, because a share of exactly the least must count here as it will in use.
    for least in (round(0.05 * twentieths, 2) for twentieths in range(4, 21)):
        right = [correct for share, correct in votes if share >= least]
        if len(right) < LEAST_NAMED:
            return None
        if np.mean(right) >= LEAST_PRECISION:
            return AttributionRule(
                neighbours=NEIGHBOURS,
                least_share=least,
                precision=float(np.mean(right)),
                given=len(right) / len(votes),
                images=len(votes),
            )
    return None


def family(origin: str, families: dict[str, str]) -> str:
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
