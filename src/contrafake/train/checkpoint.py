"""Checkpoints: a folder of tensors (safetensors) and plain facts (JSON), complete or absent, never a pickle."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn
    from torch.optim import Optimizer

KEEP = 2


def save_checkpoint(folder: Path, step: int, model: nn.Module, optimizer: Optimizer, facts: dict[str, Any]) -> Path:
    """Writes ``step-NNNNNNNN`` under `folder`, by renaming a complete hidden folder; keeps the newest two.

    What an interrupted writer left behind is removed.

    Args:
        folder: Where a run's checkpoints live.
        step: Number of steps done.
        model: Its state is saved.
        optimizer: Its state is saved; groups and rates come from the configuration and the schedule.
        facts: JSON-safe facts to get back from `load_checkpoint`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{step:08d}"
    for leftover in folder.glob(".step-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    partial = folder / f".{target.name}.partial"
    partial.mkdir()
    save_file(contiguous(model.state_dict()), partial / "model.safetensors")
    save_file(_flatten(optimizer.state_dict()["state"]), partial / "optimizer.safetensors")
    (partial / "facts.json").write_text(json.dumps({"step": step, **facts}, indent=1), encoding="utf-8")
    for written in partial.iterdir():
        with written.open("rb") as file:
            os.fsync(file.fileno())
    if target.exists():
        _remove(target)
    partial.rename(target)
    for old in sorted(folder.glob("step-*"))[:-KEEP]:
        _remove(old)
    return target


def load_checkpoint(folder: Path, model: nn.Module, optimizer: Optimizer) -> dict[str, Any] | None:
    """Restores the newest checkpoint under `folder`; returns its facts, None where there is none.

    Raises:
        DataError: If the checkpoint is damaged, or does not fit the model.
    """
    found = sorted(folder.glob("step-*"))
    if not found:
        return None
    newest = found[-1]
    try:
        weights = load_file(newest / "model.safetensors")
        moments = load_file(newest / "optimizer.safetensors")
        facts: dict[str, Any] = json.loads((newest / "facts.json").read_text(encoding="utf-8"))
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(str(newest), f"is damaged: {error}", "remove it to go on from the one before") from error
    try:
        model.load_state_dict(weights)
        state = optimizer.state_dict()
        state["state"] = _unflatten(moments)
        optimizer.load_state_dict(state)
    except (RuntimeError, ValueError) as error:
        raise DataError(str(newest), "belongs to another model", "choose another --run, or remove it") from error
    return facts


def _remove(checkpoint: Path) -> None:
    """Hides it first, so that no half-removed folder is ever taken for a checkpoint."""
    hidden = checkpoint.with_name(f".{checkpoint.name}.old")
    checkpoint.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as safetensors takes them: on the CPU, contiguous, sharing no memory."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _flatten(state: dict[int, dict[str, Any]]) -> dict[str, Tensor]:
    flat = {f"{index}.{name}": torch.as_tensor(v) for index, values in state.items() for name, v in values.items()}
    return contiguous(flat)


def _unflatten(flat: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in flat.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = tensor
    return state
