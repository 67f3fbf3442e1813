"""Folds by hand, and whatever the set: nothing absent is fitted or calibrated on."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data.location import File
from contrafake.data.origins import Origin, OriginTable
from contrafake.data.sample import Sample
from contrafake.errors import DataError, UsageError
from contrafake.evaluate.family_folds import Fold, chosen_folds, fold_rows, photograph_rows, plan_folds

TABLE = OriginTable([Origin("sd1", 1, "sd"), Origin("sd2", 1, "sd"), Origin("sdxl", 1, "sdxl"), Origin("sd1", 0)])


def sample(
    label: Literal[0, 1], origin: str, source: str = "", *, split: str = "train", group: str = "", content: str = ""
) -> Sample:
    key = f"{label}-{origin}-{source}-{split}"
    return Sample(key, label, origin, source or origin, group, File(key), split, {"content": content})


def several(count: int, *given: object, **named: str) -> list[Sample]:
    return [sample(*given, **named) for _ in range(count)]  # type: ignore[arg-type]


GENERATED = [
    *several(30, 1, "sd1"),
    *several(25, 1, "sd2", split="val"),
    *several(52, 1, "sdxl"),
    *several(60, 1, "gan"),
    *several(3, 1, "tiny-a"),
    *several(4, 1, "tiny-b"),
]
PHOTOGRAPHS = [
    *several(9, 0, "set", "s9"),
    *several(7, 0, "set", "s7"),
    *several(5, 0, "set", "s5"),
    *several(4, 0, "set", "s4"),
    *several(3, 0, "set", "s3", split="val"),
    *several(2, 0, "set", "s2"),
]


def test_families_and_sources_by_hand() -> None:
    folds = plan_folds([*GENERATED, *PHOTOGRAPHS], TABLE)
    # Sources fall to 9 | 7 | 5 | 4; then 3 to the group of 4, and 2 to that of 5.
    assert folds == (
        Fold("gan", ("gan",), ("gan",), ("s9",)),
        Fold("sd", ("sd",), ("sd1", "sd2"), ("s7",)),
        Fold("sdxl", ("sdxl",), ("sdxl",), ("s2", "s5")),
        Fold("few", ("tiny-a", "tiny-b"), ("tiny-a", "tiny-b"), ("s3", "s4")),
    )


def test_families_left_out_together() -> None:
    folds = plan_folds([*GENERATED, *PHOTOGRAPHS], TABLE, together=[("sdxl", "sd")])
    assert [(fold.name, fold.origins) for fold in folds] == [
        ("sd+sdxl", ("sd1", "sd2", "sdxl")),
        ("gan", ("gan",)),
        ("few", ("tiny-a", "tiny-b")),
    ]


def test_the_least_number_of_images() -> None:
    assert [fold.name for fold in plan_folds([*GENERATED, *PHOTOGRAPHS], TABLE, least=4)] == [
        "gan",
        "sd",
        "sdxl",
        "tiny-b",
        "few",
    ]
    assert [fold.name for fold in plan_folds([*GENERATED, *PHOTOGRAPHS], TABLE, least=1)][-1] == "tiny-a"


def test_a_family_called_few_keeps_its_name() -> None:
    folds = plan_folds([*several(60, 1, "few"), *several(3, 1, "tiny"), *PHOTOGRAPHS], OriginTable())
    assert [(fold.name, fold.origins) for fold in folds] == [("few", ("few",)), ("few'", ("tiny",))]


def test_the_seed_decides_between_equals_alone() -> None:
    equal = [one for source in "abcdefgh" for one in several(5, 0, "set", source)]
    plans = {plan_folds([*GENERATED, *equal], TABLE, seed=seed) for seed in range(8)}
    assert len(plans) > 1
    assert all({len(fold.sources) for fold in plan} == {2} for plan in plans)
    assert len({plan_folds([*GENERATED, *PHOTOGRAPHS], TABLE, seed=seed) for seed in range(8)}) == 1


def test_photographs_are_what_the_set_calls_so() -> None:
    noted = [
        sample(0, "a", content="real-photo"),
        sample(0, "b", content="real-face"),
        sample(0, "c", content="real-art"),
        sample(0, "d"),
        sample(1, "e", content="photo"),
    ]
    assert photograph_rows(noted) == {0, 1}
    assert photograph_rows([sample(0, "a"), sample(1, "e", content="photo"), sample(0, "b")]) == {0, 2}


def test_some_folds_are_what_they_are_among_all() -> None:
    folds = plan_folds([*GENERATED, *PHOTOGRAPHS], TABLE)
    assert chosen_folds(folds, ["sdxl", "gan"]) == tuple(fold for fold in folds if fold.name in {"gan", "sdxl"})
    with pytest.raises(UsageError, match="there are gan, sd, sdxl, few"):
        chosen_folds(folds, ["gan", "flux"])
    with pytest.raises(UsageError, match="none is named"):
        chosen_folds(folds, [])


def test_the_rows_of_a_fold() -> None:
    samples = [
        sample(1, "gan"),
        sample(1, "gan", split="val"),
        sample(1, "sd"),
        sample(1, "sd", split="val"),
        sample(0, "x", "in", content="real-photo"),
        sample(0, "x", "in", content="real-photo", split="val"),
        sample(0, "x", "out", content="real-photo"),
        sample(0, "x", "out", content="real-art"),  # absent with its source, but no photograph
        sample(0, "x", "out", content="real-photo", split="val"),
        sample(0, "gan", "in", content="real-art"),  # a real set of the generator's name stays
        sample(1, "sd", split="test"),
    ]
    rows = fold_rows(samples, Fold("gan", ("gan",), ("gan",), ("out",)))
    assert (rows.fitting, rows.calibration, rows.test) == ((2, 4, 9), (3, 5), (0, 1, 6, 8))


def test_siblings_go_with_their_real_image() -> None:
    samples = [
        sample(0, "x", "out", group="r1"),
        sample(1, "sd", group="r1"),
        sample(1, "gan", group="r1"),
        sample(0, "x", "in", group="r2"),
        sample(1, "sd", group="r2"),
        sample(1, "gan", group="r2"),
        sample(0, "x", "in", split="val"),
        sample(1, "sd", split="val"),
    ]
    rows = fold_rows(samples, Fold("gan", ("gan",), ("gan",), ("out",)))
    assert (rows.fitting, rows.test) == ((3, 4), (0, 2, 5))


Labels = st.sampled_from([0, 1])
Images = st.lists(
    st.builds(
        sample,
        Labels,
        st.sampled_from(["sd1", "sd2", "sdxl", "gan", "new"]),
        st.sampled_from(["a", "b", "c", "d", "e", "sd1"]),
        split=st.sampled_from(["train", "val"]),
        group=st.sampled_from(["", "", "g1", "g2"]),
        content=st.sampled_from(["", "real-photo", "real-face-x", "real-art"]),
    ),
    min_size=20,
    max_size=80,
)


@given(Images, st.integers(1, 20), st.integers(0, 3))
def test_nothing_absent_is_fitted_or_calibrated_on(samples: list[Sample], least: int, seed: int) -> None:
    try:
        folds = plan_folds(samples, TABLE, least=least, seed=seed)
    except DataError:
        return
    photographs = photograph_rows(samples)
    assert {source for fold in folds for source in fold.sources} == {samples[row].source for row in photographs}
    assert sum(len(fold.sources) for fold in folds) == len({samples[row].source for row in photographs})
    assert {origin for fold in folds for origin in fold.origins} == {one.origin for one in samples if one.label}
    tested: list[int] = []
    for fold in folds:
        try:
            rows = fold_rows(samples, fold)
        except DataError:
            continue
        used = {*rows.fitting, *rows.calibration}
        assert not used & {*rows.test}
        for row in used:
            one = samples[row]
            family = TABLE.get(1, one.origin).family
            assert (family not in fold.families) if one.label else (one.source not in fold.sources)
        assert {samples[row].split for row in rows.fitting} == {"train"}
        assert {samples[row].split for row in rows.calibration} == {"val"}
        tested += rows.test
    assert len(tested) == len(set(tested))


@pytest.mark.parametrize(
    ("samples", "settings", "error", "words"),
    [
        ([*GENERATED, *PHOTOGRAPHS[:16]], {}, DataError, "2 sources of photographs cannot be divided among 4 folds"),
        ([*several(9, 1, "gan"), *PHOTOGRAPHS], {}, DataError, "1 of its 1 families"),
        ([*GENERATED, *PHOTOGRAPHS], {"together": [("sd", "dalle")]}, UsageError, "family dalle.*known are gan, sd"),
        ([*GENERATED, *PHOTOGRAPHS], {"together": [("sd",), ("sd", "gan")]}, UsageError, "with two groups"),
    ],
)
def test_refusals(
    samples: list[Sample], settings: dict[str, list[tuple[str, ...]]], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        plan_folds(samples, TABLE, **settings)  # type: ignore[arg-type]


def test_a_fold_with_nothing_left_names_what() -> None:
    samples = [sample(0, "x", "in"), sample(1, "sd"), sample(0, "x", "in", split="val"), sample(1, "gan", split="val")]
    with pytest.raises(DataError, match="fold gan: no generated image of the split val is left"):
        fold_rows(samples, Fold("gan", ("gan",), ("gan",), ("out",)))
