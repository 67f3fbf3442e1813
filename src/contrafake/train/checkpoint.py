"""Checkpoints: a folder of tensors (safetensors) and plain facts (JSON), complete or absent, never a pickle."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer

KEEP = 2

Groups = dict[str, dict[str, "Tensor"]]
"""Tensors by file and name: ``{"model": {...}, "optimizer": {...}}``."""


def save_checkpoint(folder: Path, step: int, groups: Mapping[str, Mapping[str, Tensor]], facts: dict[str, Any]) -> Path:
    """Writes ``step-NNNNNNNN`` under `folder`, by renaming a complete hidden folder; keeps the newest two.

    What an interrupted writer left behind is removed.

    Args:
        folder: Where a run's checkpoints live.
        step: Number of steps done.
        groups: Tensors to get back from `load_checkpoint`; each group becomes a file.
        facts: JSON-safe facts to get back.

    Raises:
        DataError: If it cannot be written; the checkpoint before it stays.
    """
    target = folder / f"step-{step:08d}"
    partial = folder / f".{target.name}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".step-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir()
        for name, tensors in groups.items():
            _save(tensors, partial / f"{name}.safetensors")
        document = json.dumps({"step": step, "tensors": list(groups), **facts}, indent=1)
        (partial / "facts.json").write_text(document, encoding="utf-8")
        for written in partial.iterdir():
            with written.open("rb") as file:
                os.fsync(file.fileno())
        if target.exists():
            _remove(target)
        partial.rename(target)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise DataError(str(target), f"cannot be written: {error}", "make room; training goes on from there") from error
    for old in sorted(folder.glob("step-*"))[:-KEEP]:
        _remove(old)
    return target


def load_checkpoint(folder: Path) -> tuple[Path, Groups, dict[str, Any]] | None:
    """Reads the newest checkpoint under `folder`; None where there is none.

    Returns:
        Its folder, its tensors on the CPU and its facts.

    Raises:
        DataError: If the checkpoint is damaged.
    """
    found = sorted(folder.glob("step-*"))
    if not found:
        return None
    newest = found[-1]
    try:
        facts: dict[str, Any] = json.loads((newest / "facts.json").read_text(encoding="utf-8"))
        if not isinstance(facts, dict) or not isinstance(facts["step"], int):
            raise TypeError("facts.json holds something else")
        groups = {name: load_file(newest / f"{name}.safetensors") for name in facts.pop("tensors")}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(str(newest), f"is damaged: {error}", "remove it to go on from the one before") from error
    return newest, groups, facts


def save_weights(path: Path, encoder: Module, step: int) -> None:
    """Writes an encoder's weights and their step; the file is the old one or the new one at any moment.

    Raises:
        DataError: If it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        _save(encoder.state_dict(), partial, step=str(step))
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise DataError(str(path), f"cannot be written: {error}", "make room") from error


def holds_weights(path: Path, step: int) -> bool:
    """Whether a file holds the weights of a step, or of one that is not told, as earlier versions wrote them."""
    try:
        with safe_open(path, "pt") as file:
            facts: dict[str, str] = file.metadata() or {}
            return facts.get("step", str(step)) == str(step)
    except (OSError, SafetensorError):
        return False


def optimizer_tensors(optimizer: Optimizer, names: Mapping[Tensor, str]) -> dict[str, Tensor]:
    """The optimiser's state by "parameter's name|state's name"; rates and groups follow from the configuration."""
    return {
        f"{names[parameter]}|{key}": torch.as_tensor(value)
        for parameter, values in optimizer.state.items()
        for key, value in values.items()
    }


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor], names: Mapping[Tensor, str]) -> None:
    """The inverse of `optimizer_tensors`, whatever groups the parameters stand in now.

    Raises:
        ValueError: If the state lacks a parameter, has one more, or another shape.
    """
    states: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        parameter, _, key = name.rpartition("|")
        states.setdefault(parameter, {})[key] = tensor
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if states.keys() != {names[parameter] for parameter in parameters}:
        raise ValueError("the optimiser's state is that of other parameters")
    ordered = [states[names[parameter]] for parameter in parameters]
    for parameter, state in zip(parameters, ordered, strict=True):
        if any(tensor.ndim and tensor.shape != parameter.shape for tensor in state.values()):
            raise ValueError(f"the optimiser's state of {names[parameter]} has another shape")
    optimizer.load_state_dict({**optimizer.state_dict(), "state": dict(enumerate(ordered))})


def _save(tensors: Mapping[str, Tensor], path: Path, **metadata: str) -> None:
    """Writes a file that others may read where the user's mask lets them; the library lets its owner alone."""
    path.touch()
    mode = path.stat().st_mode
    save_file(contiguous(tensors), path, metadata=metadata)
    path.chmod(mode)


def _remove(checkpoint: Path) -> None:
    """Hides it first, so that no half-removed folder is ever taken for a checkpoint."""
    hidden = checkpoint.with_name(f".{checkpoint.name}.old")
    checkpoint.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as safetensors takes them: on the CPU, contiguous, sharing no memory."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
