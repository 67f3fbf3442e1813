"""Checkpoints: a folder of tensors (safetensors) and plain facts (JSON), complete or absent, never a pickle."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from contrafake.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

KEEP = 2


def save_checkpoint(folder: Path, step: int, model: nn.Module, optimizer: Optimizer, facts: dict[str, Any]) -> Path:
    """Writes ``step-NNNNNNNN`` under `folder`, by renaming a complete hidden folder; keeps the newest two.

    Args:
        folder: Where a run's checkpoints live.
        step: Number of steps done.
        model: Its state is saved.
        optimizer: Its state is saved; groups and rates come from the configuration and the schedule.
        facts: JSON-safe facts to get back from `load_checkpoint`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{step:08d}"
    partial = folder / f".{target.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    save_file(contiguous(model.state_dict()), partial / "model.safetensors")
    save_file(_flatten(optimizer.state_dict()["state"]), partial / "optimizer.safetensors")
    (partial / "facts.json").write_text(json.dumps({"step": step, **facts}, indent=1), encoding="utf-8")
    for written in partial.iterdir():
        with written.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    for old in sorted(folder.glob("step-*"))[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load_checkpoint(folder: Path, model: nn.Module, optimizer: Optimizer) -> dict[str, Any] | None:
    """Restores the newest checkpoint under `folder`; returns its facts, None where there is none.

    Raises:
        DataError: If the checkpoint does not fit the model.
    """
    found = sorted(folder.glob("step-*"))
    if not found:
        return None
    newest = found[-1]
    try:
        model.load_state_dict(load_file(newest / "model.safetensors"))
    except RuntimeError as error:
        raise DataError(str(newest), "belongs to another model", "choose another --out, or remove it") from error
    state = optimizer.state_dict()
    state["state"] = _unflatten(load_file(newest / "optimizer.safetensors"))
    optimizer.load_state_dict(state)
    facts: dict[str, Any] = json.loads((newest / "facts.json").read_text(encoding="utf-8"))
    return facts


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
