"""Verifies a bundle to the end: every file against its hash, then everything in it by use."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from safetensors import safe_open

from contrafake.adapt.config_reading import read_config
from contrafake.errors import ContrafakeError
from contrafake.model.bundle import CONFIG, MODEL, TENSORS, WEIGHTS, Bundle, sha256
from contrafake.model.bundle_config import FP32
from contrafake.model.bundle_writing import TEXTS
from contrafake.model.heads import NearestHead
from contrafake.model.runtime import OnnxEncoder

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from contrafake.adapt.config_reading import FoundConfig

FileState = Literal["ok", "changed", "missing", "unreadable", "outside", "text", "not vouched for"]
WRONG: frozenset[FileState] = frozenset({"changed", "missing", "unreadable", "outside"})
_LARGEST_CROP = 4096


@dataclass(frozen=True)
class FileCheck:
    """A file of the folder.

    Attributes:
        name: Its name; a folder's ends in a slash.
        state: "ok", "changed" (not the stated hash), "missing", "unreadable", "outside" (its name leads out of the
            folder), "text" (read by people only, without a hash), or "not vouched for" (config.json does not list it;
            it is never read).
        bytes: Its size; None where there is none.
    """

    name: str
    state: FileState
    bytes: int | None = None


@dataclass(frozen=True)
class Check:
    """Something that was tried.

    Attributes:
        what: What, in a few words.
        cause: Why it failed; None where it did not.
    """

    what: str
    cause: str | None = None


@dataclass(frozen=True)
class Report:
    """What is right and wrong with a bundle.

    Attributes:
        path: Its folder.
        hash: SHA-256 of config.json; None where that cannot be read.
        name: Name and version as it states them; None where it states none.
        files: Its files, listed ones first.
        checks: What was tried, in order.
    """

    path: Path
    hash: str | None
    name: str | None
    files: tuple[FileCheck, ...]
    checks: tuple[Check, ...]

    @property
    def problems(self) -> int:
        """Files and checks that are wrong; a file that nothing vouches for is not, since nothing reads it."""
        return sum(file.state in WRONG for file in self.files) + sum(check.cause is not None for check in self.checks)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "path": str(self.path),
            "name": self.name,
            "hash": self.hash,
            "ok": self.ok,
            "files": [asdict(file) for file in self.files],
            "checks": [{"what": check.what, "ok": check.cause is None, "cause": check.cause} for check in self.checks],
        }


def verify(path: str | os.PathLike[str]) -> Report:
    """Verifies all of a bundle, and goes on after a fault.

    Every file is read and compared with its hash. Then every graph embeds a fixed crop, every head scores the result,
    and calibrations, validation images and torch weights are read. A file that is missing or changed is not used.

    Args:
        path: Folder of the bundle, or of what is left of one.

    Returns:
        All that was found; a fault is never raised.
    """
    folder = Path(path)
    found = read_config(folder)
    files = tuple(_files(folder, found.files))
    checks = [Check("config.json can be read", found.damage)]
    if found.config is not None and found.hash is not None:
        bundle = Bundle(folder, found.config, found.hash)
        sound = {file.name for file in files if file.state == "ok"}
        checks += [Check(what, _cause_of(trial, needs, sound)) for what, trial, needs in _trials(bundle)]
    return Report(folder, found.hash, _stated_name(found), files, tuple(checks))


def _stated_name(found: FoundConfig) -> str | None:
    parts = [str(found.values[key]) for key in ("name", "version") if key in found.values]
    return " ".join(parts) or None


def _files(folder: Path, listed: dict[str, str]) -> Iterator[FileCheck]:
    for name, stated in listed.items():
        yield _checked(folder, name, stated)
    try:
        others = sorted(path for path in folder.iterdir() if path.name not in {*listed, CONFIG})
    except OSError:
        return
    for path in others:
        if path.is_dir():
            yield FileCheck(f"{path.name}/", "not vouched for")
        else:
            yield FileCheck(path.name, "text" if path.name in TEXTS else "not vouched for", _size(path))


def _checked(folder: Path, name: str, stated: str) -> FileCheck:
    if Path(name).name != name:
        return FileCheck(name, "outside")
    path = folder / name
    try:
        if not path.is_file():
            return FileCheck(name, "unreadable" if path.exists() else "missing")
        return FileCheck(name, "ok" if sha256(path) == stated else "changed", _size(path))
    except (ContrafakeError, OSError, ValueError):
        return FileCheck(name, "unreadable")


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _cause_of(trial: Callable[[], str | None], needs: str, sound: set[str]) -> str | None:
    if needs not in sound:
        return f"not tried, since {needs} is not as config.json states"
    try:
        return trial()
    except ContrafakeError as error:
        return error.cause
    except Exception as error:  # noqa: BLE001 - whatever a damaged file brings about, the rest is still to be told
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _trials(bundle: Bundle) -> Iterator[tuple[str, Callable[[], str | None], str]]:
    """What to try: in words, how, and the file that it needs."""
    config = bundle.config
    graphs = {FP32: MODEL} | {variant.name: variant.file for variant in config.variants}
    for variant, file in graphs.items():
        yield f"{variant} graph embeds a crop", partial(_embedded, bundle, variant), file
    if config.default_variant not in graphs:
        yield "the default variant is there", lambda: f"there is no {config.default_variant!r}", MODEL
    for head in dict.fromkeys([*config.heads, config.default_head]):
        yield f"{head} head scores", partial(_scored, bundle, head), TENSORS
    for facts in config.calibrations:
        what = f"calibration of {facts.head} at {facts.crops} crop{'s' * (facts.crops != 1)} can be read"
        yield what, partial(_calibrated, bundle, facts.head, facts.crops), TENSORS
    if config.attribution is not None:
        yield "references of the attribution have names", partial(_named, bundle), TENSORS
    if config.validation is not None:
        yield "validation images can be read", partial(_remembered, bundle), TENSORS
    if bundle.weights_path is not None:
        yield "torch weights can be read", partial(_weights, bundle.path / WEIGHTS), WEIGHTS


def _dimension(bundle: Bundle) -> int:
    return int(bundle.config.architecture.get("dimension", 0))


def _embedded(bundle: Bundle, variant: str) -> str | None:
    side = bundle.config.preprocessing.crop_size
    if side > _LARGEST_CROP:
        return f"crops of {side:,} pixels are no sane size"
    ramp = np.arange(side * side * 3, dtype=np.uint32).reshape(1, side, side, 3)
    vectors = OnnxEncoder(bundle.graph(variant), 1).embed((ramp * 7 % 251).astype(np.uint8))
    expected = (1, _dimension(bundle))
    if vectors.shape != expected:
        return f"gives an array of shape {vectors.shape}, not {expected}"
    return None if np.isfinite(vectors).all() else "gives numbers that are not finite"


def _scored(bundle: Bundle, name: str) -> str | None:
    vector = np.linspace(-1, 1, _dimension(bundle), dtype=np.float32)[None]
    scores = bundle.head(name).score(vector)
    if scores.shape != (1,):
        return f"gives an array of shape {scores.shape}"
    return None if np.isfinite(scores).all() else "gives a score that is not finite"


def _calibrated(bundle: Bundle, head: str, crops: int) -> str | None:
    found = bundle.calibration(head, crops)
    if found is None or head not in bundle.config.heads:
        return f"there is no head {head!r}"
    arrays = (found.real_scores, found.generated_scores)
    if len(found.real_scores) == 0 or len(found.real_sources) != len(found.real_scores):
        return "its scores are incomplete"
    return None if all(np.isfinite(array).all() for array in arrays) else "its scores are not finite"


def _named(bundle: Bundle) -> str | None:
    references = bundle.head("nearest")
    if not isinstance(references, NearestHead):
        return "there are no references"
    codes = references.origins
    known = len(bundle.config.origins)
    return None if codes.size and codes.min() >= 0 and codes.max() < known else "some have none"


def _remembered(bundle: Bundle) -> str | None:
    memory, names = bundle.validation_memory(), bundle.config.validation
    if memory is None or names is None:
        return "there are none"
    if memory.vectors.shape != (len(memory.owner), _dimension(bundle)) or not np.isfinite(memory.vectors).all():
        return "their embeddings are damaged"
    images = len(memory.labels)
    if not len(memory.origins) == len(memory.sources) == images or memory.owner.max(initial=-1) != images - 1:
        return "their facts are incomplete"
    codes = ((memory.origins, names.origins), (memory.sources, names.sources))
    return None if all(code.max(initial=-1) < len(known) for code, known in codes) else "some have no name"


def _weights(path: Path) -> str | None:
    with safe_open(path, framework="numpy") as file:
        return None if list(file.keys()) else "there are none"
