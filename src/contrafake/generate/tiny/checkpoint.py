"""A training's state in one file of tensors: the old one or the new one at any moment, never a pickle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from contrafake.data.whole_file import write_whole
from contrafake.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer

_FREE = {"device", "threads", "checkpoint_every", "sample_every", "sampler_steps", "report_images"}
"""Settings that may differ between the parts of one training."""


def save_state(
    path: Path, step: int, *, config: dict[str, Any], network: Module, average: dict[str, Tensor], optimizer: Optimizer
) -> None:
    """Writes everything that the next step depends on.

    Args:
        path: The file.
        step: Steps done.
        config: The settings, as JSON has them.
        network: Its weights.
        average: Averaged weights by name.
        optimizer: Its state, by the names of the network's parameters.

    Raises:
        DataError: It cannot be written; the one before it stays.
    """
    from safetensors.torch import save  # noqa: PLC0415

    tensors = {f"network|{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"average|{name}": tensor for name, tensor in average.items()}
    for name, parameter in network.named_parameters():
        tensors |= {f"optimizer|{name}|{key}": value for key, value in optimizer.state[parameter].items()}
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_whole(path, save(plain, {"step": str(step), "config": json.dumps(config)}))


def load_state(
    path: Path, *, config: dict[str, Any], network: Module, average: dict[str, Tensor], optimizer: Optimizer
) -> int:
    """Puts a saved state into place; the inverse of `save_state`.

    Returns:
        Steps done; 0 where there is no file.

    Raises:
        ConfigError: The state is that of other settings; those that change no step may differ.
        DataError: The file is damaged.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    if not path.exists():
        return 0
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        step, then = int(facts["step"]), json.loads(facts["config"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DataError(str(path), f"is damaged: {error}", "remove it to begin anew") from error
    changed = [key for key in sorted({*then, *config} - _FREE) if then.get(key) != config.get(key)]
    if changed:
        cause = f"{changed[0]} was {then.get(changed[0])!r} in the steps so far, now {config.get(changed[0])!r}"
        raise ConfigError(str(path), cause, "name another run")
    try:
        network.load_state_dict(_group(tensors, "network"))
        averaged = _group(tensors, "average")
        for name, tensor in average.items():
            tensor.copy_(averaged[name])
        state = {
            number: {key: tensors[f"optimizer|{name}|{key}"] for key in ("step", "exp_avg", "exp_avg_sq")}
            for number, (name, _) in enumerate(network.named_parameters())
        }
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    except (KeyError, RuntimeError, ValueError) as error:
        raise DataError(str(path), "holds other tensors than the settings say", "remove it to begin anew") from error
    return step


def _group(tensors: dict[str, Tensor], group: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{group}|"): tensor for name, tensor in tensors.items() if name.startswith(f"{group}|")}
