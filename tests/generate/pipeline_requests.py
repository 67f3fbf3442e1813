"""Requests and settings for the tests of pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from contrafake.generate.generators.generator import GenerationError, Generator, Made, Request, open_generator
from contrafake.generate.generators.settings import AnyGenerator, ImageToImage, Inpainting, TextToImage
from contrafake.generate.job import Job, Treatment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def photo(height: int, width: int) -> NDArray[np.uint8]:
    """A smooth scene."""
    coarse = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def ask(
    width: int,
    height: int,
    *,
    seed: int = 0,
    prompt: str = "a cat",
    negative: str = "",
    steps: int | None = 3,
    guidance: float | None = None,
    strength: float | None = None,
    image: NDArray[np.uint8] | None = None,
    record: str = "record",
) -> Request:
    """A request for one image."""
    job = Job(
        key=f"key-{seed}",
        record=record,
        generator="tiny",
        kind="text-to-image",
        model="tiny",
        revision="",
        prompt=prompt,
        negative_prompt=negative,
        frame=(0, 0, width, height),
        width=width,
        height=height,
        steps=steps,
        guidance=guidance,
        strength=strength,
        scheduler="",
        seed=seed,
        treatment=Treatment(None, None, 1.0, None),
    )
    return Request(job, seed, image)


def generator_of(model: Path | str, kind: str = "text-to-image", **changes: Any) -> Generator:
    """Opens a generator."""
    kinds: dict[str, Any] = {"text-to-image": TextToImage, "image-to-image": ImageToImage, "inpainting": Inpainting}
    settings: AnyGenerator = kinds[kind](name="tiny", kind=kind, model=str(model), **changes)
    return open_generator(settings)


def kept(results: Sequence[Made | GenerationError]) -> list[Made]:
    """The images, where none failed."""
    assert not [str(each) for each in results if isinstance(each, GenerationError)]
    return [each for each in results if isinstance(each, Made)]
