"""CoDE's pool of nineteen operations, the pool extended by ours, and the random chains drawn from them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from contrafake.errors import ConfigError, UsageError
from contrafake.images.transforms.colour import Brightness, Contrast, Grayscale, Opacity, Saturation
from contrafake.images.transforms.detail import Blur, JpegQuality, Pixelization, Sharpen, ShufflePixels
from contrafake.images.transforms.geometry import HorizontalFlip, Rotation, Skew
from contrafake.images.transforms.noise import GaussianNoise
from contrafake.images.transforms.overlay import OverlayStripes, Pad
from contrafake.images.transforms.recompression import AvifQuality, DoubleJpeg, WebpQuality
from contrafake.images.transforms.rescaling import LongestSide, Rescale
from contrafake.images.transforms.screenshot import Screenshot
from contrafake.images.transforms.sizing import AspectRatio, CentreCrop, RandomCrop, Resize, Scale

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from PIL import Image

    from contrafake.images.transforms.operation import Operation

POOL: tuple[type[Operation], ...] = (
    Blur,
    Brightness,
    AspectRatio,
    Pixelization,
    Rotation,
    Contrast,
    Saturation,
    JpegQuality,
    Grayscale,
    HorizontalFlip,
    Opacity,
    OverlayStripes,
    Pad,
    Resize,
    RandomCrop,
    Scale,
    Sharpen,
    ShufflePixels,
    Skew,
)
"""The operations in the order of the official code (`MassiveTransform` in CustomTransform.py); chains keep to it."""

EXTENDED: tuple[type[Operation], ...] = (
    *POOL,
    GaussianNoise,
    Rescale,
    Screenshot,
    DoubleJpeg,
    WebpQuality,
    *((AvifQuality,) if AvifQuality.available() else ()),
)
"""The official operations, then what happens to images on their way through the world; re-encoding comes last there.

AVIF is left out where Pillow lacks its codec.
"""

EVERY: tuple[type[Operation], ...] = (*EXTENDED, CentreCrop, LongestSide)
"""All operations there are: those of the pools, and those that only chains written by hand have."""

POOLS: dict[str, tuple[type[Operation], ...]] = {"official": POOL, "extended": EXTENDED}
"""Pools by the name that configurations use."""


def sample_chain(
    rng: np.random.Generator, max_operations: int = 2, pool: Sequence[type[Operation]] = POOL
) -> tuple[Operation, ...]:
    """Draw a chain as the official CoDE code does.

    The number of operations is uniform over 0, 1, ..., `max_operations`; their types are drawn without replacement,
    each equally likely; they are applied in the order of the pool, so that JPEG, for example, always precedes resizing.

    Args:
        rng: Source of all chance.
        max_operations: K, the largest number of operations; CoDE trains with 2. Within [0, length of the pool].
        pool: The operations to draw from, in the order of application.

    Returns:
        The operations with their parameters, in the order of application; empty with probability 1 / (K + 1).

    Raises:
        UsageError: If `max_operations` is negative or more than the pool holds.
    """
    if not 0 <= max_operations <= len(pool):
        raise UsageError(
            "max_operations", f"{max_operations} of a pool of {len(pool)} operations", f"choose 0 to {len(pool)}"
        )
    count = int(rng.integers(max_operations + 1))
    chosen = sorted(rng.choice(len(pool), size=count, replace=False).tolist())
    return tuple(pool[index].sample(rng) for index in chosen)


def apply_chain(image: Image.Image, chain: Iterable[Operation]) -> Image.Image:
    """Apply operations one after another.

    Args:
        image: An RGB image of at least 1 x 1 pixel; it is not modified.
        chain: The operations in the order of application.

    Returns:
        An RGB image; `image` itself for an empty chain.

    Raises:
        UsageError: If the image is not RGB or has no pixels.
    """
    if image.mode != "RGB" or 0 in image.size:
        raise UsageError("image", f"mode {image.mode}, size {image.width} x {image.height}", "give an RGB image")
    for operation in chain:
        image = operation(image)
    return image


def describe(chain: Iterable[Operation]) -> list[dict[str, Any]]:
    """Write a chain as plain data that JSON holds exactly.

    Args:
        chain: Operations of any pool.

    Returns:
        One `{"name": ..., "parameters": {...}}` per operation, in order.
    """
    return [
        {
            "name": operation.name,
            "parameters": {field.name: getattr(operation, field.name) for field in fields(operation)},
        }
        for operation in chain
    ]


def from_description(
    description: Iterable[Mapping[str, Any]], pool: Sequence[type[Operation]] = POOL
) -> tuple[Operation, ...]:
    """Rebuild the chain that `describe` wrote.

    Args:
        description: What `describe` returned, possibly after a round through JSON.
        pool: The operations that may occur.

    Returns:
        The chain, equal to the one described.

    Raises:
        ConfigError: If an operation or a parameter is unknown, missing, of the wrong type or outside its range.
    """
    known = {operation.name: operation for operation in pool}
    return tuple(_rebuild(item, known) for item in description)


_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}


def _rebuild(item: Mapping[str, Any], known: Mapping[str, type[Operation]]) -> Operation:
    name, parameters = item.get("name"), item.get("parameters")
    operation = known.get(name) if isinstance(name, str) else None
    if operation is None:
        if name == AvifQuality.name and not AvifQuality.available():
            raise ConfigError(name, "this Pillow has no AVIF codec", AvifQuality.REMEDY)
        raise ConfigError("operation", f"{name!r} is unknown", f"known are {', '.join(sorted(known))}")
    kinds = {field.name: field.type for field in fields(operation)}
    if not isinstance(parameters, dict) or parameters.keys() != kinds.keys():
        raise ConfigError(operation.name, f"parameters are {parameters!r}", f"give {', '.join(kinds) or 'none'}")
    for key, value in parameters.items():
        kind = str(kinds[key])
        # For Python, True is an int.
        if isinstance(value, bool) != (kind == "bool") or not isinstance(value, _KINDS[kind]):
            raise ConfigError(operation.name, f"{key} is {value!r}", f"give {kind}")
    try:
        return operation(**parameters)
    except UsageError as error:
        raise ConfigError(error.subject, error.cause, error.remedy) from error
