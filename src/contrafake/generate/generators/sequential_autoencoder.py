"""A tiny autoencoder stored as two sequential networks: that of FLUX.2's latent space, TAEF2, and others of its layout.

The layout is that of Ollin Boer Bohan's tiny autoencoders (madebyollin/taesd, MIT licence): two files of tensors whose
names are positions in a sequence. Widths are read from the tensors' shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

ENCODER, DECODER = "encoder.safetensors", "decoder.safetensors"
GROUPS = 4
"""Groups of the normalisation within a pool; the tensors do not tell it."""
_MOST_LATENT = 3.0


class SequentialAutoencoder(nn.Module):
    """Images in [0, 1] to latents of one eighth of their sides and back.

    Args:
        width: Channels of all inner layers.
        channels: Channels of the latent.
        pool: Channels within the pools of the middle blocks, a multiple of 4.
    """

    def __init__(self, width: int, channels: int, pool: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            _convolution(3, width),
            _Block(width),
            *(part for _ in range(2) for part in (_halving(width), *(_Block(width) for _ in range(3)))),
            _halving(width),
            *(_Block(width, pool) for _ in range(3)),
            _convolution(width, channels),
        )
        self.decoder = nn.Sequential(
            _Bounds(),
            _convolution(channels, width),
            nn.ReLU(),
            *(_Block(width, pool) for _ in range(3)),
            *(part for _ in range(2) for part in (*_doubling(width), *(_Block(width) for _ in range(3)))),
            *_doubling(width),
            _Block(width),
            _convolution(width, 3),
        )

    def encode(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], H and W multiples of 8, to (N, C, H / 8, W / 8), roughly within [-3, 3]."""
        latents: Tensor = self.encoder(images)
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """(N, C, h, w) to (N, 3, 8 h, 8 w), not yet clamped to [0, 1]."""
        images: Tensor = self.decoder(latents)
        return images


def load_sequential(folder: Path) -> SequentialAutoencoder:
    """Reads both networks.

    Args:
        folder: Holds ``encoder.safetensors`` and ``decoder.safetensors``.

    Returns:
        The autoencoder on the CPU, in the files' precision.

    Raises:
        DataError: A file is damaged, or a tensor is missing, unknown, or of a shape that does not fit the others.
    """
    encoder, decoder = (_tensors(folder / name) for name in (ENCODER, DECODER))
    width = _side(encoder, "0.weight", 0, folder / ENCODER)
    channels = _side(encoder, "14.weight", 0, folder / ENCODER)
    pool = _side(encoder, "11.pool.0.weight", 0, folder / ENCODER)
    if pool % GROUPS:
        raise DataError(str(folder / ENCODER), f"its pools have {pool} channels, no multiple of {GROUPS}")
    with torch.device("meta"):
        autoencoder = SequentialAutoencoder(width, channels, pool)
    _fill(autoencoder.encoder, encoder, folder / ENCODER)
    _fill(autoencoder.decoder, decoder, folder / DECODER)
    return autoencoder


def save_sequential(autoencoder: SequentialAutoencoder, folder: Path) -> None:
    """Writes both networks into a folder that stands, as `load_sequential` reads them."""
    from safetensors.torch import save_file  # noqa: PLC0415 (beside its counterpart)

    for name, network in ((ENCODER, autoencoder.encoder), (DECODER, autoencoder.decoder)):
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, folder / name)


class _Block(nn.Module):
    """Three convolutions beside a shortcut; in the middle of the networks, a pool goes before them."""

    def __init__(self, width: int, pool: int | None = None) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            _convolution(width, width),
            nn.ReLU(),
            _convolution(width, width),
            nn.ReLU(),
            _convolution(width, width),
        )
        self.pool = None
        if pool is not None:
            self.pool = nn.Sequential(
                nn.Conv2d(width, pool, 1, bias=False),
                nn.GroupNorm(GROUPS, pool),
                nn.ReLU(),
                nn.Conv2d(pool, width, 1, bias=False),
            )

    def forward(self, values: Tensor) -> Tensor:
        """(N, width, H, W) to the same shape."""
        if self.pool is not None:
            values = values + self.pool(values)
        return torch.relu(self.conv(values) + values)


class _Bounds(nn.Module):
    """Bends large values of a latent back: 3 tanh(x / 3)."""

    def forward(self, values: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return torch.tanh(values / _MOST_LATENT) * _MOST_LATENT


def _convolution(given: int, made: int) -> nn.Conv2d:
    return nn.Conv2d(given, made, 3, padding=1)


def _halving(width: int) -> nn.Conv2d:
    return nn.Conv2d(width, width, 3, padding=1, stride=2, bias=False)


def _doubling(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1, bias=False)


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError  # noqa: PLC0415 (needed only here)
    from safetensors.torch import load_file  # noqa: PLC0415

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(str(path), f"is no file of tensors: {error}", "fetch it again") from error


def _side(tensors: dict[str, Tensor], name: str, axis: int, path: Path) -> int:
    if name not in tensors or tensors[name].ndim <= axis or tensors[name].shape[axis] == 0:
        raise DataError(str(path), f"holds no tensor {name} of a convolution", "only TAEF2's layout is known")
    return tensors[name].shape[axis]


def _fill(network: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    expected = network.state_dict()
    for name in sorted(expected.keys() ^ tensors.keys()):
        cause = f"holds no tensor {name}" if name in expected else f"holds a tensor {name} that has no place"
        raise DataError(str(path), cause, "only TAEF2's layout is known")
    for name, value in expected.items():
        given = tensors[name]
        if given.shape != value.shape:
            raise DataError(str(path), f"{name} has shape {tuple(given.shape)}, not {tuple(value.shape)}")
        if not given.is_floating_point():
            raise DataError(str(path), f"{name} holds no floating-point numbers")
    network.load_state_dict(tensors, assign=True)
