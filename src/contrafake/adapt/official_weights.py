"""The published weights as an `Encoder`: every number of the file has its place, or the file is refused."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.adapt.official import CONFIG, WEIGHTS
from contrafake.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from contrafake.adapt.official import Published
    from contrafake.model.encoder import Encoder, EncoderConfig

_POOLER = ("pooler.", "vit.pooler.")
_TYPES = ("F32", "F16", "BF16")
_NAMED = 3


def encoder_config(published: Published) -> EncoderConfig:
    """The published network in the terms of `EncoderConfig`: the backbone of its width, and what differs from it."""
    from contrafake.model.encoder import BACKBONES, EncoderConfig  # noqa: PLC0415 - brings torch

    vit = published.vit
    widths = {values["hidden_size"]: name for name, (kind, values) in BACKBONES.items() if kind == "vit"}
    name = widths.get(vit.hidden_size, "vit-tiny-16")
    usual = {**type(vit)(model_type="vit").form, **BACKBONES[name][1]}
    options = {key: value for key, value in vit.form.items() if value != usual[key]}
    return EncoderConfig(
        backbone=name, image_size=vit.image_size, options=options, mean=published.mean, std=published.std
    )


def load_encoder(published: Published) -> Encoder:
    """Builds the encoder with the published weights.

    Transformers maps the names of the file to those of its version. It sees a copy of the file and a config.json
    written from what was checked: nothing else of the folder can have a say.

    Returns:
        The encoder, in evaluation mode, float32.

    Raises:
        BundleError: The file is damaged, or lacks or has weights that config.json does not, or they are not finite.
    """
    from transformers import ViTModel  # noqa: PLC0415 - seconds of import

    from contrafake.model.encoder import Encoder  # noqa: PLC0415 - brings torch

    _check_header(published)
    path = str(published.weights)
    with tempfile.TemporaryDirectory() as folder:
        values = {**published.vit.form, "image_size": published.vit.image_size, "architectures": ["ViTModel"]}
        (Path(folder) / CONFIG).write_text(json.dumps(values), encoding="utf-8")
        shutil.copyfile(published.weights, Path(folder) / WEIGHTS)
        try:
            with _quiet():
                # Taken as Any: the types of transformers do not hold.
                loader: Any = ViTModel
                model, report = loader.from_pretrained(
                    folder, add_pooling_layer=False, use_safetensors=True, output_loading_info=True,
                    local_files_only=True, ignore_mismatched_sizes=True,
                )  # fmt: skip
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            cause = (str(error) or type(error).__name__).splitlines()[0]
            raise BundleError(path, f"transformers cannot load it: {cause}") from error
    _check_report(report, path)
    model.float()
    broken = [name for name, tensor in model.state_dict().items() if not tensor.isfinite().all()]
    if broken:
        raise BundleError(path, f"{_several(broken)} holds numbers that are not finite")
    encoder = Encoder(encoder_config(published)).eval()
    encoder.backbone.load_state_dict(model.state_dict())
    return encoder


def _check_header(published: Published) -> None:
    """What the file's own list of tensors tells, before memory is taken for them."""
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - as elsewhere: only where it is used

    path, vit = published.weights, published.vit
    shapes: dict[str, tuple[int, ...]] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - no dictionary
                part = file.get_slice(name)
                shapes[name] = tuple(part.get_shape())
                if (kind := part.get_dtype()) not in _TYPES:
                    raise BundleError(str(path), f"{name} is of the type {kind}, not one of {', '.join(_TYPES)}")
    except (SafetensorError, OSError) as error:
        raise BundleError(str(path), f"is damaged or cut short: {error}", "fetch it again") from error
    positions = (vit.image_size // vit.patch_size) ** 2 + 1
    expected = {
        "embeddings.position_embeddings": (1, positions, vit.hidden_size),
        "embeddings.patch_embeddings.projection.weight": (vit.hidden_size, 3, vit.patch_size, vit.patch_size),
    }
    for name, shape in expected.items():
        found = shapes.get(name, shapes.get(f"vit.{name}", shape))
        if found != shape:
            cause = f"{name} has the shape {found}, where config.json asks for {shape}"
            raise BundleError(str(path), cause, "both files have to be of one model")
    held = sum(_product(shape) for shape in shapes.values())
    if vit.weights > 2 * held:
        raise BundleError(str(path), f"holds {held:,} weights, where config.json asks for {vit.weights:,}")


def _check_report(report: dict[str, Any], path: str) -> None:
    mismatched = [name if isinstance(name, str) else name[0] for name in report["mismatched_keys"]]
    if mismatched:
        raise BundleError(path, f"{_several(mismatched)} has another shape than config.json asks for")
    if missing := list(report["missing_keys"]):
        raise BundleError(path, f"lacks {_several(missing)}", "without all weights it would be another model")
    if unknown := [name for name in report["unexpected_keys"] if not name.startswith(_POOLER)]:
        raise BundleError(path, f"has weights that config.json does not account for: {_several(unknown)}")


def _several(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _NAMED
    return ", ".join(ordered[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _product(shape: Iterable[int]) -> int:
    total = 1
    for length in shape:
        total *= length
    return total


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the loading report and bars of transformers off the terminal: what matters of them becomes an error."""
    import importlib  # noqa: PLC0415 - of this alone

    messages: Any = importlib.import_module("transformers.utils.logging")
    messages.get_verbosity()  # sets the level of its own, which would undo what is set before
    logger = logging.getLogger("transformers")
    level, bars = logger.level, messages.is_progress_bar_enabled()
    try:
        logger.setLevel(logging.ERROR)
        messages.disable_progress_bar()
        yield
    finally:
        logger.setLevel(level)
        if bars:
            messages.enable_progress_bar()
