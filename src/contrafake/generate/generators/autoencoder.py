"""Latent autoencoders under one interface: those of `diffusers`, and the tiny sequential ones."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from contrafake.errors import ConfigError, DataError
from contrafake.generate.generators.autoencoder_files import find_autoencoder
from contrafake.generate.generators.identity import fingerprint
from contrafake.generate.generators.said import said
from contrafake.generate.generators.torch_place import precision_name

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_PROBE = 128
"""Side of the black image that tells the factor and the channels: a multiple of all factors in use."""
_WITH_FRAMES = ("AutoencoderKLQwenImage", "AutoencoderKLWan")
_PATCHED = "AutoencoderKLFlux2"


@dataclass(frozen=True)
class _Scale:
    """What a diffusion model's latents are made of those of its autoencoder: (z - shift) * scale, by channel."""

    shift: Tensor
    scale: Tensor


class Autoencoder:
    """Images to the latents that a diffusion model works on, and back. Deterministic: nothing is drawn.

    Args:
        network: Has `encode` and `decode`.
        device: Where it runs.
        dtype: Its precision.

    Attributes:
        network: What was given.
        factor: Pixels per step of the latent, in both directions.
        channels: Channels of the latent.
        facts: Class and versions.
        fingerprint: Of the folder that it was loaded from, "" where there is none or it has a commit.

    Raises:
        ConfigError: The network takes no lone images or does not give them back at their size.
    """

    def __init__(self, network: Any, device: Any, dtype: Any) -> None:
        import torch  # noqa: PLC0415 (seconds of import)

        # The base class's own method: that of diffusers prints warnings that concern no autoencoder.
        self.network = torch.nn.Module.to(network, device=device, dtype=dtype).eval().requires_grad_(False)
        self._device, self._dtype = device, dtype
        self._is_diffusers = hasattr(network, "config")
        self._name = type(network).__name__
        self._scale = self._find_scale() if self._is_diffusers else None
        self.factor, self.channels = self._probed()
        self.facts: dict[str, Any] = {"class": self._name, "precision": precision_name(dtype)}
        self.facts |= {"torch": version("torch")} | ({"diffusers": version("diffusers")} if self._is_diffusers else {})
        self.fingerprint = ""

    def compile(self) -> None:
        """Compiles both halves when they are first called."""
        self.network.encoder.compile()
        self.network.decoder.compile()

    def encode(self, images: Tensor) -> Tensor:
        """Images to latents.

        Args:
            images: (N, 3, H, W) in [0, 1]; H and W multiples of `factor`.

        Returns:
            (N, C, H / factor, W / factor) float32, scaled as the diffusion model expects; the mode where the network
            gives a distribution.
        """
        import torch  # noqa: PLC0415 (seconds of import)

        with torch.inference_mode():
            images = images.to(self._device, self._dtype)
            latents: Tensor = self._encode(images) if self._is_diffusers else self.network.encode(images)
            latents = latents.float()
            if self._name == _PATCHED:
                latents = torch.nn.functional.pixel_unshuffle(latents, 2)
            return latents if self._scale is None else (latents - self._scale.shift) * self._scale.scale

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to images.

        Args:
            latents: (N, C, h, w) as `encode` gives them.

        Returns:
            (N, 3, h * factor, w * factor) float32 in [0, 1]; NaN where the precision did not suffice.
        """
        import torch  # noqa: PLC0415

        with torch.inference_mode():
            latents = latents.to(self._device, torch.float32)
            if self._scale is not None:
                latents = latents / self._scale.scale + self._scale.shift
            if self._name == _PATCHED:
                latents = torch.nn.functional.pixel_shuffle(latents, 2)
            latents = latents.to(self._dtype)
            images: Tensor = self._decode(latents) if self._is_diffusers else self.network.decode(latents)
            return images.float().clamp(0, 1)

    def _encode(self, images: Tensor) -> Tensor:
        images = images * 2 - 1
        found = self.network.encode(images.unsqueeze(2) if self._name in _WITH_FRAMES else images)
        if hasattr(found, "latent_dist"):
            latents = found.latent_dist.mode()
        else:
            latents = found.latents if hasattr(found, "latents") else found.latent
        return latents.squeeze(2) if self._name in _WITH_FRAMES else latents  # type: ignore[no-any-return]

    def _decode(self, latents: Tensor) -> Tensor:
        images: Tensor = self.network.decode(latents.unsqueeze(2) if self._name in _WITH_FRAMES else latents).sample
        return (images.squeeze(2) if self._name in _WITH_FRAMES else images) / 2 + 0.5

    def _find_scale(self) -> _Scale:
        import torch  # noqa: PLC0415

        config = self.network.config
        if self._name == _PATCHED:
            # The diffusion model sees squares of four steps as one, standardised by running statistics.
            shift, variance = self.network.bn.running_mean.float(), self.network.bn.running_var.float()
            scale = 1 / torch.sqrt(variance + config.batch_norm_eps)
        else:
            mean, deviation = config.get("latents_mean"), config.get("latents_std")
            shift = torch.tensor(config.get("shift_factor") or 0.0 if mean is None else mean, dtype=torch.float32)
            scale = torch.tensor(config.get("scaling_factor") or 1.0, dtype=torch.float32)
            scale = scale / torch.tensor(1.0 if deviation is None else deviation, dtype=torch.float32)
        return _Scale(shift.reshape(1, -1, 1, 1).to(self._device), scale.reshape(1, -1, 1, 1).to(self._device))

    def _probed(self) -> tuple[int, int]:
        import torch  # noqa: PLC0415

        try:
            latents = self.encode(torch.zeros(1, 3, _PROBE, _PROBE))
            images = self.decode(latents)
        except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
            cause = f"{self._name} does not take images through a latent and back: {said(error, 200)}"
            raise ConfigError("model", cause, "an autoencoder for single images is needed") from error
        if latents.ndim != 4 or images.shape != (1, 3, _PROBE, _PROBE) or _PROBE % latents.shape[-1]:
            cause = f"{self._name} gives {tuple(images.shape)} for an image of {_PROBE} pixels"
            raise ConfigError("model", cause, "an autoencoder for single images is needed")
        return _PROBE // latents.shape[-1], latents.shape[1]


def open_autoencoder(
    model: str, *, subfolder: str | None = None, revision: str | None = None, device: Any, dtype: Any
) -> Autoencoder:
    """Loads an autoencoder: one of `diffusers` by the class its ``config.json`` names, or a sequential one.

    Only safetensors are read, and no code of the model is run.

    Args:
        model: Folder, or name on a model hub. ``${NAME}`` is filled in from the environment.
        subfolder: Folder within it; "vae" where a whole pipeline is named and none is told.
        revision: Commit on the hub.
        device: torch device or its name.
        dtype: torch dtype. An autoencoder whose configuration asks for it runs in float32 where this is float16.

    Raises:
        ConfigError: What the model names is no autoencoder for images.
        DataError: Files are missing, damaged or cannot be fetched.
    """
    import torch  # noqa: PLC0415

    files = find_autoencoder(model, subfolder, revision)
    if files.class_name is None:
        from contrafake.generate.generators.sequential_autoencoder import load_sequential  # noqa: PLC0415

        network: Any = load_sequential(files.folder)
    else:
        network = _load(model, files.folder, files.class_name, dtype)
        if dtype == torch.float16 and network.config.get("force_upcast"):
            dtype = torch.float32
    autoencoder = Autoencoder(network, torch.device(device), dtype)
    if files.commit:
        autoencoder.facts["commit"] = files.commit
    else:
        autoencoder.fingerprint = fingerprint(files.folder)
    return autoencoder


def _load(model: str, folder: Path, name: str, dtype: Any) -> Any:
    import diffusers  # noqa: PLC0415 (seconds of import)
    import torch  # noqa: PLC0415
    from safetensors import SafetensorError  # noqa: PLC0415

    known = "utoencoder" in name or name == "VQModel"
    kind = getattr(diffusers, name, None) if known else None
    if kind is None or not issubclass(kind, torch.nn.Module):
        cause = f"its config.json names {name!r}, no autoencoder of diffusers {version('diffusers')}"
        raise ConfigError(model, cause, "name the folder of an autoencoder, or a pipeline that has one")
    verbosity = diffusers.utils.logging.get_verbosity()
    diffusers.utils.logging.set_verbosity(logging.CRITICAL)
    try:
        network, found = kind.from_pretrained(
            str(folder), use_safetensors=True, torch_dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, SafetensorError) as error:
        raise DataError(model, f"{name} cannot be loaded: {said(error, 200)}", "fetch its files again") from error
    finally:
        diffusers.utils.logging.set_verbosity(verbosity)
    if missing := sorted(found["missing_keys"]):
        raise DataError(model, f"its weights lack {missing[0]}, in all {len(missing)}", "fetch its files again")
    return network
