"""docs/models/calibrating.md says what benchmarks/results/calibrating.json says."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def test_the_page_has_the_measured_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    calibrating: Any = importlib.import_module("calibrating")
    result = json.loads((calibrating.RESULTS / "calibrating.json").read_text(encoding="utf-8"))
    assert set(result["sources"]) == {*calibrating.HELD_OUT, "all four"}
    assert calibrating.page(result, write=False) == 0
    other = tmp_path / "page.md"
    other.write_text(calibrating.PAGE.read_text(encoding="utf-8").replace("| 26 / 26 |", "| 25 / 27 |"))
    monkeypatch.setattr(calibrating, "PAGE", other)
    assert calibrating.page(result, write=False) == 1
