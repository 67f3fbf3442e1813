"""Writes bundles: a complete hidden folder is renamed into place, so that nobody ever sees half of one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save

from contrafake.errors import BundleError
from contrafake.model.bundle import CONFIG, MODEL, SCORES, TENSORS, WEIGHTS, Bundle, read_bundle, sha256
from contrafake.model.bundle_config import FP32

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from contrafake.model.bundle_config import BundleConfig
    from contrafake.model.calibration import Calibration
    from contrafake.model.heads import Head
    from contrafake.model.validation_memory import ValidationMemory

TEXTS = ("README.md", "NOTICE")


def write_bundle(
    path: str | os.PathLike[str],
    config: BundleConfig,
    *,
    model: Path,
    heads: Mapping[str, Head],
    calibrations: Mapping[tuple[str, int], Calibration],
    texts: Mapping[str, str],
    memory: ValidationMemory | None = None,
    variants: Mapping[str, Path] | None = None,
    weights: Path | None = None,
) -> Bundle:
    """Writes a bundle under `path` by renaming a complete hidden folder; an older bundle there is replaced.

    Args:
        path: Target folder.
        config: Description; `files` is filled in here.
        model: ONNX file to copy in.
        heads: Heads by name.
        calibrations: Calibrations by head and number of crops.
        texts: Further text files by name: README.md, NOTICE.
        memory: Embeddings of the validation images; `config.validation` names what they are of.
        variants: Graphs of `config.variants` to copy in, by their name in the bundle.
        weights: The encoder's torch weights as safetensors, to copy in.

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
        copied = {MODEL: model, **(variants or {}), **({} if weights is None else {WEIGHTS: weights})}
        for name, source in copied.items():
            shutil.copyfile(source, partial / name)
        # Not `save_file`, whose files only their owner may read.
        (partial / TENSORS).write_bytes(save(_all_tensors(heads, calibrations, memory)))
        for name, text in texts.items():
            (partial / name).write_text(text, encoding="utf-8")
        # The texts are not hashed: a model card may be corrected without changing the model.
        hashes = {name: sha256(partial / name) for name in (*copied, TENSORS)}
        complete = config.model_copy(update={"files": hashes})
        (partial / CONFIG).write_text(complete.model_dump_json(indent=1) + "\n", encoding="utf-8")
        _replace(folder, partial)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return read_bundle(folder)


def rewrite_bundle(
    bundle: Bundle,
    path: str | os.PathLike[str],
    config: BundleConfig,
    *,
    model: Path | None = None,
    heads: Mapping[str, Head] | None = None,
    calibrations: Mapping[tuple[str, int], Calibration] | None = None,
    texts: Mapping[str, str] | None = None,
    memory: ValidationMemory | None = None,
    variants: Mapping[str, Path] | None = None,
    weights: Path | None = None,
) -> Bundle:
    """Writes a bundle that takes over from another what is not given; `path` may be the other's own folder.

    Args:
        bundle: The other.
        path: As in `write_bundle`, like all that follow.
        config: Description of the new one. What it no longer lists is not taken over: heads, variants, and the
            validation memory where `config.validation` is None.
        model: None takes the other's, as for all that follow.
        heads: All heads of the new bundle.
        calibrations: All calibrations of the new bundle.
        texts: Texts that differ.
        memory: Embeddings of validation images.
        variants: Graphs that are new; those of `config.variants` that the other has are copied.
        weights: Torch weights.

    Raises:
        BundleError: As in `write_bundle`.
    """
    if calibrations is None:
        calibrations = {
            (facts.head, facts.crops): found
            for facts in config.calibrations
            if (found := bundle.calibration(facts.head, facts.crops)) is not None
        }
    old = {variant.file: bundle.path / variant.file for variant in bundle.config.variants}
    wanted = {variant.file for variant in config.variants}
    return write_bundle(
        path,
        config,
        model=model or bundle.graph(FP32),
        heads=heads or {name: bundle.head(name) for name in config.heads},
        calibrations=calibrations,
        texts={**read_texts(bundle), **(texts or {})},
        memory=None if config.validation is None else memory or bundle.validation_memory(),
        variants={name: source for name, source in {**old, **(variants or {})}.items() if name in wanted},
        weights=weights or bundle.weights_path,
    )


def read_texts(bundle: Bundle) -> dict[str, str]:
    """The texts that a bundle has of README.md and NOTICE."""
    files = [path for path in (bundle.path / name for name in TEXTS) if path.is_file()]
    return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in files}


def _all_tensors(
    heads: Mapping[str, Head],
    calibrations: Mapping[tuple[str, int], Calibration],
    memory: ValidationMemory | None,
) -> dict[str, NDArray[np.generic]]:
    tensors = {f"head.{name}.{key}": value for name, head in heads.items() for key, value in head.tensors().items()}
    for (head_name, crops), calibration in calibrations.items():
        for key in SCORES:
            tensors[f"calibration.{head_name}.{crops}.{key}"] = getattr(calibration, key)
    if memory is not None:
        tensors |= {f"validation.{key}": value for key, value in memory.tensors().items()}
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
