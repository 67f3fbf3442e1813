"""What somebody who evaluates should know and did not ask for, on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from contrafake.cli.escape import for_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.evaluate.api import Evaluated

FEW_REPEATS = 100
"""Resamples below which each end of a 95 % interval hangs on one or two of them."""


def say_notes(found: Evaluated, *, heads_given: bool) -> None:
    """Says what was passed over, what the run noted, and which settings meant nothing.

    Args:
        found: The evaluation and what follows from it.
        heads_given: Whether heads were asked for by name.
    """
    for line in _notes(found, heads_given=heads_given):
        print(f"contrafake: {for_terminal(line)}", file=sys.stderr)


def _notes(found: Evaluated, *, heads_given: bool) -> Iterator[str]:
    from contrafake.cli.evaluate_cells import count  # noqa: PLC0415 - rich is slow to import

    facts, repeats = found.evaluation.facts, found.figures.repeats
    for skipped in facts.get("census", {}).get("skipped", []):
        yield f"skipped {count(skipped['count'], 'file')}: {_reason(skipped)}"
    yield from map(str, facts.get("notes", []))
    if 0 < repeats < FEW_REPEATS:
        yield f"intervals from {count(repeats, 'resample')} mean little (--repeats 1000 is usual, 0 gives none)"
    if heads_given:
        for detector in found.evaluation.detectors:
            if detector.kind != "bundle":
                yield f"--heads means nothing for {detector.name}, which is no bundle"


def _reason(skipped: dict[str, Any]) -> str:
    examples = skipped.get("examples", [])
    return f"{skipped['reason']}, such as {examples[0]}" if examples else str(skipped["reason"])
