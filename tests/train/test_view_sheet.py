"""The contact sheet of views shows the very views that training would see, and says how they came about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import jpeg, picture, write_lone_shard, write_paired_shard
from PIL import Image

from contrafake.data import ShardWriter
from contrafake.data.listing import Listing
from contrafake.errors import DataError, UsageError
from contrafake.images import read
from contrafake.images.transforms import Blur, Grayscale, JpegQuality, Pad, ShufflePixels
from contrafake.train.batched import cutting
from contrafake.train.config import ViewConfig
from contrafake.train.view_sheet import BOX_COLOURS, GAP, MARGIN, TILE, TITLE, chain_words, draw_view_sheet, pairs
from contrafake.train.views import cut_views, draw_views

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from contrafake.images.transforms import Operation

SIZE = 32
TIMES = TILE // SIZE
FRAME = 3


def listed(shard: Path) -> Listing:
    return Listing.of([str(shard)], cache=False)


@pytest.fixture
def one_pair(tmp_path: Path) -> Listing:
    return listed(write_lone_shard(tmp_path / "one.tar", 1, 3))


def sheet(listing: Listing, path: Path, config: ViewConfig, **options: Any) -> NDArray[np.uint8]:
    assert draw_view_sheet(listing, path, config, size=SIZE, **options) == []
    return np.asarray(Image.open(path))


def tile(page: NDArray[np.uint8], column: int) -> NDArray[np.uint8]:
    """The view in a column of the first row, at its own size."""
    x = MARGIN + TILE + GAP + column * (TILE + 2 * FRAME + GAP) + FRAME
    y = MARGIN + TITLE + FRAME
    shown = page[y : y + TILE, x : x + TILE]
    small = shown[::TIMES, ::TIMES]
    assert np.array_equal(np.repeat(np.repeat(small, TIMES, 0), TIMES, 1), shown)
    return small


def test_the_tiles_are_the_views_of_the_plans(one_pair: Listing, tmp_path: Path) -> None:
    config = ViewConfig(max_operations=3, native_locals=1, native_size=SIZE)
    page = sheet(one_pair, tmp_path / "a.png", config, seed=8)
    [row] = one_pair.rows(label=0)
    pixels = read(one_pair.read(int(row))).pixels
    plans = draw_views(config, pixels.shape[0], pixels.shape[1], SIZE, np.random.default_rng([8, 0]))
    for column, view in enumerate(cut_views(pixels, plans, config)):
        assert np.array_equal(tile(page, column), view)


def test_boxes_are_drawn_on_the_image_and_frames_around_their_views(one_pair: Listing, tmp_path: Path) -> None:
    config = ViewConfig(max_operations=0)
    page = sheet(one_pair, tmp_path / "a.png", config, seed=1)
    pixels = read(one_pair.read(int(one_pair.rows(label=0)[0]))).pixels
    height, width = pixels.shape[:2]
    assert height <= TILE  # so that it is not scaled
    plans = draw_views(config, height, width, SIZE, np.random.default_rng([1, 0]))
    local = plans[3].box
    assert local is not None
    top = MARGIN + TITLE + TILE + 2 * FRAME - height
    for x, y in (local[:2], (local[2] - 1, local[3] - 1)):
        assert tuple(page[top + y, MARGIN + x]) == BOX_COLOURS["local"]
    for column, name in ((2, "global"), (3, "local")):
        x = MARGIN + TILE + GAP + column * (TILE + 2 * FRAME + GAP)
        assert tuple(page[MARGIN + TITLE, x]) == BOX_COLOURS[name]


def test_the_box_of_a_native_crop_larger_than_the_image_is_the_image(one_pair: Listing, tmp_path: Path) -> None:
    config = ViewConfig(max_operations=0, native_locals=1, native_size=100)
    page = sheet(one_pair, tmp_path / "a.png", config)
    height, width = read(one_pair.read(0)).pixels.shape[:2]
    assert max(height, width) < 100
    top = MARGIN + TITLE + TILE + 2 * FRAME - height
    for x, y in ((0, 0), (width - 1, height // 2), (width // 2, height - 1)):
        assert tuple(page[top + y, MARGIN + x]) == BOX_COLOURS["native"]


def test_the_seed_decides(tmp_path: Path) -> None:
    listing = listed(write_lone_shard(tmp_path / "a.tar", 6, 1))
    first, second, other = (
        sheet(listing, tmp_path / f"{name}.png", ViewConfig(), seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert np.array_equal(first, second)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_torch_shows_the_same_plans(one_pair: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ViewConfig(native_locals=1, native_size=SIZE)
    calls: list[int] = []
    cut = cutting.cut_views

    def counted(images: Any, plans: Any, config: ViewConfig) -> Any:
        calls.append(len(images))
        return cut(images, plans, config)

    monkeypatch.setattr(cutting, "cut_views", counted)
    pillow = sheet(one_pair, tmp_path / "a.png", config).astype(int)
    assert not calls
    torch = sheet(one_pair, tmp_path / "b.png", config, transforms="torch").astype(int)
    assert calls == [2]
    assert pillow.shape == torch.shape
    below_title = np.abs(pillow - torch)[MARGIN + TITLE :]
    assert below_title.mean() < 0.2


@pytest.mark.parametrize("asked", [2, 9])
def test_as_many_pairs_as_asked_for_or_as_there_are(tmp_path: Path, asked: int) -> None:
    listing = listed(write_lone_shard(tmp_path / "a.tar", 3, 1))
    config = ViewConfig(max_operations=0)
    drawn = [sheet(listing, tmp_path / "a.png", config, records=records).shape[0] for records in (1, asked)]
    row = (drawn[0] - 2 * MARGIN - TITLE + GAP) / 2
    assert (drawn[1] - 2 * MARGIN - TITLE + GAP) / row == pytest.approx(2 * min(asked, 3), abs=0.5)


def test_records_are_drawn_whole_and_no_image_twice(tmp_path: Path) -> None:
    paired = listed(write_paired_shard(tmp_path / "p.tar", 12, 1))
    found = list(pairs(paired, np.random.default_rng(0)))
    assert len(found) == 12
    assert sorted(paired.record[real] for real, _ in found) == list(range(12))
    for real, generated in found:
        assert paired.record[real] == paired.record[generated]
        assert (paired.label[real], paired.label[generated]) == (0, 1)
    assert len({paired[generated].origin for _, generated in found}) == 2
    lone = listed(write_lone_shard(tmp_path / "l.tar", 5, 1))
    rows = list(pairs(lone, np.random.default_rng(0)))
    assert [lone.label[list(side)].tolist() for side in zip(*rows, strict=True)] == [[0] * 5, [1] * 5]
    assert len({row for pair in rows for row in pair}) == 10


def test_an_image_that_cannot_be_read_is_named_and_replaced(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with ShardWriter(tmp_path / "a.tar") as shard:
        for key in ("good", "broken"):
            for label in ("real", "fake"):
                data = jpeg(picture(rng, generated=label == "fake"))
                data = data[:200] if (key, label) == ("broken", "real") else data
                facts = json.dumps({"label": label, "origin": "o", "source": "s"}).encode()
                shard.write(f"{key}-{label}", {"jpg": data, "json": facts})
    listing = listed(tmp_path / "a.tar")
    seen = [draw_view_sheet(listing, tmp_path / "a.png", ViewConfig(), size=SIZE, records=2, seed=s) for s in range(4)]
    assert all(len(notes) == 1 and "broken-real" in notes[0] for notes in seen)


def test_what_is_refused(tmp_path: Path, one_pair: Listing) -> None:
    with pytest.raises(UsageError, match="is a PNG file"):
        draw_view_sheet(one_pair, tmp_path / "sheet.jpg", ViewConfig())
    shard = write_lone_shard(tmp_path / "shard.png", 1, 1)
    before = shard.read_bytes()
    with pytest.raises(UsageError, match="is a shard of the set"):
        draw_view_sheet(listed(shard), shard, ViewConfig())
    assert shard.read_bytes() == before
    with ShardWriter(tmp_path / "real.tar") as writer:
        facts = json.dumps({"label": "real", "origin": "o", "source": "s"}).encode()
        writer.write("a", {"jpg": jpeg(picture(np.random.default_rng(0), generated=False)), "json": facts})
    with pytest.raises(DataError, match="no pair"):
        draw_view_sheet(listed(tmp_path / "real.tar"), tmp_path / "a.png", ViewConfig())


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ((), "untransformed"),
        ((Blur(1.3456), JpegQuality(55)), "blur 1.35, jpeg 55"),
        ((Grayscale(),), "grayscale"),
        ((ShufflePixels(0.35, 77),), "shuffle pixels 0.35"),
        ((Pad(0.1, 0.25),), "pad w factor 0.1 h factor 0.25"),
    ],
)
def test_chains_in_words(chain: tuple[Operation, ...], words: str) -> None:
    assert chain_words(chain) == words
