"""Embeds labelled samples with a trained encoder, at the crops that `detect` will use."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from contrafake.errors import ImageError
from contrafake.images import read
from contrafake.images.crops import cut, resize_crop
from contrafake.images.transforms import apply_chain, sample_chain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from contrafake.data import Sample, ShardSet
    from contrafake.model.encoder import Encoder

BATCH = 64


@dataclass(frozen=True)
class Embedded:
    """Embeddings of samples, all crops in one array.

    Attributes:
        vectors: (M, D) float32, one row per crop.
        owner: (M,) int64, the position in `samples` that a row belongs to; ascending.
        samples: The N samples that could be read.
        broken: Cause by key, of those that could not.
    """

    vectors: NDArray[np.float32]
    owner: NDArray[np.int64]
    samples: list[Sample]
    broken: dict[str, str]

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) 0 = real, 1 = generated."""
        return np.array([sample.label for sample in self.samples], np.int64)

    def image_scores(self, crop_scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(M,) scores of crops -> (N,) mean score of each image."""
        count = np.bincount(self.owner, minlength=len(self.samples))
        return np.asarray(np.bincount(self.owner, crop_scores, minlength=len(self.samples)) / count)


def cutter(
    geometry: str, size: int, count: int, crop_pct: float = 0.9
) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """The function from pixels (H, W, 3) to crops (n, size, size, 3) for a geometry."""
    if geometry == "resize-crop":
        return lambda pixels: resize_crop(pixels, size, crop_pct)[None]
    return lambda pixels: cut(pixels, count, size)


def embed_samples(
    encoder: Encoder,
    shards: ShardSet,
    samples: Sequence[Sample],
    cut_crops: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    *,
    transform_seed: int | None = None,
    max_operations: int = 2,
) -> Embedded:
    """Embeds samples in evaluation mode, without gradient.

    Args:
        encoder: Trained encoder, on the device it shall run on.
        shards: Where the samples lie.
        samples: What to embed.
        cut_crops: From pixels to crops, see `cutter`.
        transform_seed: None embeds images as they are; a number applies 0 to K transformations first, drawn for each
            image from this seed and its key, whatever else is embedded.
        max_operations: K.

    Returns:
        The embeddings; unreadable images are left out and named.
    """
    device = next(encoder.parameters()).device
    was_training = encoder.training
    encoder.eval()

    def load(sample: Sample) -> NDArray[np.uint8] | ImageError:
        try:
            pixels = read(shards.read(sample.image), name=sample.key).pixels
            if transform_seed is not None:
                # Names in a tar need not be UTF-8; their odd bytes are surrogates here.
                rng = np.random.default_rng([transform_seed, zlib.crc32(sample.key.encode("utf-8", "surrogatepass"))])
                pixels = np.asarray(apply_chain(Image.fromarray(pixels), sample_chain(rng, max_operations)))
            return cut_crops(pixels)
        except ImageError as error:
            return error

    vectors: list[NDArray[np.float32]] = []
    owner: list[int] = []
    kept: list[Sample] = []
    broken: dict[str, str] = {}
    with ThreadPoolExecutor(1) as pool, torch.inference_mode():
        chunks = [samples[start : start + BATCH] for start in range(0, len(samples), BATCH)]
        pending = pool.submit(lambda chunk: [load(sample) for sample in chunk], chunks[0]) if chunks else None
        for position, chunk in enumerate(chunks):
            assert pending is not None  # noqa: S101
            loaded = pending.result()
            if position + 1 < len(chunks):
                pending = pool.submit(lambda chunk: [load(sample) for sample in chunk], chunks[position + 1])
            crops: list[NDArray[np.uint8]] = []
            for sample, result in zip(chunk, loaded, strict=True):
                if isinstance(result, ImageError):
                    broken[sample.key] = str(result)
                    continue
                owner.extend([len(kept)] * len(result))
                kept.append(sample)
                crops.append(result)
            if crops:
                joined = np.concatenate(crops)
                vectors.extend(
                    encoder(torch.from_numpy(joined[start : start + BATCH]).to(device)).float().cpu().numpy()
                    for start in range(0, len(joined), BATCH)
                )
    encoder.train(was_training)
    found = np.concatenate(vectors) if vectors else np.empty((0, encoder.dimension), np.float32)
    return Embedded(found, np.array(owner, np.int64), kept, broken)
