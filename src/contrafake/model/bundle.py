"""A trained model on disk: one folder of plain files, hash-verified.

- config.json: what the model is, how to feed it, how to read its scores; hashes of the files that follow
- model.onnx: crops (N, S, S, 3) uint8 -> embeddings (N, D) float32
- heads.safetensors: parameters of the heads, scores behind the calibration, embeddings of the validation images
- model.NAME.onnx: the same encoder in other numbers, where there are variants
- model.safetensors: the encoder's weights as torch has them, where they are kept for training on
- README.md, NOTICE: the model card, the terms of the weights
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from contrafake.errors import BundleError
from contrafake.model.bundle_config import FP32, SCHEMA_VERSION, BundleConfig
from contrafake.model.calibration import Calibration, OperatingPoint
from contrafake.model.heads import Head, head_from_tensors
from contrafake.model.validation_memory import ValidationMemory

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

MODEL = "model.onnx"
TENSORS = "heads.safetensors"
WEIGHTS = "model.safetensors"
CONFIG = "config.json"
SCORES = ("real_scores", "generated_scores", "real_sources")


@dataclass(frozen=True)
class Bundle:
    """An opened bundle; heads and calibrations are read when asked for.

    Attributes:
        path: Its folder.
        config: Its description.
        hash: SHA-256 of config.json, which holds the hashes of all other files.
    """

    path: Path
    config: BundleConfig
    hash: str

    def graph(self, variant: str | None = None) -> Path:
        """The ONNX graph of a variant; None takes the default one.

        Raises:
            BundleError: If there is no such variant.
        """
        name = variant or self.config.default_variant
        files = {FP32: MODEL} | {known.name: known.file for known in self.config.variants}
        if name not in files:
            raise BundleError(str(self.path), f"has no variant {name!r}", f"it has {', '.join(files)}")
        return self.path / files[name]

    @property
    def weights_path(self) -> Path | None:
        """The encoder's weights as torch has them, None where the bundle does not keep them."""
        return self.path / WEIGHTS if WEIGHTS in self.config.files else None

    def head(self, name: str) -> Head:
        """Reads one head.

        Raises:
            BundleError: If the bundle has no such head or it is damaged.
        """
        self.check_head(name)
        return head_from_tensors(name, self._tensors(f"head.{name}."))

    def check_head(self, name: str) -> None:
        """Raises BundleError if the bundle has no such head."""
        if name not in self.config.heads:
            raise BundleError(str(self.path), f"has no head {name!r}", f"it has {', '.join(self.config.heads)}")

    def calibration(self, head: str, crops: int) -> Calibration | None:
        """The calibration of a head at a number of crops, None where there is none."""
        for facts in self.config.calibrations:
            if (facts.head, facts.crops) == (head, crops):
                tensors = self._tensors(f"calibration.{head}.{crops}.")
                if missing := set(SCORES) - tensors.keys():
                    where = str(self.path / TENSORS)
                    raise BundleError(where, f"lacks {', '.join(sorted(missing))} of {head} at {crops} crops")
                return Calibration(
                    facts.slope,
                    facts.intercept,
                    facts.bound,
                    np.asarray(tensors["real_scores"], np.float64),
                    np.asarray(tensors["generated_scores"], np.float64),
                    np.asarray(tensors["real_sources"], np.int32),
                )
        return None

    def calibrated_crops(self, head: str) -> list[int]:
        """Numbers of crops that a head is calibrated at, ascending."""
        return sorted(facts.crops for facts in self.config.calibrations if facts.head == head)

    def stored_point(self, head: str, crops: int, false_alarm_rate: float | None) -> OperatingPoint | None:
        """A stored operating point by its target rate; the first stored one for None."""
        for facts in self.config.calibrations:
            if (facts.head, facts.crops) == (head, crops):
                for point in facts.operating_points:
                    if false_alarm_rate is None or point.name == f"{100 * false_alarm_rate:g}% false alarms":
                        return point
        return None

    def validation_memory(self) -> ValidationMemory | None:
        """Embeddings of the validation images, None where the bundle has none.

        Raises:
            BundleError: If they are damaged.
        """
        return None if self.config.validation is None else ValidationMemory.from_tensors(self._tensors("validation."))

    def _tensors(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        with safe_open(self.path / TENSORS, framework="numpy") as file:
            return {name.removeprefix(prefix): file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Opens a bundle and verifies every file against its hash.

    Raises:
        BundleError: If the folder is no bundle, of a newer schema, or a file is missing or changed.
    """
    folder = Path(path)
    try:
        text = (folder / CONFIG).read_bytes()
    except OSError as error:
        raise BundleError(str(folder), "is no bundle: it has no readable config.json") from error
    try:
        values = json.loads(text)
        version = values.get("schema_version") if isinstance(values, dict) else None
        if version != SCHEMA_VERSION:
            known = f"this contrafake reads {SCHEMA_VERSION}"
            raise BundleError(str(folder), f"has schema version {version!r}; {known}", "upgrade contrafake")
        config = BundleConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise BundleError(str(folder), f"its config.json is damaged: {key}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(str(folder), f"its config.json is damaged: {error}") from error
    for name, expected in config.files.items():
        if Path(name).name != name:
            raise BundleError(str(folder), f"lists a file outside its folder: {name!r}")
        if sha256(folder / name) != expected:
            cause = "does not have the hash that config.json states"
            raise BundleError(str(folder / name), cause, "fetch the bundle again")
    if not {MODEL, TENSORS} <= config.files.keys():
        raise BundleError(str(folder), f"its config.json does not vouch for {MODEL} and {TENSORS}")
    for variant in config.variants:
        if variant.file not in config.files:
            raise BundleError(str(folder), f"its config.json does not vouch for {variant.file}")
    try:
        with safe_open(folder / TENSORS, framework="numpy"):
            pass
    except SafetensorError as error:
        raise BundleError(str(folder / TENSORS), f"is damaged: {error}") from error
    return Bundle(folder, config, hashlib.sha256(text).hexdigest())


def sha256(path: Path) -> str:
    """Hex digest of a file.

    Raises:
        BundleError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(str(path), f"is missing or unreadable: {error.strerror}") from error
