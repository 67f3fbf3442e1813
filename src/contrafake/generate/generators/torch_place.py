"""Where a model runs and in which precision, and noise that is the same on every device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from contrafake.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch


class Placed(Protocol):
    """Settings of whatever runs on torch."""

    @property
    def device(self) -> str:
        """Where: "auto", "cpu" or "cuda"."""

    @property
    def precision(self) -> str:
        """Of the weights: "auto", "fp32", "bf16" or "fp16"."""


def place(settings: Placed) -> tuple[torch.device, torch.dtype]:
    """Chooses device and precision.

    Args:
        settings: "auto" takes a GPU where there is one, with bf16 where it computes in it, else fp16; a CPU has fp32.

    Raises:
        ConfigError: A GPU is asked for and there is none.
    """
    import torch  # noqa: PLC0415 - only where a model is loaded

    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device", "no GPU can be reached by torch", "device: auto, or device: cpu")
    device = torch.device("cuda" if settings.device != "cpu" and torch.cuda.is_available() else "cpu")
    named = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if settings.precision != "auto":
        return device, named[settings.precision]
    if device.type == "cpu":
        return device, torch.float32
    # Ampere and later compute in bf16; earlier ones only imitate it, which `is_bf16_supported` does not tell apart.
    native = torch.version.cuda is None or torch.cuda.get_device_capability(device)[0] >= 8
    return device, torch.bfloat16 if native else torch.float16


def precision_name(dtype: torch.dtype) -> str:
    """Name of a precision as the settings have it; other types by torch's own name."""
    name = str(dtype).removeprefix("torch.")
    return {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}.get(name, name)


def seeded(seeds: Iterable[int]) -> list[torch.Generator]:
    """One source of noise for each image, on the CPU, so that a GPU begins with the same noise."""
    import torch  # noqa: PLC0415 - only where a model is loaded

    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
