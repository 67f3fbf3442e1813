from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from conftest import picture
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from contrafake.data.matching.law import PLAN, draw_plan, reach
from contrafake.data.matching.pairing import KEPT, form_cells
from contrafake.data.matching.settings import MatchSettings
from contrafake.data.matching.traits import TRAITS, Survey, traits_of
from contrafake.errors import DataError, UsageError

JPEG, WEBP, PNG, NONE = 0, 1, 2, -1
REAL, GENERATED = 0, 1
S420, S444 = 2, 0


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
    # Width by the PNG: 229, as above. Height by the photograph: (480 - 7) / 2 = 236 whole pixels, less 23.
    assert (real["width"], real["height"], real["factor"]) == (229, 213, 0.5)
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
    assert plan["width"].tolist() == [482, 482]
    assert plan["factor"] == pytest.approx([(482 + 23) / 1993, 1.0])
    assert plan["factor"].max() <= 1


def test_the_seed_and_not_the_order_decides() -> None:
    table = traits((REAL, 640, 480, JPEG, 90), (GENERATED, 512, 512, PNG, -1), (REAL, 500, 500, JPEG, 80))
    cells = np.array([0, 0, -1])
    first = draw_plan(table, cells, MatchSettings())
    again = draw_plan(table[::-1], cells[::-1] + (cells[::-1] >= 0) * 7, MatchSettings())
    assert first[:2].tolist() == again[::-1][:2].tolist()
    assert draw_plan(table, cells, MatchSettings(seed=1))["factor"][0] != first["factor"][0]


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
    low=st.one_of(st.floats(0.2, 1), st.just(1.0)),
    seed=st.integers(0, 9),
)
def test_nothing_is_enlarged_and_every_cell_shares_its_law(
    rows: list[tuple[int, int, int, int, int]], resize: Any, size: int | None, low: float, seed: int
) -> None:
    table = traits(*[(*row[:4], row[4] if row[3] == JPEG else -1) for row in rows])
    settings = MatchSettings(resize=resize, size=size, factor=(low, 1.0), seed=seed, min_side=64)
    try:
        cells, reasons = form_cells(Survey(table, [""]), settings, "set")
    except DataError:
        return
    plan = draw_plan(table, cells, settings)
    kept = reasons == KEPT
    assert (plan["factor"][kept] <= 1).all()
    for side in ("width", "height"):
        assert (plan[side][kept] >= (size or 64)).all()
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


def saved(form: str, **how: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(np.random.default_rng(0), generated=False)[:48]).save(file, form, **how)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (saved("JPEG", quality=83, subsampling=0), (72, 48, JPEG, True, 83, S444)),
        (saved("JPEG", quality=40, subsampling=1), (72, 48, JPEG, True, 40, 1)),
        (saved("WEBP", quality=80), (72, 48, WEBP, True, -1, S420)),
        (saved("WEBP", lossless=True), (72, 48, PNG, False, -1, S420)),
        (saved("WEBP", lossless=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"), (72, 48, PNG, False, -1, S420)),
        (saved("PNG"), (72, 48, PNG, False, -1, S420)),
        (saved("BMP"), (72, 48, PNG, False, -1, S420)),
        (saved("GIF"), (72, 48, PNG, False, -1, S420)),
    ],
)
def test_files_are_told_apart_by_their_bytes(data: bytes, expected: tuple[object, ...]) -> None:
    assert traits_of(data)[:6] == expected


def test_sizes_are_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert traits_of(saved("JPEG", quality=90, exif=exif))[:2] == (48, 72)


def test_foreign_tables_count_as_the_nearest_quality() -> None:
    with Image.open(io.BytesIO(saved("JPEG", quality=77))) as image:
        tables = {slot: list(table) for slot, table in image.quantization.items()}  # type: ignore[attr-defined]
    tables[0][20] += 1
    assert traits_of(saved("JPEG", qtables=tables)).quality == 77


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
