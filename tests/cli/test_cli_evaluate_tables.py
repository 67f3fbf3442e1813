"""Tables of an evaluation: nothing is lost on a narrow terminal, and outside text stays text."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from contrafake.cli.evaluate_cells import Table, figure, share, signed
from contrafake.cli.evaluate_protocols import print_generators
from contrafake.evaluate.figures import Estimate
from contrafake.evaluate.generator_heads import GeneratorHeads
from contrafake.train.cross_table import CrossRow, CrossTable

ANSI = re.compile(r"\x1b\[[0-9;]*m")
COLUMNS = tuple(f"column {at}" for at in range(9))


def printed(table: Table, width: int, *, terminal: bool = True) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, highlight=False, markup=False)
    table.print(console)
    assert isinstance(console.file, io.StringIO)
    return ANSI.sub("", console.file.getvalue()).splitlines()


@settings(max_examples=15)
@given(width=st.integers(60, 200), detectors=st.integers(1, 3), rows=st.integers(1, 3))
def test_every_cell_is_shown_within_the_width(width: int, detectors: int, rows: int) -> None:
    table = Table(("Detector", "Variant"), COLUMNS)
    cells = {}
    for detector in range(detectors):
        for row in range(rows):
            cells[detector, row] = tuple(f"{detector}.{row}.{at} (0.123 to 0.456)" for at in range(len(COLUMNS)))
            table.add((f"model-{detector}", f"variant-{row}"), cells[detector, row])
    lines = printed(table, width)
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    assert all(cell in text for of_row in cells.values() for cell in of_row)


def test_a_column_without_anything_is_left_out() -> None:
    table = Table(("Detector", "Variant"), ("AUC", "Cllr"))
    table.add(("a", "untouched"), ("0.9", "-"))
    table.add(("b", "untouched"), ("-", "-"))
    lines = printed(table, 100)
    assert "Cllr" not in lines[0]
    assert [line.split() for line in lines[2:]] == [["a", "untouched", "0.9"], ["b", "untouched", "-"]]


def test_outside_text_does_nothing_to_a_terminal() -> None:
    table = Table(("Detector\x1b[2J", "Variant"), ("[red]AUC\u202e",))
    table.add(("[red]a[/]\x1b[2J", "\u202evariant"), (":smile:",))
    table.add(("b", "c"), ("0.5",))
    text = "\n".join(printed(table, 100))
    assert "[red]a[/]\\x1b[2J" in text
    assert "\\u202evariant" in text
    assert ":smile:" in text
    assert "Detector\\x1b[2J" in text
    assert "[red]AUC\\u202e" in text
    assert "\x1b" not in text


def test_heads_of_one_generator() -> None:
    rows = [
        CrossRow("linear", "untouched", "a_b", 0.875, {"a_b": 0.9, "\x1b[2J": 0.25}),
        CrossRow("linear", "untouched", None, 0.5, {"a_b": 0.7, "\x1b[2J": 0.6}),
    ]
    cross = CrossTable({"a_b": 120}, 900, {"tiny": 3}, {"a_b": 30, "\x1b[2J": 25}, 1200, rows)
    console = Console(file=io.StringIO(), width=150, force_terminal=True, highlight=False, markup=False)
    print_generators(console, GeneratorHeads("ours 1", {"unseen": cross}, ("unseen",), 0, {}))
    assert isinstance(console.file, io.StringIO)
    text = ANSI.sub("", console.file.getvalue())
    assert "\x1b" not in text
    lines = [line.split() for line in text.splitlines()]
    assert ["linear,", "untouched:", "fitted", "on", "real", "a_b", "\\x1b[2J"] in lines
    assert ["a_b", "87.5", "%", "90.0", "%", "25.0", "%"] in lines
    assert ["linear,", "untouched", "88.8", "%", "56.2", "%"] in lines
    assert ["tiny", "(3)"] in lines
    assert "1,200 real images, borrowed from the other parts" in text


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (figure(Estimate(0.91249, 0.8, 0.95), interval=True), "0.912 (0.800 to 0.950)"),
        (figure(Estimate(0.91249, 0.8, 0.95)), "0.912"),
        (figure(Estimate(0.5), interval=True), "0.500"),
        (figure(None), "-"),
        (share(0.0499), "5.0 %"),
        (share(Estimate(1.0, 0.95, 1.0), interval=True), "100.0 % (95.0 to 100.0)"),
        (share(None), "-"),
        (signed(Estimate(-0.1, -0.2, 0.0)), "-0.100 (-0.200 to +0.000)"),
        (signed(Estimate(0.05, 0.01, 0.09), percent=True), "+5.0 points (+1.0 to +9.0)"),
    ],
)
def test_how_figures_read(shown: str, text: str) -> None:
    assert shown == text
