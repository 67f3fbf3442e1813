"""An evaluation with its figures, arranged for a report."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from contrafake.evaluate.figures import PARTS

if TYPE_CHECKING:
    from contrafake.evaluate.evaluation import DetectorFacts, Evaluation
    from contrafake.evaluate.figures import Figures, Level, Part, Row


class View:
    """What the sections of a report look things up in.

    Attributes:
        evaluation: The scores.
        figures: Their figures.
    """

    def __init__(self, evaluation: Evaluation, figures: Figures) -> None:
        self.evaluation = evaluation
        self.figures = figures
        self._rows: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
        for row in figures.rows:
            self._rows[row.part, row.level, row.variant, row.detector].append(row)
        self._titles = {variant.name: variant.title for variant in evaluation.variants}

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts that have figures: what training never saw comes first."""
        there = {row.part for row in self.figures.rows}
        order: tuple[Part, ...] = ("unseen", "seen", "unknown", "apart")
        assert set(order) == set(PARTS)  # noqa: S101 - a new part would be left out in silence
        return tuple(part for part in order if part in there)

    @cached_property
    def detailed(self) -> tuple[str, ...]:
        """Variants with figures for families and origins; the first two where none has any."""
        names = [variant.name for variant in self.evaluation.variants]
        known = {row.variant for row in self.figures.rows if row.level != "overall"}
        return tuple(name for name in names if name in known) or tuple(names[:2])

    @cached_property
    def detectors(self) -> tuple[DetectorFacts, ...]:
        """All detectors."""
        return self.evaluation.detectors

    def rows(self, part: str, level: Level, variant: str, detector: str) -> list[Row]:
        """Rows of that description."""
        return self._rows.get((part, level, variant, detector), [])

    def title(self, variant: str) -> str:
        """A variant for people."""
        return self._titles.get(variant, variant)

    def label(self, detector: str, variant: str) -> tuple[str, str]:
        """What a row is called: (main words, words below); the detector is left out where there is only one."""
        if len(self.detectors) == 1:
            return self.title(variant), ""
        return detector, self.title(variant)


def words_of(label: tuple[str, str]) -> str:
    """A row's name on one line: "detector, variant"."""
    return f"{label[0]}, {label[1]}" if label[1] else label[0]
