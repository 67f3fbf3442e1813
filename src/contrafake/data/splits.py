"""Dividing a set into training, validation and test images, never by image alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.origins import SPLITS
from contrafake.data.sources.source import CLASS_NAMES
from contrafake.data.splitting.balance import balanced
from contrafake.data.splitting.columns import NO_SPLIT, Columns, list_columns
from contrafake.data.splitting.hashes import Hashes, hashes_of
from contrafake.data.splitting.leave_out import FEWEST, leave_out, pooled_families
from contrafake.data.splitting.own import less_protected, listed_splits, shared_sources
from contrafake.data.splitting.refusals import EXAMPLES, both_labels, refuse_pairs, refuse_units
from contrafake.data.splitting.settings import SplitSettings
from contrafake.data.splitting.units import links, spanning, unit_hashes, unite
from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from contrafake.data.sources import Source

__all__ = ["SplitPlan", "SplitSettings", "plan_splits"]

_GROUP = "its group is in a more protected split"
_NEAR = "a near duplicate is in a more protected split"
_NAMES = CLASS_NAMES["detection"]


@dataclass
class SplitPlan:
    """A division; its rows are the images in the order of the listing.

    Attributes:
        columns: The set.
        split: (N,) int8 places in `SPLITS`, -1 for images left out.
        left_out: Reason by row, for images that are in no split.
        unreadable: How many of them cannot be read.
        units: Number of units, 0 where the splits were given.
        joined: Clusters of duplicates that joined several units.
        leave_out: For each list, the families in its test and the (N,) splits.
        notes: What a user should know.
    """

    columns: Columns
    split: NDArray[np.int8]
    left_out: dict[int, str] = field(default_factory=dict)
    unreadable: int = 0
    units: int = 0
    joined: int = 0
    leave_out: dict[str, tuple[list[str], NDArray[np.int8]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def counts(self, split: NDArray[np.int8] | None = None) -> dict[str, dict[str, int]]:
        """Number of images by split, then by class; splits without images are left out."""
        of = self.split if split is None else split
        return {
            name: {_NAMES[c]: int(((of == s) & (self.columns.label == c)).sum()) for c in (0, 1)}
            for s, name in enumerate(SPLITS)
            if (of == s).any()
        }


def plan_splits(
    source: Source, settings: SplitSettings, workers: int = 1, step: Callable[[int], None] = lambda _: None
) -> SplitPlan:
    """Divides a set.

    The same set, settings and seed give the same division, whatever the order of the listing and the number of workers.

    Args:
        source: The set; it is listed, and read only where duplicates count and no index knows its hashes.
        settings: How.
        workers: Processes that read images.
        step: Called with the number of images whose hashes are known since the last call.

    Raises:
        DataError: A class is missing, units are too large for the fractions, or duplicates are refused.
        UsageError: The set is one of normal and anomalous images.
    """
    if source.task != "detection":
        raise UsageError(source.root.name, "it holds normal and anomalous images", "this set has splits of its own")
    columns = list_columns(source)
    plan = SplitPlan(columns, np.full(len(columns), NO_SPLIT, np.int8))
    hashes = None if settings.duplicates == "ignore" else hashes_of(source, columns, workers, step)
    if hashes is None:
        plan.notes.append("near duplicates were not looked for")
    else:
        plan.left_out.update({row: f"unreadable: {cause}" for row, cause in hashes.unreadable.items()})
        plan.unreadable = len(hashes.unreadable)
        if both := hashes.under_both_labels(columns.generated):
            plan.notes.append(both_labels(source, both))
    usable = np.ones(len(columns), np.bool_)
    usable[list(plan.left_out)] = False
    for label, name in _NAMES.items():
        if not (usable & (columns.label == label)).any():
            raise DataError(source.root.name, f"there is no {name} image to divide", "give data of both classes")
    if settings.by == "keep":
        _keep(plan, source, settings, hashes, usable)
    else:
        _divide(plan, source, settings, hashes, usable)
    return plan


def _keep(
    plan: SplitPlan, source: Source, settings: SplitSettings, hashes: Hashes | None, usable: NDArray[np.bool_]
) -> None:
    columns = plan.columns
    split = listed_splits(columns, settings.list_file) if settings.list_file else columns.split.copy()
    nowhere = int((usable & (split == NO_SPLIT)).sum())
    if nowhere and not settings.list_file:
        remedy = "name them (train=ADDRESS), or divide them with --by source"
        raise DataError(source.root.name, f"{nowhere} of {len(columns)} images have no split to keep", remedy)
    if nowhere:
        plan.notes.append(f"{nowhere} images are not on the list, and left out")
    split[~usable] = NO_SPLIT
    joined = {_GROUP: links(columns, "group")[0]}
    if hashes:
        joined[_NEAR] = hashes.clusters()
    crossing = {reason: less_protected(split, link) for reason, link in joined.items()}
    if settings.duplicates != "ignore":
        if settings.duplicates == "refuse":
            for reason, found in crossing.items():
                rows = np.flatnonzero(found).tolist()
                pairs = [(row, _mate(row, split, joined[reason])) for row in rows[:EXAMPLES]]
                refuse_pairs(source, pairs, len(rows), "near duplicates" if reason == _NEAR else "images of one group")
        for reason, found in crossing.items():
            plan.left_out.update(dict.fromkeys(np.flatnonzero(found).tolist(), reason))
            split[found] = NO_SPLIT
    elif crossing[_GROUP].any():
        plan.notes.append(f"{int(crossing[_GROUP].sum())} images have a group in a more protected split as well")
    plan.split = split
    if shared := shared_sources(columns, split):
        plan.notes.append(f"{shared} of {len(columns.sources)} sources have images in more than one split")


def _divide(
    plan: SplitPlan, source: Source, settings: SplitSettings, hashes: Hashes | None, usable: NDArray[np.bool_]
) -> None:
    columns = plan.columns
    if settings.by == "group" and not (columns.group != 0).all():
        alone = int((columns.group == 0).sum())
        cause = f"{alone} of {len(columns)} images belong to no group, and would be divided one by one"
        raise DataError(source.root.name, cause, "divide --by source, origin or family")
    clusters = hashes.clusters() if hashes else None

    def units_by(by: str) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        joined = links(columns, by)
        if clusters is not None:
            joined.append(clusters)
        unit = unite(len(columns), joined)
        return unit, unit_hashes(unit, columns.key, settings.seed)

    def assigned(unit: NDArray[np.int64], order: NDArray[np.uint64]) -> NDArray[np.int8]:
        classes = [np.bincount(unit[usable & (columns.label == c)], minlength=len(order)) for c in (0, 1)]
        split, missing = balanced(np.stack(classes, axis=1), order, settings.parts)
        for s, c in missing:
            refuse_units(source, columns, unit, usable & (columns.label == c), SPLITS[s], parts=len(settings.fractions))
        return split

    if clusters is not None:
        pairs = spanning(clusters, unite(len(columns), links(columns, settings.by)))
        if settings.duplicates == "refuse":
            refuse_pairs(source, pairs, len(pairs), "near duplicates")
        plan.joined = len(pairs)
    unit, order = units_by(settings.by)
    plan.units = len(order)
    plan.split = np.where(usable, assigned(unit, order)[unit], NO_SPLIT).astype(np.int8)
    if not settings.leave_one_out:
        return
    if settings.by in {"origin", "family"}:  # else one unit holds the family, and nothing would be left to divide
        unit, order = units_by("real-source")
    base = assigned(unit, order)
    names, family = columns.family_names, np.where(usable, columns.family, -1)
    sizes = [int((family == i).sum()) for i in range(len(names))]
    for name, places in pooled_families(names, sizes):
        split = leave_out(np.isin(family, places), columns.generated, unit, base, order)
        split[~usable] = NO_SPLIT
        families = [names[i] for i in places]
        counts = plan.counts(split)
        lacking = [
            f"{s} has no {c} image" for s in ("train", "test") for c in _NAMES.values() if not counts.get(s, {}).get(c)
        ]
        if lacking:
            plan.notes.append(f"no list for family {name}: {', '.join(lacking)}")
            continue
        plan.leave_out[name] = families, split
        if (tested := counts["test"]["generated"]) < FEWEST:
            plan.notes.append(f"the list for family {name} tests on {tested} of its images only")


def _mate(row: int, split: NDArray[np.int8], link: NDArray[np.int64]) -> int:
    """An image of the same number in the most protected split."""
    mates = np.flatnonzero(link == link[row])
    return int(mates[np.argmax(split[mates])])
