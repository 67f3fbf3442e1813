"""Training configurations from YAML files and from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrafake.settings import apply_override, flat_settings, load_settings, parse_settings
from contrafake.train.config import TrainConfig

if TYPE_CHECKING:
    import os


def load_config(path: str | os.PathLike[str], overrides: list[str] | None = None) -> TrainConfig:
    """Reads a YAML file and applies ``section.key=value`` overrides; see `contrafake.settings.load_settings`."""
    return load_settings(TrainConfig, path, overrides)


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
    return parse_settings(TrainConfig, values, subject)


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
