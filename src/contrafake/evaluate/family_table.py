"""The table of leave-one-family-out: made from scores alone, and so remade without the data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from contrafake.data.html_page import as_markdown
from contrafake.errors import DataError
from contrafake.evaluate.family_figures import (
    BINS,
    LEAST_COUNTED,
    SUBSETS,
    FamilySummary,
    FoldFigures,
    Subset,
    family_figures,
)
from contrafake.evaluate.family_scores import FoldFacts
from contrafake.evaluate.figures import Estimate
from contrafake.evaluate.markdown import counted, percent, table, three

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.evaluate.family_scores import FamilyScores


@dataclass(frozen=True)
class FamilyTable:
    """Leave-one-family-out in figures.

    Attributes:
        mode: "refit": heads alone were fitted without the family, an upper bound; "train": the encoder as well.
        model: What was evaluated, as "name version".
        rate: Share of false alarms that the thresholds aim at.
        folds: What was absent where, in order.
        rows: By head, variant, subset and fold.
        summaries: By head, variant and subset.
        repeats: Resamples behind the intervals.
        seed: Their seed.
        apart: Images of generators that are reported apart, by generator: in no fold, neither fitted nor tested on.
    """

    mode: str
    model: str
    rate: float
    folds: tuple[FoldFacts, ...]
    rows: tuple[FoldFigures, ...]
    summaries: tuple[FamilySummary, ...]
    repeats: int
    seed: int
    apart: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_scores(cls, scores: FamilyScores, *, repeats: int = 1000, seed: int = 0) -> FamilyTable:
        """Computes the table; a fold that has no image of a class in a subset has no row there.

        Args:
            scores: From `refit_families`, `train_families` or `FamilyScores.read`.
            repeats: Resamples behind each interval; 0 gives none but those of counted shares.
            seed: Their seed.

        Raises:
            DataError: There is no score, or no fold has both classes.
        """
        rows: list[FoldFigures] = []
        summaries: list[FamilySummary] = []
        columns = scores.columns
        for head in dict.fromkeys(columns["head"].tolist()):
            for variant in dict.fromkeys(columns["variant"].tolist()):
                for subset in SUBSETS:
                    found, summary = family_figures(scores, head, variant, subset, repeats=repeats, seed=seed)
                    rows += found
                    summaries += [] if summary is None else [summary]
        if not rows:
            raise DataError("leave-one-family-out", "no fold has scores of both classes")
        facts = scores.facts
        return cls(
            mode=str(facts.get("mode", "")),
            model=f"{facts.get('model', '')} {facts.get('version', '')}".strip(),
            rate=float(facts.get("rate", float("nan"))),
            folds=scores.folds,
            rows=tuple(rows),
            summaries=tuple(summaries),
            repeats=repeats,
            seed=seed,
            apart={str(name): int(count) for name, count in facts.get("apart", {}).items()},
        )

    def find(self, fold: str, variant: str, subset: Subset = "all", head: str | None = None) -> FoldFigures | None:
        """The row of that description, of the first head unless told; None where there is none."""
        for row in self.rows:
            if (row.fold, row.variant, row.subset) == (fold, variant, subset) and head in {None, row.head}:
                return row
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` is the inverse."""
        facts = asdict(self)
        if not self.apart:
            del facts["apart"]  # as before there was any
        return facts

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> FamilyTable:
        """Restores a table.

        Raises:
            KeyError, TypeError: The facts are those of something else.
        """
        rows = [{**row, **_estimates(row, "auc", "false_alarms")} for row in facts["rows"]]
        names = ("auc", "false_alarms", "cllr", "calibration_error")
        summaries = [{**row, **_estimates(row, *names)} for row in facts["summaries"]]
        restored = {
            "folds": tuple(FoldFacts.from_dict(fold) for fold in facts["folds"]),
            "rows": tuple(FoldFigures(**row) for row in rows),
            "summaries": tuple(FamilySummary(**row) for row in summaries),
        }
        return cls(**{**facts, **restored})

    def to_markdown(self) -> str:
        """Tables by head, variant and subset, and what they mean."""
        return "\n".join(_words(self))


def _estimates(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: None if row[name] is None else Estimate(**row[name]) for name in names}


def _words(found: FamilyTable) -> Iterator[str]:
    yield (
        f"{as_markdown(found.model)}: each family of generators in turn is absent together with a group of "
        "photographs' sources; its images are set against the photographs of that group. Thresholds aim at "
        f"{percent(found.rate)} false alarms on images that are neither.\n"
    )
    if found.mode == "refit":
        saw = ", ".join(fold.fold.name for fold in found.folds if fold.encoder_saw)
        known = all(fold.encoder_saw is not None for fold in found.folds)
        words = (
            f"with images of {as_markdown(saw)}: **these figures are an upper bound**"
            if saw
            else "with none of the families"
        )
        if not known:
            words = "nobody noted on what: **take these figures for an upper bound**"
        yield f"Only the heads and their calibration were fitted anew. The encoder was trained before, {words}.\n"
    header = ["fold", "absent generators", "absent sources", "fitted on (real, generated)", "calibrated on"]
    yield table(
        header,
        [
            [
                fold.fold.name,
                f"{len(fold.fold.origins)}",
                f"{len(fold.fold.sources)}",
                " + ".join(f"{count:,}" for count in fold.fitting),
                " + ".join(f"{count:,}" for count in fold.calibration),
            ]
            for fold in found.folds
        ],
    )
    few = [(fold.fold.name, fold.fold.families) for fold in found.folds if len(fold.fold.families) > 1]
    for name, families in few:
        yield f"{as_markdown(name)} stands for {as_markdown(', '.join(families))}.\n"
    if found.apart:
        yield f"Reported apart, and neither fitted nor tested on: {counted(found.apart.items())}.\n"
    for summary in found.summaries:
        yield from _part(found, summary)


def _part(found: FamilyTable, summary: FamilySummary) -> Iterator[str]:
    place = summary.head, summary.variant, summary.subset
    yield f"### {as_markdown(f'{summary.head}, {summary.variant}')}: {SUBSETS[summary.subset]}\n"
    rows = [row for row in found.rows if (row.head, row.variant, row.subset) == place]
    header = [
        "absent",
        "photographs (sources)",
        "generated (sources)",
        "AUC",
        "balanced accuracy",
        "right on generated",
    ]
    lines = [
        [
            row.fold,
            f"{row.real:,} ({row.sources_real})",
            f"{row.generated:,} ({row.sources_generated})",
            _range(row.auc),
            percent(row.balanced_accuracy),
            percent(row.accuracy_generated),
            _shares(row.false_alarms),
            three(row.cllr),
        ]
        for row in rows
    ]
    total = [
        f"mean of {summary.folds}",
        f"{summary.real:,}",
        f"{summary.generated:,}",
        _range(summary.auc),
        percent(summary.balanced_accuracy),
        "",
        "",
        "",
    ]
    yield table([*header, "balanced accuracy", "right on generated", "false alarms", "Cllr"], [*lines, total])
    worst = f"Worst: {as_markdown(summary.worst_name)}, AUC {three(summary.worst)}. " if summary.worst_name else ""
    few = [(row.fold, row.generated) for row in rows if not row.counted]
    left = f" Not in mean and worst, with fewer than {LEAST_COUNTED} generated images: {counted(few)}." if few else ""
    yield (
        f"{worst}All folds together: false alarms {_shares(summary.false_alarms)}, Cllr {_range(summary.cllr)}, "
        f"calibration error {_range(summary.calibration_error)} ({BINS} bins).{left}\n"
    )


def _range(estimate: Estimate | None) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return three(None if estimate is None else estimate.value)
    return f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"


def _shares(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return percent(estimate.value)
    return f"{percent(estimate.value)} ({100 * estimate.low:.1f}-{100 * estimate.high:.1f})"
