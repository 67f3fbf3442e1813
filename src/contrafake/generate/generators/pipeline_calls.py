"""What a pipeline is called with: read from the signature of its call, so that no model needs an adapter."""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.errors import ConfigError
from contrafake.generate.generators.generator import GenerationError
from contrafake.generate.generators.torch_place import seeded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from contrafake.generate.generators.generator import Request

_FROM_PLAN = {
    "prompt", "negative_prompt", "image", "mask_image", "height", "width", "strength", "generator", "batch_size",
    "output_type", "return_dict", "num_images_per_prompt", "num_inference_steps", "steps", "latents", "prompt_embeds",
    "negative_prompt_embeds", "self", "args", "kwargs",
}  # fmt: skip

_QUIETLY_DIFFERENT = {
    # Cleans captions only where two more libraries happen to be installed: the same plan would make other images.
    "clean_caption": False,
    # Makes the image at another size and resizes it: traces of scaling that no sibling has.
    "use_resolution_binning": False,
}


class Signature:
    """The call of a pipeline.

    Args:
        pipe: The pipeline.
        arguments: Further arguments of the call, from the settings.

    Raises:
        ConfigError: An argument is unknown (the nearest is named) or is one that the plan decides.
    """

    def __init__(self, pipe: Any, arguments: Mapping[str, Any]) -> None:
        self.name = type(pipe).__name__
        self._parameters = inspect.signature(type(pipe).__call__).parameters
        self.steps = next((name for name in ("num_inference_steps", "steps") if name in self._parameters), None)
        self.guidance = self._guidance(pipe)
        known = sorted(set(self._parameters) - _FROM_PLAN - {self.guidance})
        for argument in arguments:
            if argument in _FROM_PLAN or argument == self.guidance:
                raise ConfigError(f"arguments.{argument}", "is decided by the plan", "it has a setting of its own")
            if argument not in known:
                near = difflib.get_close_matches(argument, known, n=1, cutoff=0.0)
                remedy = f"the nearest known one is {near[0]}" if near else ""
                raise ConfigError(f"arguments.{argument}", f"unknown to {self.name}", remedy)
        self.fixed = {**{key: value for key, value in _QUIETLY_DIFFERENT.items() if key in known}, **arguments}

    def takes(self, parameter: str) -> bool:
        """Whether the call has a parameter."""
        return parameter in self._parameters

    def default(self, parameter: str | None) -> Any:
        """The pipeline's own value of a parameter, None where it has none."""
        found = self._parameters.get(parameter or "")
        return None if found is None or found.default is inspect.Parameter.empty else found.default

    def check(self, *, steps: int | None, guidance: float | None, negative: str, strength: float | None) -> None:
        """Checks that what the settings say can act.

        Raises:
            ConfigError: A setting has no parameter that it could go to, or no step would be left.
        """
        for key, wanted, there in (
            ("steps", steps is not None, self.steps),
            ("guidance", guidance is not None, self.guidance),
            ("negative_prompt", bool(negative), self.takes("negative_prompt")),
        ):
            if wanted and not there:
                raise ConfigError(key, f"{self.name} has no such parameter", f"remove {key}")
        if strength is None:
            return
        if not self.takes("image"):
            raise ConfigError("kind", f"{self.name} takes no image", "kind: text-to-image, or another pipeline")
        if not self.takes("strength") and strength != 1:
            raise ConfigError("strength", f"{self.name} has no such parameter", "strength: 1")
        count = steps or self.default(self.steps)
        if self.takes("strength") and isinstance(count, int) and int(count * strength) < 1:
            raise ConfigError("strength", f"{strength} of {count} steps is none", "more steps or more strength")

    def arguments(
        self, requests: Sequence[Request], masks: Sequence[NDArray[np.bool_]] | None = None, *, seeds: Any = None
    ) -> dict[str, Any]:
        """The arguments for some images that share size, steps, guidance and strength.

        Args:
            requests: What is asked for; lists are passed for several, single values for one.
            masks: Regions to fill, one for each, (H, W) bool.
            seeds: Sources of noise that are already in use; None makes new ones from the requests' seeds.

        Raises:
            GenerationError: A real image is needed and missing.
        """
        job = requests[0].job
        guidance = job.guidance if job.guidance is not None else self.default(self.guidance)
        wanted: dict[str, Any] = {
            "prompt": [request.job.prompt for request in requests],
            "height": job.height,
            "width": job.width,
            "generator": seeds or seeded(request.seed for request in requests),
            "output_type": "np",
        }
        negatives = [request.job.negative_prompt for request in requests]
        if any(negatives):
            wanted["negative_prompt"] = negatives
        elif self.guidance == "true_cfg_scale" and isinstance(guidance, int | float) and guidance > 1:
            # Without any negative prompt these pipelines leave guidance out; a blank is what their authors pass.
            wanted["negative_prompt"] = [" "] * len(requests)
        if job.guidance is not None and self.guidance:
            wanted[self.guidance] = job.guidance
        if job.steps is not None and self.steps:
            wanted[self.steps] = job.steps
        if job.strength is not None:
            wanted["image"] = [_as_image(request) for request in requests]
            wanted["strength"] = job.strength
        if masks is not None:
            wanted["mask_image"] = [_as_mask(mask) for mask in masks]
        if len(requests) == 1:
            wanted = {key: value[0] if isinstance(value, list) else value for key, value in wanted.items()}
        wanted["batch_size"] = len(requests)
        return {key: value for key, value in wanted.items() if key in self._parameters} | self.fixed

    def _guidance(self, pipe: Any) -> str | None:
        """The parameter that acts: models whose guidance was distilled take a number, others compute it."""
        embeds = getattr(getattr(getattr(pipe, "transformer", None), "config", None), "guidance_embeds", False)
        names = ("guidance_scale", "true_cfg_scale") if embeds else ("true_cfg_scale", "guidance_scale")
        return next((name for name in names if name in self._parameters), None)


def as_pixels(images: Any, requests: Sequence[Request]) -> list[NDArray[np.uint8]]:
    """What a pipeline returned, as (H, W, 3) uint8 RGB.

    Args:
        images: (N, H, W, 1 or 3) floats in [0, 1], or a list of such images or of PIL images.
        requests: What was asked for.

    Raises:
        GenerationError: It is of another number, size or kind than was asked for.
    """
    if len(images) != len(requests):
        raise GenerationError(requests[0].job.record, f"{len(images)} images were made for {len(requests)} prompts")
    return [_as_pixels(np.asarray(image), request) for image, request in zip(images, requests, strict=True)]


def _as_pixels(image: NDArray[Any], request: Request) -> NDArray[np.uint8]:
    record, job = request.job.record, request.job
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in {1, 3}:
        raise GenerationError(record, f"what was made has the shape {image.shape}, which is no image")
    if image.shape[:2] != (job.height, job.width):
        height, width = image.shape[:2]
        raise GenerationError(
            record,
            f"the model made {width}x{height} instead of {job.width}x{job.height}",
            f"sizes: [[{width}, {height}]]",
        )
    if image.dtype != np.uint8:
        if not np.isfinite(image).all():
            raise GenerationError(record, "the model made values that are no numbers", "another precision")
        image = np.rint(np.clip(image.astype(np.float64), 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))


def _as_image(request: Request) -> Any:
    from PIL import Image  # noqa: PLC0415 - what pipelines take

    if request.image is None:
        raise GenerationError(request.job.record, "the real image is missing")
    return Image.fromarray(request.image)


def _as_mask(mask: NDArray[np.bool_]) -> Any:
    from PIL import Image  # noqa: PLC0415 - what pipelines take

    return Image.fromarray(mask.astype(np.uint8) * 255)
