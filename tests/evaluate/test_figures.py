from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit
from scored import RULE, column, detector, evaluation, images
from sklearn import metrics

from contrafake.errors import DataError, UsageError
from contrafake.evaluate.compute import compute_figures
from contrafake.evaluate.evaluation import Calibration, Evaluation, Point
from contrafake.evaluate.figures import METRICS, Figures, Row

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAN = math.nan


def row(figures: Figures, part: str = "unseen", level: str = "overall", name: str = "", by: str = "ours") -> Row:
    found = figures.find(by, "untouched", part, level, name)
    assert found is not None
    return found


def value(of: Row, metric: str) -> float:
    return of.metrics[metric].value


def random_case(seed: int = 0, real: int = 150, generated: int = 60) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels, and scores that are log-likelihood ratios of about the right size, with ties."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.repeat([0, 1], [real, generated]))
    return label, rng.normal(np.where(label == 1, 1.0, -1.0), 1.4).round(1)


# Metrics


def test_as_in_scikit_learn() -> None:
    label, scores = random_case()
    found = row(compute_figures(evaluation(images(label.tolist()), scores), repeats=0))
    weights = np.where(label == 1, 1 / 60, 1 / 150)
    assert value(found, "auc") == pytest.approx(metrics.roc_auc_score(label, scores))
    assert value(found, "average_precision") == pytest.approx(metrics.average_precision_score(label, scores))
    called = scores > RULE.threshold
    assert value(found, "balanced_accuracy") == pytest.approx(metrics.balanced_accuracy_score(label, called))
    assert value(found, "accuracy_generated") == pytest.approx(metrics.recall_score(label, called))
    assert value(found, "accuracy_real") == pytest.approx(metrics.recall_score(label, called, pos_label=0))
    fpr, tpr, thresholds = metrics.roc_curve(label, scores, drop_intermediate=False)
    assert value(found, "tpr_at_1") == pytest.approx(tpr[fpr <= 0.01].max())
    assert value(found, "tpr_at_5") == pytest.approx(tpr[fpr <= 0.05].max())
    best = max(metrics.balanced_accuracy_score(label, scores >= threshold) for threshold in thresholds)
    assert value(found, "best_balanced_accuracy") == pytest.approx(best)
    crossing = np.interp(0, fpr - (1 - tpr), fpr)
    assert value(found, "eer") == pytest.approx(crossing)
    loss = metrics.log_loss(label, expit(scores), sample_weight=weights)
    assert value(found, "nll") == pytest.approx(loss)
    assert value(found, "cllr") == pytest.approx(loss / np.log(2))
    assert list(found.metrics) == list(METRICS)


def test_worked_by_hand() -> None:
    # Real 0, 0.5, 2; generated 0.5, 3. Of six pairs the generated image wins 4 and ties 1.
    figures = compute_figures(evaluation(images([0, 0, 0, 1, 1]), [0, 0.5, 2, 0.5, 3]), repeats=0)
    found = row(figures)
    assert (found.real, found.generated, found.sources_real, found.sources_generated) == (3, 2, 3, 2)
    assert value(found, "auc") == pytest.approx(4.5 / 6)
    assert value(found, "accuracy_real") == pytest.approx(2 / 3)
    assert value(found, "accuracy_generated") == pytest.approx(1 / 2)
    assert value(found, "balanced_accuracy") == pytest.approx((2 / 3 + 1 / 2) / 2)
    # Uncertain lies above 0 and at or below 1.
    assert value(found, "uncertain_real") == pytest.approx(1 / 3)
    assert value(found, "uncertain_generated") == pytest.approx(1 / 2)
    # Highest first: 3 generated, 2 real, 0.5 one of each.
    assert value(found, "average_precision") == pytest.approx((1 + 2 / 4) / 2)
    assert value(found, "best_balanced_accuracy") == pytest.approx((1 + 1 / 2) / 2)
    assert (value(found, "tpr_at_1"), value(found, "tpr_at_5")) == (0.5, 0.5)
    assert all(one.low is None and one.high is None for one in found.metrics.values())


def test_calibration_error_gives_each_class_half() -> None:
    # Four real images at probability 0.2, one generated at 0.2 and one at 0.9: mass 5/8 + ... in two values.
    logit = float(np.log(0.2 / 0.8))
    scores = [logit] * 4 + [logit, float(np.log(0.9 / 0.1))]
    found = row(compute_figures(evaluation(images([0] * 4 + [1] * 2), scores), repeats=0))
    # Bin 0.2: mass 1/2 + 1/4, of which 1/3 is generated; bin 0.9: mass 1/4, all generated.
    assert value(found, "calibration_error") == pytest.approx(3 / 4 * (1 / 3 - 0.2) + 1 / 4 * 0.1)


def test_class_sizes_move_average_precision_alone() -> None:
    label, scores = random_case(1)
    twice = np.concatenate([np.arange(len(label)), np.flatnonzero(label == 0)])
    once, more = (
        row(compute_figures(evaluation(images(label[rows].tolist()), scores[rows]), repeats=0))
        for rows in (np.arange(len(label)), twice)
    )
    for metric in METRICS:
        same = value(more, metric) == pytest.approx(value(once, metric), abs=1e-9)
        assert same == (metric != "average_precision"), metric


def test_all_rules_are_measured_with_exact_intervals() -> None:
    points = (RULE, Point("1% false alarms", 2.0, 0.0, 0.01), Point("mine", 0.0, 0.0))
    facts = detector(points=points)
    found = row(compute_figures(evaluation(images([0] * 20 + [1]), [*[0.0] * 18, 1.5, 2.5, 1.5], [facts]), repeats=50))
    assert [point.name for point in found.points] == ["5% false alarms", "1% false alarms", "mine"]
    first, second, third = found.points
    assert (first.accuracy_real, first.accuracy_generated, first.balanced_accuracy) == pytest.approx((0.9, 1, 0.95))
    assert (second.accuracy_real, second.accuracy_generated, second.balanced_accuracy) == pytest.approx(
        (0.95, 0, 0.475)
    )
    assert (first.stated, second.stated, third.stated) == (0.05, 0.01, None)
    exact = stats.binomtest(2, 20).proportion_ci(0.95, method="exact")
    assert first.false_alarms is not None
    alarms = first.false_alarms.value, first.false_alarms.low, first.false_alarms.high
    assert alarms == pytest.approx((0.1, exact.low, exact.high))
    assert value(found, "balanced_accuracy") == first.balanced_accuracy


def test_uncertain_cannot_flatter_accuracies() -> None:
    label, scores = random_case(2)
    plain, wide = (
        row(compute_figures(evaluation(images(label.tolist()), scores, [detector(points=(rule,))]), repeats=60))
        for rule in (replace(RULE, uncertain_from=RULE.threshold), replace(RULE, uncertain_from=-9.0))
    )
    assert (value(plain, "uncertain_real"), value(plain, "uncertain_generated")) == (0, 0)
    assert value(wide, "uncertain_real") > 0.5
    uncertain = {"uncertain_real", "uncertain_generated"}
    for metric in METRICS.keys() - uncertain:
        assert wide.metrics[metric] == plain.metrics[metric]
    assert wide.points == plain.points


# What is absent, and why


def test_without_rule_or_ratios_their_metrics_are_absent_with_a_note() -> None:
    label, scores = random_case(3)
    bare = detector(points=(), calibration=None)
    found = row(compute_figures(evaluation(images(label.tolist()), scores, [bare]), repeats=20))
    ranking = {"auc", "average_precision", "best_balanced_accuracy", "tpr_at_1", "tpr_at_5", "eer"}
    assert set(found.metrics) == ranking
    assert found.points == ()
    assert any("no decision rule" in note for note in found.notes)
    assert any("no likelihood ratios" in note for note in found.notes)


def test_scores_that_are_probabilities_give_ratios() -> None:
    label, scores = random_case(4)
    chances = expit(scores)
    by_score, by_chance = (
        row(compute_figures(evaluation(images(label.tolist()), given, [facts]), repeats=0))
        for given, facts in ((scores, detector()), (chances, detector(calibration=None, probability=True)))
    )
    for metric in ("cllr", "nll", "calibration_error"):
        assert value(by_chance, metric) == pytest.approx(value(by_score, metric))


def test_an_infinite_ratio_of_the_wrong_sign_leaves_cllr_out() -> None:
    sure = detector(calibration=None, probability=True)
    figures = compute_figures(evaluation(images([0, 0, 1, 1]), [0.1, 1.0, 0.7, 0.0], [sure]), repeats=30)
    found = row(figures)
    assert "cllr" not in found.metrics
    assert "nll" not in found.metrics
    # Values 0, 0.1, 0.7 and 1 with one image each.
    assert value(found, "calibration_error") == pytest.approx((1 + 0.1 + 0.3 + 1) / 4)
    assert any("2 images got probability 0 of what they are" in note for note in found.notes)
    json.dumps(figures.to_dict(), allow_nan=False)
    right = row(compute_figures(evaluation(images([0, 0, 1, 1]), [0.0, 0.0, 1.0, 1.0], [sure]), repeats=30))
    assert (value(right, "cllr"), value(right, "calibration_error")) == (0, 0)


def test_a_score_outside_0_to_1_is_no_probability() -> None:
    sure = detector(calibration=None, probability=True)
    found = row(compute_figures(evaluation(images([0, 1]), [0.1, 1.2], [sure]), repeats=0))
    assert "cllr" not in found.metrics
    assert any("some scores give no likelihood ratio" in note for note in found.notes)


def test_constant_scores_are_chance_and_said_to_be() -> None:
    found = row(compute_figures(evaluation(images([0, 0, 1]), [0.4, 0.4, 0.4]), repeats=30))
    assert value(found, "auc") == 0.5
    assert (found.metrics["auc"].low, found.metrics["auc"].high) == (0.5, 0.5)
    assert value(found, "average_precision") == pytest.approx(1 / 3)
    assert any("all scores are equal" in note for note in found.notes)


@pytest.mark.parametrize(
    ("label", "scores", "complaint"),
    [
        ([0, 0], [1.0, 2.0], "there are no generated images"),
        ([1, 1], [1.0, 2.0], "there are no real images"),
        ([0, 0, 1], [NAN, NAN, 2.0], "none of 2 real images has a score"),
        ([0, 1, 1], [1.0, NAN, NAN], "none of 2 generated images has a score"),
    ],
)
def test_one_class_is_refused(label: list[int], scores: list[float], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        compute_figures(evaluation(images(label), scores))


def test_settings_out_of_range_are_refused() -> None:
    case = evaluation(images([0, 1]), [0.0, 1.0])
    with pytest.raises(UsageError, match="repeats: -1 is below 0"):
        compute_figures(case, repeats=-1)
    with pytest.raises(UsageError, match="least: 0 is below 1"):
        compute_figures(case, least=0)


# Groups


def test_seen_and_unseen_are_apart_and_nothing_is_overall() -> None:
    of = images([0, 1, 0, 1, 0, 1], seen=["yes", "yes", "no", "no", "", ""])
    figures = compute_figures(evaluation(of, [0.0, 1.0, 1.0, 0.0, 0.5, 0.5]), repeats=0)
    assert [(r.part, value(r, "auc")) for r in figures.rows if r.level == "overall"] == [
        ("seen", 1.0),
        ("unseen", 0.0),
        ("unknown", 0.5),
    ]


def test_a_part_without_real_images_borrows_all_of_them() -> None:
    of = images([0, 0, 1, 1], seen=["yes", "", "yes", "no"])
    figures = compute_figures(evaluation(of, [0.0, 2.0, 1.0, 3.0]), repeats=0)
    unseen, seen, unknown = row(figures), row(figures, "seen"), row(figures, "unknown")
    assert unseen.borrowed
    assert (unseen.real, unseen.generated, value(unseen, "auc")) == (2, 1, 1.0)
    assert any("the 2 of the other parts stand in" in note for note in unseen.notes)
    assert not seen.borrowed
    assert (seen.real, seen.generated) == (1, 1)
    assert not any(r.level == "real" and r.part == "unseen" for r in figures.rows)
    # Real images alone are not made two-class by borrowing generated ones.
    assert (unknown.real, unknown.generated) == (1, 0)
    assert set(unknown.metrics) == {"accuracy_real", "uncertain_real"}
    assert any("no generated images" in note for note in unknown.notes)


def test_small_generators_are_pooled_and_named() -> None:
    origin = ["camera"] * 4 + ["big"] * 3 + ["b-small"] * 2 + ["a-small"]
    family = ["real"] * 4 + ["one"] * 5 + ["two"]
    of = images([0] * 4 + [1] * 6, origin=origin, family=family)
    scores = [0.0, 0.1, 0.2, 0.3, 1.0, 2.0, -1.0, 3.0, 0.15, 0.25]
    figures = compute_figures(evaluation(of, scores), repeats=0, least=3)
    described = [(r.level, r.name, r.real, r.generated) for r in figures.rows]
    assert described == [
        ("overall", "", 4, 6),
        ("family", "one", 4, 5),
        ("family", "two", 4, 1),
        ("origin", "big", 4, 3),
        ("pooled", "a-small, b-small", 4, 3),
        ("real", "camera", 4, 0),
    ]
    assert value(row(figures, level="origin", name="big"), "auc") == pytest.approx(8 / 12)
    assert value(row(figures, level="pooled", name="a-small, b-small"), "auc") == pytest.approx((4 + 2 + 3) / 12)
    assert any("1 generated images only" in note for note in row(figures, level="family", name="two").notes)


def test_real_origins_stand_alone_with_their_false_alarms() -> None:
    of = images([0, 0, 0, 1], origin=["phone", "phone", "film", "gen"])
    figures = compute_figures(evaluation(of, [0.5, 2.0, 0.0, 3.0]), repeats=0)
    phone = row(figures, level="real", name="phone")
    assert (phone.real, phone.generated, phone.sources_real) == (2, 0, 2)
    assert (value(phone, "accuracy_real"), value(phone, "uncertain_real")) == (0.5, 0.5)
    assert phone.points[0].false_alarms is not None
    assert phone.points[0].false_alarms.value == 0.5
    assert phone.points[0].accuracy_generated is None
    assert phone.points[0].balanced_accuracy is None
    assert value(row(figures, level="real", name="film"), "accuracy_real") == 1


def test_images_without_a_score_are_counted_and_left_out() -> None:
    of = images([0, 0, 0, 1, 1, 1], origin=["camera"] * 3 + ["g", "g", "h"])
    figures = compute_figures(evaluation(of, [0.0, NAN, 2.0, 1.0, NAN, NAN]), repeats=20, least=1)
    found = row(figures)
    assert (found.real, found.generated, found.missing) == (2, 1, 3)
    assert value(found, "auc") == 0.5
    assert row(figures, level="origin", name="g").missing == 2
    # Nothing of h was scored: too few, so pooled, and said.
    pooled = row(figures, level="pooled", name="h")
    assert (pooled.generated, pooled.missing) == (0, 2)
    assert any("no generated images" in note for note in pooled.notes)


def test_a_variant_that_a_detector_does_not_cover_has_no_rows() -> None:
    of = images([0, 1, 0, 1])
    scores = np.array([[[0.0, 1.0], [1, 2], [0, 1], [1, 2]], [[0.0, NAN], [1, NAN], [0, NAN], [1, NAN]]])
    figures = compute_figures(evaluation(of, scores, [detector("a"), detector("b")], ["jpeg-90"]), repeats=10)
    assert figures.find("a", "jpeg-90", "unseen") is not None
    assert figures.find("b", "jpeg-90", "unseen") is None
    assert {c.variant for c in figures.comparisons} == {"untouched"}


def test_rows_stand_by_detector_variant_part_level_name() -> None:
    of = images([0, 1] * 4, seen=["yes", "no"] * 4, origin=["x", "z", "y", "a"] * 2)
    variants = ["one", "two", "three"]
    scores = np.random.default_rng(0).normal(size=(4, 8, 2))
    figures = compute_figures(evaluation(of, scores, [detector("b"), detector("a")], variants), repeats=10, least=2)
    assert [r.variant for r in figures.rows if r.level == "overall" and r.detector == "b"] == [
        name for name in ("untouched", *variants) for _ in range(2)
    ]
    assert [r.detector for r in figures.rows] == sorted((r.detector for r in figures.rows), reverse=True)
    later = [r for r in figures.rows if r.variant in {"two", "three"}]
    assert {r.level for r in later} == {"overall"}
    with_interval = {name for r in later for name, one in r.metrics.items() if one.low is not None}
    assert with_interval == {"auc", "accuracy_real", "accuracy_generated", "balanced_accuracy"}
    everything = compute_figures(
        evaluation(of, scores, [detector("b"), detector("a")], variants), repeats=10, least=2, detailed=4
    )
    assert {r.level for r in everything.rows if r.variant == "three"} == {"overall", "family", "origin", "real"}


# Intervals


def test_order_and_names_of_images_leave_everything_as_it_was() -> None:
    label, scores = random_case(5, 40, 40)
    source = [f"s{at % 7}" for at in range(80)]
    of = images(label.tolist(), source=source, origin=[f"g{at % 3}" if one else "c" for at, one in enumerate(label)])
    case = evaluation(of, np.stack([scores, scores[::-1]], axis=1), [detector("a"), detector("b")])
    order = np.random.default_rng(1).permutation(80)
    shuffled = Evaluation(of.take(order), case.variants, case.detectors, case.scores[:, order])
    assert compute_figures(shuffled, repeats=40, least=5) == compute_figures(case, repeats=40, least=5)


def test_the_seed_decides() -> None:
    label, scores = random_case(6)
    case = evaluation(images(label.tolist()), scores)
    assert compute_figures(case, repeats=40) == compute_figures(case, repeats=40)
    other = row(compute_figures(case, repeats=40, seed=1))
    assert other.metrics["auc"] != row(compute_figures(case, repeats=40)).metrics["auc"]
    assert value(other, "auc") == value(row(compute_figures(case, repeats=40)), "auc")


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_intervals_hold_their_figure(seed: int) -> None:
    label, scores = random_case(seed, 80, 80)
    found = row(compute_figures(evaluation(images(label.tolist()), scores), repeats=200))
    for name, one in found.metrics.items():
        assert one.low is not None
        assert one.high is not None
        # The first generated image among so few may or may not be there: left to itself.
        if name not in {"tpr_at_1", "tpr_at_5"}:
            assert one.low <= one.value + 1e-9, name
            assert one.value <= one.high + 1e-9, name
        ceiling = math.inf if name in {"cllr", "nll"} else 1
        assert 0 <= one.low <= one.high <= ceiling + 1e-12


def test_intervals_shrink_with_more_images_and_widen_with_fewer_sources() -> None:
    def width(size: int, sources: int) -> float:
        rng = np.random.default_rng(8)
        label = np.repeat([0, 1], size)
        source = np.arange(2 * size) % sources
        shift = rng.normal(size=sources)[source]
        of = images(label.tolist(), source=[f"s{at}" for at in source])
        found = row(compute_figures(evaluation(of, rng.normal(label) + shift), repeats=300)).metrics["auc"]
        assert found.high is not None
        assert found.low is not None
        return found.high - found.low

    assert width(400, 800) < 0.7 * width(100, 200)
    assert width(400, 10) > 2 * width(400, 800)


def test_few_sources_are_said() -> None:
    label, scores = random_case(9, 30, 30)
    source = [f"g{at % 3}" if one else "one" for at, one in enumerate(label)]
    found = row(compute_figures(evaluation(images(label.tolist(), source=source), scores), repeats=30))
    assert (found.sources_real, found.sources_generated) == (1, 3)
    assert any(note.startswith("real images are of one source") for note in found.notes)
    assert any("generated images are of 3 sources only" in note for note in found.notes)


@pytest.mark.parametrize("transform", [lambda x: 3 * x + 1, np.exp, np.arctan, lambda x: x**3])
def test_what_ranks_alike_measures_alike(transform: np.ufunc) -> None:
    label, scores = random_case(10)
    bare = detector(points=(), calibration=None)
    before, after = (
        row(compute_figures(evaluation(images(label.tolist()), given, [bare]), repeats=50))
        for given in (scores, transform(scores))
    )
    assert before == after


# Between generators, and between detectors


def test_spread_worked_by_hand() -> None:
    origin = ["camera"] * 2 + ["a"] * 2 + ["b"] * 2 + ["c"] * 2 + ["few"]
    of = images([0, 0] + [1] * 7, origin=origin)
    #            real 0, 1 | a: 1 of 4 pairs | b: all | c: half
    scores = [0.0, 1.5, -1.0, 1.0, 2.0, 3.0, 1.2, 1.3, -5.0]
    figures = compute_figures(evaluation(of, scores), repeats=80, least=2)
    auc, found, balanced = figures.spreads
    assert [one.metric for one in figures.spreads] == ["auc", "accuracy_generated", "balanced_accuracy"]
    assert (auc.generators, auc.worst, auc.worst_name, auc.pooled) == (3, 0.25, "a", ("few",))
    assert auc.mean.value == pytest.approx((0.25 + 1 + 0.5) / 3)
    assert auc.spread == pytest.approx(np.std([0.25, 1, 0.5], ddof=1))
    assert found.mean.value == pytest.approx((0 + 1 + 1) / 3)
    assert balanced.mean.value == pytest.approx((0.5 + 2 / 3) / 2)
    assert auc.mean.low is not None
    assert auc.mean.high is not None
    assert 0 <= auc.mean.low < auc.mean.value < auc.mean.high <= 1


def test_the_mean_over_generators_draws_real_images_once_for_all() -> None:
    # All generated images lie amid the real ones: the mean varies with the real images alone, as each AUC does.
    rng = np.random.default_rng(11)
    n = 60
    origin = ["camera"] * n + [f"g{at % 4}" for at in range(80)]
    of = images([0] * n + [1] * 80, origin=origin)
    scores = np.concatenate([rng.normal(size=n), np.zeros(80)])
    figures = compute_figures(evaluation(of, scores), repeats=500)
    mean = figures.spreads[0].mean
    one = row(figures, level="origin", name="g0").metrics["auc"]
    assert (mean.value, mean.low, mean.high) == pytest.approx((one.value, one.low, one.high))


def test_one_generator_has_no_spread() -> None:
    figures = compute_figures(evaluation(images([0, 1, 1]), [0.0, 1.0, 2.0]), repeats=0, least=2)
    assert [(one.generators, one.spread, one.mean.low) for one in figures.spreads] == [(1, None, None)] * 3
    assert compute_figures(evaluation(images([0, 1, 1]), [0.0, 1.0, 2.0]), repeats=0).spreads == ()


def test_comparisons_are_paired() -> None:
    rng = np.random.default_rng(12)
    label = np.repeat([0, 1], 100)
    ours = rng.normal(label * 1.0)
    slightly_worse = ours - 0.25 * label
    case = evaluation(images(label.tolist()), np.stack([ours, slightly_worse], axis=1), [detector("a"), detector("b")])
    figures = compute_figures(case, repeats=400)
    assert [one.metric for one in figures.comparisons] == ["auc", "balanced_accuracy", "cllr"]
    auc = figures.comparisons[0]
    first, second = (row(figures, by=name).metrics["auc"] for name in ("a", "b"))
    assert (auc.first, auc.second, auc.real, auc.generated) == ("a", "b", 100, 100)
    assert auc.difference.value == pytest.approx(first.value - second.value)
    # Each interval alone is wide, and they overlap; the difference on the same images is small and sure.
    assert first.low is not None
    assert second.high is not None
    assert first.low < second.high
    assert auc.decided
    assert auc.difference.low is not None
    assert auc.difference.low > 0


def test_a_detector_against_itself_is_undecided() -> None:
    label, scores = random_case(13)
    case = evaluation(images(label.tolist()), np.stack([scores, scores], axis=1), [detector("a"), detector("b")])
    figures = compute_figures(case, repeats=50)
    assert {(c.difference.value, c.difference.low, c.difference.high) for c in figures.comparisons} == {(0, 0, 0)}
    assert not any(c.decided for c in figures.comparisons)


def test_comparisons_use_images_that_both_scored_and_metrics_that_both_have() -> None:
    of = images([0, 0, 1, 1])
    scores = np.array([[0.0, NAN], [2.0, 0.0], [1.0, 1.0], [3.0, 2.0]])
    bare = detector("b", points=(), calibration=None)
    figures = compute_figures(evaluation(of, scores, [detector("a"), bare]), repeats=30)
    [only] = figures.comparisons
    assert (only.metric, only.real, only.generated) == ("auc", 1, 2)
    # On these, real 2 against generated 1 and 3 for the one, all right for the other.
    assert only.difference.value == pytest.approx(-0.5)
    assert value(row(figures, by="a"), "auc") == pytest.approx(0.75)


def test_every_pair_part_and_both_first_variants_are_compared() -> None:
    of = images([0, 1] * 6, seen=["yes", "yes", "no", "no"] * 3)
    names = ["a", "b", "c"]
    facts = [detector(name, points=(), calibration=None) for name in names]
    scores = np.random.default_rng(14).normal(size=(3, 12, 3))
    steps: list[tuple[int, int]] = []
    figures = compute_figures(
        evaluation(of, scores, facts, ["x", "y"]), repeats=5, report=lambda done, total: steps.append((done, total))
    )
    expected = {
        (first, second, variant, part)
        for first, second in (("a", "b"), ("a", "c"), ("b", "c"))
        for variant in ("untouched", "x")
        for part in ("seen", "unseen")
    }
    assert {(c.first, c.second, c.variant, c.part) for c in figures.comparisons} == expected
    assert steps == [(done, 15) for done in range(1, 16)]


def test_figures_are_plain_json() -> None:
    label, scores = random_case(15, 30, 30)
    of = images(label.tolist(), origin=[f"g{at % 2}" if one else "c" for at, one in enumerate(label)])
    case = evaluation(of, np.stack([scores, -scores], axis=1), [detector("a"), detector("b")])
    figures = compute_figures(case, repeats=10, least=5)
    restored = json.loads(json.dumps(figures.to_dict(), allow_nan=False))
    assert restored["rows"][0]["metrics"]["auc"]["value"] == value(figures.rows[0], "auc")
    assert (restored["least"], restored["repeats"], restored["seed"]) == (5, 10, 0)
    assert len(restored["comparisons"]) == 3


def test_a_falling_calibration_bound_is_kept() -> None:
    label, scores = random_case(16)
    flat = detector(calibration=Calibration(0.0, 0.0, 5.0))
    found = row(compute_figures(evaluation(images(label.tolist()), scores, [flat]), repeats=20))
    assert value(found, "cllr") == pytest.approx(1)
    assert value(found, "calibration_error") == pytest.approx(0)


def test_names_from_outside_are_only_names() -> None:
    odd = ["a\r\nb", "=cmd()", "\udc80x", "<script>"]
    of = images([0, 0] + [1] * 4, origin=["c", "c", *odd])
    of = replace(of, source=column(["", "s\udc80", *odd]))
    figures = compute_figures(evaluation(of, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), repeats=5, least=1)
    assert {r.name for r in figures.rows if r.level == "origin"} == set(odd)


def test_three_images_called_alike_do_not_mean_certainly() -> None:
    found = row(compute_figures(evaluation(images([0, 0, 0, 1, 1, 1]), [-1, -1, -1, 2, 2, 2]), repeats=50))
    # Of three right, the rate p with p ** 3 = 2.5 % is the lowest that still gives three with that chance.
    for name in ("accuracy_real", "accuracy_generated"):
        assert found.metrics[name].low == pytest.approx(0.025 ** (1 / 3))
        assert found.metrics[name].high == 1
    assert found.metrics["uncertain_real"].high == pytest.approx(1 - 0.025 ** (1 / 3))
    # A mean of two shares is surer than each: half the root of the sum of squares.
    below = (1 - 0.025 ** (1 / 3)) / math.sqrt(2)
    assert found.metrics["balanced_accuracy"].low == pytest.approx(1 - below)
