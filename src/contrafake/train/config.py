"""One model per verb is at once the YAML file, the command-line overrides and the Python argument."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contrafake.errors import ConfigError
from contrafake.model.encoder import EncoderConfig


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Section):
    """Which shards; paths may hold ``${CONTRAFAKE_DATA}``.

    Attributes:
        train: Patterns of training shards: paired records or lone samples, not both.
        validation: Patterns of validation shards of lone samples; used for early stopping, calibration and thresholds.
        origins: CSV with columns `origin`, `family`, `seen_in_training`; names the families for attribution.
    """

    train: list[str]
    validation: list[str]
    origins: str | None = None

    def expanded(self) -> DataConfig:
        """The same with environment variables filled in; saved configurations keep the names.

        Raises:
            ConfigError: If a variable is not set.
        """
        return DataConfig(
            train=[_expand(pattern) for pattern in self.train],
            validation=[_expand(pattern) for pattern in self.validation],
            origins=None if self.origins is None else _expand(self.origins),
        )


class ViewConfig(_Section):
    """How views are cut (CoDE, section 3, and the official training code).

    Attributes:
        geometry: "crop" takes native pixels; "resize-crop" scales the shorter side to size / crop_pct first.
        crop_pct: Share of the resized side that the centre crop keeps.
        global_area: Smallest and largest share of the image's area in a global crop.
        local_area: The same for a local crop.
        max_operations: K, the largest number of transformations of a view.
    """

    geometry: Literal["crop", "resize-crop"] = "crop"
    crop_pct: float = Field(0.9, gt=0, le=1)
    global_area: tuple[float, float] = (0.4, 1.0)
    local_area: tuple[float, float] = (0.05, 0.4)
    max_operations: int = Field(2, ge=0, le=19)


class LossConfig(_Section):
    """The contrastive loss.

    Attributes:
        temperature: tau of the softmax over cosine similarities.
        generated_term: False drops the loss of the generated class, as the published training code does by a slip.
        multi_scale: Whether local views are drawn to their image's global view.
    """

    temperature: float = Field(0.1, gt=0)
    generated_term: bool = True
    multi_scale: bool = True


class OptimizerConfig(_Section):
    """AdamW with linear warm-up and a cosine to zero, stepped at every step.

    Attributes:
        steps: Optimiser steps in all.
        records: Records (pairs of one real and one generated image) per step; eight views each.
        learning_rate: Peak rate.
        weight_decay: Decoupled weight decay.
        warmup_steps: Steps of linear warm-up from `learning_rate` / 2000.
    """

    steps: int = Field(gt=0)
    records: int = Field(256, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(2e-5, ge=0)
    warmup_steps: int = Field(0, ge=0)


class RuntimeConfig(_Section):
    """Where and how it runs.

    Attributes:
        device: "auto" takes a GPU where there is one.
        precision: "bf16" computes the encoder in bfloat16 autocast.
        workers: Processes that cut views; 0 cuts them in the training process.
        threads: Threads of the model on a CPU; 0 leaves torch's default.
        checkpoint_every: Steps between checkpoints.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    workers: int = Field(2, ge=0)
    threads: int = Field(0, ge=0)
    checkpoint_every: int = Field(200, gt=0)


class ValidationConfig(_Section):
    """How training is watched.

    Attributes:
        every: Steps between validations.
        fit_images: Training images per class on which the watching linear head is fitted.
        metric: What early stopping and the choice of weights go by.
        patience: Validations without a better value before training stops; 0 never stops.
    """

    every: int = Field(500, gt=0)
    fit_images: int = Field(500, gt=1)
    metric: Literal["auc", "balanced_accuracy"] = "auc"
    patience: int = Field(6, ge=0)


class FitConfig(_Section):
    """How heads, calibration and operating points are made from a trained encoder.

    Attributes:
        crop_size: Side of the crops that `detect` will cut, in pixels; a convolutional backbone may use more than it
            was trained on. None takes `encoder.image_size`.
        transformed_copies: Transformed copies of each training image beside the untouched one.
        default_crops: Crops per image when the user names no number.
        crops: All numbers of crops to calibrate.
        false_alarm_rates: Operating points to store; the first is the default.
        default_head: Head used when the user names none; None takes the best by validation AUC.
        nearest_references: Largest number of reference embeddings kept by the nearest-neighbour head.
        svm_nu: nu of the one-class SVM.
    """

    crop_size: int | None = None
    transformed_copies: int = Field(1, ge=0)
    default_crops: int = Field(5, ge=1)
    crops: list[int] = [1, 5]
    false_alarm_rates: list[float] = [0.05, 0.01]
    default_head: Literal["linear", "nearest", "svm"] | None = None
    nearest_references: int = Field(20000, gt=1)
    svm_nu: float = Field(0.1, gt=0, le=1)


class TrainConfig(_Section):
    """Everything that decides a training run; saved, resolved, with its results."""

    name: str
    seed: int = 42
    data: DataConfig
    encoder: EncoderConfig = EncoderConfig()
    views: ViewConfig = ViewConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig
    runtime: RuntimeConfig = RuntimeConfig()
    validation: ValidationConfig = ValidationConfig()
    fit: FitConfig = FitConfig()


def load_config(path: str | os.PathLike[str], overrides: list[str] | None = None) -> TrainConfig:
    """Reads a YAML file and applies ``section.key=value`` overrides.

    Raises:
        ConfigError: If the file is missing or no YAML, a key is unknown (the nearest known one is named), or a value
            does not fit.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(str(path), f"is no valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(str(path), "holds no settings")
    for override in overrides or []:
        _apply_override(values, override)
    return parse_config(values, str(path))


def parse_config(values: dict[str, Any], subject: str = "configuration") -> TrainConfig:
    """Validates settings; raises ConfigError naming the first wrong key and, where unknown, the nearest known one."""
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(first["loc"][-1]), _known_keys(first["loc"][:-1]), n=1, cutoff=0.0)
            raise ConfigError(f"{subject}: {key}", "unknown key", f"the nearest known one is {near[0]}" if near else "") from None
        raise ConfigError(f"{subject}: {key}", first["msg"]) from None


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: Any = TrainConfig
    for part in location:
        model = model.model_fields[str(part)].annotation
    return list(model.model_fields)


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(override, "not of the form key=value", "for example optimizer.steps=100")
    *sections, last = key.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(key, f"{section} is a value, not a section")
    values[last] = yaml.safe_load(text)


def _expand(text: str) -> str:
    """Replaces every ``${NAME}`` by the environment variable."""
    return re.sub(r"\$\{(\w+)\}", _environment, text)


def _environment(match: re.Match[str]) -> str:
    name = match[1]
    if name not in os.environ:
        raise ConfigError(f"${{{name}}}", "the environment variable is not set", f"export {name}=... first")
    return os.environ[name]
