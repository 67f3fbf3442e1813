"""The views: found again in the image by content, drawn within their bounds, the same for the same chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contrafake.images.transforms import HorizontalFlip, Resize
from contrafake.train.config import ViewConfig
from contrafake.train.views import VIEWS, ViewPlan, cut_view, cut_views, draw_views, final_step, random_resized_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.images.transforms import Operation

GEOMETRIES: tuple[Literal["crop", "resize-crop"], ...] = ("crop", "resize-crop")
PLAIN = ViewConfig(geometry="crop", max_operations=0)
GLOBAL, LOCAL = (0.4, 1.0), (0.05, 0.4)


def coordinates(height: int, width: int) -> NDArray[np.uint8]:
    """Pixel (y, x) is (y mod 256, x mod 256, 16 floor(y / 256) + floor(x / 256)): every pixel says where it is."""
    y, x = np.indices((height, width))
    return np.stack([y % 256, x % 256, 16 * (y // 256) + x // 256], axis=-1).astype(np.uint8)


def place(pixel: NDArray[np.uint8]) -> tuple[int, int]:
    y, x, blocks = (int(value) for value in pixel)
    return y + 256 * (blocks // 16), x + 256 * (blocks % 16)


def make_views(
    pixels: NDArray[np.uint8], config: ViewConfig, size: int, rng: np.random.Generator
) -> list[NDArray[np.uint8]]:
    return cut_views(pixels, draw_views(config, pixels.shape[0], pixels.shape[1], size, rng), config)


def whole(size: int, chain: tuple[Operation, ...] = (), place: tuple[float, float] = (0.0, 0.0)) -> ViewPlan:
    """The plan of a clean or transformed view."""
    return ViewPlan("transformed" if chain else "clean", size, None, False, chain, place)


def anywhere(rng: np.random.Generator) -> tuple[float, float]:
    return float(rng.random()), float(rng.random())


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (20, 31), (32, 32), (33, 100), (200, 90)])
def test_shape_and_type(geometry: Literal["crop", "resize-crop"], shape: tuple[int, int]) -> None:
    config = ViewConfig(geometry=geometry, max_operations=5, native_locals=2, native_size=24)
    for seed in range(3):
        views = make_views(coordinates(*shape), config, 32, np.random.default_rng(seed))
        assert [view.shape for view in views] == [(32, 32, 3)] * len(VIEWS) + [(24, 24, 3)] * 2
        assert {view.dtype for view in views} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_same_chance_gives_the_same_views(geometry: Literal["crop", "resize-crop"]) -> None:
    config, pixels = ViewConfig(geometry=geometry), coordinates(90, 70)
    one, same, other = (make_views(pixels, config, 32, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_plan_leaves_nothing_to_chance() -> None:
    config, pixels = ViewConfig(max_operations=5, native_locals=1, native_size=24), coordinates(90, 70)
    for seed in range(10):
        plans = draw_views(config, 90, 70, 32, np.random.default_rng(seed))
        assert np.array_equal(
            np.stack(cut_views(pixels, plans[:4], config)), [cut_view(pixels, p, config) for p in plans[:4]]
        )


def test_plans_are_named_and_sized_in_order() -> None:
    config = ViewConfig(native_locals=2, native_size=24)
    plans = draw_views(config, 90, 70, 32, np.random.default_rng(0))
    assert [(plan.name, plan.size, plan.resized) for plan in plans] == [
        ("clean", 32, False),
        ("transformed", 32, False),
        ("global", 32, True),
        ("local", 32, True),
        ("native", 24, False),
        ("native", 24, False),
    ]
    assert [plan.box is None for plan in plans] == [True, True, False, False, False, False]


def test_more_native_views_change_nothing_of_the_others() -> None:
    few, many = (
        draw_views(ViewConfig(native_locals=number), 300, 200, 32, np.random.default_rng(4)) for number in (0, 3)
    )
    assert many[:4] == few
    assert len(set(many[4:])) == 3


def test_the_image_is_not_changed() -> None:
    pixels = coordinates(60, 60)
    pixels.flags.writeable = False
    for seed in range(10):
        make_views(pixels, ViewConfig(max_operations=5), 32, np.random.default_rng(seed))
    assert np.array_equal(pixels, coordinates(60, 60))


# --- the final step -------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(height=st.integers(32, 600), width=st.integers(32, 600), seed=st.integers(0, 2**31))
def test_a_native_crop_lies_in_the_image(height: int, width: int, seed: int) -> None:
    pixels = coordinates(height, width)
    view = final_step(pixels, whole(32, place=anywhere(np.random.default_rng(seed))), PLAIN)
    top, left = place(view[0, 0])
    assert np.array_equal(view, pixels[top : top + 32, left : left + 32])


def test_native_crops_reach_every_position_equally() -> None:
    rng, pixels = np.random.default_rng(0), coordinates(34, 35)  # 3 x 4 positions
    counts = np.zeros((3, 4))
    for _ in range(2400):
        counts[place(final_step(pixels, whole(32, place=anywhere(rng)), PLAIN)[0, 0])] += 1
    assert ((counts - 200) ** 2 / 200).sum() < 31.3  # chi-square, 11 degrees of freedom, p = 0.001


def slow_official_geometry(pixels: NDArray[np.uint8], size: int, pct: float) -> NDArray[np.uint8]:
    """torchvision's Resize(floor(size / pct), bicubic) and CenterCrop(size), from its documentation."""
    height, width = pixels.shape[:2]
    short = math.floor(size / pct)
    if width <= height:
        new_width, new_height = short, int(short * height / width)
    else:
        new_width, new_height = int(short * width / height), short
    resized = Image.fromarray(pixels).resize((new_width, new_height), Image.Resampling.BICUBIC)
    top, left = int(round((new_height - size) / 2.0)), int(round((new_width - size) / 2.0))  # noqa: RUF046
    return np.asarray(resized.crop((left, top, left + size, top + size)))


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (248, 248), (100, 57), (511, 640)])
@pytest.mark.parametrize(("size", "pct"), [(224, 0.9), (32, 0.9), (32, 1.0)])
def test_resize_crop_is_the_official_geometry(shape: tuple[int, int], size: int, pct: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    config = ViewConfig(geometry="resize-crop", crop_pct=pct)
    view = final_step(pixels, whole(size, place=(0.7, 0.2)), config)
    assert np.array_equal(view, slow_official_geometry(pixels, size, pct))


@pytest.mark.parametrize("shape", [(10, 7), (1, 40), (31, 32), (5, 100)])
def test_small_images_are_mirrored_without_constant_border(shape: tuple[int, int]) -> None:
    pixels = coordinates(*shape)
    pad = [max(32 - length, 0) for length in shape]
    mirrored = np.pad(pixels, [*((p // 2, p - p // 2) for p in pad), (0, 0)], mode="symmetric")
    view = final_step(pixels, whole(32, place=(0.4, 0.9)), PLAIN)
    starts = range(mirrored.shape[1] - 31)
    assert any(np.array_equal(view, mirrored[:, start : start + 32]) for start in starts)
    assert {tuple(pixel) for pixel in view.reshape(-1, 3).tolist()} <= {
        tuple(pixel) for pixel in pixels.reshape(-1, 3).tolist()
    }


# --- random crops ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("area", [GLOBAL, LOCAL])
@pytest.mark.parametrize("shape", [(1000, 1000), (900, 1200)])
def test_boxes_have_the_drawn_area_and_aspect(area: tuple[float, float], shape: tuple[int, int]) -> None:
    height, width = shape
    rng = np.random.default_rng(0)
    boxes = np.array([random_resized_box(width, height, area, rng) for _ in range(1000)])
    left, top, right, bottom = boxes.T
    w, h = right - left, bottom - top
    assert left.min() >= 0
    assert top.min() >= 0
    assert right.max() <= width
    assert bottom.max() <= height
    share, aspect = w * h / (width * height), w / h
    assert share.min() >= area[0] - 0.002
    assert share.max() <= area[1] + 0.002
    assert aspect.min() >= 3 / 4 - 0.01
    assert aspect.max() <= 4 / 3 + 0.01
    if area == LOCAL:  # nothing is refused here, so both draws are uniform: area itself, and the aspect's logarithm
        assert share.mean() == pytest.approx(np.mean(area), abs=0.01)
        assert np.log(aspect).mean() == pytest.approx(0, abs=0.02)
        assert share.std() == pytest.approx((area[1] - area[0]) / math.sqrt(12), rel=0.05)
        assert np.log(aspect).std() == pytest.approx(2 * math.log(4 / 3) / math.sqrt(12), rel=0.05)


@settings(max_examples=200, deadline=None)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    area=st.sampled_from([GLOBAL, LOCAL, (1.0, 1.0)]),
    seed=st.integers(0, 2**31),
)
def test_boxes_lie_in_images_of_any_shape(width: int, height: int, area: tuple[float, float], seed: int) -> None:
    left, top, right, bottom = random_resized_box(width, height, area, np.random.default_rng(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@pytest.mark.parametrize(
    ("width", "height", "box"),
    [
        (1, 300, (0, 149, 1, 150)),  # 1 wide, round(4/3) = 1 high, in the middle
        (300, 1, (149, 0, 150, 1)),
        (30, 3000, (0, 1480, 30, 1520)),  # 3:4 at full width
        (3000, 30, (1480, 0, 1520, 30)),  # 4:3 at full height
    ],
)
def test_where_no_attempt_fits_the_largest_centred_box_is_taken(
    width: int, height: int, box: tuple[int, int, int, int]
) -> None:
    assert random_resized_box(width, height, GLOBAL, np.random.default_rng(0)) == box


def test_global_and_local_views_show_their_share_of_the_image() -> None:
    ramp = np.zeros((256, 256, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(256)[:, None], np.arange(256)
    config = ViewConfig(global_area=GLOBAL, local_area=LOCAL, max_operations=0)
    for seed in range(60):
        _, _, *crops = make_views(ramp, config, 64, np.random.default_rng(seed))
        for view, area in zip(crops, (GLOBAL, LOCAL), strict=True):
            seen_height = int(view[-1, 0, 0] - view[0, 0, 0]) * 64 / 63
            seen_width = int(view[0, -1, 1] - view[0, 0, 1]) * 64 / 63
            share = seen_height * seen_width / 256**2
            assert area[0] - 0.03 < share < area[1] + 0.03


# --- transformations ------------------------------------------------------------------------------------------------


def test_without_operations_views_are_plain_crops() -> None:
    pixels = coordinates(120, 300)
    clean, transformed, _, _ = make_views(pixels, PLAIN, 32, np.random.default_rng(2))
    for view in (clean, transformed):
        top, left = place(view[0, 0])
        assert np.array_equal(view, pixels[top : top + 32, left : left + 32])
    squeezed = ViewConfig(geometry="resize-crop", max_operations=0)
    clean, transformed, _, _ = make_views(pixels, squeezed, 32, np.random.default_rng(2))
    assert np.array_equal(clean, transformed)


def test_a_third_of_the_transformed_views_is_untransformed() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    config = ViewConfig(geometry="resize-crop", max_operations=2)
    plain, rng = final_step(pixels, whole(32), config), np.random.default_rng(1)
    same = 0
    for _ in range(600):
        _, transformed, _, _ = draw_views(config, 40, 40, 32, rng)
        same += np.array_equal(cut_view(pixels, transformed, config), plain)
    # 200 expected, a few more where an operation drew a strength that changes nothing; 5 standard deviations are 58.
    assert 142 < same < 290


def test_the_clean_view_is_never_transformed() -> None:
    pixels = coordinates(80, 80)
    config = ViewConfig(max_operations=19)
    for seed in range(20):
        clean = make_views(pixels, config, 32, np.random.default_rng(seed))[0]
        top, left = place(clean[0, 0])
        assert np.array_equal(clean, pixels[top : top + 32, left : left + 32])


def test_a_crop_is_transformed_after_it_is_cut() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    box = (10, 5, 50, 45)
    resized = Image.fromarray(pixels).crop(box).resize((32, 32), Image.Resampling.BICUBIC)
    flipped = cut_view(pixels, ViewPlan("local", 32, box, True, (HorizontalFlip(),), (0.9, 0.9)), PLAIN)
    # Pillow's kernel sees the image around the box: compared two pixels inside it.
    assert np.array_equal(flipped[2:-2, 2:-2], np.asarray(resized)[2:-2, -3:1:-1])


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_crop_that_a_transformation_resized_passes_the_final_step(geometry: Literal["crop", "resize-crop"]) -> None:
    pixels, config = coordinates(64, 64), ViewConfig(geometry=geometry)
    plan = ViewPlan("global", 32, (0, 0, 32, 32), True, (Resize(64),), (0.5, 0.999))
    enlarged = np.asarray(Resize(64)(Image.fromarray(pixels[:32, :32])))
    expected = enlarged[32:64, 16:48] if geometry == "crop" else slow_official_geometry(enlarged, 32, 0.9)
    found = cut_view(pixels, plan, config)
    assert np.abs(found[:, :-4].astype(int) - expected[:, :-4]).mean() < 1.5  # the kernel sees beyond the box


# --- native views ---------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 2**31))
def test_native_views_are_pixels_of_the_image_or_of_its_mirror_images(height: int, width: int, seed: int) -> None:
    pixels = coordinates(height, width)
    config = ViewConfig(geometry="resize-crop", max_operations=0, native_locals=1, native_size=24)
    plan = draw_views(config, height, width, 32, np.random.default_rng(seed))[4]
    pad = [max(24 - length, 0) for length in (height, width)]
    mirrored = np.pad(pixels, [*((p // 2, p - p // 2) for p in pad), (0, 0)], mode="symmetric")
    assert plan.box is not None
    left, top, right, bottom = plan.box
    assert (right - left, bottom - top) == (24, 24)
    assert left >= 0 <= top
    assert np.array_equal(cut_view(pixels, plan, config), mirrored[top:bottom, left:right])


def test_native_views_reach_every_position_equally() -> None:
    config, rng = ViewConfig(max_operations=0, native_locals=8, native_size=24), np.random.default_rng(0)
    counts = np.zeros((3, 4))
    for _ in range(300):
        for plan in draw_views(config, 26, 27, 32, rng)[4:]:
            assert plan.box is not None
            counts[plan.box[1], plan.box[0]] += 1
    assert ((counts - 200) ** 2 / 200).sum() < 31.3  # chi-square, 11 degrees of freedom, p = 0.001
