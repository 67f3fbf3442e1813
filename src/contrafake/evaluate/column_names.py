"""Names of the columns of an evaluation: each once, whatever detectors are called."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.evaluate.evaluation import DetectorFacts


def unique_columns(columns: Sequence[Sequence[DetectorFacts]]) -> list[tuple[DetectorFacts, ...]]:
    """The columns of each detector, the later of two with one name renamed: "a" and "a-2", "a/svm" and "a-2/svm"."""
    taken: set[str] = set()
    found = []
    for of_one in columns:
        renamed, count = tuple(of_one), 1
        while taken & {facts.name for facts in renamed}:
            count += 1
            renamed = tuple(replace(facts, name=_numbered(facts, count)) for facts in of_one)
        taken |= {facts.name for facts in renamed}
        found.append(renamed)
    return found


def _numbered(facts: DetectorFacts, count: int) -> str:
    if facts.name.startswith(facts.model):
        return f"{facts.model}-{count}{facts.name[len(facts.model) :]}"
    return f"{facts.name}-{count}"
