"""The transformation pool of CoDE (ECCV 2024): nineteen image operations after AugLy, and random chains of them.

Their ranges and order are those of the official code (aimagelab/CoDE, `src/dataset/CustomTransform.py` and the defaults
in `src/args_train.py`, which its launch script keeps). What each operation does is what AugLy 1.0.0 does on a current
Pillow, bit by bit, except where its docstring says otherwise.

The extended pool adds what happens to images on their way through the world: noise, rescaling, screenshots, JPEG twice,
WebP, AVIF. These operations and their ranges are ours; each says what it goes by.
"""

from contrafake.images.transforms.colour import Brightness, Contrast, Grayscale, Opacity, Saturation
from contrafake.images.transforms.detail import Blur, JpegQuality, Pixelization, Sharpen, ShufflePixels
from contrafake.images.transforms.geometry import HorizontalFlip, Rotation, Skew
from contrafake.images.transforms.noise import GaussianNoise
from contrafake.images.transforms.operation import Operation
from contrafake.images.transforms.overlay import OverlayStripes, Pad
from contrafake.images.transforms.pool import (
    EVERY,
    EXTENDED,
    POOL,
    POOLS,
    apply_chain,
    describe,
    from_description,
    sample_chain,
)
from contrafake.images.transforms.recompression import AvifQuality, DoubleJpeg, WebpQuality
from contrafake.images.transforms.rescaling import LongestSide, Rescale
from contrafake.images.transforms.screenshot import Screenshot
from contrafake.images.transforms.sizing import AspectRatio, CentreCrop, RandomCrop, Resize, Scale

__all__ = [
    "EVERY",
    "EXTENDED",
    "POOL",
    "POOLS",
    "AspectRatio",
    "AvifQuality",
    "Blur",
    "Brightness",
    "CentreCrop",
    "Contrast",
    "DoubleJpeg",
    "GaussianNoise",
    "Grayscale",
    "HorizontalFlip",
    "JpegQuality",
    "LongestSide",
    "Opacity",
    "Operation",
    "OverlayStripes",
    "Pad",
    "Pixelization",
    "RandomCrop",
    "Rescale",
    "Resize",
    "Rotation",
    "Saturation",
    "Scale",
    "Screenshot",
    "Sharpen",
    "ShufflePixels",
    "Skew",
    "WebpQuality",
    "apply_chain",
    "describe",
    "from_description",
    "sample_chain",
]
