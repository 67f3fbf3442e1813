"""Where a report may be written: checked before any work, so that a slip costs neither hours nor an image."""

from __future__ import annotations

import os
from pathlib import Path

from contrafake.errors import UsageError

STDOUT = "-"


def check_report(option: str, target: str | None, suffix: str) -> None:
    """Checks the file that an option names.

    Args:
        option: The option, for the error.
        target: What was given; None and `STDOUT` pass.
        suffix: Suffix that the file must have, such as ".json": no image or manifest is ever overwritten.

    Raises:
        UsageError: It has another suffix, is a folder, or its folder is missing or not writable.
    """
    if target is None or target == STDOUT:
        return
    if Path(target).is_dir():
        raise UsageError(option, f"{target} is a folder", "name a file in it")
    if Path(target).suffix.lower() != suffix:
        raise UsageError(option, f"{target!r} does not end in {suffix}", f"name a {suffix} file")
    folder = Path(target).absolute().parent
    if not folder.is_dir():
        raise UsageError(option, f"the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise UsageError(option, f"the folder {folder} is not writable")
