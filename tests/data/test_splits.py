"""Nothing that belongs together stands on two sides, and each split gets its share of both classes."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splits_example import FAMILIES, IMAGES, Listed, Sided, by_key, drawn, ignoring, many, sample

from contrafake.data.origins import SPLITS
from contrafake.data.sources import open_data
from contrafake.data.splits import SplitSettings, plan_splits
from contrafake.data.splitting.balance import balanced
from contrafake.errors import DataError, UsageError

CORPUS = Path(os.environ.get("CONTRAFAKE_DATA", ""), "corpus")
needs_corpus = pytest.mark.skipif(
    not os.environ.get("CONTRAFAKE_DATA") or not CORPUS.is_dir(), reason="${CONTRAFAKE_DATA}/corpus is not there"
)


def test_each_split_gets_its_share_of_both_classes() -> None:
    plan = plan_splits(Listed(many()), ignoring())
    assert plan.counts() == {
        "train": {"real": 160, "generated": 160},
        "val": {"real": 20, "generated": 20},
        "test": {"real": 20, "generated": 20},
    }
    assert plan.units == 80


def test_two_fractions_are_train_and_test() -> None:
    plan = plan_splits(Listed(many()), ignoring(fractions=(0.75, 0.25)))
    assert plan.counts() == {"train": {"real": 150, "generated": 150}, "test": {"real": 50, "generated": 50}}


def test_another_seed_divides_otherwise_and_the_same_seed_alike() -> None:
    source = Listed(many())
    first, again, other = (by_key(plan_splits(source, ignoring(seed=seed)), source) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_order_of_the_listing_changes_nothing() -> None:
    samples = many()
    turned = Listed([*reversed(samples)])
    source = Listed(samples)
    for by in ("source", "origin", "family"):
        chosen = ignoring(by=by, fractions=(0.6, 0.2, 0.2))
        assert by_key(plan_splits(source, chosen), source) == by_key(plan_splits(turned, chosen), turned)


def test_generated_images_of_one_family_stay_together_and_real_ones_of_one_source() -> None:
    source = Listed(many(), FAMILIES)
    for by, kinds in (("origin", dict.fromkeys(FAMILIES)), ("family", FAMILIES)):
        found = by_key(plan_splits(source, ignoring(by=by)), source)
        places = defaultdict(set)
        for one in source.samples:
            kind = one.source if one.label == 0 else (one.origin if by == "origin" else kinds[one.origin])
            places[one.label, kind].add(found[one.key])
        assert all(len(where) == 1 for where in places.values())
        assert {next(iter(where)) for (label, _), where in places.items() if label} == set(SPLITS)


def test_a_split_without_a_class_gets_the_smallest_unit_that_can_be_spared() -> None:
    # By the greedy rule alone all three units of a class would go to train.
    counts = np.array([[30, 0], [31, 0], [39, 0], [0, 33], [0, 33], [0, 34]])
    split, missing = balanced(counts, np.arange(6, dtype=np.uint64), (0.8, 0.1, 0.1))
    assert missing == []
    assert sorted(split[:3]) == sorted(split[3:]) == [0, 1, 2]
    assert split[2] == 0  # the largest stays in train


def test_equal_units_are_balanced_by_hand() -> None:
    # Ten units of one image: after train has taken what it lacks most, 8, 1 and 1 are left as asked.
    split, _ = balanced(np.ones((10, 1), np.int64), np.arange(10, dtype=np.uint64), (0.8, 0.1, 0.1))
    assert np.bincount(split, minlength=3).tolist() == [8, 1, 1]


def test_units_that_are_too_large_are_named() -> None:
    samples = [sample(f"r{i}", 0, "photos", f"real-{i}") for i in range(9)]
    samples += [sample(f"g{i}", 1, "gen", f"studio-{i % 2}") for i in range(9)]
    with pytest.raises(DataError, match="no generated image, since these come in 2 inseparable units") as caught:
        plan_splits(Listed(samples), ignoring())
    assert "5 images of studio-0; 4 images of studio-1" in caught.value.cause
    assert "0.8,0.2" in caught.value.remedy
    assert plan_splits(Listed(samples), ignoring(fractions=(0.5, 0.5))).counts()["test"]["generated"] in {4, 5}


def test_only_ways_out_that_exist_are_named() -> None:
    # One source a class and no groups, as in two plain folders.
    samples = [sample(f"{label}{i}", label, "o", f"s{label}") for i in range(6) for label in (0, 1)]
    with pytest.raises(DataError, match="manifest") as caught:
        plan_splits(Listed(samples), ignoring())
    assert "--by group" not in str(caught.value)
    assert "fewer splits" not in str(caught.value)


def test_a_missing_class_and_a_missing_set_are_named() -> None:
    with pytest.raises(DataError, match="no generated image"):
        plan_splits(Sided([sample("a", 0, "o", "s")]), ignoring())
    with pytest.raises(DataError, match="no image was found"):
        plan_splits(Sided([]), ignoring())


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "image"},
        {"duplicates": "drop"},
        {"fractions": (1.0,)},
        {"fractions": (0.8, 0.3)},
        {"fractions": (0.0, 0.5, 0.5)},
        {"fractions": (0.9, 0.1, 0.0)},
        {"fractions": (1.2, -0.1, -0.1)},
        {"fractions": (float("nan"), 0.5)},
        {"by": "keep", "leave_one_out": True},
        {"by": "source", "list_file": "a.csv"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SplitSettings(**wrong)


def test_groups_alone_are_no_units_for_images_without_one() -> None:
    with pytest.raises(DataError, match="400 of 400 images belong to no group"):
        plan_splits(Listed(many()), ignoring(by="group"))


@settings(max_examples=60)
@given(IMAGES, st.sampled_from(["source", "origin", "family"]), st.integers(0, 3), st.randoms())
def test_no_source_group_or_origin_is_on_two_sides(
    images: list[tuple[int, int, int, int]], by: str, seed: int, random: Any
) -> None:
    samples = drawn(images)
    source = Listed(samples)
    chosen = ignoring(by=by, seed=seed, fractions=(0.5, 0.5))
    try:
        found = by_key(plan_splits(source, chosen), source)
    except DataError:
        return  # everything hangs together
    assert len(found) == len(samples)
    sides: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for one in samples:
        if by == "source" or not one.label:
            sides["source", one.source, one.label if by != "source" else 0].add(found[one.key])
        if by != "source" and one.label:
            sides["origin", one.origin].add(found[one.key])
        if one.group:
            sides["group", one.group].add(found[one.key])
    assert all(len(where) == 1 for where in sides.values())
    for label in (0, 1):
        assert {found[one.key] for one in samples if one.label == label} == {"train", "test"}
    random.shuffle(samples)
    shuffled = Listed(samples)
    assert by_key(plan_splits(shuffled, chosen), shuffled) == found


def test_sets_of_anomalies_are_not_divided_here() -> None:
    source = Listed(many())
    source.task = "anomaly"  # type: ignore[misc]
    with pytest.raises(UsageError, match="anomalous"):
        plan_splits(source, ignoring())


@pytest.mark.corpus
@needs_corpus
def test_the_corpus_is_divided_by_source() -> None:
    source = open_data([str(CORPUS)])
    plan = plan_splits(source, ignoring())
    for name, asked in zip(SPLITS, (0.8, 0.1, 0.1), strict=True):
        for count, total in zip(plan.counts()[name].values(), (4242, 4242), strict=True):
            assert count / total == pytest.approx(asked, abs=0.02)
