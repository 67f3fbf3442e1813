"""A trained model on disk: one folder of plain files, hash-verified, written whole or not at all.

- config.json: what the model is, how to feed it, how to read its scores; hashes of the two files that follow
- model.onnx: crops (N, S, S, 3) uint8 -> embeddings (N, D) float32
- heads.safetensors: parameters of the heads, scores behind the calibration
- README.md, NOTICE: the model card, the terms of the weights
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from contrafake.errors import BundleError
from contrafake.model.calibration import Calibration, OperatingPoint
from contrafake.model.heads import Head, head_from_tensors

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from numpy.typing import NDArray

SCHEMA_VERSION = 1
MODEL = "model.onnx"
TENSORS = "heads.safetensors"
CONFIG = "config.json"
_SCORES = ("real_scores", "generated_scores", "real_sources")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Preprocessing(_Part):
    """How an image becomes crops; the pixels' normalisation is inside the graph.

    Attributes:
        geometry: "crop" cuts native pixels; "resize-crop" scales the shorter side to crop_size / crop_pct first.
        crop_size: Side of the crops in pixels.
        crop_pct: Share of the resized side that is kept; of "resize-crop" only.
        default_crops: Crops whose scores are averaged when the user names no number.
        aggregation: How the crops' scores become the image's.
        small_images: What happens to images smaller than a crop.
    """

    geometry: Literal["crop", "resize-crop"] = "crop"
    crop_size: int = Field(default=224, gt=0)
    crop_pct: float = Field(default=0.9, gt=0, le=1)
    default_crops: int = Field(default=5, gt=0)
    aggregation: Literal["mean score"] = "mean score"
    small_images: Literal["mirror"] = "mirror"


class CalibrationFacts(_Part):
    """One head at one number of crops; its scores are in the tensors ``calibration.HEAD.CROPS.*``."""

    head: str
    crops: int
    slope: float
    intercept: float
    bound: float
    auc: float
    operating_points: list[OperatingPoint]


class AttributionRule(_Part):
    """When the nearest origin is worth naming.

    Attributes:
        neighbours: Nearest generated references that vote.
        least_share: Share of the votes that the winner needs.
        precision: Share of right names among those given, on validation images.
        given: Share of generated validation images that got a name.
        images: Generated validation images behind both.
    """

    neighbours: int
    least_share: float
    precision: float
    given: float
    images: int


class BundleConfig(_Part):
    """Everything about a bundle except its tensors."""

    schema_version: int = SCHEMA_VERSION
    method: str
    name: str
    version: str
    architecture: dict[str, Any]
    preprocessing: Preprocessing
    label_convention: str = "0 = real, 1 = generated; a higher score is more likely generated"
    heads: list[str]
    default_head: str
    origins: list[str] = []
    calibrations: list[CalibrationFacts] = []
    attribution: AttributionRule | None = None
    training: dict[str, Any] = {}
    files: dict[str, str] = {}


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

    @property
    def model_path(self) -> Path:
        """The ONNX graph."""
        return self.path / MODEL

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
                if missing := set(_SCORES) - tensors.keys():
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
        if _sha256(folder / name) != expected:
            cause = "does not have the hash that config.json states"
            raise BundleError(str(folder / name), cause, "fetch the bundle again")
    if not {MODEL, TENSORS} <= config.files.keys():
        raise BundleError(str(folder), f"its config.json does not vouch for {MODEL} and {TENSORS}")
    try:
        with safe_open(folder / TENSORS, framework="numpy"):
            pass
    except SafetensorError as error:
        raise BundleError(str(folder / TENSORS), f"is damaged: {error}") from error
    return Bundle(folder, config, hashlib.sha256(text).hexdigest())


def write_bundle(
    path: str | os.PathLike[str],
    config: BundleConfig,
    *,
    model: Path,
    heads: Mapping[str, Head],
    calibrations: Mapping[tuple[str, int], Calibration],
    texts: Mapping[str, str],
) -> Bundle:
    """Writes a bundle under `path` by renaming a complete hidden folder; an older bundle there is replaced.

    Args:
        path: Target folder.
        config: Description; `files` is filled in here.
        model: ONNX file to copy in.
        heads: Heads by name.
        calibrations: Calibrations by head and number of crops.
        texts: Further text files by name: README.md, NOTICE.

    Raises:
        BundleError: If something stands at `path` that is no bundle: it would be lost.
    """
    folder = Path(path).absolute()
    if folder.exists() and not (folder / CONFIG).is_file() and not (folder.is_dir() and not any(folder.iterdir())):
        raise BundleError(str(path), "exists and is no bundle", "choose another folder")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        shutil.copyfile(model, partial / MODEL)
        # Not `save_file`, whose files only their owner may read.
        (partial / TENSORS).write_bytes(save(_all_tensors(heads, calibrations)))
        for name, text in texts.items():
            (partial / name).write_text(text, encoding="utf-8")
        # The texts are not hashed: a model card may be corrected without changing the model.
        complete = config.model_copy(update={"files": {name: _sha256(partial / name) for name in (MODEL, TENSORS)}})
        (partial / CONFIG).write_text(complete.model_dump_json(indent=1) + "\n", encoding="utf-8")
        _replace(folder, partial)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return read_bundle(folder)


def _all_tensors(
    heads: Mapping[str, Head], calibrations: Mapping[tuple[str, int], Calibration]
) -> dict[str, NDArray[np.generic]]:
    tensors = {f"head.{name}.{key}": value for name, head in heads.items() for key, value in head.tensors().items()}
    for (head_name, crops), calibration in calibrations.items():
        for key in _SCORES:
            tensors[f"calibration.{head_name}.{crops}.{key}"] = getattr(calibration, key)
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}


def _replace(folder: Path, new: Path) -> None:
    """Two renames, since no folder can take the place of a full one in a single step; a failure undoes the first."""
    old = folder.with_name(f".{folder.name}.replaced")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(str(path), f"is missing or unreadable: {error.strerror}") from error
