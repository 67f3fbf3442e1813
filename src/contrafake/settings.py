"""Configurations from YAML files and from the command line, validated by a pydantic model."""

from __future__ import annotations

import difflib
import os
import re
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from contrafake.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Settings = TypeVar("Settings", bound=BaseModel)


class Section(BaseModel):
    """Base of all parts of a configuration: unknown keys are errors, values never change, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def load_settings(
    model: type[Settings], path: str | os.PathLike[str], overrides: Sequence[str] | None = None
) -> Settings:
    """Reads a YAML file and applies ``section.key=value`` overrides.

    Args:
        model: What the file must hold.
        path: The file.
        overrides: Each of the form ``section.key=value``, the value as YAML; a number leads into a list.

    Raises:
        ConfigError: If the file is missing or no YAML, a key is unknown (the nearest known one is named), or a value
            does not fit.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "is no text in UTF-8") from error
    values = _parse_yaml(text, str(path))
    if not isinstance(values, dict):
        raise ConfigError(str(path), "holds no settings")
    for override in overrides or []:
        apply_override(values, override)
    return parse_settings(model, values, str(path))


def parse_settings(model: type[Settings], values: dict[str, Any], subject: str = "configuration") -> Settings:
    """Validates settings; raises ConfigError naming the first wrong key and, where unknown, the nearest known one."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        # A misspelt key comes first: it is also why another seems to be missing.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        key = _dotted(model, first["loc"])
        if first["type"] == "extra_forbidden":
            *place, last = first["loc"]
            [near] = difflib.get_close_matches(str(last), _known_keys(model, place), n=1, cutoff=0.0)
            nearest = ".".join(part for part in (_dotted(model, place), near) if part)
            raise ConfigError(f"{subject}: {key}", "unknown key", f"the nearest known one is {nearest}") from None
        if first["type"].startswith("union_tag"):
            tag = first["ctx"]["discriminator"].strip("'")
            known = sorted({name for kind in _reached(model, first["loc"]) for name in _tags(kind, tag)})
            raise ConfigError(
                f"{subject}: {key}.{tag}", "is missing or unknown", f"one of {', '.join(known)}"
            ) from None
        raise ConfigError(f"{subject}: {key}", first["msg"].removeprefix("Value error, ")) from None


def apply_override(values: dict[str, Any], override: str) -> None:
    """Sets ``section.key=value`` in nested settings; ``section.0.key=value`` in the first entry of a list.

    Raises:
        ConfigError: If it has another form, or leads through a value.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(override, "not of the form key=value", "for example optimizer.steps=100")
    *sections, last = key.strip().split(".")
    place: Any = values
    for section in sections:
        place = _entered(place, section, key)
    if isinstance(place, list):
        place[_position(place, last, key)] = _parse_yaml(text, override)
    else:
        place[last] = _parse_yaml(text, override)


def flat_settings(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key: {"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flat_settings(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def expand(text: str) -> str:
    """Fills in every ``${NAME}`` from the environment.

    Raises:
        ConfigError: If a variable is not set.
    """
    return re.sub(r"\$\{(\w+)\}", _environment, text)


def _environment(match: re.Match[str]) -> str:
    name = match[1]
    if name not in os.environ:
        raise ConfigError(f"${{{name}}}", "the environment variable is not set", f"export {name}=... first")
    return os.environ[name]


def _entered(place: Any, section: str, key: str) -> Any:
    place = place[_position(place, section, key)] if isinstance(place, list) else place.setdefault(section, {})
    if not isinstance(place, dict | list):
        raise ConfigError(key, f"{section} is a value, not a section")
    return place


def _position(entries: list[Any], text: str, key: str) -> int:
    if not text.isdecimal() or int(text) >= len(entries):
        raise ConfigError(key, f"{text} is no place in a list of {len(entries)}", "places count from 0")
    return int(text)


def _parse_yaml(text: str, subject: str) -> Any:
    import yaml  # noqa: PLC0415 - not part of the light installation

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(subject, f"is no valid YAML: {' '.join(str(error).split())}") from error


def _known_keys(model: type[BaseModel], place: Sequence[Any]) -> list[str]:
    return [name for member in _reached(model, place) for name in member.model_fields]


def _reached(model: type[BaseModel], place: Sequence[Any]) -> list[type[BaseModel]]:
    *_, (_, last) = [("", model), *_walk(model, place)]
    return _models(last)


def _dotted(model: type[BaseModel], place: Sequence[Any]) -> str:
    """A place as the file's author would write it: without the tags by which pydantic names members of a union."""
    return ".".join(str(part) for part, _ in _walk(model, place) if part != "")


def _walk(model: Any, place: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Each step of a place with the model reached by it; a step that only names a member of a union has no word."""
    for part in place:
        if isinstance(part, int):
            yield str(part), model
            continue
        members = _models(model)
        holder = next((member for member in members if part in member.model_fields), None)
        chosen = next((member for member in members if part in _tags(member)), None)
        if len(members) > 1 and chosen is not None:
            model = chosen
            yield "", model
        else:
            model = holder.model_fields[part].annotation if holder else model
            yield part, model


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models within an annotation: itself, the members of a union, the entries of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in typing.get_args(annotation) for model in _models(inner)]


def _tags(model: type[BaseModel], field: str | None = None) -> set[str]:
    """The literal values of a model's fields, or of one, by which a union tells its members apart."""
    fields = [model.model_fields[field]] if field else model.model_fields.values()
    return {tag for info in fields for tag in typing.get_args(info.annotation)}
