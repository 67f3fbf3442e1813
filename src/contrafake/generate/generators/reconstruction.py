"""Reconstructions: a real image through a latent autoencoder, which keeps its content and gains a decoder's traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.generate.generators.autoencoder import open_autoencoder
from contrafake.generate.generators.batches import Batches
from contrafake.generate.generators.generator import GenerationError, Made
from contrafake.generate.generators.torch_place import place, seeded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from contrafake.generate.generators.generator import Request
    from contrafake.generate.generators.settings import Reconstruction


class Reconstructor:
    """Sends each request's real image through an autoencoder; noise and rounding move the result away from a copy.

    Args:
        settings: What the configuration says of it.

    Raises:
        ConfigError: The model is no autoencoder for images, or there is no such device.
        DataError: The model is missing, damaged or cannot be fetched.
    """

    def __init__(self, settings: Reconstruction) -> None:
        device, dtype = place(settings)
        self._settings = settings
        self._autoencoder = open_autoencoder(
            settings.model, subfolder=settings.subfolder, revision=settings.revision, device=device, dtype=dtype
        )
        if settings.compile:
            self._autoencoder.compile()
        self._device = device.type
        self._batches = Batches(settings.batch, self._make, "the autoencoder")

    @property
    def facts(self) -> dict[str, Any]:
        """Class and versions of the autoencoder, its factor and channels, device and precision."""
        latent = {"factor": self._autoencoder.factor, "channels": self._autoencoder.channels}
        found = {"device": self._device, "fingerprint": self._autoencoder.fingerprint}
        return self._autoencoder.facts | latent | found

    def make(self, requests: Sequence[Request]) -> list[Made | GenerationError]:
        """One reconstruction for each request, of its image's size.

        An image is padded on its right and lower side by reflection to whole steps of the latent; the padding is cut
        off afterwards, so the latent's grid begins at the image's corner.

        Raises:
            ContrafakeError: The GPU is in a state in which nothing more can be made by this process.
        """
        return self._batches.make(requests)

    def close(self) -> None:
        """Gives the network's memory back; nothing can be made afterwards."""
        import torch  # noqa: PLC0415 (seconds of import)

        del self._autoencoder
        if self._device == "cuda":
            torch.cuda.empty_cache()

    def _make(self, requests: list[Request]) -> list[Made | GenerationError]:
        made: list[Made | GenerationError] = [
            GenerationError(request.job.record, "there is no real image to reconstruct") for request in requests
        ]
        present = [position for position, request in enumerate(requests) if request.image is not None]
        if not present:
            return made
        facts = self._autoencoder.facts | ({"levels": self._settings.levels} if self._settings.levels else {})
        pictures = self._reconstructed([requests[position] for position in present])
        for position, pixels in zip(present, pictures, strict=True):
            if pixels is None:
                record = requests[position].job.record
                made[position] = GenerationError(record, "the decoder's numbers left their range", "precision: fp32")
            else:
                made[position] = Made(pixels, facts=dict(facts))
        return made

    def _reconstructed(self, requests: Sequence[Request]) -> list[NDArray[np.uint8] | None]:
        import torch  # noqa: PLC0415

        images = np.stack([request.image for request in requests if request.image is not None])
        height, width = images.shape[1:3]
        factor = self._autoencoder.factor
        padded = np.pad(images, ((0, 0), (0, -height % factor), (0, -width % factor), (0, 0)), "reflect")
        latents = self._autoencoder.encode(torch.from_numpy(padded).permute(0, 3, 1, 2).float() / 255)
        latents = torch.stack(
            [self._moved(latent, request.seed) for latent, request in zip(latents, requests, strict=True)]
        )
        decoded = self._autoencoder.decode(latents)[:, :, :height, :width].permute(0, 2, 3, 1).cpu().numpy()
        return [(picture * 255).round().astype(np.uint8) if np.isfinite(picture).all() else None for picture in decoded]

    def _moved(self, latent: Tensor, seed: int) -> Tensor:
        """One latent (C, h, w) with noise of a share of its own deviation, then rounded, as far as asked for."""
        import torch  # noqa: PLC0415

        if self._settings.noise:
            [source] = seeded([seed])
            noise = torch.randn(latent.shape, generator=source).to(latent.device)
            latent = latent + self._settings.noise * latent.std(correction=0) * noise
        if self._settings.levels is not None:
            low, high = latent.min(), latent.max()
            step = ((high - low) / (self._settings.levels - 1)).clamp_min(torch.finfo(latent.dtype).tiny)
            latent = low + ((latent - low) / step).round() * step
        return latent
