"""Cross-fitting, against naive versions and values worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.adapt.held_back import Counted, differ, divide, fewest_to_fit, flagged_held_back, units_of
from contrafake.errors import UsageError
from contrafake.model.calibration import exceeding, least_images, thresholds_alone


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(2, 7), st.integers(0, 99))
def test_no_unit_is_divided_and_folds_are_even(units: list[int], folds: int, seed: int) -> None:
    codes = np.array(units)
    found = divide(codes, folds, seed)
    assert all(len(set(found[codes == code])) == 1 for code in set(units))
    sizes = np.bincount(found)
    assert len(sizes) == min(folds, len(set(units)))
    assert sizes.max() - sizes.min() <= max(units.count(code) for code in units)
    assert fewest_to_fit(found) == len(units) - sizes.max()
    np.testing.assert_array_equal(found, divide(codes, folds, seed))


def test_sources_stay_whole_where_they_fill_the_folds() -> None:
    sources = ["a", "b", "c", "a", "b"]
    assert units_of([""] * 5, sources, 3)[1] == "source"
    assert units_of([""] * 5, sources, 4)[1] == "image"
    units, by = units_of(["x", "", "x", "", ""], sources, 4)
    assert (by, units[0] == units[2], len(set(units.tolist()))) == ("group", True, 4)


@given(st.integers(0, 999), st.sampled_from([0.1, 0.2, 0.34]))
def test_a_held_back_image_has_no_say_in_its_rule(seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=23).round(1)  # ties
    folds = divide(np.arange(23), 5, seed)
    found = flagged_held_back(scores, folds, rate)
    for place in range(23):
        rest = sorted((scores[other] for other in range(23) if folds[other] != folds[place]), reverse=True)
        assert found[place] == (scores[place] > rest[int(rate * (len(rest) + 1) + 1e-9) - 1])


def test_leaving_one_out_flags_exactly_the_largest() -> None:
    scores = np.arange(40.0)
    # Of 39 others, the 2nd largest: only the two largest exceed it.
    found = flagged_held_back(scores, np.arange(40), 0.05)
    assert np.flatnonzero(found).tolist() == [38, 39]
    with pytest.raises(UsageError, match="cannot be supported"):
        flagged_held_back(scores[:19], np.arange(19), 0.05)


def test_the_sign_test_by_hand() -> None:
    before, after = np.zeros(20, bool), np.zeros(20, bool)
    assert differ(before, after) == 1
    before[:5] = True
    assert differ(before, after) == pytest.approx(2 / 32)
    after[7] = True  # five of six one way: 2 (6 + 1) / 64
    assert differ(before, after) == pytest.approx(14 / 64)
    after[:5] = True
    assert differ(before, after) == 1


def test_counts_are_shares_with_exact_intervals() -> None:
    none = Counted.over(np.zeros(50, bool))
    assert (none.share, none.interval[0]) == (0, 0)
    assert none.interval[1] == pytest.approx(1 - 0.025 ** (1 / 50), rel=1e-9)


@given(st.floats(0.002, 0.5))
def test_the_least_number_of_photographs_is_enough_and_one_fewer_is_not(rate: float) -> None:
    least = least_images(rate)
    assert exceeding(rate, least) == 1
    if least > 1:
        with pytest.raises(UsageError):
            exceeding(rate, least - 1)


def test_photographs_alone_support_a_threshold() -> None:
    found = thresholds_alone(np.arange(19, 0, -1.0), np.zeros(19, np.int32))
    assert not found.gives_probability
    point = found.operating_point(0.05)
    assert (point.threshold, point.uncertain_from, point.false_alarm_rate) == (19, 19, 0.05)
    assert found.operating_point(0.1, real_below=3.0).uncertain_from == 3
    assert found.operating_point(0.1, real_below=30.0).uncertain_from == 18
    assert np.isnan(point.missed_rate)
    assert point.to_dict()["missed_rate"] is None
    for scores in ([1.0], [1.0, float("nan")]):
        with pytest.raises(UsageError):
            thresholds_alone(np.array(scores), np.zeros(len(scores), np.int32))
