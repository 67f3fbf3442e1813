"""Writes the tables of docs/model-development.md from committed runs of leaving each family out.

Nothing is measured here: `results/development/NAME` is what `contrafake evaluate families ... --out` left, by the
command that the page names.

    python benchmarks/development.py              # pages from results
    python benchmarks/development.py --check      # exit code 1 where the page differs
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from evaluation_pages import filled
from machine import RESULTS

from contrafake.evaluate.family_folds import FEW
from contrafake.evaluate.family_table import FamilyTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from contrafake.evaluate.figures import Estimate

PAGE = Path(__file__).parent.parent / "docs" / "model-development.md"
FILE = "families-table.json"
VARIANT, ALL, PHOTOGRAPHIC = "jpeg-90", "all", "photo-like"
BEFORE = "encoder and heads of configs/code-resnet-mini-short.yaml"


def main() -> None:
    """Writes or checks the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    before = PAGE.read_text(encoding="utf-8")
    after = filled(before, tables(), PAGE.name)
    if options.check and after != before:
        sys.exit(f"{PAGE.name}: not what the results give: run benchmarks/development.py")
    if after != before:
        PAGE.write_text(after, encoding="utf-8")
    print("nothing differs" if after == before else f"written: {PAGE.name}")


def tables() -> dict[str, Callable[[], str]]:
    """What fills the page, by name."""
    found = {BEFORE: _read(RESULTS / "evaluation" / "families-trained")}
    runs = sorted((RESULTS / "development").glob(f"*/{FILE}"))
    found |= {run.parent.name: _read(run.parent) for run in runs}
    made: dict[str, Callable[[], str]] = {"overview": partial(overview, found), "contrast": contrast}
    return made | {f"folds-{name}": partial(folds, one) for name, one in found.items() if name != BEFORE}


def overview(found: dict[str, FamilyTable]) -> str:
    """One line for each run and head, both classes re-encoded alike."""
    lines = [
        "| run | head | families | mean AUC | worst | photo-like | Cllr | false alarms |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for name, one in found.items():
        for summary in one.summaries:
            if (summary.variant, summary.subset) != (VARIANT, ALL):
                continue
            photographic = [
                other
                for other in one.summaries
                if (other.head, other.variant, other.subset) == (summary.head, VARIANT, PHOTOGRAPHIC)
            ]
            cells = [
                name,
                summary.head,
                str(summary.folds),
                _number(summary.auc),
                "–" if summary.worst is None else f"{summary.worst:.3f} ({summary.worst_name})",
                _number(photographic[0].auc) if photographic else "–",
                _number(summary.cllr),
                f"{100 * summary.false_alarms.value:.1f} %",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def folds(one: FamilyTable) -> str:
    """AUC of each family by head, both classes re-encoded alike."""
    heads = list(dict.fromkeys(row.head for row in one.rows))
    lines = [f"| absent family | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    for fold in one.folds:
        name = fold.fold.name
        cells = [
            next(
                (
                    _number(row.auc)
                    for row in one.rows
                    if (row.fold, row.head, row.variant, row.subset) == (name, head, VARIANT, ALL)
                ),
                "–",
            )
            for head in heads
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def contrast() -> str:
    """A line for each switch: mean over folds and seeds by head, and the lowest and highest seed."""
    result = json.loads((RESULTS / "contrast_ablation.json").read_text(encoding="utf-8"))
    lines = ["| change | linear | nearest | svm | worst family, linear |", "| --- | ---: | ---: | ---: | --- |"]
    for name, seeds in result["auc"].items():
        runs: list[dict[str, dict[str, float]]] = [
            {fold: found for fold, found in run.items() if fold != FEW} for run in seeds.values()
        ]
        cells = [name]
        for head in next(iter(runs[0].values())):
            means = [mean(fold[head] for fold in run.values()) for run in runs]
            cells.append(f"{mean(means):.3f} ({min(means):.3f} to {max(means):.3f})")
        of_fold = {fold: mean(run[fold]["linear"] for run in runs) for fold in runs[0]}
        worst = min(of_fold, key=of_fold.__getitem__)
        lines.append(f"| {' | '.join(cells)} | {of_fold[worst]:.3f} ({worst}) |")
    return "\n".join(lines)


def _read(folder: Path) -> FamilyTable:
    return FamilyTable.from_dict(json.loads((folder / FILE).read_text(encoding="utf-8")))


def _number(found: Estimate | None) -> str:
    if found is None:
        return "–"
    return f"{found.value:.3f}" + ("" if found.low is None else f" ({found.low:.3f} to {found.high:.3f})")


if __name__ == "__main__":
    main()
