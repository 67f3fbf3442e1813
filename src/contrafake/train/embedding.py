"""Embeds labelled images with a trained encoder, at the crops that `detect` will use."""

from __future__ import annotations

import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from PIL import Image

from contrafake.errors import DataError, ImageError
from contrafake.images import read
from contrafake.images.crops import cut, resize_crop
from contrafake.images.transforms import POOLS, apply_chain, sample_chain
from contrafake.train.embedded import Embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from contrafake.data.listing import Listing
    from contrafake.model.encoder import Encoder

__all__ = ["BATCH", "Embedded", "cutter", "embed_images"]

BATCH = 64

Item = TypeVar("Item")
Result = TypeVar("Result")


def cutter(
    geometry: str, size: int, count: int, crop_pct: float = 0.9
) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """The function from pixels to crops for a geometry, as `ViewConfig` has it.

    Args:
        geometry: "crop" or "resize-crop".
        size: Side of the crops in pixels.
        count: Crops of an image under "crop"; "resize-crop" gives one.
        crop_pct: Share of the resized side that "resize-crop" keeps, within (0, 1].

    Returns:
        From (H, W, 3) uint8 to (n, size, size, 3) uint8.
    """
    if geometry == "resize-crop":
        return lambda pixels: resize_crop(pixels, size, crop_pct)[None]
    return lambda pixels: cut(pixels, count, size)


def embed_images(
    encoder: Encoder,
    listing: Listing,
    rows: Sequence[int] | NDArray[np.int64],
    cut_crops: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    *,
    transform_seed: int | None = None,
    max_operations: int = 2,
    pool: str = "official",
    threads: int = 1,
    strict: bool = False,
) -> Embedded:
    """Embeds images in evaluation mode, without gradient.

    Args:
        encoder: Trained encoder, on the device it shall run on.
        listing: Where the images lie.
        rows: (N,) rows of the listing to embed, in this order.
        cut_crops: From pixels to crops, see `cutter`.
        transform_seed: None embeds images as they are; a number applies 0 to K transformations first, drawn for each
            image from this seed and its key, whatever else is embedded.
        max_operations: K.
        pool: Name in `POOLS` of the operations to draw from.
        threads: How many images are read and cut at a time; the result does not depend on it.
        strict: Whether an unreadable image is an error.

    Returns:
        The embeddings; unreadable images are left out and named.

    Raises:
        DataError: If a shard cannot be read, or `strict` and an image is unreadable.
    """

    def load(row: int) -> NDArray[np.uint8] | tuple[str, str]:
        sample = listing[row]
        key, address = sample.key, sample.image.address
        try:
            pixels = read(listing.read(row), name=address).pixels
            if transform_seed is not None:
                # Names in a tar need not be UTF-8; their odd bytes are surrogates here.
                rng = np.random.default_rng([transform_seed, zlib.crc32(key.encode("utf-8", "surrogatepass"))])
                chain = sample_chain(rng, max_operations, POOLS[pool])
                pixels = np.asarray(apply_chain(Image.fromarray(pixels), chain))
            return cut_crops(pixels)
        except ImageError as error:
            return address, error.cause

    device = next(encoder.parameters()).device
    was_training = encoder.training
    encoder.eval()
    vectors: list[NDArray[np.float32]] = []
    counts: list[int] = []
    kept: list[int] = []
    broken: dict[str, str] = {}
    try:
        with ThreadPoolExecutor(threads) as executor, torch.inference_mode():
            loaded = zip(rows, _ahead(executor, load, (int(row) for row in rows)), strict=True)
            while chunk := list(islice(loaded, BATCH)):
                crops: list[NDArray[np.uint8]] = []
                for row, result in chunk:
                    if isinstance(result, tuple):
                        if strict:
                            raise DataError(*result, "without --strict it is left out and named")
                        broken[result[0]] = result[1]
                        continue
                    kept.append(int(row))
                    counts.append(len(result))
                    crops.append(result)
                joined = np.concatenate(crops) if crops else np.empty(0, np.uint8)
                vectors.extend(
                    encoder(torch.from_numpy(joined[start : start + BATCH]).to(device)).float().cpu().numpy()
                    for start in range(0, len(joined), BATCH)
                )
    finally:
        encoder.train(was_training)
    chosen = np.array(kept, np.int64)
    return Embedded(
        vectors=np.concatenate(vectors) if vectors else np.empty((0, encoder.dimension), np.float32),
        owner=np.repeat(np.arange(len(kept)), counts),
        labels=listing.label[chosen].astype(np.int64),
        origins=np.array(listing.origins, object)[listing.origin[chosen]],
        sources=np.array(listing.sources, object)[listing.source[chosen]],
        broken=broken,
    )


def _ahead(executor: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Results in order, a batch or two of them computed ahead."""
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(executor.submit(function, item))
        if len(pending) > 2 * BATCH:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
