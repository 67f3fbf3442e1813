"""Figures: the same bytes for the same report, readable files, and the numbers they are said to show."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from audit_example import NAN, category, example
from PIL import Image

from contrafake.data.audit.plots import save_comparison, save_plots
from contrafake.data.audit.result import AuditReport, Interval
from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def matched() -> AuditReport:
    before = example()
    return replace(
        before,
        features=[replace(feature, auc=0.51) for feature in reversed(before.features)],
        without_content=replace(before.without_content, auc=Interval(0.53, 0.45, 0.6)),
    )


def comments(svg: str) -> set[str]:
    """matplotlib writes each text as a comment before its outlines."""
    return {text.strip() for text in re.findall(r"<!-- (.*?) -->", svg)}


def test_plots_are_whole_and_deterministic(tmp_path: Path) -> None:
    first, second = save_plots(example(), tmp_path / "a"), save_plots(example(), tmp_path / "b")
    assert [path.name for path in first] == ["features.svg", "distributions.svg"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert ElementTree.parse(one).getroot().tag.endswith("svg")  # noqa: S314 - written a line above
        assert "dc:date" not in one.read_text()
    texts = comments(first[0].read_text())
    assert {feature.title for feature in example().features} <= texts
    assert {"0.97", "0.52"} <= texts


def test_a_comparison_pairs_features_by_name(tmp_path: Path) -> None:
    save_comparison(example(), matched(), tmp_path / "c.svg")
    texts = comments((tmp_path / "c.svg").read_text())
    assert {"0.98 → 0.53", "0.61 → 0.61", "0.97 → 0.51", "0.52 → 0.51", "before", "after"} <= texts
    save_comparison(example(), matched(), tmp_path / "d.svg")
    assert (tmp_path / "c.svg").read_bytes() == (tmp_path / "d.svg").read_bytes()


def test_a_png_has_no_date_and_no_version(tmp_path: Path) -> None:
    save_comparison(example(), matched(), tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as image:
        assert set(image.info) <= {"dpi"}
        assert image.width > 1000


@pytest.mark.parametrize("name", ["$x^{$", "<script>", "\u202e\udce9", "漢字", "&amp;"])
def test_outside_text_is_only_text(name: str, tmp_path: Path) -> None:
    feature = replace(category(name, 0.9, {name: (0.1, 0.9), "other": (0.9, 0.1)}), title=name)
    for path in save_plots(example(features=[feature]), tmp_path):
        ElementTree.parse(path)  # noqa: S314 - written a line above
        assert "<script>" not in path.read_text()


def test_unknown_figures_and_nothing_to_draw(tmp_path: Path) -> None:
    save_plots(example(features=[]), tmp_path)
    unknown = replace(example(), without_content=replace(example().without_content, auc=Interval(NAN, NAN, NAN)))
    save_comparison(unknown, matched(), tmp_path / "c.svg")
    assert "– → 0.53" in comments((tmp_path / "c.svg").read_text())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        save_comparison(example(), matched(), tmp_path / "none" / "c.svg")
