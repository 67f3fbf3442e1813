"""What is done to real and made images: the same history, on the same grid, at the same size, in the same file."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from contrafake.data.audit.block_dct import FREQUENCIES
from contrafake.data.audit.compressions import compressions
from contrafake.data.audit.history import centre_luma
from contrafake.data.location import File
from contrafake.errors import DataError
from contrafake.generate.config import GenerateConfig
from contrafake.generate.job import Compression, Job
from contrafake.generate.plan import Donors, Planner
from contrafake.generate.record import BuildRecord, CaptionedReal, RealFacts
from contrafake.generate.treatment import Finished, frame_pixels, request_image, treat_made, treat_real
from contrafake.images import encode, jpeg_facts, read

WIDTH, HEIGHT = 330, 310


def scene(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Any:
    """Soft shapes with fine noise, as a camera sees them before any compression."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return np.clip(soft + rng.normal(0, 6, soft.shape), 0, 255).astype(np.uint8)


def planned(facts: RealFacts, key: str = "r", sizes: Any = "frame", **law: Any) -> tuple[Job, Job]:
    generator = {"name": "g", "kind": "text-to-image", "model": "m", "sizes": sizes}
    values = {"name": "t", "reals": {"data": ["x"]}, "law": law, "generators": [generator]}
    real, made = Planner(GenerateConfig.model_validate(values), Donors()).of(
        BuildRecord(CaptionedReal(key, "x", File("x"), "o", "s"), facts)
    )
    assert isinstance(real, Job)
    assert isinstance(made, Job)
    return real, made


def camera(quality: int = 75, subsampling: str = "4:2:0", **facts: Any) -> RealFacts:
    values = RealFacts(WIDTH, HEIGHT, "JPEG", True, quality, subsampling, (0, 0), 0, "")
    return replace(values, **facts)


def found_in(finished: Finished) -> Any:
    """What the audit finds behind a finished file."""
    pixels = read(finished.data).pixels
    if finished.suffix != "jpg":
        return compressions(centre_luma(pixels, None), None)
    facts = jpeg_facts(finished.data)
    steps = [facts.tables[0][8 * down + across] for down, across in FREQUENCIES]
    return compressions(centre_luma(pixels, facts), steps)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("key", ["a", "b", "c"])
def test_blocks_inside_the_frame_come_out_as_the_camera_made_them(subsampling: Any, key: str) -> None:
    # The camera compressed the whole scene, we the frame alone: what lies in whole blocks must agree to the bit.
    whole = scene(1)
    data = encode(whole, "JPEG", 75, subsampling)
    real, made = planned(camera(75, subsampling), key, format="png")
    left, top, right, bottom = real.frame
    assert (left % 8, top % 8) != (0, 0)  # else nothing is shown
    a = read(treat_real(data, read(data).pixels, real).data).pixels
    b = read(treat_made(whole[top:bottom, left:right], None, made).data).pixels
    inner = (slice(32, -32), slice(32, -32))
    assert np.array_equal(a[inner], b[inner])
    assert made.treatment.earlier is not None
    x, y = made.treatment.earlier.phase
    beside = replace(made.treatment.earlier, phase=((x + 8) % 16 if subsampling == "4:2:0" else (x + 1) % 16, y))
    elsewhere = replace(made, treatment=replace(made.treatment, earlier=beside))
    c = read(treat_made(whole[top:bottom, left:right], None, elsewhere).data).pixels
    assert not np.array_equal(a[inner], c[inner])


def test_the_grid_of_a_mirrored_file_is_found_again() -> None:
    whole = scene(2)
    mirrored = read(encode(np.ascontiguousarray(whole[:, ::-1]), "JPEG", 60, "4:4:4")).pixels[:, ::-1]
    real, made = planned(camera(60, "4:4:4", grid=(WIDTH % 16, 0)), format="png")
    left, top, right, bottom = real.frame
    a, b = mirrored[top:bottom, left:right].astype(int), whole[top:bottom, left:right]
    inner = (slice(32, -32), slice(32, -32))
    apart = np.abs(read(treat_made(b, None, made).data).pixels[inner] - a[inner])
    assert (apart > 2).mean() < 0.01  # encoders round mirrored blocks a little differently
    unturned = planned(camera(60, "4:4:4"), format="png")[1]
    assert (np.abs(read(treat_made(b, None, unturned).data).pixels[inner] - a[inner]) > 2).mean() > 0.2


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_the_audit_finds_as_many_compressions_on_the_same_grid_in_both(subsampling: Any) -> None:
    for seed, key in enumerate("ab"):
        data = encode(scene(seed), "JPEG", 70, subsampling)
        pixels = read(data).pixels
        for law in ({"format": "png"}, {"format": "jpeg", "quality": (92, 92)}):
            real, made = planned(camera(70, subsampling), key, **law)
            other = scene(100 + seed, made.width, made.height)
            a, b = treat_real(data, pixels, real), treat_made(other, None, made)
            assert (a.width, a.height, a.suffix) == (b.width, b.height, b.suffix)
            history_a, history_b = found_in(a), found_in(b)
            place = -real.frame[1] % 8, -real.frame[0] % 8
            assert (history_a.count, history_a.place) == (history_b.count, history_b.place) == (1, place)
            untreated = treat_made(other, None, replace(made, treatment=replace(made.treatment, earlier=None)))
            assert found_in(untreated).count == 0


def test_steps_say_what_was_done_and_doing_it_by_hand_gives_the_same_bytes() -> None:
    data = encode(scene(3), "JPEG", 80)
    real, made = planned(camera(80), sizes=[(400, 420)], factor=(0.6, 0.6), quality=(88, 88))
    pixels, mask = scene(4, 400, 420), np.zeros((420, 400), np.bool_)
    mask[100:200, 150:300] = True
    finished = treat_made(pixels, mask, made)
    width, height = real.width, real.height
    assert (width, height) == (304, 272)
    cut = pixels[74:346, 48:352]
    x, y = real.frame[0] % 16, real.frame[1] % 16
    moved = np.pad(cut, ((y, 0), (x, 0), (0, 0)), mode="edge")
    once = read(encode(moved, "JPEG", 80, "4:2:0")).pixels[y:, x:]
    box: Any = (0, 0, 182 / 0.6, 163 / 0.6)
    scaled = Image.fromarray(once).resize((182, 163), Image.Resampling.LANCZOS, box=box)
    assert finished.data == encode(np.asarray(scaled), "JPEG", 88, "4:2:0")
    assert (finished.width, finished.height, finished.suffix) == (182, 163, "jpg")
    common = [
        {"step": "resize", "factor": pytest.approx(0.6), "filter": "lanczos", "size": [182, 163]},
        {"step": "encode", "format": "JPEG", "quality": 88, "subsampling": "4:2:0"},
    ]
    assert finished.steps == [
        {"step": "crop", "box": [48, 74, 352, 346]},
        {"step": "compress", "phase": [x, y], "format": "JPEG", "quality": 80, "subsampling": "4:2:0"},
        *common,
    ]
    sibling = treat_real(data, read(data).pixels, real)
    assert sibling.steps == [{"step": "crop", "box": list(real.frame)}, *common]
    assert (sibling.width, sibling.height) == (182, 163)
    assert treat_made(pixels, mask, made) == finished
    assert finished.mask is not None
    with Image.open(io.BytesIO(finished.mask)) as shown:
        grey = np.asarray(shown)
        assert shown.mode == "L"
    assert set(np.unique(grey)) == {0, 255}
    rows, columns = np.nonzero(grey)  # (150 - 48) x 0.6 = 61.2 to (300 - 48) x 0.6 = 151.2, nearest
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (61, 150, 16, 75)


def test_without_losses_the_real_image_is_its_frame_to_the_bit() -> None:
    data = encode(scene(5), "PNG")
    real, made = planned(camera(-1, format="PNG", lossy=False))
    left, top, right, bottom = real.frame
    finished = treat_real(data, scene(5), real)
    assert np.array_equal(read(finished.data).pixels, scene(5)[top:bottom, left:right])
    pixels = scene(6, made.width, made.height)
    untouched = treat_made(pixels, None, made)
    assert np.array_equal(read(untouched.data).pixels, pixels)
    assert [step["step"] for step in untouched.steps] == ["encode"]
    assert (finished.suffix, finished.mask, untouched.mask) == ("png", None, None)


def test_webp_siblings_get_a_webp_behind_them() -> None:
    real, made = planned(camera(-1, format="WEBP"))
    pixels = scene(7, made.width, made.height)
    finished = treat_made(pixels, None, made)
    assert finished.suffix == "webp"
    assert read(finished.data).format == "WEBP"
    assert finished.steps[0] == {
        "step": "compress",
        "phase": finished.steps[0]["phase"],
        "format": "WEBP",
        "quality": 80,
    }
    assert finished.steps[0]["phase"] == [real.frame[0] % 16, real.frame[1] % 16]


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp")])
def test_d3_keeps_the_real_files_bytes(kind: Any, suffix: str) -> None:
    data = encode(scene(8), kind)
    real, made = planned(camera(), kind="d3", sizes="paper")
    finished = treat_real(data, read(data).pixels, real)
    assert finished == Finished(data, suffix, [], WIDTH, HEIGHT)
    pixels = scene(9, made.width, made.height)
    assert (treat_made(pixels, None, made).width, made.treatment.crop) == (256, None)


def test_a_frame_is_cut_and_scaled_to_what_is_asked_for() -> None:
    real, made = planned(camera(), sizes=[(608, 544)])
    cut = frame_pixels(scene(10), real)
    left, top, right, bottom = real.frame
    assert np.array_equal(cut, scene(10)[top:bottom, left:right])
    assert np.array_equal(request_image(cut, real), cut)
    asked = request_image(cut, made)
    assert asked.shape == (544, 608, 3)
    again = np.asarray(Image.fromarray(asked).resize((304, 272), Image.Resampling.BOX), np.float64)
    assert np.abs(again - cut).mean() < 3


def test_what_is_not_of_the_size_asked_for_is_refused() -> None:
    real, made = planned(camera())
    with pytest.raises(DataError, match=r"g: r: made 300 x 272 uint8, asked for 304 x 272"):
        treat_made(scene(1, 300, 272), None, made)
    with pytest.raises(DataError, match="float64"):
        treat_made(scene(1, 304, 272).astype(np.float64), None, made)
    with pytest.raises(DataError, match=r"its mask is 3 x 2, the image 304 x 272"):
        treat_made(scene(1, 304, 272), np.zeros((2, 3), np.bool_), made)
    with pytest.raises(DataError, match="too small for the frame"):
        frame_pixels(scene(1, 200, 200), real)
    with pytest.raises(DataError, match="no known format"):
        treat_real(b"nothing", scene(1), replace(real, treatment=replace(real.treatment, final=None)))


def test_factors_that_give_whole_numbers_do_so() -> None:
    real, made = planned(camera())
    for factor, width, height in ((0.5, 152, 136), (64 / 272, 71, 64), (0.999999, 303, 271)):
        job = replace(made, treatment=replace(made.treatment, factor=factor, final=Compression("PNG")))
        finished = treat_made(scene(11, 304, 272), None, job)
        assert (finished.width, finished.height) == (width, height)
    assert real.width == 304
