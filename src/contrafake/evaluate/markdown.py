"""Tables in Markdown whose texts come from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.audit.shown import UNKNOWN
from contrafake.data.html_page import as_markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, its cells escaped; columns after the first are set to the right.

    Args:
        header: Titles of the columns.
        rows: Cells, as many as titles each.

    Returns:
        Lines, the last with its end.
    """
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    escape = [True, False, *[True] * (len(lines) - 2)]
    return "".join(
        f"| {' | '.join(as_markdown(cell) if clean else cell for cell in line)} |\n"
        for clean, line in zip(escape, lines, strict=True)
    )


def percent(share: float | None) -> str:
    """A share from 0 to 1 as "81.4 %", a dash for None."""
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def three(value: float | None) -> str:
    """A number with three digits after the point, a dash for None."""
    return UNKNOWN if value is None else f"{value:.3f}"


def counted(names: Iterable[tuple[str, int]]) -> str:
    """Names with their numbers, escaped: "sd1.4 (12), gan (3)"."""
    return ", ".join(f"{as_markdown(name)} ({count:,})" for name, count in names)
