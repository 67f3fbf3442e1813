"""docs/models/published-code.md says what benchmarks/results/importing.json says."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn")


def test_the_page_has_the_measured_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    importing: Any = importlib.import_module("importing")
    steps = importing._steps()
    assert set(steps) == {"today", "old", "hostile"}
    assert importing.page(steps, write=False) == 0
    other = tmp_path / "page.md"
    other.write_text(importing.PAGE.read_text(encoding="utf-8").replace("| 60 of 60 |", "| 59 of 60 |"))
    monkeypatch.setattr(importing, "PAGE", other)
    assert importing.page(steps, write=False) == 1
