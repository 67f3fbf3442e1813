"""Filling in ``{prompt}`` and its like, once: what is filled in is never looked through for more of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from contrafake.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

# Braces around anything but such a word are left alone, so that JSON can stand in an argument.
_PLACE = re.compile(r"\{\{([a-z_]+)\}\}|\{([a-z_]+)\}")


def fill(template: str, values: Mapping[str, str | int]) -> str:
    """Fills in placeholders.

    Args:
        template: Text with ``{name}``; ``{{name}}`` stands for the text ``{name}``.
        values: What is filled in, by name. Braces within it stay as they are.

    Raises:
        KeyError: A placeholder has no value; `check` finds this beforehand.
    """
    return _PLACE.sub(lambda match: f"{{{match[1]}}}" if match[1] else str(values[match[2]]), template)


def fill_tree(template: Any, values: Mapping[str, str | int]) -> Any:
    """Fills in the placeholders of all texts within nested lists and dictionaries; their keys stay as they are.

    Args:
        template: What JSON can hold.
        values: As for `fill`. A text that is nothing but a placeholder becomes its value, so that numbers stay numbers.
    """
    if isinstance(template, dict):
        return {key: fill_tree(part, values) for key, part in template.items()}
    if isinstance(template, list):
        return [fill_tree(part, values) for part in template]
    if not isinstance(template, str):
        return template
    alone = _PLACE.fullmatch(template)
    return values[alone[2]] if alone and alone[2] else fill(template, values)


def names(template: Any) -> set[str]:
    """The placeholders within a text, or within the texts of nested lists and dictionaries."""
    return {match[2] for text in _texts(template) for match in _PLACE.finditer(text) if match[2]}


def check(template: Any, known: Collection[str], subject: str) -> None:
    """Makes sure that every placeholder will have a value.

    Args:
        template: A text, or nested lists and dictionaries of texts.
        known: Names that have one.
        subject: What an error is about.

    Raises:
        ConfigError: A placeholder is unknown.
    """
    if unknown := sorted(names(template) - set(known)):
        places = ", ".join(f"{{{name}}}" for name in known)
        raise ConfigError(
            subject, f"{{{unknown[0]}}} is no placeholder", f"there are {places}; {{{{name}}}} is the text {{name}}"
        )


def _texts(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, dict | list):
        for part in template.values() if isinstance(template, dict) else template:
            yield from _texts(part)
