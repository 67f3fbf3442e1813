"""What the libraries print and warn about while they load and run models is kept off the terminal."""

from __future__ import annotations

import importlib
import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGERS = ("diffusers", "transformers", "huggingface_hub")


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Within it diffusers and transformers log errors only, draw no progress bars and give no Python warnings.

    Levels are set on the loggers themselves: the libraries' own switches can be reached only after an import, which
    already prints notices (of torchvision, which nothing here needs).
    """
    # Taken as Any: neither library has types that hold.
    hub: Any = importlib.import_module("huggingface_hub.utils")
    transformers: Any = importlib.import_module("transformers.utils.logging")
    # Each library sets its own level when it first asks for a logger, and would undo what is set before that.
    transformers.get_verbosity()
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in _LOGGERS]
    bars, hub_bars = transformers.is_progress_bar_enabled(), not hub.are_progress_bars_disabled()
    try:
        for logger, _ in before:
            logger.setLevel(logging.ERROR)
        transformers.disable_progress_bar()
        hub.disable_progress_bars()
        diffusers: Any = importlib.import_module("diffusers.utils.logging")
        diffusers.set_verbosity_error()
        diffusers.disable_progress_bar()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in before:
            logger.setLevel(level)
        if bars:
            transformers.enable_progress_bar()
        if hub_bars:
            hub.enable_progress_bars()
