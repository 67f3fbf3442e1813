from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scored import column

from contrafake import measure
from contrafake.evaluate import resampled
from contrafake.evaluate.group_metrics import RANKING
from contrafake.evaluate.resampling import Resampler, estimate

Scores = NDArray[np.float64]
Counts = NDArray[np.uint16]

NAIVE = {
    "auc": measure.auc,
    "average_precision": measure.average_precision,
    "best_balanced_accuracy": lambda real, generated: measure.best_accuracy(real, generated).balanced,
    "tpr_at_1": lambda real, generated: measure.tpr_at_fpr(real, generated, 0.01),
    "tpr_at_5": lambda real, generated: measure.tpr_at_fpr(real, generated, 0.05),
    "eer": measure.eer,
}


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Scores, Counts]:
    """Scores with many ties, and three resamples that each hold an image at least."""
    scores = draw(st.lists(st.sampled_from([-1.5, 0.0, 0.25, 0.5, 1.0]) | st.floats(-3, 3), min_size=1, max_size=12))
    counts = draw(st.lists(st.integers(0, 3), min_size=3 * len(scores), max_size=3 * len(scores)))
    table = np.array(counts, np.uint16).reshape(3, len(scores))
    table[table.sum(axis=1) == 0, 0] = 1
    return np.array(scores), table


def written_out(scores: Scores, counts: Counts) -> list[Scores]:
    return [np.repeat(scores, row) for row in counts]


def test_every_ranking_metric_has_a_naive_twin() -> None:
    assert set(RANKING) == set(NAIVE)


@given(drawn(), drawn())
def test_ranking_metrics_are_those_of_the_images_written_out(
    real: tuple[Scores, Counts], generated: tuple[Scores, Counts]
) -> None:
    found = resampled.ranking(real[0], generated[0], real[1], generated[1], RANKING)
    for name, naive in NAIVE.items():
        expected = [naive(*both) for both in zip(written_out(*real), written_out(*generated), strict=True)]
        assert found[name].tolist() == pytest.approx(expected, abs=1e-12), name


@given(drawn())
def test_means_are_those_of_the_images_written_out(one: tuple[Scores, Counts]) -> None:
    expected = [scores.mean() for scores in written_out(*one)]
    assert resampled.mean(*one).tolist() == pytest.approx(expected, abs=1e-12)
    expected = [(scores > 0.25).mean() for scores in written_out(*one)]
    assert resampled.mean(one[0] > 0.25, one[1]).tolist() == pytest.approx(expected, abs=1e-12)


@given(drawn(), drawn(), st.integers(1, 11))
def test_calibration_error_is_that_of_the_images_written_out(
    real: tuple[Scores, Counts], generated: tuple[Scores, Counts], bins: int
) -> None:
    chances = [(scores + 3) / 6 for scores, _ in (real, generated)]
    expected = []
    for of_real, of_generated in zip(
        written_out(chances[0], real[1]), written_out(chances[1], generated[1]), strict=True
    ):
        labels = np.repeat([0, 1], [len(of_real), len(of_generated)])
        both = np.concatenate([of_real, of_generated])
        expected.append(measure.calibration_error(both, labels, bins, measure.balanced_weights(labels)))
    found = resampled.calibration_error(chances[0], chances[1], real[1], generated[1], bins)
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_many_resamples_are_worked_on_in_blocks_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=20), rng.normal(1, size=15)
    counts = rng.integers(0, 4, (50, 20)).astype(np.uint16), rng.integers(0, 4, (50, 15)).astype(np.uint16)
    whole = resampled.ranking(real, generated, *counts, RANKING)
    monkeypatch.setattr(resampled, "_BLOCK", 3 * 35)
    for name, values in resampled.ranking(real, generated, *counts, RANKING).items():
        assert values.tolist() == whole[name].tolist()


def test_a_resample_holds_whole_sources_and_images_within_them() -> None:
    source = column(["b", "a", "b", "c", "b"])
    counts = Resampler(source, 500, 0).counts(np.arange(5))
    sizes = {"a": 1, "b": 3, "c": 1}
    drawn_sources: Counter[str] = Counter()
    for row in counts:
        of_source = {name: int(row[source == name].sum()) // size for name, size in sizes.items()}
        assert all(row[source == name].sum() == of_source[name] * size for name, size in sizes.items())
        assert sum(of_source.values()) == 3
        drawn_sources.update(of_source)
    assert all(abs(drawn_sources[name] / 500 - 1) < 0.15 for name in sizes)
    assert any(row[0] != row[2] for row in counts)


def test_of_one_source_images_are_drawn() -> None:
    counts = Resampler(column(["a"] * 30), 400, 1).counts(np.arange(30))
    assert (counts.sum(axis=1) == 30).all()
    assert counts.var() == pytest.approx(1 - 1 / 30, abs=0.06)


def test_the_same_images_are_drawn_alike_whatever_came_before() -> None:
    source = column([f"s{at % 4}" for at in range(12)])
    rows = np.arange(3, 9)
    fresh = Resampler(source, 20, 5).counts(rows)
    used = Resampler(source, 20, 5)
    used.counts(np.arange(12))
    assert (used.counts(rows) == fresh).all()
    assert (Resampler(source, 20, 6).counts(rows) != fresh).any()
    assert used.sources(rows) == 4


def test_draws_of_many_images_in_blocks_are_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contrafake.evaluate.resampling._BLOCK", 70)
    counts = Resampler(column(["a"] * 30), 9, 1).counts(np.arange(30))
    assert (counts.sum(axis=1) == 30).all()


def test_intervals_are_those_of_the_slow_bootstrap() -> None:
    rng = np.random.default_rng(2)
    n = 120
    source = column([f"s{at // 8}" for at in range(2 * n)])
    shift = rng.normal(size=2 * n // 8)[np.arange(2 * n) // 8]
    scores = rng.normal(size=2 * n) + shift + np.repeat([0, 1], n)
    real, generated = np.arange(n), np.arange(n, 2 * n)
    draws = Resampler(source, 4000, 0)
    counts = draws.counts(real), draws.counts(generated)
    fast = estimate(0, resampled.ranking(scores[real], scores[generated], *counts, ["auc"])["auc"])
    slow = measure.bootstrap_interval(
        measure.auc, scores[real], scores[generated], groups=[source[real], source[generated]], repeats=1500
    )
    assert (fast.low, fast.high) == pytest.approx(slow, abs=0.012)


def test_an_interval_is_two_quantiles_or_nothing() -> None:
    values = np.linspace(0, 1, 41)
    found = estimate(0.3, values)
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.025, 0.975))
    assert estimate(0.3, None).low is None
    assert estimate(0.3, np.empty(0)).high is None


def test_a_shifted_interval_lies_about_its_figure_within_0_and_1() -> None:
    values = np.linspace(0.2, 0.4, 41)
    found = estimate(0.25, values, shifted=True)
    assert (found.low, found.high) == pytest.approx((0.155, 0.345))
    assert estimate(0.02, values, shifted=True).low == 0
