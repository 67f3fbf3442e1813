"""A row of thumbnails for each origin."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from splits_example import Listed, sample

from contrafake.data import contact_sheet as module
from contrafake.data.contact_sheet import GAP, LABEL, MARGIN, TILE, contact_sheet
from contrafake.data.location import File
from contrafake.data.sample import Sample
from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

TOP = MARGIN + 34
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def square(path: Path, colour: str, size: tuple[int, int] = (200, 200)) -> File:
    Image.new("RGB", size, COLOURS[colour]).save(path)
    return File(str(path))


def centre(page: Image.Image, row: int, column: int) -> tuple[int, ...]:
    x = MARGIN + LABEL + column * (TILE + GAP) + TILE // 2
    y = TOP + row * (TILE + GAP) + TILE // 2
    found = page.getpixel((x, y))
    assert isinstance(found, tuple)
    return found


def test_real_origins_come_first_and_each_has_its_row(tmp_path: Path) -> None:
    samples = [
        Sample("g", 1, "a-generator", "s", "", square(tmp_path / "g.png", "red")),
        Sample("r", 0, "z-photos", "s", "", square(tmp_path / "r.png", "green")),
        Sample("b", 0, "a-photos", "s", "", square(tmp_path / "b.png", "blue")),
    ]
    files, notes = contact_sheet(Listed(samples), tmp_path / "sheet.png", 2)
    assert files == [tmp_path / "sheet.png"]
    assert notes == []
    page = Image.open(files[0])
    assert [centre(page, row, 0) for row in range(3)] == [COLOURS["blue"], COLOURS["green"], COLOURS["red"]]
    assert centre(page, 0, 1) == (255, 255, 255)  # no second image
    bars = [page.getpixel((MARGIN + 2, TOP + row * (TILE + GAP) + 5)) for row in range(3)]
    assert bars[0] == bars[1] != bars[2]
    assert page.width == 2 * MARGIN + LABEL + 2 * TILE + GAP


def test_the_choice_does_not_depend_on_the_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    samples = []
    for i in range(30):
        path = tmp_path / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(path)
        samples.append(Sample(f"k{i}", 1 if i % 2 else 0, "o", "s", "", File(str(path))))
    first, second, other = (tmp_path / f"{name}.png" for name in ("first", "second", "other"))
    contact_sheet(Listed(samples), first, 3)
    contact_sheet(Listed([*reversed(samples)]), second, 3)
    contact_sheet(Listed(samples[:20]), other, 3)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != other.read_bytes()


def test_the_images_with_the_lowest_hashes_of_their_keys_are_shown(tmp_path: Path) -> None:
    keys = [f"k{i}" for i in range(9)]
    order = sorted(keys, key=lambda key: hashlib.blake2b(key.encode(), digest_size=8).digest())
    colours = dict(zip(order, ["red", "blue"] + ["green"] * 7, strict=True))
    samples = [Sample(key, 1, "o", "s", "", square(tmp_path / f"{key}.png", colours[key])) for key in keys]
    samples.append(Sample("r", 0, "o", "s", "", square(tmp_path / "r.png", "green")))
    contact_sheet(Listed(samples), tmp_path / "sheet.png", 2)
    with Image.open(tmp_path / "sheet.png") as page:
        assert [centre(page, 1, column) for column in range(2)] == [COLOURS["red"], COLOURS["blue"]]


def test_a_small_image_is_not_enlarged_and_a_long_one_keeps_its_shape(tmp_path: Path) -> None:
    samples = [
        Sample("r", 0, "o", "s", "", square(tmp_path / "r.png", "green", (20, 10))),
        Sample("g", 1, "o", "s", "", square(tmp_path / "g.png", "red", (400, 100))),
    ]
    contact_sheet(Listed(samples), tmp_path / "sheet.png", 1)
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert (pixels == COLOURS["green"]).all(axis=2).sum() == 20 * 10
    assert (pixels == COLOURS["red"]).all(axis=2).sum() == TILE * TILE // 4


def test_a_broken_image_is_a_cross_and_told(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    samples = [
        Sample("r", 0, "o", "s", "", File(str(tmp_path / "broken.png"))),
        Sample("g", 1, "o", "s", "", square(tmp_path / "g.png", "red")),
    ]
    files, notes = contact_sheet(Listed(samples), tmp_path / "sheet.png", 1)
    page = Image.open(files[0])
    assert centre(page, 0, 0) == (110, 110, 110)
    assert centre(page, 1, 0) == COLOURS["red"]
    assert notes == ["contact sheet: 1 of the chosen images cannot be read"]


def test_many_origins_take_pages_and_too_many_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 4)
    monkeypatch.setattr(module, "PAGES", 3)
    samples = [sample(f"k{i}", i > 0, f"origin-{i:02d}", "s") for i in range(10)]
    files, notes = contact_sheet(Listed(samples), tmp_path / "sheet.png", 1)
    assert [file.name for file in files] == ["sheet.png", "sheet-2.png", "sheet-3.png"]
    heights = []
    for file in files:
        with Image.open(file) as page:
            heights.append((page.height - TOP - MARGIN + GAP) // (TILE + GAP))
    assert heights == [4, 4, 2]
    assert notes == ["contact sheet: 10 of the chosen images cannot be read"]
    samples += [sample(f"m{i}", 1, f"more-{i:02d}", "s") for i in range(5)]
    files, notes = contact_sheet(Listed(samples), tmp_path / "sheet.png", 1)
    assert len(files) == 3
    assert notes[0] == "contact sheet: 3 origins left out"


def test_any_name_can_be_drawn(tmp_path: Path) -> None:
    names = ["a" * 500, "\x1b[31m\n", "é漢字\u202e", "\udcff", ""]
    samples = [Sample(name, 1, name, "s", "", square(tmp_path / f"{i}.png", "red")) for i, name in enumerate(names)]
    samples.append(Sample("r", 0, "o", "s", "", square(tmp_path / "r.png", "green")))
    files, _ = contact_sheet(Listed(samples), tmp_path / "sheet.png", 1)
    page = np.asarray(Image.open(files[0]))
    between = page[TOP:, MARGIN + LABEL - 8 : MARGIN + LABEL]
    assert (between == 255).all()  # no name runs into the thumbnails


@pytest.mark.parametrize("name", ["sheet.png", "sheet-2.png"])
def test_an_image_of_the_set_is_never_overwritten(tmp_path: Path, name: str) -> None:
    samples = [Sample("r", 0, "photos", "s", "", square(tmp_path / name, "green"))]
    before = (tmp_path / name).read_bytes()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="is an image of the set"):
        contact_sheet(Listed(samples), tmp_path / "link" / "sheet.png")
    assert (tmp_path / name).read_bytes() == before


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    source = Listed([sample("r", 0, "o", "s"), sample("g", 1, "o", "s")])
    with pytest.raises(UsageError, match=r"end its name in \.png"):
        contact_sheet(source, tmp_path / "sheet.jpg")
    for wrong in (0, 33):
        with pytest.raises(UsageError, match="per-origin"):
            contact_sheet(source, tmp_path / "sheet.png", wrong)
    with pytest.raises(DataError, match=r"none/sheet\.png"):
        contact_sheet(source, tmp_path / "none/sheet.png")
