from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from contrafake.errors import DataError, UsageError
from contrafake.measure import auc, balanced_accuracy, bootstrap_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

values = st.lists(st.floats(-100, 100), min_size=1, max_size=20)


def mean(sample: NDArray[Any]) -> float:
    return float(sample.mean())


def normal(seed: int, size: int, shift: float = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(shift, size=size)


def test_same_seed_same_interval() -> None:
    sample = normal(0, 30)
    assert bootstrap_interval(mean, sample, seed=4) == bootstrap_interval(mean, sample, seed=4)
    assert bootstrap_interval(mean, sample, seed=4) != bootstrap_interval(mean, sample, seed=5)


def test_the_global_generator_is_left_alone() -> None:
    before = str(np.random.get_state())  # noqa: NPY002
    bootstrap_interval(mean, normal(0, 30), repeats=10)
    assert str(np.random.get_state()) == before  # noqa: NPY002


def test_width_as_in_scipy() -> None:
    sample = normal(1, 200)
    low, high = bootstrap_interval(mean, sample, repeats=4000)
    theirs = stats.bootstrap((sample,), np.mean, method="percentile", n_resamples=4000, rng=0).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert low < sample.mean() < high


def test_each_sample_is_resampled_on_its_own() -> None:
    first, second = normal(2, 100), normal(3, 400)
    low, high = bootstrap_interval(lambda x, y: mean(x) - mean(y), first, second, repeats=4000)
    error = np.sqrt(first.var() / 100 + second.var() / 400)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.06)


def test_columns_of_one_sample_stay_together() -> None:
    column = normal(4, 50)
    paired = np.stack([column, column + 1], axis=1)
    low, high = bootstrap_interval(lambda pairs: float((pairs[:, 1] - pairs[:, 0]).mean()), paired, repeats=50)
    assert (low, high) == pytest.approx((1, 1))


@settings(deadline=None, max_examples=50)
@given(values, values)
def test_the_interval_of_auc_holds_the_point_estimate(real: list[float], generated: list[float]) -> None:
    low, high = bootstrap_interval(auc, real, generated, repeats=200, confidence=0.999)
    assert 0 <= low <= high <= 1
    assert low - 1e-9 <= auc(real, generated) <= high + 1e-9


def test_higher_confidence_is_wider() -> None:
    narrow, wide = (bootstrap_interval(mean, normal(5, 40), confidence=c) for c in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_coverage_of_a_mean() -> None:
    rng = np.random.default_rng(6)
    hits = 0
    for trial in range(300):
        low, high = bootstrap_interval(mean, rng.normal(size=60), repeats=200, confidence=0.9, seed=trial)
        hits += low <= 0 <= high
    assert hits / 300 == pytest.approx(0.9, abs=0.05)


def test_groups_cover_where_images_of_a_source_resemble_each_other() -> None:
    rng = np.random.default_rng(7)
    labels = np.repeat(np.arange(30), 10)
    plain, clustered = 0, 0
    for trial in range(150):
        sample = rng.normal(size=30)[labels] + rng.normal(size=300) / 2
        interval = partial(bootstrap_interval, mean, sample, repeats=200, confidence=0.9, seed=trial)
        low, high = interval()
        plain += low <= 0 <= high
        low, high = interval(groups=[labels])
        clustered += low <= 0 <= high
    assert plain / 150 < 0.6
    assert clustered / 150 == pytest.approx(0.9, abs=0.07)


def test_groups_are_drawn_whole_and_images_within_them() -> None:
    labels = np.array(["b", "a", "b", "c", "b"])
    seen: list[NDArray[np.int64]] = []

    def record(sample: NDArray[np.int64]) -> float:
        seen.append(sample)
        return 0.0

    bootstrap_interval(record, np.arange(5), groups=[labels], repeats=200)
    sizes = {"a": 1, "b": 3, "c": 1}
    for sample in seen:
        drawn = labels[sample]
        assert all((drawn == name).sum() % size == 0 for name, size in sizes.items())
        assert sum((drawn == name).sum() / size for name, size in sizes.items()) == 3
    assert {0, 1, 2, 3, 4} == set(np.concatenate(seen))
    assert any(len(set(sample[labels[sample] == "b"])) == 2 for sample in seen)


def test_groups_of_one_image_each_are_the_plain_bootstrap_in_law() -> None:
    sample = normal(8, 200)
    plain = bootstrap_interval(mean, sample, repeats=4000)
    assert bootstrap_interval(mean, sample, groups=[np.arange(200)], repeats=4000) == pytest.approx(plain, abs=0.02)


def test_few_undefined_resamples_are_left_out() -> None:
    calls = iter(range(1000))
    low, high = bootstrap_interval(lambda _: np.nan if next(calls) % 25 == 0 else 1.0, [0.0, 1.0])
    assert (low, high) == (1, 1)


def test_many_undefined_resamples_are_refused() -> None:
    def undefined(sample: NDArray[np.float64]) -> float:
        raise DataError("sample", "cannot be measured")

    with pytest.raises(DataError, match="undefined in 1000 of 1000"):
        bootstrap_interval(undefined, [0.0, 1.0])
    calls = iter(range(1000))
    with pytest.raises(DataError, match="undefined in 100 of 1000"):
        bootstrap_interval(lambda _: np.inf if next(calls) % 10 == 0 else 1.0, [0.0, 1.0])


def test_other_errors_of_the_statistic_pass_through() -> None:
    with pytest.raises(ZeroDivisionError):
        bootstrap_interval(lambda _: 1 / 0, [0.0, 1.0])


def test_impossible_input() -> None:
    with pytest.raises(UsageError, match="none given"):
        bootstrap_interval(mean)
    with pytest.raises(UsageError, match="repeats"):
        bootstrap_interval(mean, [1.0], repeats=0)
    with pytest.raises(UsageError, match="confidence"):
        bootstrap_interval(mean, [1.0], confidence=95)
    with pytest.raises(DataError, match="empty"):
        bootstrap_interval(auc, [1.0], [])
    with pytest.raises(DataError, match="1 arrays of labels for 2 samples"):
        bootstrap_interval(auc, [1.0], [2.0], groups=[["a"]])
    with pytest.raises(DataError, match="one label per image"):
        bootstrap_interval(mean, [1.0, 2.0], groups=[["a"]])


def test_a_thousand_images_a_thousand_times_take_seconds() -> None:
    real, generated = normal(9, 1000), normal(10, 1000, shift=1)
    start = perf_counter()
    low, high = bootstrap_interval(auc, real, generated)
    bootstrap_interval(partial(balanced_accuracy, threshold=0.5), real, generated, groups=[np.arange(1000) // 50] * 2)
    assert perf_counter() - start < 10
    assert low < auc(real, generated) < high
    assert high - low == pytest.approx(0.042, abs=0.01)
