"""One model per verb is at once the YAML file, the command-line overrides and the Python argument."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from contrafake.errors import ConfigError
from contrafake.images.crops import MAX_CROPS
from contrafake.model.encoder import EncoderConfig


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _ordered_shares(area: tuple[float, float]) -> tuple[float, float]:
    if not 0 < area[0] <= area[1] <= 1:
        raise ValueError("an area is two shares of the image, 0 < smallest <= largest <= 1")
    return area


Area = Annotated[tuple[float, float], AfterValidator(_ordered_shares)]


class DataConfig(_Section):
    """Which shards; paths may hold ``${CONTRAFAKE_DATA}``.

    Attributes:
        train: Patterns of training shards: paired records or lone samples, not both.
        validation: Patterns of validation shards of either kind; used for early stopping, calibration and thresholds.
        origins: Table of origins with the columns `label`, `origin` and `family`; names the families for attribution.
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
    crop_pct: float = Field(default=0.9, gt=0, le=1)
    global_area: Area = (0.4, 1.0)
    local_area: Area = (0.05, 0.4)
    max_operations: int = Field(default=2, ge=0, le=19)


class LossConfig(_Section):
    """The contrastive loss.

    Attributes:
        temperature: tau of the softmax over cosine similarities.
        generated_term: False drops the loss of the generated class, as the published training code does by a slip.
        multi_scale: Whether local views are drawn to their image's global view.
    """

    temperature: float = Field(default=0.1, gt=0)
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
    records: int = Field(default=256, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=2e-5, ge=0)
    warmup_steps: int = Field(default=0, ge=0)


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
    workers: int = Field(default=2, ge=0)
    threads: int = Field(default=0, ge=0)
    checkpoint_every: int = Field(default=200, gt=0)


class ValidationConfig(_Section):
    """How training is watched.

    Attributes:
        every: Steps between validations.
        fit_images: Training images per class on which the watching linear head is fitted.
        metric: What early stopping and the choice of weights go by.
        patience: Validations without a better value before training stops; 0 never stops.
    """

    every: int = Field(default=500, gt=0)
    fit_images: int = Field(default=500, gt=1)
    metric: Literal["auc", "balanced_accuracy"] = "auc"
    patience: int = Field(default=6, ge=0)


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

    crop_size: int | None = Field(default=None, gt=0)
    transformed_copies: int = Field(default=1, ge=0)
    default_crops: int = Field(default=5, ge=1, le=MAX_CROPS)
    crops: list[Annotated[int, Field(ge=1, le=MAX_CROPS)]] = [1, 5]
    false_alarm_rates: Annotated[list[Annotated[float, Field(gt=0, le=0.5)]], Field(min_length=1)] = [0.05, 0.01]
    default_head: Literal["linear", "nearest", "svm"] | None = None
    nearest_references: int = Field(default=20000, gt=1)
    svm_nu: float = Field(default=0.1, gt=0, le=1)


class TrainConfig(_Section):
    """Everything that decides a training run; saved, resolved, with its results."""

    name: str
    seed: int = Field(default=42, ge=0, lt=2**32)
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
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "is no text in UTF-8") from error
    values = _parse_yaml(text, str(path))
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


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(override, "not of the form key=value", "for example optimizer.steps=100")
    *sections, last = key.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(key, f"{section} is a value, not a section")
    values[last] = _parse_yaml(text, override)


def _expand(text: str) -> str:
    """Replaces every ``${NAME}`` by the environment variable."""
    return re.sub(r"\$\{(\w+)\}", _environment, text)


def _environment(match: re.Match[str]) -> str:
    name = match[1]
    if name not in os.environ:
        raise ConfigError(f"${{{name}}}", "the environment variable is not set", f"export {name}=... first")
    return os.environ[name]


def flat_settings(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key: {"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flat_settings(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
