"""What an image service answered: JSON taken apart by dotted paths, an image, a refusal, a complaint."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

_DENIALS = {"", "0", "false", "no", "none", "null", "ok", "success", "passed"}
_WORDS = ("message", "detail", "error", "errors", "msg", "title", "description")
_DEEPEST = 4


def parsed(body: bytes) -> Any:
    """The value of a JSON text; None where the bytes are none, or nested beyond reason."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def at(value: Any, path: str) -> Any:
    """What lies at a dotted path.

    Args:
        value: A JSON value.
        path: Names and, for lists, numbers: "data.0.b64_json".

    Returns:
        The value there; None where there is none.
    """
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdecimal() and len(step) < 10:
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value


def affirmed(value: Any) -> bool | None:
    """Whether a statement says yes.

    Lists and dictionaries say yes if any part does. Of texts, those that mean no or that all is well ("false", "no",
    "none", "null", "0", "ok", "success", "passed", in any case, and the empty one) say no, all others yes.

    Args:
        value: A JSON value; None stands for no statement.
    """
    if value is None:
        return None
    if isinstance(value, dict | list):
        return any(affirmed(part) for part in (value.values() if isinstance(value, dict) else value))
    if isinstance(value, str):
        return value.strip().lower() not in _DENIALS
    return bool(value)


def image_bytes(text: str) -> bytes | None:
    """The bytes behind a base64 text, which may be a ``data:`` address; None where it is no base64."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def complaint(body: bytes) -> str:
    """The words of an answer that is an error: those under the usual names of a JSON text, else all of a plain text."""
    value = parsed(body)
    if value is None:
        text = body.decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else text
    return _words(value, _DEEPEST)


def _words(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return value
    if depth == 0:
        return ""
    if isinstance(value, list):
        return "; ".join(words for part in value[:5] if (words := _words(part, depth - 1)))
    if isinstance(value, dict):
        return next((words for name in _WORDS if (words := _words(value.get(name), depth - 1))), "")
    return ""
