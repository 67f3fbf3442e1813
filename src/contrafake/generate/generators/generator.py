"""The one interface of everything that makes images."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from contrafake.errors import ContrafakeError, DataError
from contrafake.generate.generators.settings import Program, Service
from contrafake.settings import expand

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from contrafake.generate.generators.settings import AnyGenerator
    from contrafake.generate.job import Job


class GenerationError(ContrafakeError):
    """An image that could not be made; the others of the batch may well have been."""


@dataclass(frozen=True)
class Request:
    """One image that a generator is asked for.

    Attributes:
        job: Row of the plan.
        seed: Seed of this attempt.
        image: (H, W, 3) uint8 RGB, the frame of the real image, scaled to the job's width and height; None where the
            generator does not begin with it.
    """

    job: Job
    seed: int
    image: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Made:
    """One image that a generator made.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        flagged: What the generator's own safety checker said; None where it has none.
        mask: (H, W) bool, True where the image was generated; None where all of it was.
        facts: What else belongs into the record of this image: classes and versions, never times or paths.
    """

    pixels: NDArray[np.uint8]
    flagged: bool | None = None
    mask: NDArray[np.bool_] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class Generator(Protocol):
    """Makes images. Loading happens when it is constructed, once for many images."""

    @property
    def facts(self) -> dict[str, Any]:
        """What was loaded: classes, versions, device, precision; the same for all its images."""

    def make(self, requests: Sequence[Request]) -> list[Made | GenerationError]:
        """Makes one image for each request, in order.

        An image depends on its own request alone, but for rounding, not on what is made beside it. What fails for one
        request is returned in its place.

        Raises:
            ContrafakeError: Nothing more can be made: the model or program is gone.
        """

    def close(self) -> None:
        """Gives memory, processes and connections back."""


_MAKERS = {
    "text-to-image": "contrafake.generate.generators.pipeline:open_pipeline",
    "image-to-image": "contrafake.generate.generators.pipeline:open_pipeline",
    "inpainting": "contrafake.generate.generators.pipeline:open_pipeline",
    "reconstruction": "contrafake.generate.generators.reconstruction:Reconstructor",
    "program": "contrafake.generate.generators.program:ProgramCaller",
    "service": "contrafake.generate.generators.service:ServiceCaller",
}


def check_generator(settings: AnyGenerator) -> None:
    """Finds what can be found wrong with a generator at no cost: a missing program, key, placeholder or folder.

    Args:
        settings: What the configuration says of it.

    Raises:
        ConfigError: A setting makes no sense.
        DataError: A program or folder is missing.
    """
    if isinstance(settings, Program | Service):
        open_generator(settings).close()
    elif (folder := Path(expand(settings.model)).expanduser()).is_absolute() and not folder.exists():
        raise DataError(settings.model, "no such folder", "check `model`")


def open_generator(settings: AnyGenerator) -> Generator:
    """Loads a generator.

    Args:
        settings: What the configuration says of it.

    Raises:
        ConfigError: A setting does not fit the model.
        DataError: The model is missing, damaged or cannot be fetched.
        MissingExtraError: A library is not installed.
    """
    module, name = _MAKERS[settings.kind].split(":")
    generator: Generator = getattr(importlib.import_module(module), name)(settings)
    return generator
