"""A report as plain parts, from which the page and its Markdown twin are printed alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contrafake.data.html_page import Figure


@dataclass(frozen=True)
class Column:
    """The head of a column.

    Attributes:
        text: What it says.
        number: Whether its cells are numbers, written to the right.
        term: The definition that it leads to, by its name; "" for none.
    """

    text: str
    number: bool = True
    term: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: What it says.
        under: Smaller and below, an interval for example.
        level: How dark it is drawn, 0 (not at all) to 5.
        code: Whether it is something to copy, such as a key.
    """

    text: str
    under: str = ""
    level: int = 0
    code: bool = False


@dataclass(frozen=True)
class Table:
    """A table; the first column names the rows.

    Attributes:
        title: What it shows, unique within the report: its name for those who cannot see it.
        columns: One for each cell of a row.
        rows: Cells.
        notes: What stands below.
        heading: What is written above it, "" where something else says it.
    """

    kind: ClassVar[str] = "table"
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    heading: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Code:
    """Something to copy, such as a command."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Terms:
    """Definitions: (name to link to, term, meaning)."""

    kind: ClassVar[str] = "terms"
    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Pictures:
    """Pictures, side by side where there is room."""

    kind: ClassVar[str] = "pictures"
    items: tuple[Figure, ...]


@dataclass(frozen=True)
class Shot:
    """A thumbnail with what is known of its image.

    Attributes:
        uri: The picture inside an address, "" where there is none.
        title: In one short line.
        lines: What else is said of it.
    """

    uri: str
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """Thumbnails; they are in the page alone, and Markdown has the table that stands beside them."""

    kind: ClassVar[str] = "gallery"
    title: str
    items: tuple[Shot, ...]


@dataclass(frozen=True)
class Fold:
    """Parts that open on demand."""

    kind: ClassVar[str] = "fold"
    title: str
    parts: tuple[Plain, ...]
    opened: bool = False


Plain: TypeAlias = Table | Text | Code | Heading | Bullets | Terms | Pictures | Gallery
Part: TypeAlias = Plain | Fold


@dataclass(frozen=True)
class Section:
    """A part of the report with a heading.

    Attributes:
        name: To link to, of letters and hyphens.
        title: The heading.
        parts: What stands below it.
    """

    name: str
    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Card:
    """A figure in large print, what it is, and its interval; it repeats what a table says."""

    value: str
    words: str
    under: str = ""


@dataclass(frozen=True)
class Document:
    """A report.

    Attributes:
        title: Of what.
        verdict: The result in one or two sentences.
        lead: What was measured, in a sentence.
        cards: The leading figures.
        sections: Everything else.
    """

    title: str
    verdict: str
    lead: str
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All pictures, in order."""
        parts = [part for section in self.sections for part in section.parts]
        plain = [item for part in parts for item in (part.parts if isinstance(part, Fold) else (part,))]
        return tuple(figure for part in plain if isinstance(part, Pictures) for figure in part.items)


def opened(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Opens the first fold of each kind, which is what its title says before a colon."""
    done: set[str] = set()
    found: list[Part] = []
    for part in parts:
        if isinstance(part, Fold):
            start = part.title.partition(":")[0]
            found.append(Fold(part.title, part.parts, opened=start not in done))
            done.add(start)
        else:
            found.append(part)
    return tuple(found)
