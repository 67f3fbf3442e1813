"""The most confident mistakes as a table, with thumbnails only where they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.audit.shown import UNKNOWN
from contrafake.data.html_page import data_uri
from contrafake.evaluate.images import APART
from contrafake.evaluate.report.document import Cell, Column, Fold, Gallery, Section, Shot, Table, Text
from contrafake.evaluate.report.mistakes import mistakes
from contrafake.evaluate.report.wording import with_minus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contrafake.evaluate.report.document import Part
    from contrafake.evaluate.report.mistakes import Mistake
    from contrafake.evaluate.report.view import View

_SEEN = {"yes": "seen", "no": "unseen", "": "unknown", APART: APART}


def mistakes_section(view: View, thumbnails: Mapping[str, bytes] | None) -> Section:
    """False alarms and misses of each detector, the most confident first.

    Args:
        view: The evaluation.
        thumbnails: JPEG bytes by key; None for a report without a pixel of the data.
    """
    title = view.title(view.evaluation.variants[0].name)
    parts: list[Part] = [
        Text(
            f"On “{title}”, by the distance of the score from the threshold. Look here for wrong labels first, then "
            "for what the detector cannot see."
        )
    ]
    for place, detector in enumerate(view.detectors):
        found = mistakes(view.evaluation, detector.name)
        if not found:
            words = (
                "made no mistake"
                if detector.points or detector.calibration or detector.probability
                else "has no decision rule"
            )
            parts.append(Text(f"{detector.name} {words}."))
            continue
        inside: list[Table | Gallery] = []
        if thumbnails:
            inside.append(Gallery(f"Mistakes of {detector.name}", tuple(_shot(one, thumbnails) for one in found)))
        inside.append(_table(detector.name, found))
        parts.append(Fold(detector.name, tuple(inside), opened=place == 0))
    if not thumbnails:
        parts.append(Text("Without thumbnails: no pixel of the data is in this report."))
    return Section("mistakes", "Most confident mistakes", tuple(parts))


def _table(detector: str, found: Sequence[Mistake]) -> Table:
    columns = [Column(name, number=False) for name in ("image", "mistake", "origin", "source", "shows", "training saw")]
    columns += [Column("score"), Column("beyond the threshold"), Column("log-likelihood ratio")]
    rows = tuple(
        (
            Cell(one.key, code=True), Cell(one.kind), Cell(one.origin), Cell(one.source), Cell(one.content or UNKNOWN),
            Cell(_SEEN[one.seen]), Cell(with_minus(f"{one.score:.4g}")), Cell(f"{one.distance:.4g}"),
            Cell(UNKNOWN if one.llr is None else with_minus(f"{one.llr:+.2f}")),
        )
        for one in found
    )  # fmt: skip
    return Table(f"Most confident mistakes of {detector}", tuple(columns), rows)


def _shot(mistake: Mistake, thumbnails: Mapping[str, bytes]) -> Shot:
    data = thumbnails.get(mistake.key)
    return Shot(
        data_uri(data, "jpeg") if data else "",
        mistake.kind,
        (mistake.origin, f"score {with_minus(f'{mistake.score:.4g}')}", mistake.key),
    )
