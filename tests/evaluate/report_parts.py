"""An evaluation with everything that a report can show, and the tables of a report read back from its files."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
from scored import column, detector

from contrafake.evaluate.evaluation import Calibration, Evaluation, Failure, Point, as_stored
from contrafake.evaluate.images import Images
from contrafake.evaluate.variant import UNTOUCHED, Variant
from contrafake.images.transforms import JpegQuality, Rescale

VARIANTS = (
    UNTOUCHED,
    Variant("jpeg-90", "JPEG 90", "jpeg", 90, (JpegQuality(90),)),
    Variant("jpeg-50", "JPEG 50", "jpeg", 50, (JpegQuality(50),)),
    Variant("resize-0.5", "Half the size", "resize", 0.5, (Rescale(0.5, "bicubic"),)),
)
DETECTORS = (
    detector(
        points=(Point("5% false alarms", 1.0, 0.2, 0.049), Point("1% false alarms", 2.0, 0.2, None)), hash="ab" * 32
    ),
    detector("theirs", kind="file", points=(), calibration=None),
    detector("third", points=(Point("own threshold", 0.5, 0.5),), calibration=Calibration(2.0, -1.0, 3.0)),
)
ORIGINS = {  # (label, seen): {origin: number}
    (0, "yes"): {"phone": 25, "film": 12},
    (1, "yes"): {"sd1.4": 24, "gan": 30, "tiny": 3},
    (0, "no"): {"slides": 21},
    (1, "no"): {"flux": 22, "sdxl": 20, "few": 4, "fewer": 2},
    (1, ""): {"riddle": 21},
}


def everything(name: str = "") -> Evaluation:
    """Three parts, three detectors, four variants, failures and facts.

    Args:
        name: Written into every text from outside.
    """
    rng = np.random.default_rng(5)
    rows = [
        (label, origin + name, seen, at)
        for (label, seen), origins in ORIGINS.items()
        for origin, number in origins.items()
        for at in range(number)
    ]
    label = np.array([row[0] for row in rows], np.uint8)
    images = Images(
        key=column([f"{row[1]}-{row[3]:03d}" for row in rows]),
        label=label,
        origin=column([row[1] for row in rows]),
        family=column([("fam " + row[1][:3] + name) if row[0] else "real" for row in rows]),
        source=column([f"{row[1]}/{row[3] % 3}" for row in rows]),
        group=column([""] * len(rows)),
        content=column([name] * len(rows)),
        seen=column([row[2] for row in rows]),
        sha256=column(["0" * 64] * len(rows)),
    )
    base = rng.normal(size=(1, len(rows), 1)) + 1.3 * label[None, :, None]
    scores = as_stored(base + 0.4 * rng.normal(size=(len(VARIANTS), len(rows), len(DETECTORS))))
    scores[:, 3] = np.nan
    scores[0, 40, 0] = np.nan
    failures = [Failure(images.key[3], variant.name, "", f"is damaged{name}") for variant in VARIANTS]
    failures.append(Failure(images.key[40], "untouched", "ours", f"gave NaN{name}"))
    facts = {
        "command": f"contrafake evaluate default{name}",
        "date": "2026-11-23",
        "machine": {"processor": f"a processor{name}", "cores": 2},
        "data": {"name": f"a set{name}", "shards": [{"name": "t.tar", "sha256": "cd" * 32}]},
    }
    return Evaluation(images, VARIANTS, DETECTORS, scores, tuple(failures), facts)


Table = list[list[tuple[str, str]]]
"""Rows of (text, what stands below it); the first is the head."""


class Page(HTMLParser):
    """Checks that tags are closed in order; collects tags with attributes, tables by name, and words."""

    _VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, Table] = {}
        self._open: list[str] = []
        self._words: list[str] = []
        self._table: Table | None = None
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag not in self._VOID:
            self._open.append(tag)
        if tag == "div" and found.get("class") == "scroll":
            name = found["aria-label"] or ""
            assert name not in self.tables, name
            self._table = self.tables[name] = []
        if self._table is not None and tag == "tr":
            self._table.append([])
        if self._table is not None and tag in ("td", "th"):
            self._table[-1].append(("", ""))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self._words.append(data)
        if self._table is not None and ("td" in self._open or "th" in self._open):
            text, under = self._table[-1][-1]
            self._table[-1][-1] = (text, under + data) if "small" in self._open else (text + data, under)

    @property
    def text(self) -> str:
        """All words, spaces made one."""
        return " ".join("".join(f" {word} " for word in self._words).split())


def markdown_tables(text: str) -> list[list[list[str]]]:
    """Tables of a Markdown text with their escapes undone: rows of cells, the rule below the head left out."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        assert len({len(row) for row in rows}) == 1
        plain = [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in row] for row in rows]
        found.append([plain[0], *plain[2:]])
    return found
