"""Whether the figures and the report in a folder are what the scores beside them give."""

from __future__ import annotations

import json
import math
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.errors import DataError
from contrafake.evaluate.family_scores import FACTS as FAMILY_FACTS
from contrafake.evaluate.family_scores import SCORES as FAMILY_SCORES
from contrafake.evaluate.generator_scores import FACTS as GENERATOR_FACTS
from contrafake.evaluate.generator_scores import SCORES as GENERATOR_SCORES
from contrafake.evaluate.generator_scores import holds_scores
from contrafake.evaluate.positions import POSITIONS
from contrafake.evaluate.results import (
    FAMILY_TABLE,
    FAMILY_TWIN,
    FIGURES,
    GENERATORS,
    GENERATORS_TWIN,
    PAGE,
    TWIN,
    holds_report,
    settings,
    write_families,
    write_results,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from contrafake.evaluate.api import Evaluated

TOLERANCE = 1e-6
"""Figures that differ by less, or by less than this share, were found by another release of numpy or processor."""

_THUMBNAIL = "data:image/jpeg;"
_PICTURE = re.compile(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]*")


def differences(folder: str | os.PathLike[str], found: Evaluated | None) -> list[str]:
    """What in a folder is not what its scores give.

    Figures may differ by `TOLERANCE`; of the report, the text is compared, and of its pictures only which there are:
    other releases of the drawing library draw others.

    Args:
        folder: An evaluation's folder; nothing in it is changed.
        found: What its scores give; None for a folder of leave-one-family-out alone.

    Returns:
        One line for each file that differs, with the first difference; none if all is well. A report that is not there
        is no difference, but `figures.json` must be.

    Raises:
        DataError: A file cannot be read.
        MissingExtraError: There is a report, and jinja2 or matplotlib is not installed.
    """
    target = Path(folder)
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name)
        # Tables of heads of one generator are given only where no scores of them were kept.
        tables = () if holds_scores(target) else (GENERATORS,)
        for given in (POSITIONS, *tables, GENERATOR_FACTS, GENERATOR_SCORES, FAMILY_FACTS, FAMILY_SCORES):
            if (target / given).is_file():
                (fresh / given).write_bytes((target / given).read_bytes())
        if found is None:
            write_families(fresh, **settings(target))
        else:
            write_results(fresh, found, report=holds_report(target), thumbnails=_stand_ins(target, found))
        return [*_figures_differ(target, fresh), *_pages_differ(target, fresh)]


def _stand_ins(target: Path, found: Evaluated) -> dict[str, bytes] | None:
    """Something in the place of each thumbnail, where the page has them: they cannot be made without the data."""
    if not (target / PAGE).is_file() or _THUMBNAIL not in _text(target / PAGE):
        return None
    from contrafake.evaluate.report.mistakes import mistaken_keys  # noqa: PLC0415 - with the report only

    return dict.fromkeys(mistaken_keys(found.evaluation), b"-")


def _figures_differ(target: Path, fresh: Path) -> Iterator[str]:
    for name in (FIGURES, GENERATORS, FAMILY_TABLE):
        if not (fresh / name).is_file():
            continue
        if not (target / name).is_file():
            yield f"{name}: is missing"
            continue
        try:
            there = json.loads(_text(target / name))
        except ValueError as error:
            yield f"{name}: is no JSON: {error}"
            continue
        first = next(_unlike(there, json.loads(_text(fresh / name)), ""), None)
        if first is not None:
            yield f"{name}: {first}"


def _unlike(there: Any, right: Any, where: str) -> Iterator[str]:
    """Where two JSON documents differ, in words."""
    numbers = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in (there, right))
    if numbers and math.isclose(there, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        return
    if isinstance(there, dict) and isinstance(right, dict) and there.keys() == right.keys():
        for name, value in there.items():
            yield from _unlike(value, right[name], f"{where}.{name}" if where else name)
    elif isinstance(there, list) and isinstance(right, list) and len(there) == len(right):
        for place, (one, other) in enumerate(zip(there, right, strict=True)):
            yield from _unlike(one, other, f"{where}[{place}]")
    elif there != right:
        yield f"{where or 'it'} is {_brief(there)}, and the scores give {_brief(right)}"


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _pages_differ(target: Path, fresh: Path) -> Iterator[str]:
    for name in (PAGE, TWIN, GENERATORS_TWIN, FAMILY_TWIN):
        if not (target / name).exists() or not (fresh / name).exists():
            continue
        lines = [_PICTURE.sub("", _text(folder / name)).splitlines() for folder in (target, fresh)]
        if lines[0] != lines[1]:
            number = next((n for n, (one, other) in enumerate(zip(*lines, strict=False), 1) if one != other), None)
            yield f"{name}: differs in line {number or min(map(len, lines)) + 1}"
    drawn = {path.name for path in (fresh / "figures").glob("*.png")}
    if drawn and (missing := sorted(drawn - {path.name for path in (target / "figures").glob("*.png")})):
        yield f"figures: {', '.join(missing)} missing"


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from error
