from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data.matching.law import PLAN, draw_plan, reach
from contrafake.data.matching.pairing import KEPT, form_cells
from contrafake.data.matching.settings import MatchSettings
from contrafake.data.matching.traits import TRAITS, Survey
from contrafake.errors import DataError, UsageError

JPEG, WEBP, PNG, NONE = 0, 1, 2, -1
REAL, GENERATED = 0, 1
S420 = 2


def traits(*rows: tuple[int, int, int, int, int]) -> Any:
    """(label, width, height, format, quality) of each image; formats JPEG and WEBP are lossy, 4:2:0."""
    table = np.zeros(len(rows), TRAITS)
    for i, (label, width, height, form, quality) in enumerate(rows):
        table[i] = (i + 1, 0, 0, label, False, True, width, height, form, form != PNG, quality, S420, i, 0)
    return table


def cell_of(*rows: tuple[int, int, int, int, int], **settings: Any) -> Any:
    settings.setdefault("factor", (0.5, 0.5))
    return draw_plan(traits(*rows), np.zeros(len(rows), np.int64), MatchSettings(**settings))


def test_the_longest_crop_worked_by_hand() -> None:
    # 512 less 7 of the shift; half of it is 252 whole pixels; less 4 + 4 of the border and 15 to move in.
    assert reach(np.array([512]), 0.5).tolist() == [229]
    assert reach(np.array([512]), 1.0).tolist() == [482]


def test_a_camera_file_and_a_png_worked_by_hand() -> None:
    real, generated = cell_of((REAL, 640, 480, JPEG, 90), (GENERATED, 512, 512, PNG, -1))
    for name in ("width", "height", "factor", "format", "quality", "subsampling", "across", "down"):
        assert real[name] == generated[name]
    # Width by the PNG: 229, as above. Height by the photograph: (480 - 7) / 2 = 236 whole pixels, less 23, are 213.
    # The multiples of 16 below are 14 x 16 and 13 x 16.
    assert (real["width"], real["height"], real["factor"]) == (224, 208, 0.5)
    assert (real["format"], real["quality"], real["subsampling"]) == (JPEG, 90, S420)
    assert real["earlier_format"] == NONE
    added = generated[["earlier_format", "earlier_quality", "earlier_subsampling"]].tolist()
    assert added == (JPEG, 90, S420)


def test_clearly_better_compressions_are_brought_down_to_the_weakest() -> None:
    plan = cell_of((REAL, 400, 400, JPEG, 95), (GENERATED, 400, 400, JPEG, 75), (GENERATED, 400, 400, JPEG, 80))
    assert plan["earlier_format"].tolist() == [JPEG, NONE, NONE]
    assert plan["earlier_quality"][0] == 75


def test_two_lossless_files_stay_lossless() -> None:
    plan = cell_of((REAL, 400, 400, PNG, -1), (GENERATED, 400, 400, PNG, -1))
    assert plan["earlier_format"].tolist() == [NONE, NONE]
    assert plan["format"].tolist() == [PNG, PNG]


def test_webp_history_is_given_as_webp() -> None:
    plan = cell_of((REAL, 400, 400, WEBP, -1), (GENERATED, 400, 400, PNG, -1))
    assert plan["earlier_format"].tolist() == [NONE, WEBP]
    assert plan["format"].tolist() == [WEBP, WEBP]


@pytest.mark.parametrize(("form", "place"), [("jpeg", JPEG), ("webp", WEBP), ("png", PNG)])
def test_a_final_format_can_be_asked_for(form: Any, place: int) -> None:
    plan = cell_of((REAL, 400, 400, JPEG, 90), (GENERATED, 400, 400, PNG, -1), format=form)
    assert plan["format"].tolist() == [place, place]
    assert (plan["quality"] == -1).all() == (form == "png")


def test_asked_qualities_are_drawn_evenly_and_alike_for_both_classes() -> None:
    table = np.concatenate([traits((REAL, 400, 400, JPEG, 90), (GENERATED, 400, 400, PNG, -1))] * 400)
    table["key"] = np.arange(800) + 1
    plan = draw_plan(table, np.arange(800) // 2, MatchSettings(quality=(60, 63)))
    real, generated = plan["quality"][::2], plan["quality"][1::2]
    assert np.array_equal(real, generated)
    assert set(real.tolist()) == {60, 61, 62, 63}
    assert np.abs(np.bincount(real - 60) - 100).max() < 5 * 8.7  # standard deviation of each count


def test_one_square_for_all() -> None:
    plan = cell_of((REAL, 640, 480, JPEG, 90), (GENERATED, 1024, 512, PNG, -1), size=256, factor=(0.4, 0.9))
    assert plan["width"].tolist() == plan["height"].tolist() == [256, 256]
    assert plan["factor"][0] == plan["factor"][1] >= (256 + 23) / (480 - 7)


def test_scaling_to_size_keeps_more_and_differs_by_image() -> None:
    plan = cell_of((REAL, 2000, 2000, JPEG, 90), (GENERATED, 512, 512, PNG, -1), resize="size", factor=(1, 1))
    # The PNG allows 482, as above; 480 is 30 x 16. Border, room and shift come on top of it.
    assert plan["width"].tolist() == [480, 480]
    assert plan["factor"] == pytest.approx([(480 + 23) / 1993, (480 + 23) / 505])


@pytest.mark.parametrize(("needed", "side"), [(16, 96), (96, 96), (97, 97), (100, 100), (110, 110)])
def test_sides_are_multiples_of_16_but_never_below_what_is_needed(needed: int, side: int) -> None:
    # (273 - 7) / 2 = 133 pixels, less 23, are 110: between 6 x 16 = 96 and 7 x 16 = 112.
    plan = cell_of((REAL, 273, 273, JPEG, 90), (GENERATED, 600, 273, PNG, -1), min_side=needed)
    assert plan["width"].tolist() == plan["height"].tolist() == [side, side]
    assert plan["factor"].tolist() == [0.5, 0.5]


def test_a_side_that_was_asked_for_is_taken_as_it_is() -> None:
    plan = cell_of((REAL, 273, 273, JPEG, 90), (GENERATED, 600, 273, PNG, -1), size=101)
    assert plan["width"].tolist() == plan["height"].tolist() == [101, 101]


def test_no_side_is_longer_than_webp_can_store() -> None:
    plan = cell_of((REAL, 20_000, 400, JPEG, 90), (GENERATED, 20_000, 400, PNG, -1), factor=(1, 1))
    assert plan["width"].tolist() == [16_368, 16_368]  # 1,023 x 16; the next would be 16,384


def two_sources() -> Any:
    """Small photographs of one source, quality 60, and large ones of another, quality 90, against PNGs of like sizes.

    Returns:
        800 rows: 200 pairs of 400 pixels, then 200 pairs of 800.
    """
    small = traits((REAL, 400, 400, JPEG, 60), (GENERATED, 400, 400, PNG, -1))
    large = traits((REAL, 800, 800, JPEG, 90), (GENERATED, 800, 800, PNG, -1))
    table = np.concatenate([small] * 200 + [large] * 200)
    table["key"] = np.arange(800) + 1
    return table


def test_the_final_quality_says_nothing_of_the_source() -> None:
    table, settings = two_sources(), MatchSettings()
    cells, _ = form_cells(Survey(table, [""]), settings, "set")
    assert (table["width"][cells == cells[0]] == 400).all()  # sources meet their like, so a cell has one quality
    plan = draw_plan(table, cells, settings)
    for rows in (slice(0, 400), slice(400, 800)):
        for label in (REAL, GENERATED):
            quality = plan["quality"][rows][table["label"][rows] == label]
            assert set(quality.tolist()) == {60, 90}
            assert abs(int((quality == 60).sum()) - 100) < 5 * 7.1  # 200 draws of one half, standard deviation 7.1
    # What came before stays the cell's: nobody gets a history that its partner lacks.
    added = plan["earlier_quality"][table["label"] == GENERATED]
    assert added.tolist() == [60] * 200 + [90] * 200


def test_lossy_files_of_both_classes_decide_as_often_as_they_occur() -> None:
    table = np.concatenate([traits((REAL, 400, 400, JPEG, 90), (GENERATED, 400, 400, JPEG, 70))] * 400)
    table["key"] = np.arange(800) + 1
    quality = draw_plan(table, np.arange(800) // 2, MatchSettings())["quality"][::2]
    assert abs(int((quality == 90).sum()) - 200) < 5 * 10  # 400 draws of one half


def drawn_in(*splits: int) -> Any:
    """What is drawn for pairs in these splits, the first a JPEG and a PNG, the others two PNGs."""
    rows = [(REAL, 400, 400, JPEG, 85), (GENERATED, 400, 400, PNG, -1)]
    rows += [(REAL, 400, 400, PNG, -1), (GENERATED, 400, 400, PNG, -1)] * (len(splits) - 1)
    table = traits(*rows)
    table["split"] = np.repeat(splits, 2)
    return draw_plan(table, np.arange(len(table)) // 2, MatchSettings())


def test_lossless_cells_get_the_history_of_their_split() -> None:
    plan = drawn_in(0, 0)  # the one lossy file decides for both cells
    assert plan["format"].tolist() == [JPEG] * 4
    assert plan["quality"].tolist() == [85] * 4
    assert plan["earlier_format"].tolist() == [NONE, JPEG, JPEG, JPEG]
    assert plan["earlier_quality"][1:].tolist() == [85] * 3
    assert plan["earlier_subsampling"][1:].tolist() == [S420] * 3


def test_a_split_without_lossy_files_stays_lossless() -> None:
    plan = drawn_in(1, 0)
    assert plan["format"].tolist() == [JPEG, JPEG, PNG, PNG]
    assert plan["earlier_format"].tolist() == [NONE, JPEG, NONE, NONE]


def test_siblings_take_nothing_from_the_rest_of_the_split() -> None:
    table = traits((REAL, 400, 400, PNG, -1), (GENERATED, 400, 400, PNG, -1), *[(REAL, 400, 400, JPEG, 85)] * 2)
    table["label"][3], table["group"][:2] = GENERATED, 7
    plan = draw_plan(table, np.array([0, 0, 1, 1]), MatchSettings())
    assert plan["format"].tolist() == [PNG, PNG, JPEG, JPEG]
    assert plan["earlier_format"].tolist() == [NONE] * 4
    broken_up = draw_plan(table, np.array([0, 0, 1, 1]), MatchSettings(mode="distribution"))
    assert broken_up["format"].tolist() == [JPEG] * 4
    assert broken_up["earlier_format"].tolist() == [JPEG, JPEG, NONE, NONE]


def test_the_seed_and_not_the_order_decides() -> None:
    table = two_sources()[380:420]
    table["quality"][::2] = np.arange(20) + 70
    table["split"][10:] = 1
    cells = np.arange(40) // 2
    cells[-2:] = -1
    first = draw_plan(table, cells, MatchSettings())
    order = np.random.default_rng(0).permutation(40)
    again = draw_plan(table[order], cells[order] + (cells[order] >= 0) * 7, MatchSettings())
    assert first[order].tolist() == again.tolist()
    assert draw_plan(table, cells, MatchSettings(seed=1))["factor"][0] != first["factor"][0]


def test_images_without_a_part_decide_nothing() -> None:
    table = two_sources()[:6]
    table["quality"][4] = 30
    plan = draw_plan(table, np.array([0, 0, 1, 1, -1, -1]), MatchSettings())
    assert plan["quality"][:4].tolist() == [60] * 4


ROWS = st.tuples(
    st.sampled_from([REAL, GENERATED]),
    st.integers(16, 900),
    st.integers(16, 900),
    st.sampled_from([JPEG, WEBP, PNG]),
    st.integers(30, 100),
)


@given(
    rows=st.lists(ROWS, min_size=2, max_size=24),
    resize=st.sampled_from(["factor", "size", "none"]),
    size=st.sampled_from([None, 64, 200]),
    needed=st.sampled_from([64, 75]),
    low=st.one_of(st.floats(0.2, 1), st.just(1.0)),
    seed=st.integers(0, 9),
)
def test_nothing_is_enlarged_and_every_cell_shares_its_law(
    *, rows: list[tuple[int, int, int, int, int]], resize: Any, size: int | None, needed: int, low: float, seed: int
) -> None:
    table = traits(*[(*row[:4], row[4] if row[3] == JPEG else -1) for row in rows])
    settings = MatchSettings(resize=resize, size=size, factor=(low, 1.0), seed=seed, min_side=needed)
    try:
        cells, reasons = form_cells(Survey(table, [""]), settings, "set")
    except DataError:
        return
    plan = draw_plan(table, cells, settings)
    kept = reasons == KEPT
    assert (plan["factor"][kept] <= 1).all()
    for side in ("width", "height"):
        assert (plan[side][kept] >= (size or needed)).all()
        assert ((plan[side][kept] % 16 == 0) | (plan[side][kept] == (size or needed))).all()
        assert (plan[side][kept] <= plan["factor"][kept] * (table[side][kept] - 7) - 23 + 1e-6).all()
    shared = [name for name in PLAN.names or () if not name.startswith("earlier")]
    shared = [name for name in shared if name != "factor" or resize != "size"]
    for cell in set(cells[kept].tolist()):
        assert len(np.unique(plan[shared][cells == cell])) == 1
        assert set(table["label"][cells == cell].tolist()) == {REAL, GENERATED}


def test_small_images_are_enlarged_only_when_asked_and_then_all_alike() -> None:
    table = traits((REAL, 90, 90, JPEG, 90), (GENERATED, 512, 512, PNG, -1))
    found = Survey(table, [""])
    with pytest.raises(DataError, match=r"no usable real image \(1 too small\).*--allow-upsampling"):
        form_cells(found, MatchSettings(), "set")
    settings = MatchSettings(allow_upsampling=True)
    cells, _ = form_cells(found, settings, "set")
    plan = draw_plan(table, cells, settings)
    assert plan["factor"][0] == plan["factor"][1] == pytest.approx((128 + 23) / 83)
    assert plan["width"].tolist() == [128, 128]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"mode": "both"}, "--mode"),
        ({"format": "tiff"}, "--format"),
        ({"resize": "always"}, "--resize"),
        ({"quality": (90, 80)}, "--quality"),
        ({"quality": (80, 90), "format": "png"}, "--quality"),
        ({"factor": (0.5, 1.5)}, "--factor"),
        ({"factor": (0.0, 0.5)}, "--factor"),
        ({"size": 4}, "--size"),
        ({"size": 20_000}, "--size"),
        ({"min_side": 4}, "--min-side"),
        ({"seed": -1}, "--seed"),
        ({"allow_upsampling": True, "resize": "none"}, "--allow-upsampling"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=f"^{named}:"):
        MatchSettings(**wrong)


def test_the_place_of_the_cut_is_drawn_evenly() -> None:
    table = np.concatenate([traits((REAL, 400, 400, JPEG, 90), (GENERATED, 400, 400, PNG, -1))] * 300)
    table["key"] = np.arange(600) + 1
    plan = draw_plan(table, np.arange(600) // 2, MatchSettings())
    for name in ("across", "down"):
        assert np.abs(np.histogram(plan[name][::2], 3, (0, 1))[0] - 100).max() < 5 * 8.2  # standard deviation
    assert abs(np.corrcoef(plan["across"][::2], plan["down"][::2])[0, 1]) < 0.3
