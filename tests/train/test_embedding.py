"""Embedding: rows in order, transformations drawn by image, what cannot be read named, memory and threads harmless."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from conftest import jpeg, picture
from PIL import Image
from torch import Tensor, nn

from contrafake.data import Listing, ShardWriter
from contrafake.errors import DataError
from contrafake.images.transforms import EXTENDED, apply_chain, sample_chain
from contrafake.train.embedding import BATCH, cutter, embed_images

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray


class Means(nn.Module):
    """Embeds a crop by its mean colour; notes in which mode and how large a batch it was asked."""

    dimension = 3

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(3))
        self.asked: list[tuple[int, bool]] = []

    def forward(self, crops: Tensor) -> Tensor:
        self.asked.append((len(crops), self.training))
        return crops.float().mean((1, 2)) + self.bias


def embed(listing: Listing, rows: Any = None, crops: int = 1, encoder: nn.Module | None = None, **options: Any) -> Any:
    chosen = range(len(listing)) if rows is None else rows
    return embed_images(encoder or Means(), listing, chosen, cutter("crop", 32, crops), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def listing(tiny_shards: Path) -> Listing:
    return Listing.of([str(tiny_shards / "val-*.tar")], cache=False)


def pixels_of(listing: Listing, row: int) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(listing.read(row))).convert("RGB"))


def centre(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    top, left = (pixels.shape[0] - 32) // 2, (pixels.shape[1] - 32) // 2
    return pixels[top : top + 32, left : left + 32].mean((0, 1))  # type: ignore[no-any-return]


def test_rows_are_embedded_in_the_order_asked_for(listing: Listing) -> None:
    rows = [7, 3, 3, 40]
    found = embed(listing, rows)
    expected = [centre(pixels_of(listing, row)) for row in rows]
    np.testing.assert_allclose(found.vectors, expected, atol=0.5)  # two JPEG decoders differ a little
    samples = [listing[row] for row in rows]
    assert found.labels.tolist() == [sample.label for sample in samples]
    assert found.origins.tolist() == [sample.origin for sample in samples]
    assert found.sources.tolist() == [sample.source for sample in samples]
    assert found.owner.tolist() == [0, 1, 2, 3]
    assert found.broken == {}


def test_threads_and_company_change_nothing(listing: Listing) -> None:
    options: dict[str, Any] = {"transform_seed": 43, "max_operations": 3}
    every = embed(listing, **options)
    np.testing.assert_array_equal(embed(listing, threads=4, **options).vectors, every.vectors)
    np.testing.assert_allclose(embed(listing, [11, 5], **options).vectors, every.vectors[[11, 5]], atol=1e-3)


def test_many_images_stay_in_order(listing: Listing) -> None:
    rows = np.arange(3 * BATCH) % len(listing)
    np.testing.assert_array_equal(embed(listing, rows, threads=3).vectors, embed(listing).vectors[rows])


def test_transformations_are_those_of_the_pool_and_of_the_key(listing: Listing) -> None:
    import zlib

    row = next(
        row
        for row in range(len(listing))
        if len(sample_chain(np.random.default_rng([9, zlib.crc32(listing[row].key.encode())]), 4, EXTENDED)) == 4
    )
    chain = sample_chain(np.random.default_rng([9, zlib.crc32(listing[row].key.encode())]), 4, EXTENDED)
    from contrafake.images import cut, read

    pixels = np.asarray(apply_chain(Image.fromarray(read(listing.read(row)).pixels), chain))
    expected = cut(pixels, 1, 32).mean((1, 2))
    found = embed(listing, [row], transform_seed=9, max_operations=4, pool="extended")
    np.testing.assert_allclose(found.vectors, expected, atol=1e-3)
    untransformed = embed(listing, [row])
    assert np.abs(untransformed.vectors - expected).max() > 0.5


def test_about_a_third_of_the_transformed_images_stay_as_they_are(listing: Listing) -> None:
    differing = (embed(listing).vectors != embed(listing, transform_seed=43).vectors).any(axis=1).mean()
    assert 0.4 < differing < 0.95


@pytest.fixture
def torn(tmp_path: Path) -> Listing:
    rng, facts = np.random.default_rng(0), b'{"label": "real"}'
    whole = jpeg(picture(rng, generated=False))
    with ShardWriter(tmp_path / "x.tar") as shard:
        for key, data in (("a", whole), ("b-torn", whole[:300]), ("c", whole)):
            shard.write(key, {"jpg": data, "json": facts})
    return Listing.of([str(tmp_path / "x.tar")], cache=False)


def test_unreadable_images_are_left_out_and_named(torn: Listing) -> None:
    found = embed(torn, crops=2)
    [address] = found.broken
    assert address.endswith("x.tar: b-torn.jpg")
    assert "b-torn" not in found.broken[address]  # named once
    assert found.owner.tolist() == [0, 0, 1, 1]
    assert found.labels.tolist() == [0, 0]
    np.testing.assert_array_equal(found.vectors[:2], found.vectors[2:])
    assert found.image_scores(np.array([1.0, 3.0, 5.0, 6.0])).tolist() == [2.0, 5.5]
    nothing = embed(torn, [])
    assert nothing.vectors.shape == (0, 3)
    only_torn = embed(torn, [1])
    assert only_torn.vectors.shape == (0, 3)
    assert only_torn.labels.shape == (0,)


def test_strictly_an_unreadable_image_is_an_error(torn: Listing) -> None:
    encoder = Means().train()
    with pytest.raises(DataError, match="b-torn"):
        embed(torn, encoder=encoder, strict=True)
    assert encoder.training


def test_the_encoder_is_asked_in_evaluation_mode_a_batch_at_a_time(listing: Listing) -> None:
    for mode in (True, False):
        encoder = Means().train(mode)
        embed(listing, np.arange(150) % len(listing), crops=3, encoder=encoder)
        assert encoder.training is mode
        assert sum(count for count, _ in encoder.asked) == 450
        assert max(count for count, _ in encoder.asked) == BATCH
        assert not any(training for _, training in encoder.asked)
