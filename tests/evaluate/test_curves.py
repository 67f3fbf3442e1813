"""Robustness plots: what is drawn is what was measured, parts and detectors apart, and nothing hostile breaks them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib")

from scored import detector, evaluation, images

from contrafake.evaluate import curves
from contrafake.evaluate.curves import draw_curves
from contrafake.evaluate.plot_series import WIDTH
from contrafake.evaluate.robustness import drops
from contrafake.evaluate.suites import parse_variants
from contrafake.train import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contrafake.evaluate.evaluation import DetectorFacts, Evaluation

SMALL = "jpeg-30,jpeg-90,resize-0.5,resize-0.5-lanczos,blur-2,operation-blur,operation-skew,messenger,double-jpeg-75-90"


def made(names: str = SMALL, detectors: tuple[DetectorFacts, ...] = (), seen: str = "yes no") -> Evaluation:
    rng = np.random.default_rng(2)
    variants, facts = parse_variants([names]), detectors or (detector(),)
    label = np.tile([0, 0, 1, 1], 10)
    scores = rng.normal(1.5 * label[None, :, None], 1, (len(variants), len(label), len(facts)))
    of = images(label.tolist(), seen=(seen.split() * 40)[: len(label)], source=[f"s{i % 7}" for i in range(len(label))])
    return replace(evaluation(of, scores, facts, [v.name for v in variants[1:]]), variants=variants)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures themselves, in the order in which they become PNG."""
    kept: list[Figure] = []
    encode = drawing.png

    def keep(figure: Figure) -> bytes:
        kept.append(figure)
        return encode(figure)

    monkeypatch.setattr(curves, "png", keep)
    return kept


def test_files_follow_from_the_variants() -> None:
    of = made()
    plots = draw_curves(of)
    curve = {"robustness-auc.png", "robustness-found.png", "robustness-false-alarms.png"}
    bars = {"robustness-operations.png", "robustness-delivery.png", "robustness-steps.png"}
    assert set(plots) == curve | bars
    for data in plots.values():
        image = Image.open(io.BytesIO(data))
        assert image.width == round(160 * WIDTH)
    assert set(draw_curves(made("jpeg-30"))) == curve
    bars_alone = draw_curves(made("messenger"))
    assert set(bars_alone) == {"robustness-delivery.png"}
    assert draw_curves(made("messenger")) == bars_alone
    assert draw_curves(made("paper")) == {}


def test_curves_hold_the_figures_of_their_part(drawn: list[Figure]) -> None:
    of = made()
    found = {drop.variant: drop for drop in drops(of, "ours", repeats=0) if drop.part == "seen"}
    draw_curves(of)
    panels = {axes.get_title(loc="left"): axes for axes in drawn[0].axes}
    lines = {title: axes.get_lines() for title, axes in panels.items()}
    assert set(panels) == {"JPEG quality", "size: times each side", "blur: radius in pixels"}
    chance, jpeg, beside, *_ = lines["JPEG quality"]
    assert list(np.asarray(chance.get_ydata())) == [0.5, 0.5]
    assert np.array_equal(jpeg.get_xydata(), [[30, found["jpeg-30"].auc], [90, found["jpeg-90"].auc]])
    assert np.asarray(beside.get_ydata())[0] == found["jpeg-30"].auc_before
    _, size, lanczos, *_ = lines["size: times each side"]
    assert np.array_equal(size.get_xydata(), [[0.5, found["resize-0.5"].auc], [1, found["resize-0.5"].auc_before]])
    assert np.array_equal(lanczos.get_xydata(), [[0.5, found["resize-0.5-lanczos"].auc]])
    alarms = drawn[2].axes[0].get_lines()[0]
    expected = [found[name].false_alarms for name in ("jpeg-30", "jpeg-90")]
    assert np.asarray(alarms.get_ydata()).tolist() == expected


def test_parts_and_detectors_are_told_apart(drawn: list[Figure]) -> None:
    draw_curves(made("jpeg-30,jpeg-90", (detector("ours"), detector("theirs"))))
    lines = [line for line in drawn[0].axes[0].get_lines()[1:] if len(np.asarray(line.get_xdata())) == 2]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 4
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == [
        "ours, seen origins",
        "ours, unseen origins",
        "theirs, seen origins",
        "theirs, unseen origins",
    ]
    drawn.clear()
    draw_curves(made("jpeg-30,jpeg-90", (detector("ours"), detector("theirs"))), ["theirs"])
    assert len(drawn[0].legends[0].get_texts()) == 2


def test_bars_are_the_drops_with_the_dearest_first(drawn: list[Figure]) -> None:
    of = made("operations", seen="no")
    given = {"ours": drops(of, "ours", repeats=100)}
    draw_curves(of, found=given)
    [axes] = drawn[0].axes
    ranked = sorted(given["ours"], key=lambda drop: -drop.auc_drop.value)
    lengths = [patch.get_width() for patch in axes.patches]  # type: ignore[attr-defined]
    assert lengths == [drop.auc_drop.value for drop in ranked]
    named = [label.get_text().lower().replace(" ", "-") for label in axes.get_yticklabels()]
    assert named == [drop.variant.removeprefix("operation-") for drop in ranked]
    spans = [tuple(np.asarray(line.get_xdata())) for line in axes.get_lines()[1:]]
    assert spans == [(drop.auc_drop.low, drop.auc_drop.high) for drop in ranked]


def test_without_a_rule_only_the_ranking_is_drawn() -> None:
    assert set(draw_curves(made("jpeg-30", (detector(points=()),)))) == {"robustness-auc.png"}


def test_a_detector_that_lacks_variants_is_drawn_where_it_has_them(drawn: list[Figure]) -> None:
    of = made(detectors=(detector("ours"), detector("theirs")), seen="no")
    scores = of.scores.copy()
    scores[2:, :, 1] = np.nan  # jpeg-30 is all there is of it
    plots = draw_curves(replace(of, scores=scores))
    assert "robustness-operations.png" in plots
    jpeg, blur = (drawn[0].axes[place].get_lines() for place in (0, 2))
    assert len(jpeg) == 1 + 4  # chance; a curve and a mark beside it for each
    assert len(blur) == 1 + 1


def test_names_from_outside_are_spelled_out(drawn: list[Figure]) -> None:
    hostile = "_$\\frac{1$ <b>\u202e" + "x" * 60
    draw_curves(made("jpeg-30", (detector(hostile), detector("ours")), seen="no"))
    texts = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert len(texts) == 2
    assert "\u202e" not in texts[0]
    assert "\\u202e" in texts[0]
    assert texts[0].endswith("…, unseen origins")
    assert len(texts[0]) < 50


def test_an_unknown_detector_is_refused() -> None:
    with pytest.raises(KeyError):
        draw_curves(made("jpeg-30"), ["theirs"])
