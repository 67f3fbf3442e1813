"""Configurations from YAML files and from the command line."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from contrafake.errors import ConfigError
from contrafake.train.config import TrainConfig

if TYPE_CHECKING:
    import os


def load_config(path: str | os.PathLike[str], overrides: list[str] | None = None) -> TrainConfig:
    """Reads a YAML file and applies ``section.key=value`` overrides.

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
    return parse_config(values, str(path))


def default_config(name: str, shards: list[str], overrides: list[str] | None = None) -> TrainConfig:
    """The settings nobody changed, for one step on some shards, with overrides applied.

    Args:
        name: Of the configuration.
        shards: Patterns of the shards, for training and validation alike.
        overrides: Each of the form ``section.key=value``.

    Raises:
        ConfigError: As `load_config`.
    """
    values: dict[str, Any] = {
        "name": name,
        "data": {"train": shards, "validation": shards},
        "optimizer": {"steps": 1},
    }
    for override in overrides or []:
        apply_override(values, override)
    return parse_config(values)


def parse_config(values: dict[str, Any], subject: str = "configuration") -> TrainConfig:
    """Validates settings; raises ConfigError naming the first wrong key and, where unknown, the nearest known one."""
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        # A misspelt key comes first: it is also why another seems to be missing.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            *sections, last = map(str, first["loc"])
            [near] = difflib.get_close_matches(last, _known_keys(sections), n=1, cutoff=0.0)
            nearest = ".".join([*sections, near])
            raise ConfigError(f"{subject}: {key}", "unknown key", f"the nearest known one is {nearest}") from None
        raise ConfigError(f"{subject}: {key}", first["msg"].removeprefix("Value error, ")) from None


def _known_keys(sections: list[str]) -> list[str]:
    model: Any = TrainConfig
    for name in sections:
        model = model.model_fields[name].annotation
    return list(model.model_fields)


def _parse_yaml(text: str, subject: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(subject, f"is no valid YAML: {' '.join(str(error).split())}") from error


def apply_override(values: dict[str, Any], override: str) -> None:
    """Sets ``section.key=value`` in nested settings.

    Raises:
        ConfigError: If it has another form, or leads through a value.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(override, "not of the form key=value", "for example optimizer.steps=100")
    *sections, last = key.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(key, f"{section} is a value, not a section")
    values[last] = _parse_yaml(text, override)


def flat_settings(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key: {"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flat_settings(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def changed_settings(before: dict[str, Any], config: TrainConfig) -> list[str]:
    """What differs from the configuration that the steps so far were taken with: "optimizer.steps 2000 -> 1700"."""
    if not before:
        return []
    then, now = flat_settings(before), flat_settings(config.model_dump(mode="json"))
    chosen = flat_settings(config.model_dump(mode="json", exclude_defaults=True))
    # A setting that an earlier version did not have had the effect of what is now its default.
    known = {key for key in now if key in then or key in chosen} | set(then)
    changed = [key for key in sorted(known) if then.get(key) != now.get(key)]
    return [f"{key} {then.get(key)} -> {now.get(key)}" for key in changed]
