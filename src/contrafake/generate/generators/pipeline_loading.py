"""Loading a pipeline from a folder or a hub: safetensors only, never code that lies beside the weights."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from contrafake.errors import ConfigError, DataError
from contrafake.generate.generators.identity import fingerprint
from contrafake.generate.generators.quiet import quiet_libraries
from contrafake.generate.generators.said import said
from contrafake.settings import expand

if TYPE_CHECKING:
    import torch

Task: TypeAlias = Literal["text-to-image", "image-to-image", "inpainting"]

INDEX = "model_index.json"
_OWN = {"TinyPipeline": "contrafake.generate.tiny.pipeline:TinyPipeline"}


@dataclass(frozen=True)
class ModelPlace:
    """Which model.

    Attributes:
        model: Folder or name on a model hub; may hold ``${NAME}`` from the environment.
        revision: Commit or branch on the hub.
        variant: Variant of the weights' files.
        pipeline: Class in diffusers, or "contrafake.module:Class"; None goes by the model.
    """

    model: str
    revision: str | None = None
    variant: str | None = None
    pipeline: str | None = None


@dataclass(frozen=True)
class LoadedPipeline:
    """A pipeline and where it came from.

    Attributes:
        pipe: The pipeline, on the CPU.
        commit: Commit on the hub that it was loaded from, "" for folders.
        fingerprint: Of the folder that it was loaded from, "" for models on a hub.
    """

    pipe: Any
    commit: str
    fingerprint: str


def load_pipeline(
    place: ModelPlace, task: Task, dtype: torch.dtype, *, safety_checker: bool = True, texts_of: Any = None
) -> LoadedPipeline:
    """Loads a pipeline in the class that fits the task.

    Args:
        place: Which model.
        task: What it shall do; the class that diffusers' automatic choice has for it is taken, and where it has none,
            the class that the model names.
        dtype: Precision of the weights.
        safety_checker: Whether the model's own safety checker is loaded, where it has one.
        texts_of: A pipeline whose encoded texts are used where both are of one family; no text encoder is loaded then.

    Raises:
        ConfigError: The class is unknown, or makes no images of this kind.
        DataError: The model is missing, damaged, holds code or pickles, or cannot be fetched.
    """
    model = _located(place.model)
    with quiet_libraries():
        import diffusers  # noqa: PLC0415 - only where a model is loaded

        try:
            index = diffusers.DiffusionPipeline.load_config(model, revision=place.revision)
        except (OSError, ValueError) as error:
            if Path(model).is_dir():
                raise DataError(place.model, f"its {INDEX} cannot be read", "fetch or save the model anew") from error
            raise _not_found(place, error) from error
        _check_index(place.model, index, diffusers)
        kind = pipeline_class(place, task, str(index["_class_name"]))
        left_out: dict[str, None] = {}
        if shares_texts(type(texts_of), kind):
            left_out["text_encoder"] = None
        if not safety_checker and "safety_checker" in index:
            left_out["safety_checker"] = None
        try:
            pipe = kind.from_pretrained(
                model,
                revision=place.revision,
                variant=place.variant,
                torch_dtype=dtype,
                use_safetensors=True,
                **left_out,
            )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError) as error:
            raise _not_loaded(place, model, error) from error
    pipe.set_progress_bar_config(disable=True)
    if Path(model).is_dir():
        return LoadedPipeline(pipe, "", fingerprint(Path(model)))
    return LoadedPipeline(pipe, _commit(model, place.revision), "")


def pipeline_class(place: ModelPlace, task: Task, stored: str) -> Any:
    """The class a model is loaded in.

    Args:
        place: Its `pipeline` decides, where it names a class.
        task: What it shall do.
        stored: Class that the model's own index names.

    Raises:
        ConfigError: There is no such class, or it takes no image where the task begins with one.
    """
    import diffusers  # noqa: PLC0415 - only where a model is loaded
    from diffusers.pipelines import auto_pipeline as auto  # noqa: PLC0415

    if place.pipeline and ":" in place.pipeline:
        return _own_class(place.pipeline)
    if place.pipeline:
        return _diffusers_class(diffusers, place.pipeline)
    if stored in _OWN:
        return _own_class(_OWN[stored])
    tasks = {
        "text-to-image": auto.AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
        "image-to-image": auto.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
        "inpainting": auto.AUTO_INPAINT_PIPELINES_MAPPING,
    }
    chosen = auto._get_task_class(tasks[task], stored, throw_error_if_not_exist=False)
    return chosen or _diffusers_class(diffusers, stored)


def shares_texts(first: Any, kind: Any) -> bool:
    """Whether a class of pipelines takes the texts that one of another class encoded: the stages of DeepFloyd IF."""
    return all(each.__module__.startswith("diffusers.pipelines.deepfloyd_if.") for each in (first, kind))


def _located(model: str) -> str:
    """A folder's path, or the name on the hub."""
    name = expand(model)
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / INDEX).is_file():
            raise DataError(model, f"holds no {INDEX}", "a folder that a diffusers pipeline was saved to is expected")
        return str(path)
    # A name on a hub is "owner/name" or "name"; all else can only be meant as a path.
    if path.is_absolute() or name.startswith(("./", "../", "~")) or len(path.parts) > 2:
        raise DataError(model, "no such folder", f"a folder with {INDEX}, or a name on a model hub, is expected")
    return name


def _check_index(model: str, index: dict[str, Any], diffusers: Any) -> None:
    """Refuses an index that names code other than that of the libraries: importing it would run it."""
    if not isinstance(index.get("_class_name"), str):
        raise DataError(model, "names a pipeline that is code of its own", "such code is never run here")
    for part, entry in index.items():
        if part.startswith("_") or not isinstance(entry, list) or len(entry) != 2 or entry[0] is None:
            continue
        library = entry[0]
        known = isinstance(library, str) and (
            library in {"diffusers", "transformers", "contrafake"} or hasattr(diffusers.pipelines, library)
        )
        if not known:
            raise DataError(model, f"its part {part} is code of {library!r}", "only that of known libraries is run")


def _own_class(name: str) -> Any:
    module, _, attribute = name.partition(":")
    if not module.startswith("contrafake."):
        raise ConfigError("pipeline", f"{name!r} is not of this package", "classes by module are those of contrafake")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError("pipeline", f"{name!r} does not exist") from error


def _diffusers_class(diffusers: Any, name: str) -> Any:
    return class_of(diffusers, name, "pipeline", lambda word: word.endswith("Pipeline"))


def class_of(diffusers: Any, name: str, key: str, fits: Any) -> Any:
    """A class of diffusers by its name.

    Raises:
        ConfigError: There is none; the nearest known one is named.
    """
    known = sorted(word for word in dir(diffusers) if fits(word))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        raise ConfigError(key, f"diffusers has no {name!r}", f"the nearest known one is {near[0]}" if near else "")
    return getattr(diffusers, name)


def _not_found(place: ModelPlace, error: Exception) -> DataError:
    at = f" at {place.revision}" if place.revision else ""
    return DataError(
        place.model,
        f"neither a folder here, nor in the hub's cache{at}, and the hub cannot be reached or does not give it "
        f"({type(error).__name__})",
        _fetching(place),
    )


def _not_loaded(place: ModelPlace, model: str, error: Exception) -> DataError:
    words = str(error)
    if "safetensors" in words and ("no file named" in words or "not found" in words or "Could not find" in words):
        return DataError(place.model, "holds no weights as safetensors; pickled ones are never read", _other(place))
    if isinstance(error, OSError) and not Path(model).is_dir():
        return DataError(place.model, f"cannot be fetched whole from the hub: {said(error, 200)}", _fetching(place))
    return DataError(place.model, f"cannot be loaded: {said(error)}", _other(place))


def _fetching(place: ModelPlace) -> str:
    revision = f" --revision {place.revision}" if place.revision else ""
    return (
        f"fetch it where there is a network, `hf download {place.model}{revision}`, and point HF_HOME at that cache; "
        "some models ask for `hf auth login` first"
    )


def _other(place: ModelPlace) -> str:
    return f"is variant {place.variant!r} right" if place.variant else "some models have their files as a variant: fp16"


def _commit(model: str, revision: str | None) -> str:
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - not part of the light installation

    found = try_to_load_from_cache(model, INDEX, revision=revision)
    return Path(found).parent.name if isinstance(found, str) else ""
