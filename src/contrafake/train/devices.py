"""Where a training process runs: its device, and its place among other processes."""

from __future__ import annotations

import platform
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

from contrafake.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.train.config import TrainConfig


def make_accelerator(config: TrainConfig) -> Accelerator:
    """The device, and the other processes if there are any.

    Raises:
        ConfigError: If a GPU is asked for where there is none.
    """
    runtime = config.runtime
    if runtime.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("runtime.device", "there is no CUDA GPU that torch can use", "choose auto or cpu")
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    # Autocast is ours: Accelerate fixes its precision once for the whole process, and validates in it too. The others
    # wait while the first process lists a large set or validates.
    patience = InitProcessGroupKwargs(timeout=timedelta(hours=3))
    accelerator = Accelerator(cpu=runtime.device == "cpu", mixed_precision="no", kwargs_handlers=[patience])
    if accelerator.device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    return accelerator


@contextmanager
def naming_lost_processes(accelerator: Accelerator) -> Iterator[None]:
    """Makes a short error of the long one that a process meets when another of the run has ended with its own.

    Raises:
        DataError: If another process is gone.
    """
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, torch.distributed.DistError) or "gloo" in str(error)
        if accelerator.num_processes == 1 or not lost:
            raise
        subject = f"training process {accelerator.process_index} of {accelerator.num_processes}"
        cause = f"another process does not answer: {str(error).partition('. ')[0]}"
        raise DataError(subject, cause, "if that one says why, begin there") from error


def hardware(accelerator: Accelerator) -> str:
    """What this process trains on."""
    if accelerator.device.type == "cuda":
        return torch.cuda.get_device_name(accelerator.device)
    return f"{platform.machine()} processor, {torch.get_num_threads()} threads"
