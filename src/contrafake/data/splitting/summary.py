"""A division in numbers: what `split.json` holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.origins import SPLITS
from contrafake.data.sources.several import Several
from contrafake.data.splitting.columns import NO_SPLIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contrafake.data.sources import Source
    from contrafake.data.splits import SplitPlan
    from contrafake.data.splitting.settings import SplitSettings

SCHEMA_VERSION = 1


def summary(
    plan: SplitPlan, source: Source, settings: SplitSettings, files: Mapping[str, str], *, shards: bool
) -> dict[str, Any]:
    """What was divided, how, and what came of it, as JSON-safe values without absolute paths or times.

    Args:
        plan: The division.
        source: The set that was divided.
        settings: How it was divided.
        files: File name of each leave-one-out list.
        shards: Whether shards were written.
    """
    arguments = asdict(settings) | {"fractions": list(settings.fractions), "form": "shards" if shards else "manifest"}
    if settings.list_file:
        arguments["list_file"] = Path(settings.list_file).name
    # Reasons by their first words: what follows the colon is different for every image.
    reasons = Counter(reason.partition(":")[0] for reason in plan.left_out.values())
    shares = _shares(plan, settings)
    return {
        "schema_version": SCHEMA_VERSION,
        "data": [one.root.name for _, one in source.parts] if isinstance(source, Several) else [source.root.name],
        "arguments": arguments,
        "images": len(plan.columns),
        "splits": _by_family(plan),
        "shares": shares,
        "largest_deviation": None if settings.by == "keep" else _deviation(shares),
        "units": plan.units,
        "joined_by_duplicates": plan.joined,
        "left_out": dict(sorted(reasons.items())),
        "leave_one_out": {
            name: {
                "file": files[name],
                "families": families,
                "splits": plan.counts(split),
                "left_out": int((split == NO_SPLIT).sum()),
            }
            for name, (families, split) in plan.leave_out.items()
        },
        "skipped": dict(sorted(source.census.skipped.items())),
        "notes": plan.notes,
    }


def _by_family(plan: SplitPlan) -> dict[str, dict[str, Any]]:
    family, names = plan.columns.family, plan.columns.family_names
    found: dict[str, dict[str, Any]] = {}
    for split, counts in plan.counts().items():
        inside = np.bincount(family[(plan.split == SPLITS.index(split)) & (family >= 0)], minlength=len(names))
        families = {name: count for name, count in zip(names, inside.tolist(), strict=True) if count}
        found[split] = {**counts, "families": families}
    return found


def _shares(plan: SplitPlan, settings: SplitSettings) -> dict[str, dict[str, float | None]]:
    """Share of each class in each split, beside what was asked for."""
    counts = plan.counts()
    totals = {name: sum(of[name] for of in counts.values()) for name in ("real", "generated")}
    asked = dict(zip(SPLITS, settings.parts, strict=True))
    return {
        split: {"asked": None if settings.by == "keep" else asked[split]}
        | {name: round(of[name] / total, 6) if total else None for name, total in totals.items()}
        for split, of in counts.items()
    }


def _deviation(shares: Mapping[str, Mapping[str, float | None]]) -> float:
    """How far a class's share of a split is from what was asked for, at most."""
    off = [abs((of[name] or 0) - (of["asked"] or 0)) for of in shares.values() for name in ("real", "generated")]
    return round(max(off), 6)
