"""Any diffusers pipeline as a generator: text to image, image to image, inpainting."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.errors import ConfigError
from contrafake.generate.generators.batches import BatchedGenerator, MakeAloneError
from contrafake.generate.generators.generator import GenerationError, Generator, Made, Request
from contrafake.generate.generators.mask import draw_mask
from contrafake.generate.generators.pipeline_calls import Signature, as_pixels
from contrafake.generate.generators.pipeline_loading import ModelPlace, class_of, load_pipeline
from contrafake.generate.generators.quiet import quiet_libraries
from contrafake.generate.generators.said import said
from contrafake.generate.generators.settings import ImageToImage, Inpainting, TextToImage
from contrafake.generate.generators.torch_place import place, precision_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from contrafake.generate.generators.settings import PipelineSettings


def open_pipeline(settings: TextToImage | ImageToImage | Inpainting) -> Generator:
    """Loads a pipeline, or a cascade of them.

    Args:
        settings: What the configuration says of it.

    Raises:
        ConfigError: A setting does not fit the pipeline or this machine.
        DataError: The model is missing, damaged or cannot be fetched.
    """
    if isinstance(settings, TextToImage) and settings.then:
        from contrafake.generate.generators.cascade import Cascade  # noqa: PLC0415 - it builds on this module

        return Cascade(settings)
    return PipelineGenerator(settings)


class PipelineGenerator(BatchedGenerator):
    """One pipeline.

    Args:
        settings: What the configuration says of it.

    Raises:
        ConfigError: A setting does not fit the pipeline or this machine.
        DataError: The model is missing, damaged or cannot be fetched.
    """

    def __init__(self, settings: TextToImage | ImageToImage | Inpainting) -> None:
        device, dtype = place(settings)
        check_offload(settings, device)
        where = ModelPlace(settings.model, settings.revision, settings.variant, settings.pipeline)
        loaded = load_pipeline(where, settings.kind, dtype, safety_checker=settings.safety_checker)
        self._pipe = loaded.pipe
        self._settings = settings
        self._device = device
        self._signature = Signature(self._pipe, settings.arguments)
        strength = None if isinstance(settings, TextToImage) else settings.strength
        self._signature.check(
            steps=settings.steps, guidance=settings.guidance, negative=settings.negative_prompt, strength=strength
        )
        if isinstance(settings, Inpainting) and not self._signature.takes("mask_image"):
            raise ConfigError("kind", f"{self._signature.name} takes no mask", "kind: image-to-image")
        set_scheduler(self._pipe, settings.scheduler)
        put(self._pipe, settings, device)
        self._facts = pipe_facts(self._pipe, self._signature, dtype, loaded.commit)
        # Of several images without a strength, such a pipeline takes all for the model of each one that it makes.
        alone = strength is not None and not self._signature.takes("strength")
        facts = {**self._facts, "device": device.type, "fingerprint": loaded.fingerprint}
        super().__init__(facts, 1 if alone else settings.batch)

    def close(self) -> None:
        """Gives the model's memory back."""
        self._pipe = None
        free()

    def _make(self, requests: list[Request]) -> list[Made]:
        self._check_size(requests[0])
        masks = None
        if isinstance(self._settings, Inpainting):
            area = self._settings.area
            masks = [draw_mask(each.job.height, each.job.width, area, each.seed) for each in requests]
        arguments = self._signature.arguments(requests, masks)
        output = call(self._pipe, arguments, requests, self._device)
        made = finished(output, requests, self._facts)
        return made if masks is None else [self._masked(*each) for each in zip(made, requests, masks, strict=True)]

    def _masked(self, made: Made, request: Request, mask: Any) -> Made:
        pixels = made.pixels
        if isinstance(self._settings, Inpainting) and self._settings.paste and request.image is not None:
            pixels = np.where(mask[..., None], pixels, request.image)
        return Made(pixels, made.flagged, mask, made.facts)

    def _check_size(self, request: Request) -> None:
        """A model that is told no size makes one only; finding that out afterwards would cost the image."""
        if self._signature.takes("height") or request.job.strength is not None:
            return
        side = getattr(getattr(getattr(self._pipe, "unet", None), "config", None), "sample_size", None)
        height, width = (side, side) if isinstance(side, int) else (side or (None, None))
        if height and (height, width) != (request.job.height, request.job.width):
            raise GenerationError(
                request.job.record,
                f"the model makes {width}x{height} only, not {request.job.width}x{request.job.height}",
                f"sizes: [[{width}, {height}]]",
            )


def check_offload(settings: PipelineSettings, device: torch.device) -> None:
    """Raises ConfigError where parts shall be kept off a GPU that is not there."""
    if settings.offload != "none" and device.type != "cuda":
        raise ConfigError("offload", "needs a GPU, and the model runs on the CPU", "offload: none")


def set_scheduler(pipe: Any, name: str | None) -> None:
    """Exchanges the scheduler for one of another class with the same noise schedule.

    Raises:
        ConfigError: There is no such class (the nearest is named), or the pipeline has no scheduler.
    """
    if name is None:
        return
    import diffusers  # noqa: PLC0415 - only where a model is loaded

    kind = class_of(diffusers, name, "scheduler", lambda word: word.endswith("Scheduler"))
    current = getattr(pipe, "scheduler", None)
    if current is None:
        raise ConfigError("scheduler", f"{type(pipe).__name__} has none", "remove scheduler")
    with quiet_libraries():
        try:
            pipe.register_modules(scheduler=kind.from_config(current.config))
        except (ImportError, ValueError, TypeError) as error:
            cause = f"{name} does not fit {type(current).__name__}: {said(error, 200)}"
            raise ConfigError("scheduler", cause) from error


def put(pipe: Any, settings: PipelineSettings, device: torch.device) -> None:
    """Moves a pipeline to its device, or lets its parts come there when needed; compiles its network if told."""
    if settings.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif settings.offload == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    else:
        pipe.to(device)
    for name in ("unet", "transformer"):
        network = getattr(pipe, name, None)
        if settings.compile and network is not None:
            network.compile()


def call(pipe: Any, arguments: dict[str, Any], requests: Sequence[Request], device: torch.device) -> Any:
    """Calls a pipeline, with torch's own source of noise put at the first request's seed and back again.

    Raises:
        MakeAloneError: Several images were asked for, and noise was drawn beside that of their own generators: they
            would depend on each other.
    """
    import torch  # noqa: PLC0415 - only where a model is loaded

    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if on_gpu else []), torch.inference_mode():
        torch.manual_seed(requests[0].seed)
        before = _noise_state(on_gpu=on_gpu)
        output = pipe(**arguments)
        after = _noise_state(on_gpu=on_gpu)
    if len(requests) > 1 and not all(torch.equal(one, other) for one, other in zip(before, after, strict=True)):
        raise MakeAloneError
    return output


def finished(output: Any, requests: Sequence[Request], facts: dict[str, Any]) -> list[Made]:
    """What a pipeline returned, with what its safety checker said.

    Raises:
        GenerationError: It is not what was asked for.
    """
    found = getattr(output, "nsfw_content_detected", None) or getattr(output, "nsfw_detected", None)
    flags = [bool(flag) for flag in found] if found is not None else [None] * len(requests)
    pixels = as_pixels(output.images, requests)
    return [Made(image, flag, None, dict(facts)) for image, flag in zip(pixels, flags, strict=True)]


def pipe_facts(pipe: Any, signature: Signature, dtype: torch.dtype, commit: str) -> dict[str, Any]:
    """What belongs into the record of each image: classes and versions, never times or paths."""
    import diffusers  # noqa: PLC0415 - only where a model is loaded
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    defaults = {key: signature.default(key) for key in (signature.steps, signature.guidance) if key}
    return {
        "pipeline": type(pipe).__name__,
        "scheduler_class": type(getattr(pipe, "scheduler", None)).__name__,
        "commit": commit,
        "precision": precision_name(dtype),
        "parameters": sum(number.numel() for part in parts for number in part.parameters()),
        "defaults": defaults,
        "arguments": signature.fixed,
        "diffusers": diffusers.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def free() -> None:
    """Gives unused memory back, on the GPU too."""
    import torch  # noqa: PLC0415 - only where a model is loaded

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _noise_state(*, on_gpu: bool) -> list[torch.Tensor]:
    import torch  # noqa: PLC0415 - only where a model is loaded

    return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if on_gpu else [])]
