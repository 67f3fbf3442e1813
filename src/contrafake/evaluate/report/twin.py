"""The report in Markdown: the same parts as the page, with pictures as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake import __version__
from contrafake.data.html_page import as_markdown
from contrafake.evaluate.report.document import Bullets, Code, Fold, Heading, Pictures, Table, Terms, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.evaluate.report.document import Cell, Document, Part

PICTURES = "figures"
"""The folder of the pictures."""


def render_markdown(document: Document) -> str:
    """The report in Markdown; all texts are taken as coming from outside.

    Thumbnails are in the page alone.
    """
    blocks = [f"# {as_markdown(document.title)}", f"**{as_markdown(document.verdict)}**", as_markdown(document.lead)]
    for section in document.sections:
        blocks.append(f"## {as_markdown(section.title)}")
        for part in section.parts:
            blocks += _blocks(part)
    return "\n\n".join([*blocks, f"contrafake {as_markdown(__version__)}\n"])


def _blocks(part: Part) -> Iterator[str]:
    if isinstance(part, Fold):
        yield f"#### {as_markdown(part.title)}"
        for one in part.parts:
            yield from _blocks(one)
    elif isinstance(part, Table):
        if part.heading:
            yield f"#### {as_markdown(part.heading)}"
        yield _table(part)
        yield from (f"{as_markdown(note)}." for note in part.notes)
    elif isinstance(part, (Text, Code)):
        yield as_markdown(part.text)
    elif isinstance(part, Heading):
        yield f"### {as_markdown(part.text)}"
    elif isinstance(part, Bullets):
        yield "\n".join(f"- {as_markdown(item)}" for item in part.items)
    elif isinstance(part, Terms):
        yield "\n".join(f"- **{as_markdown(term)}**: {as_markdown(meaning)}" for _, term, meaning in part.items)
    elif isinstance(part, Pictures):
        yield from (f"![{as_markdown(item.caption)}]({PICTURES}/{item.name})" for item in part.items)


def _table(table: Table) -> str:
    head = [as_markdown(column.text) for column in table.columns]
    rules = ["---:" if column.number else "---" for column in table.columns]
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rules, *rows))


def _cell(cell: Cell) -> str:
    return as_markdown(f"{cell.text} ({cell.under})" if cell.under else cell.text)
