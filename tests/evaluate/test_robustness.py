"""Drops and their intervals against figures by hand and a bootstrap written out; one class alone has none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored import detector, evaluation, images
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from contrafake.evaluate.figures import Figures
from contrafake.evaluate.robustness import drops
from contrafake.measure import auc, balanced_accuracy, bootstrap_interval

if TYPE_CHECKING:
    from contrafake.evaluate.evaluation import Evaluation


def many(seed: int = 1, count: int = 60, loss: float = 0.8, sources: int = 12) -> Evaluation:
    """As many real as generated images under two variants; in the second the classes are closer together."""
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], count)
    first = rng.normal(1.6 * label, 1)
    second = first + rng.normal(-loss * label, 0.5)
    source = [f"s{number}" for number in rng.integers(sources, size=2 * count)]
    of = images(label.tolist(), source=source)
    return evaluation(of, np.stack([first, second])[..., None], variants=["jpeg-30"])


def test_a_drop_worked_by_hand() -> None:
    # The second real image rises above the threshold of 1 and above one of the generated ones.
    scores = np.array([[-1, 0.5, 2, 3], [-1, 2.5, 2, 3]], float)[..., None]
    [found] = drops(evaluation(images([0, 0, 1, 1]), scores, variants=["jpeg-30"]), "ours", repeats=50)
    assert (found.variant, found.reference, found.part, found.borrowed) == ("jpeg-30", "untouched", "unseen", False)
    assert (found.real, found.generated) == (2, 2)
    assert (found.auc_before, found.auc, found.auc_drop.value) == (1, 0.75, 0.25)
    assert (found.balanced_accuracy_before, found.balanced_accuracy) == (1, 0.75)
    assert found.balanced_accuracy_drop is not None
    assert found.balanced_accuracy_drop.value == 0.25
    assert (found.false_alarms_before, found.false_alarms) == (0, 0.5)
    assert (found.found_before, found.found) == (1, 1)


def test_figures_are_those_of_scikit_learn() -> None:
    of = many()
    [found] = drops(of, "ours", repeats=0)
    label, (first, second) = of.images.label, of.scores[:, :, 0]
    assert found.auc_before == pytest.approx(roc_auc_score(label, first), abs=1e-12)
    assert found.auc == pytest.approx(roc_auc_score(label, second), abs=1e-12)
    assert found.balanced_accuracy_before == pytest.approx(balanced_accuracy_score(label, first > 1), abs=1e-12)
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(label, second > 1), abs=1e-12)
    assert found.balanced_accuracy_drop is not None
    expected = found.balanced_accuracy_before - found.balanced_accuracy  # type: ignore[operator]
    assert found.balanced_accuracy_drop.value == pytest.approx(expected, abs=1e-12)
    assert found.auc_drop.low is None


def test_intervals_are_those_of_a_paired_bootstrap_over_sources_and_images() -> None:
    of = many(sources=8)
    [found] = drops(of, "ours", repeats=4000)
    real, generated = of.images.label == 0, of.images.label == 1
    pairs = of.scores[:, :, 0].T

    def fall(one, other):  # type: ignore[no-untyped-def]
        return auc(one[:, 0], other[:, 0]) - auc(one[:, 1], other[:, 1])

    def fall_of_decisions(one, other):  # type: ignore[no-untyped-def]
        return balanced_accuracy(one[:, 0], other[:, 0], 1.0) - balanced_accuracy(one[:, 1], other[:, 1], 1.0)

    for drop, statistic in ((found.auc_drop, fall), (found.balanced_accuracy_drop, fall_of_decisions)):
        assert drop is not None
        groups = [of.images.source[real].astype(str), of.images.source[generated].astype(str)]
        low, high = bootstrap_interval(statistic, pairs[real], pairs[generated], groups=groups, repeats=4000, seed=5)
        # Two sets of 4,000 resamples: a quantile at 2.5 % moves by about a tenth of the interval's half width.
        assert drop.low == pytest.approx(low, abs=0.02)
        assert drop.high == pytest.approx(high, abs=0.02)
        assert drop.low < drop.value < drop.high  # type: ignore[operator]
    # Pairing pays: the interval is narrower than that of two independent sets.
    assert found.auc_drop.high - found.auc_drop.low < 0.25  # type: ignore[operator]


@given(st.integers(0, 10_000))
def test_the_way_back_is_the_way_there_with_the_sign_changed(seed: int) -> None:
    there = many(seed, count=12, sources=5)
    back = replace(there, scores=there.scores[::-1])
    [one], [other] = drops(there, "ours", repeats=40), drops(back, "ours", repeats=40)
    assert one.auc_drop.value == pytest.approx(-other.auc_drop.value)
    assert one.auc_drop.low == pytest.approx(-other.auc_drop.high)  # type: ignore[operator]
    assert one.balanced_accuracy_drop.high == pytest.approx(-other.balanced_accuracy_drop.low)  # type: ignore[union-attr, operator]


def test_a_variant_that_changes_no_score_costs_exactly_nothing() -> None:
    of = many()
    same = replace(of, scores=np.stack([of.scores[0], of.scores[0]]))
    [found] = drops(same, "ours", repeats=200)
    assert (found.auc_drop.value, found.auc_drop.low, found.auc_drop.high) == (0, 0, 0)


def test_the_order_of_images_is_of_no_matter() -> None:
    of = many()
    order = np.random.default_rng(3).permutation(len(of.images))
    other = replace(of, images=of.images.take(order), scores=of.scores[:, order])
    assert drops(of, "ours", repeats=100) == drops(other, "ours", repeats=100)


def test_only_images_with_both_scores_count() -> None:
    of = many(count=10)
    gaps = of.scores.copy()
    gaps[0, 0] = np.nan  # a real image without a score before,
    gaps[1, [1, 15]] = np.nan  # a real and a generated one without one after
    [found] = drops(replace(of, scores=gaps), "ours", repeats=20)
    rows = [row for row in range(20) if row not in {0, 1, 15}]
    left = replace(of, images=of.images.take(np.array(rows)), scores=of.scores[:, rows])
    [expected] = drops(left, "ours", repeats=20)
    assert (found.real, found.generated) == (8, 9)
    assert (found.auc, found.auc_before, found.false_alarms) == (
        expected.auc,
        expected.auc_before,
        expected.false_alarms,
    )


def test_parts_stay_apart_and_one_class_alone_has_no_drop() -> None:
    label = [0, 0, 1, 1, 1, 1, 0]
    seen = ["yes", "yes", "yes", "yes", "no", "no", ""]
    scores = np.array([[0, 1, 2, 3, 4, 5, 0.5], [0, 1, 0.5, 3, -1, 0.5, 0.5]], float)[..., None]
    found = drops(evaluation(images(label, seen=seen), scores, variants=["jpeg-30"]), "ours", repeats=10)
    assert [(drop.part, drop.real, drop.generated, drop.borrowed) for drop in found] == [
        ("seen", 2, 2, False),
        ("unseen", 3, 2, True),  # no real image of its own: all real ones stand in
    ]
    assert found[0].auc == 0.75
    assert found[1].auc == pytest.approx((0.5 + 1) / 6)  # 0.5 above 0 and level with 0.5; -1 above none


def test_without_a_rule_there_is_the_ranking_alone() -> None:
    of = many(count=10)
    [found] = drops(replace(of, detectors=(detector(points=()),)), "ours", repeats=10)
    assert found.auc_drop.high is not None
    assert {found.balanced_accuracy, found.balanced_accuracy_drop, found.false_alarms, found.found} == {None}


def test_variants_without_scores_are_left_out_and_so_are_unknown_detectors_refused() -> None:
    of = many(count=10)
    empty = np.full_like(of.scores[:1], np.nan)
    more = evaluation(of.images, np.concatenate([of.scores, empty]), variants=["jpeg-30", "webp-30"])
    assert [drop.variant for drop in drops(more, "ours", repeats=5)] == ["jpeg-30"]
    with pytest.raises(KeyError):
        drops(of, "theirs")


def test_figures_give_the_resamples() -> None:
    of = many(count=10)
    figures = Figures((), (), (), least=20, repeats=30, seed=9)
    assert drops(of, "ours", figures) == drops(of, "ours", repeats=30, seed=9)
    assert drops(of, "ours", figures) != drops(of, "ours", repeats=30, seed=10)


def test_json_holds_it() -> None:
    [found] = drops(many(count=10), "ours", repeats=5)
    facts = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert facts["auc_drop"]["value"] == found.auc_drop.value
    assert facts["variant"] == "jpeg-30"
