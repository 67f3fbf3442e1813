"""Folds for leave-one-family-out: a family of generators and a group of photographs' sources, both absent together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.data.origins import OriginTable
    from contrafake.data.sample import Sample

LEAST = 50
"""Generated images below which a family has no fold of its own."""
FEW = "few"
"""Name of the fold of all smaller families together."""
_PHOTOGRAPHS = ("real-photo", "real-face")
_PHOTO_LIKE = "photo"


@dataclass(frozen=True)
class Fold:
    """What is absent from the fitting of one fold, and what it is tested on.

    Attributes:
        name: The family, several joined by "+", or `FEW`.
        families: Absent families of generators.
        origins: Their generators, in alphabetical order.
        sources: Absent sources of real images, in alphabetical order; the photographs among them are tested on.
    """

    name: str
    families: tuple[str, ...]
    origins: tuple[str, ...]
    sources: tuple[str, ...]

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Fold:
        """Restores what `dataclasses.asdict` made of it, lists and all."""
        return cls(facts["name"], tuple(facts["families"]), tuple(facts["origins"]), tuple(facts["sources"]))


def plan_folds(
    samples: Sequence[Sample],
    origins: OriginTable,
    *,
    least: int = LEAST,
    together: Sequence[Sequence[str]] = (),
    seed: int = 0,
) -> tuple[Fold, ...]:
    """Makes a fold of each family, and divides the photographs' sources among the folds.

    Families with fewer than `least` generated images share the fold `FEW`. Sources go, the largest first, to the fold
    that has the fewest photographs so far; among equals the seed decides.

    Args:
        samples: All images, of fitting and calibration alike.
        origins: Families of the generators; one that it does not name is its own family.
        least: Generated images that a fold of its own takes, over all splits.
        together: Families that are left out together, for example `[("sd", "sdxl")]`; counted together as well.
        seed: Decides between sources of equal size.

    Returns:
        The folds: the largest first, `FEW` last.

    Raises:
        DataError: There are fewer than two folds, or fewer sources of photographs than folds.
        UsageError: A family of `together` does not occur, or stands in two groups.
    """
    images: Counter[str] = Counter()
    names: dict[str, set[str]] = {}
    for sample in samples:
        if sample.label == GENERATED:
            family = origins.get(GENERATED, sample.origin).family
            images[family] += 1
            names.setdefault(family, set()).add(sample.origin)
    groups = _groups(images, together)
    large = [group for group in groups if sum(images[family] for family in group) >= least]
    large.sort(key=lambda group: (-sum(images[family] for family in group), group))
    small = tuple(sorted(family for group in groups if group not in large for family in group))
    planned = {"+".join(group): group for group in large}
    if small:
        planned["".join([FEW, "'" * sum(name.rstrip("'") == FEW for name in planned)])] = small
    if len(planned) < 2:
        cause = f"{len(planned)} of its {len(images)} families can be left out"
        raise DataError("leave-one-family-out", cause, "two are needed; a table of origins names the families")
    sources = _divided(samples, len(planned), seed)
    return tuple(
        Fold(name, families, tuple(sorted(set().union(*(names[family] for family in families)))), group)
        for (name, families), group in zip(planned.items(), sources, strict=True)
    )


def without_apart(
    samples: Sequence[Sample], origins: OriginTable, together: Sequence[Sequence[str]] = ()
) -> tuple[list[Sample], dict[str, int]]:
    """Leaves out the images of generators that are reported apart, so that they are neither fitted nor tested on.

    Args:
        samples: All images.
        origins: Which generators are reported apart, and their families.
        together: As for `plan_folds`; families named there stay in.

    Returns:
        The other images in their order, and the number of those that are left out, by generator.
    """
    named = {family for group in together for family in group}
    left = {
        origin.name for origin in origins if origin.label == GENERATED and origin.apart and origin.family not in named
    }
    kept = [sample for sample in samples if sample.label == REAL or sample.origin not in left]
    found = Counter(sample.origin for sample in samples if sample.label == GENERATED and sample.origin in left)
    return kept, dict(sorted(found.items()))


def chosen_folds(folds: Sequence[Fold], names: Sequence[str]) -> tuple[Fold, ...]:
    """Some of the folds, in their order: for a first look, or to share them among machines.

    Args:
        folds: From `plan_folds`.
        names: Their names.

    Raises:
        UsageError: There is no fold of a name, or no name.
    """
    known = [fold.name for fold in folds]
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"fold {unknown[0]}", "there is no such fold", f"there are {', '.join(known)}")
    if not names:
        raise UsageError("folds", "none is named", f"there are {', '.join(known)}")
    return tuple(fold for fold in folds if fold.name in names)


@dataclass(frozen=True, eq=False)
class FoldRows:
    """Positions of a fold's images among all samples, ascending.

    Attributes:
        fitting: Of split "train", without the fold's families and sources, and without generated images of a group
            whose real image is absent.
        calibration: Of split "val", likewise.
        test: All generated images of the fold's families and all photographs of its sources, of both splits.
    """

    fitting: tuple[int, ...]
    calibration: tuple[int, ...]
    test: tuple[int, ...]


def fold_rows(samples: Sequence[Sample], fold: Fold) -> FoldRows:
    """Sorts the images of a fold.

    Raises:
        DataError: A class of the fitting or the calibration has no image left.
    """
    absent_origins, absent_sources = frozenset(fold.origins), frozenset(fold.sources)
    photographs = photograph_rows(samples)

    def absent(sample: Sample) -> bool:
        if sample.label == GENERATED:
            return sample.origin in absent_origins
        return sample.source in absent_sources

    # As where a run leaves sources out: without its real image, a record is no record.
    groups = {sample.group for sample in samples if sample.group and sample.label == REAL and absent(sample)}
    parts: dict[str, list[int]] = {"train": [], "val": []}
    test: list[int] = []
    for row, sample in enumerate(samples):
        if absent(sample):
            if sample.label == GENERATED or row in photographs:
                test.append(row)
        elif sample.split in parts and sample.group not in groups:
            parts[sample.split].append(row)
    for split, rows in parts.items():
        for label, name in ((REAL, "real"), (GENERATED, "generated")):
            if not any(samples[row].label == label for row in rows):
                cause = f"no {name} image of the split {split} is left"
                raise DataError(f"fold {fold.name}", cause, "name the data as train=... and val=...")
    return FoldRows(tuple(parts["train"]), tuple(parts["val"]), tuple(test))


def photograph_rows(samples: Sequence[Sample]) -> frozenset[int]:
    """Positions of the real images that are photographs.

    Where any real image's content is noted, it decides ("real-photo...", "real-face..."), and one without a note is
    none; else all real images are taken for photographs.
    """
    content = {
        row: str(sample.metadata.get("content") or "") for row, sample in enumerate(samples) if sample.label == REAL
    }
    noted = any(content.values())
    return frozenset(row for row, text in content.items() if not noted or text.startswith(_PHOTOGRAPHS))


def photo_like(label: int, content: str) -> bool:
    """Whether an image takes part where photo-like generated images are set against photographs."""
    return label == REAL or content.startswith(_PHOTO_LIKE)


def _groups(images: Counter[str], together: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    named = [family for group in together for family in group]
    for family in named:
        if family not in images:
            raise UsageError(f"family {family}", "none of its images is here", f"known are {', '.join(sorted(images))}")
        if named.count(family) > 1:
            raise UsageError(f"family {family}", "is to be left out together with two groups")
    return [tuple(sorted(group)) for group in together if group] + [
        (family,) for family in sorted(images) if family not in named
    ]


def _divided(samples: Sequence[Sample], parts: int, seed: int) -> list[tuple[str, ...]]:
    images = Counter(samples[row].source for row in photograph_rows(samples))
    if len(images) < parts:
        cause = f"{len(images)} sources of photographs cannot be divided among {parts} folds"
        raise DataError("leave-one-family-out", cause, "raise the least number of images of a family, or note sources")
    names = sorted(images)
    order = [names[place] for place in np.random.default_rng(seed).permutation(len(names))]
    order.sort(key=lambda name: -images[name])
    groups: list[list[str]] = [[] for _ in range(parts)]
    for name in order:
        min(groups, key=lambda group: (sum(images[member] for member in group), len(group))).append(name)
    return [tuple(sorted(group)) for group in groups]
