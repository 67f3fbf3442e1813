"""Chains whose history is known: what the audit says of them, over qualities and crops, and what it must not say.

The floors are below the rates that `benchmarks/audit_traces.py` finds on other scenes.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from histories import after, history_of, jpeg, number, photographs, png, scaled, scene
from PIL import Image

from contrafake.data import ShardSet
from contrafake.data.audit.block_dct import FREQUENCIES, QUALITIES, coefficients, likeliest, standard_steps
from contrafake.data.audit.blocking import periodicity
from contrafake.data.audit.compressions import quality_of
from contrafake.data.audit.history import SIDE, SMALLEST, centre_luma
from contrafake.data.audit.resampling import high_band
from contrafake.images import encode, jpeg_facts, read

CORPUS = Path(os.environ.get("CONTRAFAKE_DATA", "/none"), "corpus")
SEEDS = range(5)
QUALITIES_TRIED = (60, 68, 75, 82, 90, 95)


def crops(count: int) -> list[tuple[int, int]]:
    rng = np.random.default_rng(3)
    return [(int(k) // 8, int(k) % 8) for k in rng.integers(1, 64, count)]


def test_nothing_is_found_where_nothing_happened() -> None:
    for seed in range(10):
        found = history_of(png(scene(seed)))
        assert found["earlier_compressions"] == "0"
        assert found["earlier_grid"] is None
        assert found["earlier_quality"] is found["grid_row"] is found["double_quantisation"] is None
        assert found["resampling_frequency"] is None
        assert number(found["every_4"]) < 1.3
        assert number(found["high_band"]) > -1


@pytest.mark.parametrize("quality", [30, 50, *QUALITIES_TRIED, 98])
def test_a_jpegs_own_compression_is_no_earlier_one(quality: int) -> None:
    for pixels in (*map(scene, SEEDS), *photographs()):
        found = history_of(jpeg(pixels, quality))
        assert found["earlier_compressions"] == "0"
        assert found["earlier_grid"] is None
        assert quality > 95 or found["resampling_frequency"] is None  # the photographs were shrunk, after all
        assert quality > 82 or number(found["every_8"]) > 1.5


def test_the_grid_and_quality_of_a_lost_jpeg_are_found_over_sixty_crops() -> None:
    right_grid = right_quality = 0
    places = crops(60)
    for i, (top, left) in enumerate(places):
        quality = QUALITIES_TRIED[i % len(QUALITIES_TRIED)]
        found = history_of(png(after(scene(i % len(SEEDS)), quality)[top:, left:]))
        right_grid += (found["grid_row"], found["grid_column"]) == (-top % 8, -left % 8)
        right_quality += found["earlier_quality"] is not None and abs(number(found["earlier_quality"]) - quality) <= 2
        assert found["earlier_grid"] in {"shifted", None}
    assert right_grid >= 57
    assert right_quality >= 57


def test_an_aligned_grid_in_a_png_is_called_aligned() -> None:
    found = history_of(png(after(scene(0), 75)))
    assert (found["earlier_compressions"], found["earlier_grid"]) == ("1", "aligned")
    assert (found["grid_row"], found["grid_column"], found["earlier_quality"]) == (0, 0, 75)


@pytest.mark.parametrize(("first", "last"), [(60, 75), (60, 90), (75, 90), (85, 90), (80, 75), (90, 75)])
def test_a_second_compression_on_the_same_grid_shows(first: int, last: int) -> None:
    found = [history_of(jpeg(after(scene(seed), first), last)) for seed in SEEDS]
    assert sum(values["earlier_grid"] == "aligned" for values in found) >= 4
    qualities = [number(values["earlier_quality"]) for values in found if values["earlier_quality"] is not None]
    assert np.median(np.abs(np.array(qualities) - first)) <= 2


@pytest.mark.parametrize(("first", "last"), [(60, 80), (60, 90), (75, 90)])
def test_a_compression_on_another_grid_shows_through_a_finer_one(first: int, last: int) -> None:
    hits = 0
    for i, (top, left) in enumerate(crops(8)):
        found = history_of(jpeg(after(scene(i % len(SEEDS)), first)[top:, left:], last))
        if found["earlier_grid"] == "shifted":
            hits += (found["grid_row"], found["grid_column"]) == (-top % 8, -left % 8)
            assert abs(number(found["earlier_quality"]) - first) <= 4
    assert hits >= 7


def test_three_compressions_are_more_than_one() -> None:
    twice = after(after(scene(1), 60), 85)
    assert history_of(png(twice))["earlier_compressions"] == "2+"
    assert history_of(jpeg(twice[3:, 5:], 95))["earlier_compressions"] != "0"


def test_a_second_grid_is_found_beside_a_first_one_off_the_corner() -> None:
    twice = after(np.ascontiguousarray(after(scene(3), 60)[3:, 5:]), 90)[2:, 1:]
    traces = periodicity(centre_luma(twice, None))
    other = traces.strongest_beside(-2 % 8, -1 % 8)
    assert other.found
    assert (other.top, other.left) == (-(3 + 2) % 8, -(5 + 1) % 8)


def test_two_compressions_with_one_table_look_like_one() -> None:
    assert history_of(jpeg(after(scene(0), 80), 80))["earlier_compressions"] == "0"


@pytest.mark.parametrize(("factor", "frequency"), [(1.1, 0.091), (1.25, 0.2), (1.5, 0.333), (1.3, 0.231)])
def test_enlarging_shows_its_factor(factor: float, frequency: float) -> None:
    for seed in SEEDS:
        found = history_of(png(scaled(scene(seed), factor)))
        assert number(found["resampling_frequency"]) == pytest.approx(frequency, abs=0.004)
        assert found["earlier_compressions"] == "0"
    compressed = [history_of(jpeg(scaled(scene(seed), factor), 95)) for seed in SEEDS]
    assert sum(values["resampling_frequency"] is not None for values in compressed) >= 4


def test_doubling_leaves_an_empty_band_and_no_peak() -> None:
    found = history_of(png(scaled(scene(0), 2)))
    assert found["resampling_frequency"] is None
    assert number(found["high_band"]) < -2 < number(history_of(png(scene(0)))["high_band"])


def test_shrinking_leaves_no_trace_and_none_is_claimed() -> None:
    assert [history_of(png(scaled(scene(seed), 0.7)))["resampling_frequency"] for seed in SEEDS] == [None] * 5


@pytest.mark.parametrize("quality", [50, 75])
def test_webp_repeats_every_four_pixels_and_is_no_jpeg(quality: int) -> None:
    for seed in SEEDS:
        found = history_of(png(read(encode(scene(seed), "WEBP", quality)).pixels))
        assert number(found["every_4"]) > 1.3
        assert found["earlier_grid"] is None
        assert found["resampling_frequency"] is None


def test_a_flat_picture_and_a_drawing_have_no_history() -> None:
    flat = np.full((96, 200, 3), 77, np.uint8)
    drawing = np.full((256, 256, 3), 255, np.uint8)
    drawing[40:90, 33:201] = (200, 30, 40)
    drawing[100:200, 71:80] = 0
    for pixels in (flat, drawing):
        for data in (png(pixels), jpeg(pixels, 90)):
            found = history_of(data)
            assert found["earlier_compressions"] == "0"
            assert found["resampling_frequency"] is None
            assert all(value is None or isinstance(value, str) or np.isfinite(value) for value in found.values())


def test_too_small_to_tell() -> None:
    small = scene(0)[: SMALLEST - 1]
    assert set(history_of(png(small)).values()) == {None}
    assert history_of(png(scene(0)[:SMALLEST]))["earlier_grid"] is None


def test_the_grid_is_where_the_file_has_it_whatever_the_orientation() -> None:
    pixels = after(scene(2)[:280, :203], 60)[3:, 5:]
    plain = history_of(jpeg(pixels, 92))
    assert (plain["grid_row"], plain["grid_column"]) == (5, 3)
    data = jpeg(pixels, 92)
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        block = exif.tobytes()
        turned = data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2) + block + data[2:]
        assert jpeg_facts(turned).orientation == orientation
        assert history_of(turned) == plain


def test_the_centre_is_cut_on_the_files_grid() -> None:
    pixels = np.zeros((SIDE + 50, SIDE + 31, 3), np.uint8)
    pixels[24, 8] = (0, 255, 0)  # 50 // 2 and 31 // 2, down to multiples of 8
    luma = centre_luma(pixels, None)
    assert luma.shape == (SIDE, SIDE)
    assert luma[0, 0] == pytest.approx(0.587 * 255)
    assert np.count_nonzero(luma) == 1


def test_coefficients_are_those_of_scipy() -> None:
    from scipy.fft import dctn

    luma = np.random.default_rng(0).uniform(0, 255, (27, 30)).astype(np.float32)
    found = coefficients(luma, 3, 5)
    assert found.shape == (9, len(FREQUENCIES))
    expected = dctn(luma[11:19, 13:21].astype(np.float64) - 128, norm="ortho")  # second row, second column
    assert found[4] == pytest.approx([expected[place] for place in FREQUENCIES], abs=1e-3)


def test_block_means_follow_the_definition() -> None:
    luma = np.random.default_rng(1).uniform(0, 255, (48, 56)).astype(np.float32)
    traces = periodicity(luma)
    step, top, left = 5, 2, 7
    # 5 x 6 whole windows from every place on, whichever grid it belongs to.
    sums = [
        luma[top + 8 * r : top + 8 * r + 8, left + 8 * c : left + 8 * c + 8].sum() / 8
        for r in range(5)
        for c in range(6)
    ]
    expected = np.mean(np.cos(2 * np.pi * (np.round(2 * np.array(sums)) / 2 - 1024) / step))
    assert traces.map[top, left, step - 2] == pytest.approx(expected, abs=1e-3)
    assert traces.blocks == pytest.approx(30, abs=0.5)  # a few look flat by chance


def test_steps_and_qualities_are_libjpegs() -> None:
    for quality in (25, 60, 75, 92, 100):
        table = jpeg_facts(jpeg(np.zeros((16, 16, 3), np.uint8), quality)).tables[0]
        assert standard_steps()[QUALITIES.index(quality)].tolist() == [table[8 * v + u] for v, u in FREQUENCIES]
    # 16 scaled: 75 gives 8, 90 gives 3 (3.2 rounded), 50 gives 16, 25 gives 32.
    assert [quality_of(step) for step in (8, 16, 32)] == [75, 50, 25]
    assert abs(quality_of(3) - 90) <= 1


def test_of_equally_likely_qualities_a_round_one_is_taken() -> None:
    gains = np.zeros(len(QUALITIES))
    gains[[QUALITIES.index(74), QUALITIES.index(75), QUALITIES.index(76)]] = 3.0
    assert QUALITIES[likeliest(gains)] == 75
    gains[QUALITIES.index(76)] = 4.0
    assert QUALITIES[likeliest(gains)] == 76


def test_the_high_band_of_white_noise_is_level() -> None:
    noise = np.random.default_rng(5).normal(128, 20, (256, 256)).astype(np.float32)
    assert high_band(noise) == pytest.approx(0, abs=0.05)


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="${CONTRAFAKE_DATA}/corpus is not there")
def test_crops_of_the_corpus_are_found_where_they_were_cut() -> None:
    shards = ShardSet([str(CORPUS / "train-0001.tar")])
    right = wrong = kept = claimed = rescaled = 0
    for sample in shards.samples[::6]:
        processing = sample.metadata["processing"]
        found = history_of(shards.read(sample.image))
        place = tuple(-corner % 8 for corner in processing["crop"][1::-1])
        if processing["scale"] == 1 and processing["light"]:  # its first JPEG lies on the grid of the uncut image
            kept += 1
            right += (found["grid_row"], found["grid_column"]) == place
            wrong += found["grid_row"] is not None and (found["grid_row"], found["grid_column"]) != place
        elif processing["scale"] != 1:  # no older grid has survived
            rescaled += 1
            claimed += found["earlier_grid"] is not None
    assert min(kept, rescaled) > 80
    assert right / kept > 0.4
    assert wrong / (right + wrong) < 0.1
    assert claimed / rescaled < 0.05
