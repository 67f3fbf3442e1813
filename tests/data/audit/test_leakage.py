"""Folds, and how well features alone and together tell the classes apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrafake.data.audit import joint
from contrafake.data.audit.feature import Feature
from contrafake.data.audit.folds import Folds, by_image, by_source, together
from contrafake.data.audit.joint import joint_result
from contrafake.data.audit.leakage import auc_within_folds, interval_over_sources, ranks, single_auc
from contrafake.errors import DataError
from contrafake.measure import auc

if TYPE_CHECKING:
    from numpy.typing import NDArray


def none(size: int) -> NDArray[np.int64]:
    return np.full(size, -1)


def sources_of_one_class(sources: int, each: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(label, source): every source has one class, as real sets have it."""
    source = np.repeat(np.arange(sources), each)
    return source % 2, source


def test_any_seed_will_do() -> None:
    label, source = np.arange(40) % 2, np.arange(40) // 2
    assert by_source(label, source, np.full(40, -1), 5, seed=10**20).count == 5


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(4, 60), st.integers(2, 12), st.integers(2, 6))
def test_folds_divide_no_source_and_no_group_and_have_both_classes(
    seed: int, size: int, many: int, wanted: int
) -> None:
    rng = np.random.default_rng(seed)
    label = np.append([0, 0, 1, 1], rng.integers(0, 2, size))
    source, group = rng.integers(0, many, label.size), rng.integers(-3, 30, label.size)
    group[group < 0] = -1
    try:
        source_folds, image_folds = by_source(label, source, group, wanted), by_image(label, group, wanted)
    except DataError as error:
        # Only where no two folds can be made at all.
        assert "too few" in str(error)  # noqa: PT017
        return
    for folds in (source_folds, image_folds):
        assert 2 <= folds.count <= wanted
        assert folds.count == wanted or folds.note
        for number in range(folds.count):
            assert set(label[folds.fold == number]) == {0, 1}
        for name in set(group[group >= 0]):
            assert len(set(folds.fold[group == name])) == 1
    if source_folds.grouped_by == "source":
        for name in set(source):
            assert len(set(source_folds.fold[source == name])) == 1


def test_three_sources_of_a_class_allow_three_folds() -> None:
    label = np.array([0] * 30 + [1] * 30)
    source = np.concatenate([np.arange(30) % 3, 3 + np.arange(30) % 10])
    folds = by_source(label, source, none(60), 5)
    assert (folds.count, folds.grouped_by) == (3, "source")
    assert "3 folds instead of 5" in folds.note


def test_a_class_of_one_source_goes_by_image_and_says_so_loudly() -> None:
    label = np.array([0] * 20 + [1] * 20)
    source = np.concatenate([np.zeros(20, int), 1 + np.arange(20) % 4])
    folds = by_source(label, source, none(40), 5)
    assert (folds.count, folds.grouped_by) == (5, "image")
    assert folds.note.startswith("NOT by source: the real images come from one source")


def test_sources_tied_by_a_group_count_as_one() -> None:
    source, group = np.array([0, 0, 1, 1, 2, 2]), np.array([-1, 5, 5, 8, -1, 9])
    assert together(source, group).tolist() == [0, 0, 0, 0, 1, 1]
    assert together(source, none(6)).tolist() == [0, 0, 1, 1, 2, 2]


def test_a_single_image_of_a_class_cannot_be_divided() -> None:
    with pytest.raises(DataError, match="too few generated images"):
        by_source(np.array([0, 0, 0, 1]), np.arange(4), none(4), 5)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=40))
def test_the_auc_counts_pairs_within_folds(rows: list[tuple[int, int, int]]) -> None:
    label, score, fold = (np.array(column) for column in zip(*rows, strict=True))
    won = [(g[1] > r[1]) + (g[1] == r[1]) / 2 for r in rows for g in rows if r[0] == 0 and g[0] == 1 and r[2] == g[2]]
    if not won:
        with pytest.raises(DataError, match="both classes"):
            auc_within_folds(label, score.astype(float), fold)
    else:
        assert auc_within_folds(label, score.astype(float), fold) == pytest.approx(np.mean(won))


def test_scores_of_different_folds_need_no_common_scale() -> None:
    label, fold = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    score = np.array([0.1, 0.2, 0.8, 0.9])
    assert auc_within_folds(label, score, fold) == 1
    assert auc(score[label == 0], score[label == 1]) == 0.75


def test_the_interval_over_sources_is_wider_than_one_over_images() -> None:
    rng = np.random.default_rng(0)
    label, source = sources_of_one_class(20, 30)
    score = label + rng.normal(0, 1, 20)[source] + rng.normal(0, 0.2, label.size)
    fold = np.zeros(label.size, int)
    widths = []
    for drawn in (source, np.arange(label.size)):
        low, high = interval_over_sources(label, score, fold, drawn, repeats=200)
        assert low < auc_within_folds(label, score, fold) < high
        widths.append(high - low)
    assert widths[0] > 2 * widths[1]
    assert np.isnan(interval_over_sources(label, score, fold, label)).all()


def test_a_perfect_leak_is_found_whatever_the_balance() -> None:
    label = np.append(np.zeros(380, int), np.ones(20, int))
    source = np.arange(400) % 40
    folds = by_source(label, source, none(400), 5)
    rng = np.random.default_rng(1)
    assert single_auc(np.where(label == 1, 7.0, 3.0), "number", label, folds) == 1
    assert single_auc(label * 3, "category", label, folds) == 1
    # Neither end of the scale, but the middle: a threshold would not do.
    middle = np.where(label == 1, 0.0, rng.choice([-1, 1], 400)) + rng.normal(0, 0.1, 400)
    assert single_auc(middle, "number", label, folds) > 0.9
    assert single_auc(np.full(400, 2.0), "number", label, folds) == 0.5


def test_missing_values_say_something() -> None:
    label = np.tile([0, 1], 100)
    rng = np.random.default_rng(2)
    folds = by_image(label, none(200), 5)
    values = np.where(label == 1, np.nan, rng.normal(0, 1e300, 200))
    assert single_auc(values, "number", label, folds) == 1
    assert single_auc(np.where(label == 1, -1, rng.integers(0, 3, 200)), "category", label, folds) == 1
    assert ranks(np.array([2.0, np.nan, -5.0, 2.0])).tolist() == [2, -3, 1, 2]


def test_what_only_names_the_source_is_worth_nothing_on_new_sources() -> None:
    label, source = sources_of_one_class(40, 20)
    source_folds, image_folds = by_source(label, source, none(800), 5), by_image(label, none(800), 5)
    assert single_auc(source, "category", label, source_folds) == 0.5
    assert single_auc(source, "category", label, image_folds) == 1


FEATURES = [Feature(f"f{i}", f"f{i}", "file", "number") for i in range(4)]


def joint_on(
    values: NDArray[np.float64], label: NDArray[np.int64], source: NDArray[np.int64], group: NDArray[np.int64]
) -> Any:
    columns = {feature.name: values[:, place] for place, feature in enumerate(FEATURES)}
    divided: dict[str, Any] = {"by_source": by_source(label, source, group, 4), "by_image": by_image(label, group, 4)}
    divided["divide"] = {
        "source": lambda at: by_source(label[at], source[at], group[at], 3),
        "image": lambda at: by_image(label[at], group[at], 3),
    }
    return joint_result("x", FEATURES, columns, label, source, **divided)


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "TREES", 15)


@pytest.mark.usefixtures("few_trees")
def test_labels_of_pure_noise_stay_within_chance_over_many_seeds() -> None:
    found, same = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        _, source = sources_of_one_class(30, 10)
        label = rng.permutation(np.arange(30) % 2)[source]
        # Traits of the sources, which a model can learn by heart: only folds by source are honest.
        result = joint_on(rng.normal(0, 1, (30, 4))[source] + rng.normal(0, 0.1, (300, 4)), label, source, none(300))
        found.append(result.auc.value)
        same.append(result.auc_same_sources)
        assert result.auc.low < result.auc.high
    assert abs(np.mean(found) - 0.5) < 0.12
    assert min(same) > 0.95


@pytest.mark.usefixtures("few_trees")
def test_siblings_never_help_each_other() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(100), 3)
    label = rng.integers(0, 2, 100)[group]
    result = joint_on(rng.normal(0, 1, (100, 4))[group], label, np.arange(300), group)
    assert abs(result.auc.value - 0.5) < 0.15
    assert abs(result.auc_same_sources - 0.5) < 0.15


@pytest.mark.usefixtures("few_trees")
def test_values_that_are_balanced_exactly_do_not_hide_a_leak() -> None:
    rng = np.random.default_rng(0)
    label, source = np.tile([0, 1], 200), np.repeat(np.arange(40), 10)
    # Each value stands once under each label, in different sources, as matching leaves it.
    pairs = np.empty(400)
    pairs[label == 0], pairs[label == 1] = np.arange(200), np.roll(np.arange(200), 77)
    folds = by_source(label, source, none(400), 4)
    assert single_auc(pairs, "number", label, folds) < 0.4
    values = np.stack([pairs, -pairs, pairs**3, label + rng.normal(0, 1, 400)], axis=1)
    assert joint_on(values, label, source, none(400)).auc.value > 0.65  # the last alone can reach 0.76


@pytest.mark.usefixtures("few_trees")
def test_a_joint_leak_names_its_leaders() -> None:
    rng = np.random.default_rng(0)
    label, source = sources_of_one_class(20, 20)
    values = rng.normal(0, 1, (400, 4))
    values[:, 2] += 5 * label
    values[:, 1] = np.nan
    result = joint_on(values, label, source, none(400))
    assert result.auc.value > 0.98
    assert result.auc.high <= 1
    assert result.leaders[0][0] == "f2"
    assert result.leaders[0][1] > 0.2
    assert "f1" not in dict(result.leaders)
    assert (result.folds, result.grouped_by, result.note) == (4, "source", "")
    assert result == joint_on(values, label, source, none(400))


@pytest.mark.usefixtures("few_trees")
def test_without_sources_there_is_no_interval() -> None:
    label = np.tile([0, 1], 30)
    result = joint_on(np.random.default_rng(0).normal(0, 1, (60, 4)), label, label, none(60))
    assert result.grouped_by == "image"
    assert np.isnan([result.auc.low, result.auc.high]).all()
    assert "NOT by source" in result.note


@pytest.mark.usefixtures("few_trees")
def test_categories_are_used_together_with_numbers() -> None:
    rng = np.random.default_rng(0)
    label = np.tile([0, 1], 100)
    # Each tells a part: together, the label is their exclusive or.
    coin = (rng.random(200) < np.where(label == 1, 0.9, 0.4)).astype(int)
    features = [Feature("coin", "coin", "file", "category"), Feature("mixed", "mixed", "file", "number")]
    folds = Folds(np.arange(200) // 50, 4, "source")
    values = {"coin": np.where(coin == 1, 7, -1), "mixed": (coin ^ label).astype(float)}
    divided: dict[str, Any] = {"by_source": folds, "by_image": folds}
    divided["divide"] = dict.fromkeys(("source", "image"), lambda at: by_image(label[at], none(at.size), 3))
    result = joint_result("x", features, values, label, np.arange(200), **divided)
    assert result.auc.value == 1
    assert single_auc(values["coin"], "category", label, folds) < 0.85
    nothing = joint_result("x", [], {}, label, np.arange(200), **divided)
    assert (nothing.auc.value, nothing.leaders) == (0.5, [])
