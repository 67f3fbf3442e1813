"""The own diffusion model as a `diffusers` pipeline: images from nothing, or from a photograph noised and denoised."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput
from PIL import Image

from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from torch import Tensor

AUTOENCODER = "autoencoder"
"""Folder of the latent autoencoder within a saved pipeline."""


_Base: Any = DiffusionPipeline  # not typed


class TinyPipeline(_Base):  # type: ignore[misc]
    """A convolutional U-Net over normalised latents or pixels, sampled by DDIM without added noise (eta 0).

    Any height and width will do: what the network's levels do not divide is filled by mirroring and cut off again.

    The autoencoder is no component that `diffusers` registers, since the published sequential ones are of none of its
    classes; it is saved in a folder of its own and opened from there, by path.
    """

    model_cpu_offload_seq = "unet"

    # Set by `register_modules` and kept by the base class, which is not typed.
    unet: Any
    scheduler: Any
    config: Any

    def __init__(
        self,
        unet: Any,
        scheduler: Any,
        latent_mean: list[float] | None = None,
        latent_deviation: list[float] | None = None,
    ) -> None:
        """Puts the parts together.

        Args:
            unet: A `UNet2DModel`.
            scheduler: A `DDIMScheduler`.
            latent_mean: Mean of each channel of the latents of training; None for pixels.
            latent_deviation: Their standard deviations.
        """
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)
        self.register_to_config(latent_mean=latent_mean, latent_deviation=latent_deviation)
        self.autoencoder_path: Path | None = None
        self._autoencoder: Any = None

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], **options: Any) -> TinyPipeline:
        """Opens a saved pipeline, by path only.

        Raises:
            DataError: There is no such folder, or it lacks the autoencoder that its latents need.
        """
        if not Path(folder).is_dir():
            raise DataError(str(folder), "there is no such folder", "give the folder of a trained pipeline")
        options |= {"use_safetensors": True, "local_files_only": True}
        made: TinyPipeline = super().from_pretrained(str(folder), **options)
        if made.config["latent_mean"] is not None:
            path = Path(folder, AUTOENCODER)
            if not path.is_dir():
                raise DataError(str(folder), f"lacks the folder {AUTOENCODER} that its latents need")
            made.autoencoder_path = path
        return made

    def save_pretrained(self, folder: str | os.PathLike[str], **options: Any) -> None:
        """Saves everything, the autoencoder's files too."""
        options |= {"safe_serialization": True}
        super().save_pretrained(str(folder), **options)
        if self.autoencoder_path is not None:
            copy_autoencoder(self.autoencoder_path, Path(folder, AUTOENCODER))

    @property
    def autoencoder(self) -> Any:
        """The latent autoencoder, opened when first needed and again after a move; None for pixels."""
        if self.autoencoder_path is None:
            return None
        place = (self.unet.device, self.unet.dtype)
        if self._autoencoder is None or self._autoencoder[0] != place:
            from contrafake.generate.generators.autoencoder import open_autoencoder  # noqa: PLC0415

            opened = open_autoencoder(str(self.autoencoder_path), device=place[0], dtype=place[1])
            self._autoencoder = (place, opened)
        return self._autoencoder[1]

    @property
    def multiple(self) -> int:
        """Sides of what the network sees are multiples of this, in pixels."""
        factor = 1 if self.autoencoder is None else int(self.autoencoder.factor)
        return factor * int(2 ** (len(self.unet.config.block_out_channels) - 1))

    @torch.no_grad()
    def __call__(
        self,
        batch_size: int = 1,
        image: Any = None,
        *,
        strength: float = 1.0,
        num_inference_steps: int = 50,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        height: int | None = None,
        width: int | None = None,
        output_type: Literal["pil", "np", "pt"] = "pil",
        return_dict: bool = True,
    ) -> Any:
        """Makes images.

        Args:
            batch_size: How many, where no image is given.
            image: Begin with these: PIL images of one size, arrays (N, H, W, 3) or (H, W, 3) with numbers from 0 to 1
                or uint8, or a tensor (N, 3, H, W) from 0 to 1.
            strength: Share of the noise schedule that they go through, above 0 and at most 1.
            num_inference_steps: Denoising steps over the whole schedule; an image goes through its share of them.
            generator: One for all, or one for each image.
            height: In pixels; that of the image, or that of training unless told.
            width: The same.
            output_type: "pil", "np" for (N, H, W, 3) float32 from 0 to 1, "pt" for (N, 3, H, W).
            return_dict: Whether the images come in an `ImagePipelineOutput` or as a tuple.

        Raises:
            UsageError: The strength leaves no step, or the sizes do not fit.
        """
        pixels = None if image is None else as_tensor(image)
        if pixels is not None:
            batch_size = len(pixels)
            if (height or pixels.shape[2], width or pixels.shape[3]) != tuple(pixels.shape[2:]):
                raise UsageError("size", f"the image is {pixels.shape[3]} x {pixels.shape[2]}", "leave it out")
            height, width = int(pixels.shape[2]), int(pixels.shape[3])
        factor = 1 if self.autoencoder is None else int(self.autoencoder.factor)
        own = int(self.unet.config.sample_size) * factor
        height, width = height or own, width or own
        inner = [math.ceil(side / self.multiple) * self.multiple for side in (height, width)]

        self.scheduler.set_timesteps(num_inference_steps)
        taken = min(int(num_inference_steps * strength + 1e-9), num_inference_steps)
        if not 0 < strength <= 1 or taken < 1:
            raise UsageError("strength", f"{strength} of {num_inference_steps} steps leaves none", "take more steps")
        times = self.scheduler.timesteps[-taken:]
        shape = (int(self.unet.config.in_channels), inner[0] // factor, inner[1] // factor)
        latents = self._noise(batch_size, shape, generator)
        if pixels is not None:
            start = self.encode(_mirrored(pixels, inner).to(self.unet.device, self.unet.dtype))
            latents = self.scheduler.add_noise(start, latents, times[:1].expand(batch_size))
        with self.progress_bar(total=taken) as bar:
            for time in times:
                predicted = self.unet(latents, time).sample
                latents = self.scheduler.step(predicted, time, latents, eta=0.0).prev_sample
                bar.update()
        made = self.decode(latents)[:, :, :height, :width].float().clamp(0, 1).cpu()
        images: Any = made if output_type == "pt" else made.permute(0, 2, 3, 1).contiguous().numpy()
        if output_type == "pil":
            images = [Image.fromarray(array) for array in np.round(images * 255).astype(np.uint8)]
        output: Any = ImagePipelineOutput
        return output(images=images) if return_dict else (images,)

    def encode(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) from 0 to 1 -> normalised latents, or pixels from -1 to 1."""
        if self.autoencoder is None:
            return pixels * 2 - 1
        latents: Tensor = self.autoencoder.encode(pixels)
        mean, deviation = self._law(latents)
        return (latents - mean) / deviation

    def decode(self, latents: Tensor) -> Tensor:
        """The inverse of `encode`; numbers may lie a little outside of 0 to 1."""
        if self.autoencoder is None:
            return latents / 2 + 0.5
        mean, deviation = self._law(latents)
        decoded: Tensor = self.autoencoder.decode(latents * deviation + mean)
        return decoded

    def _law(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        mean, deviation = (
            torch.tensor(self.config[name], device=latents.device, dtype=latents.dtype).view(1, -1, 1, 1)
            for name in ("latent_mean", "latent_deviation")
        )
        return mean, deviation

    def _noise(
        self, count: int, shape: tuple[int, int, int], generator: torch.Generator | Sequence[torch.Generator] | None
    ) -> Tensor:
        """Drawn where each generator lives, so that a seed gives the same noise on every device."""
        if isinstance(generator, list | tuple):
            if len(generator) != count:
                raise UsageError("generator", f"{len(generator)} for {count} images", "give one, or one for each")
            drawn = [torch.randn(shape, generator=one, device=one.device).cpu() for one in generator]
        else:
            device = generator.device if isinstance(generator, torch.Generator) else "cpu"
            one = generator if isinstance(generator, torch.Generator) else None
            drawn = [torch.randn(shape, generator=one, device=device).cpu() for _ in range(count)]
        return torch.stack(drawn).to(self.unet.device, self.unet.dtype)


def as_tensor(image: Any) -> Tensor:
    """What `TinyPipeline` takes as images -> (N, 3, H, W) float32 from 0 to 1.

    Raises:
        UsageError: It is nothing of the kind, or images differ in size.
    """
    if isinstance(image, torch.Tensor):
        pixels = image.float()
        pixels = pixels[None] if pixels.ndim == 3 else pixels
    else:
        several = list(image) if isinstance(image, list | tuple) else [image]
        arrays = [np.asarray(one.convert("RGB") if hasattr(one, "convert") else one) for one in several]
        if len({array.shape for array in arrays}) != 1:
            raise UsageError("image", "images of one call differ in size", "call once for each size")
        array = np.stack(arrays) if arrays[0].ndim == 3 else np.concatenate(arrays)
        scaled = array.astype(np.float32) / 255 if array.dtype == np.uint8 else array.astype(np.float32)
        pixels = torch.from_numpy(scaled)
        pixels = pixels.permute(0, 3, 1, 2) if pixels.ndim == 4 else pixels
    if pixels.ndim != 4 or pixels.shape[1] != 3 or not pixels.numel():
        raise UsageError("image", f"has the shape {tuple(pixels.shape)}", "give RGB images")
    return pixels


def copy_autoencoder(source: Path, target: Path) -> None:
    """Copies an autoencoder's files: its weights as safetensors and its JSON, nothing else."""
    import shutil  # noqa: PLC0415

    if source.resolve() == target.resolve():
        return
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir()):
        if file.suffix in {".safetensors", ".json"}:
            shutil.copyfile(file, target / file.name)


def _mirrored(pixels: Tensor, size: list[int]) -> Tensor:
    """Filled at the right and at the bottom by mirroring, as often as needed."""
    height, width = pixels.shape[2:]
    rows, columns = (
        torch.tensor([min(at % (2 * length), 2 * length - 1 - at % (2 * length)) for at in range(wanted)])
        for length, wanted in ((height, size[0]), (width, size[1]))
    )
    return pixels[:, :, rows][:, :, :, columns]
