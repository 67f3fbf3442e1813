"""A cascade: a first pipeline makes a small image from the caption, further ones enlarge it (DeepFloyd IF)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from contrafake.errors import ConfigError
from contrafake.generate.generators.batches import BatchedGenerator
from contrafake.generate.generators.identity import model_name
from contrafake.generate.generators.pipeline import call, check_offload, finished, free, pipe_facts, put, set_scheduler
from contrafake.generate.generators.pipeline_calls import Signature
from contrafake.generate.generators.pipeline_loading import ModelPlace, load_pipeline, shares_texts
from contrafake.generate.generators.torch_place import place, seeded

if TYPE_CHECKING:
    from contrafake.generate.generators.generator import Made, Request
    from contrafake.generate.generators.settings import StageSettings, TextToImage


_OF_EACH_STAGE = {"pipeline", "scheduler_class", "commit", "parameters", "defaults", "arguments"}


class Cascade(BatchedGenerator):
    """Several pipelines, each loaded once; images pass from one to the next as numbers, not rounded.

    The first makes `first_size`. Those between it and the last make the size that they were trained for. The last
    makes the job's size, where it can be told one (an upscaler by a fixed factor cannot). Texts are encoded once where
    stages are of one family, as those of DeepFloyd IF.

    Args:
        settings: A text-to-image model with further stages in `then`.

    Raises:
        ConfigError: A setting does not fit a stage or this machine.
        DataError: A model is missing, damaged or cannot be fetched.
    """

    def __init__(self, settings: TextToImage) -> None:
        self._device, dtype = place(settings)
        check_offload(settings, self._device)
        self._settings = settings
        self._pipes: list[Any] = []
        self._signatures: list[Signature] = []
        facts, prints = [], []
        for stage in self._stages:
            where = ModelPlace(stage.model, stage.revision, stage.variant, stage.pipeline)
            first = self._pipes[0] if self._pipes else None
            loaded = load_pipeline(
                where, "text-to-image", dtype, safety_checker=settings.safety_checker, texts_of=first
            )
            self._pipes.append(loaded.pipe)
            self._signatures.append(self._checked(stage, loaded.pipe))
            if first is None:
                set_scheduler(loaded.pipe, settings.scheduler)
            found = pipe_facts(loaded.pipe, self._signatures[-1], dtype, loaded.commit)
            facts.append({key: value for key, value in found.items() if first is None or key in _OF_EACH_STAGE})
            prints.append(loaded.fingerprint)
        for pipe in self._pipes:
            put(pipe, settings, self._device)
        # Of the first stage as for one pipeline; of the further ones, with what they were asked for, under "then".
        further = [{**_asked_for(stage), **found} for stage, found in zip(settings.then, facts[1:], strict=True)]
        self._facts = {**facts[0], "first_size": list(settings.first_size), "then": further}
        marked = [{**stage, "fingerprint": found} for stage, found in zip(further, prints[1:], strict=True)]
        whole = {**self._facts, "then": marked, "device": self._device.type, "fingerprint": prints[0]}
        super().__init__(whole, settings.batch)

    def close(self) -> None:
        """Gives the models' memory back."""
        self._pipes = []
        free()

    @property
    def _stages(self) -> list[TextToImage | StageSettings]:
        return [self._settings, *self._settings.then]

    def _checked(self, stage: TextToImage | StageSettings, pipe: Any) -> Signature:
        signature = Signature(pipe, stage.arguments)
        first = stage is self._settings
        negative = self._settings.negative_prompt if first else ""
        signature.check(steps=stage.steps, guidance=stage.guidance, negative=negative, strength=None)
        if not first and not signature.takes("image"):
            raise ConfigError("then", f"{signature.name} takes no image to enlarge", "another model, or no such stage")
        return signature

    def _make(self, requests: list[Request]) -> list[Made]:
        noise = seeded(request.seed for request in requests)
        texts: dict[str, Any] = {}
        image: Any = None
        output: Any = None
        for number, (stage, pipe, signature) in enumerate(
            zip(self._stages, self._pipes, self._signatures, strict=True)
        ):
            last = number == len(self._pipes) - 1
            asked = requests if number == 0 else [_asked_of(request, stage) for request in requests]
            arguments = signature.arguments(asked, seeds=noise)
            if number == 0:
                arguments |= _only(signature, dict(zip(("width", "height"), self._settings.first_size, strict=True)))
                texts = self._encoded(arguments)
            elif not last:
                arguments = {key: value for key, value in arguments.items() if key not in {"width", "height"}}
            if texts and shares_texts(type(self._pipes[0]), type(pipe)):
                arguments = {key: value for key, value in arguments.items() if not key.endswith("prompt")} | texts
            if image is not None:
                arguments["image"] = image * 2 - 1 if _is_if(pipe) else image
            if not last:
                arguments["output_type"] = "pt"
            output = call(pipe, arguments, requests, self._device)
            if not last:
                # DeepFloyd's stages return -1 to 1, all others 0 to 1.
                image = (output.images / 2 + 0.5 if _is_if(pipe) else output.images).clamp(0, 1)
        return finished(output, requests, self._facts)

    def _encoded(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The texts as a further stage of the same family takes them; none where there is no such stage."""
        first, *others = self._pipes
        if not any(shares_texts(type(first), type(pipe)) for pipe in others):
            return {}
        positive, negative = first.encode_prompt(
            arguments["prompt"], negative_prompt=arguments.get("negative_prompt"), clean_caption=False
        )
        return {"prompt_embeds": positive, "negative_prompt_embeds": negative}


def _asked_of(request: Request, stage: TextToImage | StageSettings) -> Request:
    return replace(request, job=replace(request.job, steps=stage.steps, guidance=stage.guidance))


def _asked_for(stage: StageSettings) -> dict[str, Any]:
    asked = stage.model_dump(include={"revision", "steps", "guidance"})
    return {"model": model_name(stage.model), **asked}


def _only(signature: Signature, wanted: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in wanted.items() if signature.takes(key)}


def _is_if(pipe: Any) -> bool:
    return shares_texts(type(pipe), type(pipe))
