"""What a verb needs beyond the light installation is asked for before any work is done."""

from __future__ import annotations

from importlib.util import find_spec

from contrafake.errors import MissingExtraError


def require(what: str, extra: str, *modules: str) -> None:
    """Checks that modules are installed, without importing them.

    Args:
        what: What needs them, for the error.
        extra: Extra of the package that brings them.
        modules: Their names.

    Raises:
        MissingExtraError: Some are missing; they are named, with the command that installs them.
    """
    if missing := ", ".join(name for name in modules if find_spec(name) is None):
        raise MissingExtraError(what, f"not installed: {missing}", f'pip install "contrafake[{extra}]"')
