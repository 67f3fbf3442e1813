"""The photographs that the own model learns from: chosen by hash, read once, kept as latents or pixels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.location import read_bytes
from contrafake.data.sample import REAL
from contrafake.data.sources import open_data, samples_of
from contrafake.data.whole_file import write_whole
from contrafake.errors import ConfigError, ContrafakeError, DataError
from contrafake.images import read
from contrafake.settings import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from contrafake.data.location import Location
    from contrafake.data.sample import Sample
    from contrafake.generate.tiny.config import TinyConfig

PART = 32
"""Photographs in a file of the cache; a killed run reads at most so many again."""


@dataclass(frozen=True)
class Chosen:
    """Which photographs are trained on and which are set apart."""

    training: list[Location]
    held_out: list[Location]


@dataclass
class Cache:
    """Every training photograph as the network sees it, in memory-mapped files.

    Attributes:
        count: Number of photographs.
        left_out: Cause by address, for what could not be used.
        mean: Of each channel, over all of them; None for pixels.
        deviation: Standard deviation of each channel; None for pixels.
    """

    count: int
    left_out: dict[str, str]
    mean: list[float] | None
    deviation: list[float] | None
    _places: list[tuple[Any, str]] = field(repr=False)

    def __getitem__(self, index: int) -> Tensor:
        """(C, H, W): float16 latents, not normalised, or uint8 pixels."""
        file, name = self._places[index]
        tensor: Tensor = file.get_tensor(name)
        return tensor


def choose(config: TinyConfig) -> Chosen:
    """Lists the data and divides it; nothing that belongs together is divided.

    Raises:
        ConfigError: A variable of a path is not set.
        DataError: The data cannot be listed, or nothing is left to train on.
    """
    found: list[tuple[str, str, Location]] = []
    for item in open_data([expand(address) for address in config.data]):
        for sample in samples_of(item):
            if sample.label == REAL and _kept(sample, config):
                unit = sample.group or sample.key
                found.append((_digest(config.seed, unit), sample.key, sample.image))
    found.sort(key=lambda entry: entry[:2])
    held_out = found[: config.held_out]
    apart = {unit for unit, _, _ in held_out}
    training = [entry for entry in found[config.held_out :] if entry[0] not in apart]
    if not training:
        remedy = "look at keep, and at held_out"
        raise DataError(", ".join(config.data), f"no photograph is left to train on, of {len(found)}", remedy)
    return Chosen([place for *_, place in training[: config.limit]], [place for *_, place in held_out])


def prepared(location: Location, config: TinyConfig) -> NDArray[np.uint8]:
    """Reads a photograph: scaled down where it is large, its middle where it is long, at least a crop in size.

    Returns:
        (H, W, 3) uint8, both sides between `image_size` and twice `shorter_side`.

    Raises:
        ContrafakeError: It cannot be read, or is smaller than a crop.
    """
    from PIL import Image  # noqa: PLC0415

    pixels = read(read_bytes(location), name=location.address).pixels
    height, width = pixels.shape[:2]
    if min(height, width) < config.image_size:
        raise DataError(location.address, f"a side of {min(height, width)} px is below {config.image_size}")
    if min(height, width) > config.shorter_side:
        scale = config.shorter_side / min(height, width)
        size = max(config.shorter_side, round(width * scale)), max(config.shorter_side, round(height * scale))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))
    return middle(pixels, min(pixels.shape[0], 2 * config.shorter_side), min(pixels.shape[1], 2 * config.shorter_side))


def middle(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The middle (height, width, 3) of an image that is at least so large."""
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def fill_cache(
    folder: Path,
    locations: Sequence[Location],
    config: TinyConfig,
    autoencoder: Any,
    step: Callable[[int], None] = lambda _: None,
) -> Cache:
    """Reads and encodes every photograph that the cache lacks.

    Args:
        folder: The cache's own folder.
        locations: The photographs.
        config: Of the run.
        autoencoder: With `encode` and `factor`; None keeps pixels.
        step: Called with a number of photographs done.

    Raises:
        ConfigError: The cache was filled under other settings.
        DataError: It cannot be written, or no photograph could be used.
    """
    from safetensors import safe_open  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder / "made-from.json", locations, config)
    places: list[tuple[Any, str]] = []
    left_out: dict[str, str] = {}
    for start in range(0, len(locations), PART):
        path = folder / f"part-{start // PART:05d}.safetensors"
        part = locations[start : start + PART]
        if not path.exists():
            _write_part(path, part, config, autoencoder)
        file: Any = safe_open(path, "pt")
        left_out |= json.loads((file.metadata() or {})["left_out"])
        places += [(file, name) for name in sorted(file.keys())]
        step(len(part))
    if not places:
        cause = next(iter(left_out.values()))
        raise DataError(str(folder), f"none of {len(locations)} photographs can be used, the first because {cause}")
    cache = Cache(len(places), left_out, None, None, places)
    if autoencoder is not None:
        cache.mean, cache.deviation = _law(cache)
    return cache


def _write_part(path: Path, locations: Sequence[Location], config: TinyConfig, autoencoder: Any) -> None:
    import torch  # noqa: PLC0415
    from safetensors.torch import save  # noqa: PLC0415

    tensors: dict[str, Tensor] = {}
    left_out: dict[str, str] = {}
    factor = 1 if autoencoder is None else int(autoencoder.factor)
    for number, location in enumerate(locations):
        try:
            pixels = prepared(location, config)
        except ContrafakeError as error:
            left_out[location.address] = error.cause
            continue
        pixels = middle(pixels, *(side // factor * factor for side in pixels.shape[:2]))
        image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
        if autoencoder is not None:
            with torch.no_grad():
                image = autoencoder.encode(image[None].float() / 255)[0].to("cpu", torch.float16)
        tensors[f"{number:05d}"] = image.contiguous()
    write_whole(path, save(tensors, {"left_out": json.dumps(left_out)}))


def _claim(path: Path, locations: Sequence[Location], config: TinyConfig) -> None:
    """Refuses a cache of other photographs or another autoencoder."""
    listed = hashlib.sha256("\n".join(location.address for location in locations).encode("utf-8", "replace"))
    facts = {
        "photographs": listed.hexdigest(),
        "image_size": config.image_size,
        "shorter_side": config.shorter_side,
        "autoencoder": config.autoencoder,
    }
    if not path.exists():
        write_whole(path, json.dumps(facts, indent=1).encode())
    elif json.loads(path.read_text(encoding="utf-8")) != facts:
        raise ConfigError(str(path.parent), "was filled from other photographs or settings", "name another run")


def _law(cache: Cache) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, over all photographs."""
    import torch  # noqa: PLC0415

    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for index in range(cache.count):
        flat = cache[index].flatten(1).double()
        count += flat.shape[1]
        total, squares = total + flat.sum(1), squares + flat.square().sum(1)
    mean = total / count
    deviation = (squares / count - mean.square()).clamp(min=1e-12).sqrt()
    return [round(float(one), 6) for one in mean], [round(float(one), 6) for one in deviation]


def _kept(sample: Sample, config: TinyConfig) -> bool:
    return all(sample.metadata.get(name) in values for name, values in config.keep.items())


def _digest(seed: int, unit: str) -> str:
    return hashlib.blake2b(f"{seed}\0{unit}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
