from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data.matching.pairing import KEPT, NO_PARTNER, TOO_SMALL, TOO_THIN, UNREADABLE, couple, form_cells
from contrafake.data.matching.settings import MatchSettings
from contrafake.data.matching.traits import TRAITS, Survey
from contrafake.errors import DataError

PNG = 2


def table(*rows: tuple[int, int, int], group: tuple[int, ...] = (), split: tuple[int, ...] = ()) -> Any:
    """(label, width, height) of each image."""
    traits = np.zeros(len(rows), TRAITS)
    for i, (label, width, height) in enumerate(rows):
        groups, splits = group[i] if group else 0, split[i] if split else 0
        traits[i] = (1000 + i, groups, splits, label, False, True, width, height, PNG, False, -1, 2, 0, 0)
    return traits


def test_like_sizes_meet() -> None:
    rows = [(0, 300, 900), (0, 500, 500), (0, 900, 300), (1, 910, 310), (1, 310, 910), (1, 510, 510)]
    cells = couple(table(*rows), 0).tolist()
    # Too few for strata of width, so heights decide: 300 with 310, 500 with 510, 900 with 910.
    assert (cells[2], cells[1], cells[0]) == (cells[3], cells[5], cells[4]) == (0, 1, 2)


def test_wide_and_tall_images_do_not_meet_in_larger_sets() -> None:
    wide, tall = [(label, 900, 300) for label in (0, 1)], [(label, 300, 900) for label in (0, 1)]
    traits = table(*(wide * 20 + tall * 20))
    cells = couple(traits, 0)
    for cell in range(40):
        assert len(np.unique(traits[["width", "height"]][cells == cell])) == 1


@given(
    sizes=st.lists(st.tuples(st.integers(0, 1), st.integers(20, 40), st.integers(20, 40)), min_size=2, max_size=60),
    seed=st.integers(0, 5),
)
def test_every_cell_holds_both_classes_and_the_order_of_the_set_is_nothing(
    sizes: list[tuple[int, int, int]], seed: int
) -> None:
    sizes = [(0, 30, 30), *sizes, (1, 30, 30)]
    traits = table(*sizes)
    cells = couple(traits, seed)
    counts = [np.bincount(cells[traits["label"] == label], minlength=cells.max() + 1) for label in (0, 1)]
    fewer, more = sorted(counts, key=lambda count: int(count.sum()))
    assert (fewer == 1).all()
    assert more.min() >= 1
    assert more.max() - more.min() <= 1
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    assert np.array_equal(couple(traits[shuffled], seed), cells[shuffled])


def test_the_seed_decides_among_equal_sizes() -> None:
    traits = table(*[(label, 64, 64) for label in (0, 1)] * 30)
    assert not np.array_equal(couple(traits, 0), couple(traits, 1))


def test_groups_with_both_classes_are_cells_and_the_rest_is_coupled() -> None:
    rows = [(0, 400, 400), (1, 400, 400), (1, 400, 400), (0, 400, 400), (1, 400, 400)]
    found = Survey(table(*rows, group=(7, 7, 7, 0, 9)), [""])
    cells, reasons = form_cells(found, MatchSettings(), "set")
    assert cells[0] == cells[1] == cells[2] != cells[3] == cells[4]
    assert (reasons == KEPT).all()
    cells, reasons = form_cells(found, MatchSettings(mode="paired"), "set")
    assert cells[3] == cells[4] == -1
    assert reasons.tolist() == [KEPT, KEPT, KEPT, NO_PARTNER, NO_PARTNER]


def test_stragglers_of_a_paired_set_are_left_out_and_named() -> None:
    rows = [(0, 400, 400), (1, 400, 400), (1, 400, 400)]
    _, reasons = form_cells(Survey(table(*rows, group=(7, 7, 8)), [""]), MatchSettings(), "set")
    assert reasons.tolist() == [KEPT, KEPT, NO_PARTNER]


def test_splits_are_matched_each_for_itself() -> None:
    rows = [(0, 300, 300), (1, 800, 800), (0, 700, 700), (1, 200, 200)]
    cells, _ = form_cells(Survey(table(*rows, split=(0, 0, 1, 1)), ["train", "test"]), MatchSettings(), "set")
    assert cells[0] == cells[1] != cells[2] == cells[3]


def test_an_empty_class_is_refused_and_named() -> None:
    with pytest.raises(DataError, match=r"^set: no usable generated image"):
        form_cells(Survey(table((0, 400, 400)), [""]), MatchSettings(), "set")
    rows = [(0, 400, 400), (1, 400, 400), (0, 400, 400)]
    with pytest.raises(DataError, match="split 'val': no usable generated image"):
        form_cells(Survey(table(*rows, split=(0, 0, 1)), ["train", "val"]), MatchSettings(), "set")
    with pytest.raises(DataError, match="no real image has a generated sibling"):
        form_cells(Survey(table(*rows), [""]), MatchSettings(mode="paired"), "set")


def test_small_and_unreadable_images_have_no_part() -> None:
    traits = table((0, 400, 400), (1, 400, 400), (0, 400, 90), (1, 400, 400))
    traits["readable"][3] = False
    cells, reasons = form_cells(Survey(traits, [""]), MatchSettings(), "set")
    assert reasons.tolist() == [KEPT, KEPT, TOO_SMALL, UNREADABLE]
    assert cells.tolist() == [0, 0, -1, -1]


def test_the_least_side_worked_by_hand() -> None:
    # At the largest factor, 0.9: (128 + 23) / 0.9 + 7 = 174.8 pixels are needed.
    for side, reason in ((174, TOO_SMALL), (175, KEPT)):
        traits = table((0, 400, 400), (1, 400, 400), (1, side, 400))
        _, reasons = form_cells(Survey(traits, [""]), MatchSettings(), "set")
        assert reasons[2] == reason


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (7, 200, TOO_THIN),  # a grid shifted by 7 pixels would leave nothing
        (8, 8, KEPT),
        # (128 + 23) / 1 enlarges a side of 8: 8 x 1,097 x 151 x 151 are just above 200 million pixels.
        (8, 1096, KEPT),
        (8, 1097, TOO_THIN),
        (20_000, 1, TOO_THIN),
        (1, 1, TOO_THIN),
        (20_000, 9_900, KEPT),  # large, but not enlarged
    ],
)
def test_what_would_be_enlarged_beyond_what_can_be_read_is_left_out(width: int, height: int, reason: int) -> None:
    found = Survey(table((0, 400, 400), (1, 400, 400), (1, width, height)), [""])
    _, reasons = form_cells(found, MatchSettings(allow_upsampling=True), "set")
    assert reasons.tolist() == [KEPT, KEPT, reason]


def test_an_error_names_what_was_lost_and_what_was_skipped() -> None:
    rows = [(0, 400, 400), (1, 20_000, 1), (1, 4, 4)]
    with pytest.raises(DataError) as caught:
        form_cells(Survey(table(*rows), [""]), MatchSettings(allow_upsampling=True), "set", ["3 skipped: no label (a)"])
    assert caught.value.cause == (
        "no usable generated image (2 too small or thin to be enlarged; 3 skipped: no label (a))"
    )
    assert caught.value.remedy == "lower --min-side or --size"
    with pytest.raises(DataError, match=r"no usable generated image \(nothing was skipped\)"):
        form_cells(Survey(table((0, 400, 400)), [""]), MatchSettings(), "set")
