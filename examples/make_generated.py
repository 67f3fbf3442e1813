"""Makes the images in examples/generated from two of the photographs in examples/real.

TAEF2 is the tiny autoencoder for FLUX.2's latent space by Ollin Boer Bohan (repository madebyollin/taesd, MIT licence).
Photographs go through its encoder, the latents are changed, and its decoder draws the result. Needs torch and the
weights, which are not part of this project: `encoder.safetensors` and `decoder.safetensors`, in
${CONTRAFAKE_DATA}/weights/taef2 unless told otherwise.

    python examples/make_generated.py
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, JpegImagePlugin
from safetensors.torch import load_file
from torch import Tensor, nn

HERE = Path(__file__).parent
MULTIPLE = 8
LONGEST_SIDE = 640


class Block(nn.Module):
    """Three 3x3 convolutions around a skip connection; a middle block first mixes in a 1x1 bottleneck."""

    def __init__(self, middle: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(conv(64, 64), nn.ReLU(), conv(64, 64), nn.ReLU(), conv(64, 64))
        self.pool = (
            nn.Sequential(
                nn.Conv2d(64, 256, 1, bias=False), nn.GroupNorm(4, 256), nn.ReLU(), nn.Conv2d(256, 64, 1, bias=False)
            )
            if middle
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, h, w) to the same shape."""
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class Clamp(nn.Module):
    """Bounds latents softly to [-3, 3]."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return torch.tanh(x / 3) * 3


def conv(inputs: int, outputs: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size, or halves it with stride 2."""
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)


def make_encoder() -> nn.Sequential:
    """Images (N, 3, H, W) in [0, 1] to latents (N, 32, H/8, W/8); layer positions are the keys of the weights."""
    layers: list[nn.Module] = [conv(3, 64), Block()]
    for middle in (False, False, True):
        layers += [conv(64, 64, stride=2, bias=False), *(Block(middle) for _ in range(3))]
    return nn.Sequential(*layers, conv(64, 32))


def make_decoder() -> nn.Sequential:
    """Latents (N, 32, h, w) to images (N, 3, 8h, 8w), roughly in [0, 1]; layer positions likewise."""
    layers: list[nn.Module] = [Clamp(), conv(32, 64), nn.ReLU()]
    for middle in (True, False, False):
        layers += [*(Block(middle) for _ in range(3)), nn.Upsample(scale_factor=2), conv(64, 64, bias=False)]
    return nn.Sequential(*layers, Block(), conv(64, 3))


def load(network: nn.Sequential, path: Path) -> nn.Sequential:
    """The network with the weights of a safetensors file, in float32."""
    network.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
    return network.eval()


def read(path: Path) -> tuple[Tensor, JpegImagePlugin.JpegImageFile]:
    """A JPEG photograph, cut at the centre to sides that are multiples of 8, as (1, 3, H, W); and the opened file."""
    photograph = Image.open(path)
    if not isinstance(photograph, JpegImagePlugin.JpegImageFile) or max(photograph.size) > LONGEST_SIDE:
        raise SystemExit(f"{path}: not a JPEG file of at most {LONGEST_SIDE} pixels a side")
    width, height = (side // MULTIPLE * MULTIPLE for side in photograph.size)
    left, top = (photograph.width - width) // 2, (photograph.height - height) // 2
    pixels = np.asarray(photograph.convert("RGB"), dtype=np.float32)[top : top + height, left : left + width]
    return torch.from_numpy(pixels / 255).permute(2, 0, 1)[None], photograph


def write(path: Path, image: Tensor, like: JpegImagePlugin.JpegImageFile) -> None:
    """Saves (1, 3, H, W) as a JPEG with the quantisation tables, sampling and colour profile of a photograph.

    Were the two classes compressed differently, a detector could tell them apart without looking at the picture.
    """
    pixels = (image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(
        path,
        format="JPEG",
        qtables=like.quantization,
        subsampling=JpegImagePlugin.get_sampling(like),
        icc_profile=like.info.get("icc_profile"),
        dpi=like.info.get("dpi", (0, 0)),
    )


def restyle(content: Tensor, style: Tensor) -> Tensor:
    """The content's latents with each channel's mean and spread taken from the style's (adaptive instance norm)."""
    over = (2, 3)
    normal = (content - content.mean(over, keepdim=True)) / content.std(over, keepdim=True)
    return normal * style.std(over, keepdim=True) + style.mean(over, keepdim=True)


@torch.inference_mode()
def main() -> None:
    """Writes every generated example; the same seed gives the same images."""
    parser = argparse.ArgumentParser(description="Make the images in examples/generated.")
    default = Path(os.environ.get("CONTRAFAKE_DATA", "."), "weights", "taef2")
    parser.add_argument("--weights", type=Path, default=default, help="folder of the two weight files (%(default)s)")
    parser.add_argument("--photographs", type=Path, default=HERE / "real", help="folder of china.jpg and flower.jpg")
    parser.add_argument("--output", type=Path, default=HERE / "generated", help="folder to write to")
    parser.add_argument("--noise", type=float, default=0.25, help="spread of the noise on the latents (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of that noise (%(default)s)")
    options = parser.parse_args()

    encoder = load(make_encoder(), options.weights / "encoder.safetensors")
    decoder = load(make_decoder(), options.weights / "decoder.safetensors")
    (china, china_file), (flower, flower_file) = (read(options.photographs / f"{n}.jpg") for n in ("china", "flower"))
    china_latents, flower_latents = encoder(china), encoder(flower)
    generator = torch.Generator().manual_seed(options.seed)

    def noisy(latents: Tensor) -> Tensor:
        noise = torch.randn(latents.shape, generator=generator)
        return latents + float(options.noise) * noise

    images = {
        "china_reconstructed": (noisy(china_latents), china_file),
        "flower_reconstructed": (noisy(flower_latents), flower_file),
        "china_flower_blend": (torch.lerp(china_latents, flower_latents, 0.5), china_file),
        "china_restyled": (restyle(china_latents, flower_latents), china_file),
    }
    options.output.mkdir(parents=True, exist_ok=True)
    for name, (latents, like) in images.items():
        write(options.output / f"{name}.jpg", decoder(latents), like)


if __name__ == "__main__":
    main()
