"""The top of a report: what was evaluated, and the leading figures of the first detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.sample import GENERATED, REAL
from contrafake.evaluate.figures import PARTS
from contrafake.evaluate.report.document import Card
from contrafake.evaluate.report.wording import column, count, figure, interval

if TYPE_CHECKING:
    from contrafake.evaluate.figures import Estimate, Row
    from contrafake.evaluate.report.view import View

_PARTS = {
    "seen": "seen origins",
    "unseen": "unseen origins",
    "unknown": "origins of which nobody knows",
    "apart": "reported apart",
}
LEADING = ("auc", "balanced_accuracy", "accuracy_generated")


def title(view: View) -> str:
    """What was evaluated: two detectors by name, and the number of the others."""
    names = [detector.name for detector in view.detectors]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"Evaluation of {(', ' if more else ' and ').join(names[:2])}{more}"


def verdict(view: View) -> str:
    """AUC of the first detector on the first variant, part by part."""
    found = [(row, row.metrics["auc"]) for row in _rows(view) if "auc" in row.metrics]
    if not found:
        return "No part has scored images of both classes: nothing to compare."
    words = [f"AUC {figure('auc', auc.value)}{_within('auc', auc)} on {PARTS[row.part]}" for row, auc in found]
    return f"{'; '.join(words)}."


def lead(view: View) -> str:
    """What was measured, in numbers."""
    images = view.evaluation.images
    real, generated = (images.label == label for label in (REAL, GENERATED))
    first = view.title(view.evaluation.variants[0].name)
    whose = f" The figures above and in the cards are those of {view.detectors[0].name} on “{first}”."
    sources = count(len(set(images.source[real].tolist())), "source")
    generators = count(len(set(images.origin[generated].tolist())), "generator")
    return (
        f"{count(int(real.sum()), 'real image')} of {sources} and {count(int(generated.sum()), 'generated image')} by "
        f"{generators} under {count(len(view.evaluation.variants), 'variant')}, judged by "
        f"{count(len(view.detectors), 'detector')}. Ranges in small print or in brackets are 95 % intervals.{whose}"
    )


def cards(view: View) -> tuple[Card, ...]:
    """The leading figures in large print, part by part."""
    found = []
    rows = _rows(view)
    for row in [row for row in rows if "auc" in row.metrics] or rows:
        for metric in LEADING:
            if metric in row.metrics:
                one = row.metrics[metric]
                words = f"{column(metric).text}, {_PARTS[row.part]}"
                found.append(Card(figure(metric, one.value), words, interval(metric, one)))
        alarms = next((point.false_alarms for point in row.points), None)
        if alarms is not None:
            words = f"false alarms, {_PARTS[row.part]}"
            found.append(Card(figure("accuracy_real", alarms.value), words, interval("accuracy_real", alarms)))
    return tuple(found)


def _rows(view: View) -> list[Row]:
    """The overall rows of the first detector on the first variant; what is reported apart leads only where alone."""
    variant, detector = view.evaluation.variants[0].name, view.detectors[0].name
    parts = [part for part in view.parts if part != "apart"] or view.parts
    return [row for part in parts for row in view.rows(part, "overall", variant, detector)]


def _within(metric: str, found: Estimate) -> str:
    words = interval(metric, found)
    return f" ({words})" if words else ""
