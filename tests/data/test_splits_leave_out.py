"""Leave-one-family-out lists."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from splits_example import FAMILIES, IMAGES, Listed, by_key, drawn, ignoring, many, sample

from contrafake.data.splits import plan_splits
from contrafake.data.splitting.leave_out import FEWEST, leave_out, pooled_families
from contrafake.errors import DataError


@settings(max_examples=60)
@given(IMAGES, st.sampled_from(["source", "family"]), st.integers(0, 3), st.randoms())
def test_a_family_left_out_is_in_test_only_and_nothing_on_two_sides(
    images: list[tuple[int, int, int, int]], by: str, seed: int, random: Any
) -> None:
    samples = drawn(images * 2)
    samples = [sample(f"{i}", s.label, s.origin, s.source, s.group) for i, s in enumerate(samples)]
    families = {f"o{i}": f"family-{i // 2}" for i in range(6)} | {"y": "family-y"}
    source = Listed(samples, families)
    chosen = ignoring(by=by, seed=seed, fractions=(0.5, 0.5), leave_one_out=True)
    try:
        plan = plan_splits(source, chosen)
    except DataError:
        return
    for names, split in plan.leave_out.values():
        found = by_key(plan, source, split)
        sides: dict[tuple[object, ...], set[str]] = defaultdict(set)
        for one in samples:
            if one.key not in found:
                continue
            held = one.label == 1 and families[one.origin] in names
            if one.label:
                assert (found[one.key] == "test") == held
            if by == "source" or not one.label:
                sides["source", one.source, one.label if by != "source" else 0].add(found[one.key])
            if one.group:
                sides["group", one.group].add(found[one.key])
        assert all(len(where) == 1 for where in sides.values())
        assert {(one.label, found[one.key]) for one in samples if one.key in found} >= {
            (0, "train"), (0, "test"), (1, "train"), (1, "test"),
        }  # fmt: skip
        assert all(one.key in found for one in samples if not one.label)  # no real image is lost
    random.shuffle(samples)
    again = plan_splits(Listed(samples, families), chosen)
    assert {name: by_key(again, Listed(samples), split) for name, (_, split) in again.leave_out.items()} == {
        name: by_key(plan, source, split) for name, (_, split) in plan.leave_out.items()
    }


def test_lone_images_of_a_family_all_go_to_test_and_the_real_images_are_the_same_for_all() -> None:
    source = Listed(many(), FAMILIES)
    plan = plan_splits(source, ignoring(leave_one_out=True))
    assert {name: plan.counts(split)["test"]["generated"] for name, (_, split) in plan.leave_out.items()} == {
        "gan": 100,
        "diffusion": 50,
        "flow": 50,
    }
    tested = [
        {key for key, where in by_key(plan, source, split).items() if key.startswith("r") and where == "test"}
        for _, split in plan.leave_out.values()
    ]
    assert tested[0] == tested[1] == tested[2]
    assert len(tested[0]) == 20
    assert all(len(by_key(plan, source, split)) == 400 for _, split in plan.leave_out.values())  # nothing is wasted


def test_records_that_hold_every_generator_are_divided() -> None:
    samples = [
        sample(f"{i}.{name}", name != "real", name, f"site-{i}", f"record-{i}")
        for i in range(300)
        for name in ("real", "gen_0", "gen_1", "gen_2")
    ]
    plan = plan_splits(Listed(samples), ignoring(leave_one_out=True))
    assert set(plan.leave_out) == {"gen_0", "gen_1", "gen_2"}
    for _, split in plan.leave_out.values():
        assert plan.counts(split) == {
            "train": {"real": 240, "generated": 480},
            "val": {"real": 30, "generated": 60},
            "test": {"real": 30, "generated": 30},
        }


def left_out(*units: tuple[str, int]) -> list[str]:
    """What `leave_out` makes of units given as (images, base split): r real, F the family's, o others.

    Each unit comes back as the images that are kept and the place of their split.
    """
    letters = [(letter, u) for u, (images, _) in enumerate(units) for letter in images]
    split = leave_out(
        np.array([letter == "F" for letter, _ in letters]),
        np.array([letter != "r" for letter, _ in letters]),
        np.array([u for _, u in letters]),
        np.array([base for _, base in units], np.int8),
        np.arange(len(units), dtype=np.uint64),
    )
    found = ["" for _ in units]
    for (letter, u), side in zip(letters, split.tolist(), strict=True):
        found[u] += f"{letter}{side}" if side >= 0 else ""
    return found


def test_units_go_where_the_rules_say() -> None:
    family = "F" * FEWEST
    found = left_out((family, 0), ("o", 2), ("rFo", 0), ("rFo", 2), ("r", 2), ("r", 1), ("rrro", 0), ("rF", 0))
    #              all to test, to train,  loses F,   loses o,  as they were,                      to test
    assert found == ["F2" * FEWEST, "o0", "r0o0", "r2F2", "r2", "r1", "r0r0r0o0", "r2F2"]


def test_units_of_the_family_and_most_real_images_are_divided() -> None:
    family = "F" * FEWEST
    assert left_out((f"r{family}", 2), ("rF", 0), ("rF", 1), ("ro", 0), ("o", 0)) == [
        f"r2{'F2' * FEWEST}", "r0", "r1", "r0o0", "o0",
    ]  # fmt: skip


def test_test_gets_enough_of_the_family_at_the_least_cost() -> None:
    half = "F" * (FEWEST // 2)
    # The second and third unit move: they cost fewer others than the first. The last two keep train complete.
    assert left_out((f"{half}ooo", 0), (f"{half}o", 0), (f"{half}oo", 0), ("o", 0), ("r", 0), ("r", 2)) == [
        "o0o0o0", "F2" * len(half), "F2" * len(half), "o0", "r0", "r2",
    ]  # fmt: skip


def test_a_unit_stays_where_train_would_lose_a_class() -> None:
    assert left_out(("rFo", 0), ("rF", 2), ("r", 2)) == ["r0o0", "r2F2", "r2"]
    assert left_out(("Fo", 0), ("r", 0), ("F", 2), ("r", 2)) == ["o0", "r0", "F2", "r2"]


def test_small_families_are_pooled() -> None:
    assert pooled_families(["a", "b", "c", "d"], [FEWEST, FEWEST - 1, 500, 3]) == [
        ("a", [0]), ("c", [2]), ("few", [1, 3]),
    ]  # fmt: skip
    assert pooled_families(["a", "b"], [90, 4]) == [("a", [0]), ("b", [1])]
