"""The parts of a refit by hand: weights, choices, divisions, names, intervals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrafake.adapt.refit_division import choose_held
from contrafake.adapt.refit_figures import ALL_OLD, measure
from contrafake.adapt.refit_heads import References, choose_references, refit_heads, share_of, weigh
from contrafake.adapt.refit_memory import Judged, appended
from contrafake.adapt.refit_names import NO_NAME, UNKNOWN, compare_names, names_given
from contrafake.errors import DataError
from contrafake.measure import auc
from contrafake.model.bundle_config import AttributionRule, ValidationNames
from contrafake.model.heads import LinearHead, NearestHead
from contrafake.model.validation_memory import ValidationMemory
from contrafake.train.embedded import Embedded
from contrafake.train.head_fitting import fit_kernel, fit_linear

if TYPE_CHECKING:
    from numpy.typing import NDArray


def references(labels: list[int], origins: list[int], *, seed: int = 0) -> References:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(len(labels), 3)).astype(np.float32) + np.array(labels, np.float32)[:, None]
    return References(vectors, np.array(labels, np.uint8), np.array(origins, np.int32))


def test_a_share_by_hand() -> None:
    assert share_of(100, [400, 900]) == pytest.approx(2 * 10 / (10 + 20 + 30))
    assert share_of(100, [100]) == 0.5  # its own share of the images is never taken away
    assert share_of(400, [900]) == 0.4


def test_weights_by_hand() -> None:
    old = references([0] * 6 + [1] * 50, [0] * 6 + [1] * 25 + [2] * 25)
    new = references([1] * 4, [3] * 4)
    weights = weigh(old, new)
    assert weights[:6].sum() == pytest.approx(30)
    assert weights[6:].sum() == pytest.approx(30)
    share = 2 * 2 / (2 + 5 + 5)
    assert weights[-4:].sum() == pytest.approx(30 * share)
    assert np.ptp(weights[6:56]) == pytest.approx(0)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 1), st.integers(4, 6)), min_size=1, max_size=60),
)
@settings(max_examples=50)
def test_weights_are_positive_and_classes_balanced(old: list[tuple[int, int]], new: list[tuple[int, int]]) -> None:
    rows = [(0, 0), (1, 1), *old]
    first, second = (references([label for label, _ in one], [code for _, code in one]) for one in (rows, new))
    weights = weigh(first, second)
    labels = np.array([label for label, _ in [*rows, *new]])
    assert (weights > 0).all()
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum())


def test_without_weighing_up_the_linear_head_is_that_of_training() -> None:
    old, new = references([0, 1] * 20, [0, 1] * 20), references([0, 1] * 20, [0, 1] * 20, seed=1)
    found = refit_heads({"linear": LinearHead(np.zeros(3), 0.0)}, old, new)["linear"]
    vectors = np.concatenate([old.vectors, new.vectors])
    wanted = fit_linear(vectors, np.array([0, 1] * 40))
    assert found.score(vectors) == pytest.approx(wanted.score(vectors), abs=1e-4)


def test_the_kernel_head_learns_what_is_new() -> None:
    old, new = references([0, 1] * 20, [0, 1] * 20), references([0, 1] * 20, [0, 2] * 20, seed=1)
    before = fit_kernel(old.vectors, old.labels.astype(np.int64))
    found = refit_heads({"kernel": before}, old, new)["kernel"]
    labels = new.labels.astype(np.int64)
    right = [((head.score(new.vectors) > 0) == labels).mean() for head in (before, found)]
    assert right[1] > right[0] + 0.2


def test_of_too_many_references_the_large_origins_give() -> None:
    given_ones = references([0] * 50 + [1] * 60, [0] * 50 + [1] * 50 + [2] * 10)
    kept = choose_references(given_ones, 60, 0)
    assert np.bincount(given_ones.origins[kept]).tolist() == [30, 20, 10]
    assert len(choose_references(given_ones, 110, 0)) == 110


@given(st.integers(4, 60), st.floats(0.05, 0.9), st.integers(0, 5))
@settings(max_examples=60)
def test_a_division_keeps_units_together_and_both_sides_filled(count: int, share: float, seed: int) -> None:
    unit = {at: f"unit {at // 2}" for at in range(count)}
    held = set(choose_held("name", list(range(count)), unit, share, seed))
    assert 2 <= len(held) <= max(2, count - 1)
    for at in range(0, count - 1, 2):
        assert (at in held) == (at + 1 in held)
    assert held == set(choose_held("name", list(reversed(range(count))), unit, share, seed))


def test_an_image_stays_on_its_side_when_the_folder_grows() -> None:
    unit = {at: f"image {at}" for at in range(400)}
    few, many = (set(choose_held("name", list(range(count)), unit, 0.3, 0)) for count in (200, 400))
    assert few == {at for at in many if at < 200}
    assert 40 < len(few) < 80


def test_images_of_one_group_cannot_be_divided() -> None:
    with pytest.raises(DataError, match="all alike"):
        choose_held("name", [0, 1, 2, 3], dict.fromkeys(range(4), "one"), 0.3, 0)


def memory(vectors: NDArray[np.float32], labels: list[int], origins: list[int]) -> ValidationMemory:
    count = np.arange(len(labels))
    return ValidationMemory(vectors, count, np.array(labels), np.array(origins), count)


def test_names_by_hand() -> None:
    axes = np.eye(3, dtype=np.float32)
    rng = np.random.default_rng(0)
    near = np.repeat(axes[:2], 20, axis=0) + rng.normal(0, 0.05, (40, 3)).astype(np.float32)
    head = NearestHead(near, np.ones(40, np.uint8), np.repeat(np.array([1, 2], np.int32), 20))
    rule = AttributionRule(neighbours=5, least_share=0.8, limit=3.0, precision=1, given=1, images=1)
    images = memory(np.stack([axes[0], axes[1], axes[2], (axes[0] + axes[1])]), [1] * 4, [0] * 4)
    named = names_given(head, rule, ["real", "a", "b"], images)
    assert named is not None
    assert named.tolist()[:3] == ["a", "b", UNKNOWN]
    assert names_given(head, None, ["real", "a", "b"], images) is None
    strict = rule.model_copy(update={"least_share": 1.01, "limit": None})
    again = names_given(head, strict, ["real", "a", "b"], images)
    assert again is not None
    assert set(again.tolist()) == {NO_NAME}
    [row] = compare_names(np.array(["a", "b", "b", "b"], object), None, named, {"a": True})
    assert (row.images, row.before, row.after, row.right(after=True)) == (1, {}, {"a": 1}, 1.0)


@pytest.mark.parametrize("reals", [10, 60])
def test_figures_agree_with_the_measures(reals: int) -> None:
    rng = np.random.default_rng(1)
    labels = [0] * reals + [1] * 40
    vectors = rng.normal(size=(reals + 40, 3)).astype(np.float32) + np.array(labels, np.float32)[:, None]
    known = memory(vectors, labels, [0] * reals + [1] * 20 + [2] * 20)
    names = ValidationNames(crops=1, origins=["real", "a", "b"], families=["real", "a", "b"], sources=[])
    origins = np.array(["n"] * 12, object)
    held = Embedded(vectors[-12:] + 1, np.arange(12), np.ones(12, np.int64), origins, origins, {})
    heads = [LinearHead(np.array(weight, np.float64), 0.0) for weight in ([1, 0, 0], [1, 1, 1])]
    judged = Judged(names, (known, known), (held, held), {})
    figures = measure({"linear": heads[0]}, {"linear": heads[1]}, judged, repeats=200)
    assert [(row.origin, row.images) for row in figures.rows] == [("n", 12), (ALL_OLD, 40), ("a", 20), ("b", 20)]
    row = figures.row("linear", ALL_OLD)
    scores = [head.score(vectors) for head in heads]
    assert (row.auc.before, row.auc.after) == tuple(auc(one[:reals], one[reals:]) for one in scores)
    limit = np.sort(scores[1][:reals])[-max(1, int(0.05 * (reals + 1)))]
    assert row.caught.after == np.mean(scores[1][reals:] > limit)
    assert row.auc.change_interval[0] < row.auc.after - row.auc.before < row.auc.change_interval[1]
    same = measure({"linear": heads[0]}, {"linear": heads[0]}, judged, repeats=20)
    assert {row.auc.change_interval for row in same.rows} == {(0.0, 0.0)}
    assert len(figures.alarms) == (reals == 60)


def test_a_memory_grows_under_names_that_tell_no_folder() -> None:
    known = memory(np.zeros((2, 3), np.float32), [0, 1], [0, 1])
    names = ValidationNames(crops=1, origins=["photo", "sd1"], families=["real", "sd"], sources=["x", "y"])
    origins, sources = np.array(["new", "new", "sd1"], object), np.array(["secret", "other", "secret"], object)
    more = Embedded(np.ones((3, 3), np.float32), np.arange(3), np.ones(3, np.int64), origins, sources, {})
    joined, grown = appended(known, names, more, {"sd1": "sd"})
    assert (grown.origins, grown.families) == (["photo", "sd1", "new"], ["real", "sd", "new"])
    assert joined.origins.tolist() == [0, 1, 2, 2, 1]
    assert joined.owner.tolist() == [0, 1, 2, 3, 4]
    assert len({*joined.sources[2:].tolist()}) == 3
    assert not {"secret", "other"} & set(grown.sources)


def test_the_page_shows_the_committed_figures() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "refitting.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
