"""The transformation pool of CoDE (ECCV 2024): nineteen image operations after AugLy, and random chains of them.

Ranges and order are those of the official code (aimagelab/CoDE, `src/dataset/CustomTransform.py` and the defaults in
`src/args_train.py`, which its launch script keeps). What each operation does is what AugLy 1.0.0 does on a current
Pillow, bit by bit, except where its docstring says otherwise.
"""

from contrafake.images.transforms.colour import Brightness, Contrast, Grayscale, Opacity, Saturation
from contrafake.images.transforms.detail import Blur, JpegQuality, Pixelization, Sharpen, ShufflePixels
from contrafake.images.transforms.geometry import HorizontalFlip, Rotation, Skew
from contrafake.images.transforms.operation import Operation
from contrafake.images.transforms.overlay import OverlayStripes, Pad
from contrafake.images.transforms.pool import POOL, apply_chain, describe, from_description, sample_chain
from contrafake.images.transforms.sizing import AspectRatio, RandomCrop, Resize, Scale

__all__ = [
    "POOL",
    "AspectRatio",
    "Blur",
    "Brightness",
    "Contrast",
    "Grayscale",
    "HorizontalFlip",
    "JpegQuality",
    "Opacity",
    "Operation",
    "OverlayStripes",
    "Pad",
    "Pixelization",
    "RandomCrop",
    "Resize",
    "Rotation",
    "Saturation",
    "Scale",
    "Sharpen",
    "ShufflePixels",
    "Skew",
    "apply_chain",
    "describe",
    "from_description",
    "sample_chain",
]
