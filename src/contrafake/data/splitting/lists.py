"""The lists of a division, as CSV files that other tools and `contrafake data split --list` read."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.location import File
from contrafake.data.origins import SPLITS
from contrafake.data.sample import GENERATED
from contrafake.data.sources import samples_of
from contrafake.data.splitting.columns import NO_SPLIT, digest
from contrafake.data.splitting.shards_out import write_shards
from contrafake.data.splitting.summary import summary
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import TextIOWrapper

    from contrafake.data.sample import Sample
    from contrafake.data.sources import Source
    from contrafake.data.splits import SplitPlan
    from contrafake.data.splitting.settings import SplitSettings

COLUMNS = ("key", "label", "origin", "source", "group", "split", "family")


def write_split(
    plan: SplitPlan,
    source: Source,
    settings: SplitSettings,
    out: str | os.PathLike[str],
    *,
    shards: bool = False,
    step: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Writes a division into a new folder, which appears when it is complete.

    It gets `splits.csv`, `left-out.csv` if images were left out, `leave-out-<family>.csv` for each list, `origins.csv`
    and `split.json`. Where every image is a file of its own, the lists have its path relative to the folder, and are
    manifests.

    Args:
        plan: The division.
        source: The set that was divided.
        settings: How it was divided.
        out: The folder; it must be new or empty.
        shards: Whether to copy the images into shards as well.
        step: Called with 1 after each image that was copied.

    Returns:
        What `split.json` holds.

    Raises:
        DataError: The folder holds something, cannot be written, or the set changed meanwhile.
    """
    target = Path(out)
    partial = target.absolute().with_name(f".{target.absolute().name}.partial")
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise DataError(str(out), "stands there and is not empty", "name a new folder")
        shutil.rmtree(partial, ignore_errors=True)  # what a killed run left
        partial.mkdir(parents=True)
        try:
            _write_lists(plan, source, partial, target.absolute())
            origins = source.origins.counted(_counts(plan), divided=True).to_csv()
            (partial / "origins.csv").write_bytes(origins.encode("utf-8", "backslashreplace"))
            if shards:
                broken = write_shards(source, plan.split, partial, step)
                plan.unreadable += len(broken)
                plan.notes.extend(f"not copied into shards: {key}: {why}" for key, why in broken.items())
            facts = summary(plan, source, settings, file_names(plan), shards=shards)
            text = json.dumps(facts, indent=1, ensure_ascii=True) + "\n"
            (partial / "split.json").write_text(text, encoding="utf-8")
            partial.replace(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        name = error.filename or str(out)
        raise DataError(
            str(name), f"cannot be written: {error.strerror or error}", "free some space or rights"
        ) from error
    return facts


def file_names(plan: SplitPlan) -> dict[str, str]:
    """The file of each leave-one-out list: the family's name with everything but letters, digits, `._-` replaced."""
    names: dict[str, str] = {}
    for family in plan.leave_out:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", family)[:80]
        stem, number = plain, 2
        while f"leave-out-{stem}.csv".lower() in {name.lower() for name in names.values()}:
            stem, number = f"{plain}-{number}", number + 1
        names[family] = f"leave-out-{stem}.csv"
    return names


def _write_lists(plan: SplitPlan, source: Source, folder: Path, final: Path) -> None:
    columns = plan.columns
    paths = all(isinstance(sample.image, File) for item in source for sample in samples_of(item))
    names = file_names(plan)
    with ExitStack() as stack:

        def writer(name: str, *more: str) -> Any:
            # A lone surrogate (a byte of a file name that is no text) is spelled out.
            file: TextIOWrapper = stack.enter_context(
                (folder / name).open("w", newline="", encoding="utf-8", errors="backslashreplace")
            )
            made = csv.writer(file, lineterminator="\n")
            made.writerow([*COLUMNS, *(["path"] if paths else []), *more])
            return made

        lists = [(writer("splits.csv"), plan.split)]
        lists += [(writer(names[family]), split) for family, (_, split) in plan.leave_out.items()]
        left_out = writer("left-out.csv", "reason") if plan.left_out else None
        row = 0
        for item in source:
            for sample in samples_of(item):
                if row >= len(columns) or digest(sample.key) != int(columns.key[row]):
                    raise DataError(sample.key, "the data changed while it was divided", "divide it again")
                family = columns.families[columns.origin[row]]
                end = [os.path.relpath(sample.image.path, final)] if isinstance(sample.image, File) and paths else []
                for made, split in lists:
                    if split[row] != NO_SPLIT:
                        made.writerow([*_cells(sample, SPLITS[split[row]], family), *end])
                if left_out and row in plan.left_out:
                    own = SPLITS[columns.split[row]] if columns.split[row] != NO_SPLIT else ""
                    left_out.writerow([*_cells(sample, own, family), *end, plan.left_out[row]])
                row += 1


def _cells(sample: Sample, split: str, family: str) -> list[str]:
    label = "fake" if sample.label == GENERATED else "real"
    return [sample.key, label, sample.origin, sample.source, sample.group, split, family]


def _counts(plan: SplitPlan) -> dict[tuple[str, int, str], int]:
    columns, used = plan.columns, plan.split != NO_SPLIT
    pairs, counts = np.unique(np.stack([plan.split[used], columns.origin[used]]), axis=1, return_counts=True)
    return {(SPLITS[s], *columns.origins[o]): n for (s, o), n in zip(pairs.T.tolist(), counts.tolist(), strict=True)}
