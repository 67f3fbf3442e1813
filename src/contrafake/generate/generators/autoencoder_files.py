"""Where an autoencoder's files lie: in a folder here, or fetched from a model hub; safetensors and JSON, no others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrafake.errors import DataError
from contrafake.settings import expand

_MOST_BYTES = 1 << 24
_PIPELINE, _CONFIG, _INDEX = "model_index.json", "config.json", "diffusion_pytorch_model.safetensors.index.json"

_SEQUENTIAL = ("encoder.safetensors", "decoder.safetensors")


@dataclass(frozen=True)
class AutoencoderFiles:
    """An autoencoder that lies in a folder.

    Attributes:
        folder: The folder.
        class_name: Class that its configuration names; None for the sequential layout.
        commit: Of the model on the hub, "" for a folder.
    """

    folder: Path
    class_name: str | None
    commit: str = ""


def find_autoencoder(model: str, subfolder: str | None, revision: str | None) -> AutoencoderFiles:
    """Finds an autoencoder and fetches it where needed.

    Args:
        model: Folder, or name on a model hub. ``${NAME}`` is filled in from the environment.
        subfolder: Folder within it; "vae" where a whole pipeline is named and none is told.
        revision: Commit on the hub.

    Raises:
        ConfigError: A variable is not set.
        DataError: Files are missing, damaged or cannot be fetched.
    """
    path = Path(expand(model)).expanduser()
    commit = ""
    root = path
    if not path.is_dir():
        _refuse_path(model, path)
        root = _fetched(model, revision, [_PIPELINE, _CONFIG])
        commit = root.name
    if subfolder is None and (root / _PIPELINE).is_file():
        subfolder = "vae"
    if commit:
        prefix = f"{subfolder}/" if subfolder else ""
        names = (_CONFIG, _INDEX, "diffusion_pytorch_model*.safetensors", *_SEQUENTIAL)
        root = _fetched(model, revision, [prefix + name for name in names])
    folder = root / subfolder if subfolder else root
    if not folder.resolve().is_relative_to(root.resolve()):
        raise DataError(model, f"{subfolder} leads out of it", "name a folder within the model")
    if not (folder / _CONFIG).is_file():
        if all((folder / name).is_file() for name in _SEQUENTIAL):
            return AutoencoderFiles(folder, None, commit)
        where = f"in its folder {subfolder}" if subfolder else "in it"
        cause = f"there is neither a config.json {where}, nor encoder.safetensors and decoder.safetensors"
        raise DataError(model, cause, "name the folder of an autoencoder, or a subfolder")
    name = _json(folder / _CONFIG, model).get("_class_name")
    if not isinstance(name, str):
        raise DataError(model, "its config.json names no class", "only autoencoders saved by diffusers are read")
    _refuse_pickles(folder, model)
    return AutoencoderFiles(folder, name, commit)


def _refuse_path(model: str, path: Path) -> None:
    looks_local = model.startswith((".", "~", "/", "$")) or model.count("/") != 1
    if path.exists():
        raise DataError(model, "is no folder", "name the folder that holds the autoencoder's files")
    if looks_local:
        raise DataError(model, "there is no such folder, and no hub has such a name", "check the path")


def _refuse_pickles(folder: Path, model: str) -> None:
    """An index may name any file; one that is no safetensors would be unpickled."""
    if not (folder / _INDEX).is_file():
        if not (folder / "diffusion_pytorch_model.safetensors").is_file():
            others = " and only pickled ones, which are never opened" if [*folder.glob("*.bin")] else ""
            cause = f"it has no weights in diffusion_pytorch_model.safetensors{others}"
            raise DataError(model, cause, "save it as safetensors, or take a revision that has them")
        return
    files = _json(folder / _INDEX, model).get("weight_map")
    if not isinstance(files, dict) or not files:
        raise DataError(model, f"its {_INDEX} names no files", "fetch it again")
    for name in files.values():
        if not isinstance(name, str) or not name.endswith(".safetensors") or Path(name).name != name:
            raise DataError(model, f"its {_INDEX} names {name!r}, no file of safetensors beside it", "fetch it again")


def _fetched(model: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 (needed only for models on a hub)

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=patterns, ignore_patterns=["*.fp16*"]))
    except Exception as error:  # the hub's client raises errors of several libraries, for one cause
        name = type(error).__name__
        cause = f"there is no such folder, and it could not be fetched from the model hub ({name})"
        remedy = f"fetch it where a hub can be reached: hf download {model}; HF_HOME says where it is kept"
        raise DataError(model, cause, remedy) from error


def _json(path: Path, model: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(model, f"its {path.name} has more than {_MOST_BYTES} bytes")
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(model, f"its {path.name} cannot be read", "fetch it again") from error
    if not isinstance(found, dict):
        raise DataError(model, f"its {path.name} holds no settings", "fetch it again")
    return found
