"""Curves and histograms of a report: the right images in each, and nothing that breaks them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from report_parts import DETECTORS, everything
from scored import detector, evaluation, images

from contrafake.evaluate.compute import compute_figures
from contrafake.evaluate.report.compact import compact_figure
from contrafake.evaluate.report.histograms import draw_histograms
from contrafake.evaluate.report.plots import cut, draw_det, draw_reliability, draw_roc, part_scores
from contrafake.evaluate.report.view import View
from contrafake.measure import auc

if TYPE_CHECKING:
    from contrafake.evaluate.evaluation import Evaluation


def view(found: Evaluation) -> View:
    return View(found, compute_figures(found, repeats=0))


def size(picture: bytes | None) -> tuple[int, int]:
    assert picture is not None
    with Image.open(io.BytesIO(picture)) as opened:
        assert opened.format == "PNG"
        return opened.size


def test_curves_are_drawn_from_the_images_behind_the_figures() -> None:
    found = everything()
    figures = compute_figures(found, repeats=0)
    for part in ("seen", "unseen", "unknown"):
        for facts in DETECTORS:
            row = figures.find(facts.name, "jpeg-90", part)
            assert row is not None
            real, generated = part_scores(found, part, "jpeg-90", facts.name)
            assert (len(real), len(generated)) == (row.real, row.generated)
            assert auc(real, generated) == pytest.approx(row.metrics["auc"].value)
    nothing = part_scores(evaluation(images([0, 1]), [0.0, 1.0]), "seen", "untouched", "ours")
    assert [len(scores) for scores in nothing] == [0, 0]


def test_all_plots_can_be_read_on_a_phone() -> None:
    name = "$\\frac{1}{0}$_<\u202e\udce9\x1b[31m名" + "n" * 200
    found = everything(name)
    found = replace(found, detectors=tuple(replace(facts, name=name + facts.name) for facts in found.detectors))
    seen = view(found)
    first = found.detectors[0]
    for picture in (
        draw_roc(seen, "unseen"),
        draw_det(seen, "seen"),
        draw_reliability(seen, first),
        draw_histograms(seen, first),
    ):
        assert size(picture)[0] == 688  # 4.3 inches: 8 points are 9 pixels of a phone's 390


def test_a_perfect_detector_and_one_that_says_nothing_are_drawn() -> None:
    for scores in (np.arange(40.0), np.zeros(40)):
        seen = view(evaluation(images([0] * 20 + [1] * 20), scores))
        for picture in (draw_roc(seen, "unseen"), draw_det(seen, "unseen"), draw_histograms(seen, detector())):
            size(picture)
        size(draw_reliability(seen, seen.detectors[0]))


def test_probabilities_of_0_and_1_are_drawn() -> None:
    theirs = detector("theirs", kind="file", points=(), calibration=None, probability=True)
    chances = np.array([0.0, 0.2, 0.4, 1.0] * 5)
    size(draw_reliability(view(evaluation(images([0, 0, 1, 1] * 5), chances, [theirs])), theirs))


def test_what_cannot_be_drawn_is_not() -> None:
    of = images([0] * 20 + [1] * 20, seen=["no"] * 20 + ["yes"] * 20)
    plain = detector(points=(), calibration=None)
    seen = view(evaluation(of, np.arange(40.0), [plain]))
    assert draw_roc(seen, "unseen") is None
    assert draw_det(seen, "unseen") is None
    assert draw_reliability(seen, plain) is None
    missing = replace(seen.evaluation, scores=np.full((1, 40, 1), np.nan))
    assert draw_histograms(View(missing, seen.figures), plain) is None


def test_histograms_have_a_row_for_each_group() -> None:
    few = images([0] * 30 + [1] * 30, origin=["a", "b", "c"] * 10 + ["x"] * 30)
    many = images([0] * 30 + [1] * 30, origin=[f"o{at:02d}" for at in range(30)] + ["x"] * 30)
    scores = np.linspace(-1, 3, 60)
    heights = [size(draw_histograms(view(evaluation(of, scores)), detector()))[1] for of in (few, many)]
    # 3 + 1 rows; 9 rows, one for the other 21, and 1.
    assert heights == pytest.approx([160 * (0.75 + 0.27 * rows) for rows in (4, 11)], abs=1)


def test_texts_are_cut_and_cleaned() -> None:
    assert cut("short") == "short"
    assert cut("_hidden in a legend") == " _hidden in a legend"
    assert cut("n" * 50, 10) == "n" * 9 + "…"
    assert cut("\u202e") == "\\u202e"


def test_pictures_keep_their_looks_in_fewer_bytes() -> None:
    picture = draw_roc(view(everything()), "seen")
    assert picture is not None
    figure = compact_figure("roc.png", "ROC", picture)
    assert len(figure.data) < 0.6 * len(picture)
    before, after = (
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int64) for data in (picture, figure.data)
    )
    assert before.shape == after.shape
    assert np.abs(before - after).mean() < 0.5
    assert tuple(after[0, 0]) == (255, 255, 255)
    assert figure == compact_figure("roc.png", "ROC", picture)
