"""The layout in which CoDE was published, read and checked: which files, which ViT, which pixels.

    config.json               a transformers ViT
    preprocessor_config.json  its size, mean and standard deviation
    model.safetensors         its weights
    sklearn/*.sav, *.joblib   the classifiers, told apart by what is inside and not by their names

Nothing here needs torch. What config.json states beyond the network's form is ignored and told.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contrafake.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

CONFIG, PREPROCESSOR, WEIGHTS, CLASSIFIERS = "config.json", "preprocessor_config.json", "model.safetensors", "sklearn"
TERMS = ("README.md", "LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE")
PATTERNS = (CONFIG, PREPROCESSOR, WEIGHTS, f"{CLASSIFIERS}/*.sav", f"{CLASSIFIERS}/*.joblib", *TERMS)
"""What is fetched of a published repository; of `TERMS` it is only told that they are there."""

_MOST_CLASSIFIERS = 16
_MOST_BYTES = 1 << 20  # of a JSON file
_POINTER = b"version https://git-lfs"
# What transformers writes beside the network's form; the rest would be told as unused.
_IDLE = {
    "architectures", "torch_dtype", "dtype", "transformers_version", "_name_or_path", "encoder_stride",
    "initializer_range", "attention_probs_dropout_prob", "hidden_dropout_prob", "pooler_act", "pooler_output_size",
    "id2label", "label2id", "_valid_processor_keys", "resample", "do_resize", "processor_class",
}  # fmt: skip

_Model = TypeVar("_Model", bound=BaseModel)
_Level = Annotated[float, Field(allow_inf_nan=False)]
_Spread = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class VitFacts(BaseModel):
    """The form of the network, with transformers' names and defaults; the bounds keep a wrong file from taking memory.

    Attributes:
        model_type: Always "vit".
        hidden_size: Width, which is the dimension of the embedding.
        num_hidden_layers: Blocks.
        num_attention_heads: Attention heads of a block.
        intermediate_size: Width inside a block's perceptron.
        hidden_act: Its activation.
        layer_norm_eps: Added to the variance in every norm.
        image_size: Side of the crops in pixels.
        patch_size: Side of a patch in pixels.
        num_channels: Always 3.
        qkv_bias: Whether queries, keys and values have a bias.
    """

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())

    model_type: Literal["vit"]
    hidden_size: int = Field(default=768, ge=1, le=4096)
    num_hidden_layers: int = Field(default=12, ge=1, le=64)
    num_attention_heads: int = Field(default=12, ge=1, le=64)
    intermediate_size: int = Field(default=3072, ge=1, le=16384)
    hidden_act: Literal["gelu"] = "gelu"
    layer_norm_eps: float = Field(default=1e-12, ge=0, le=0.1, allow_inf_nan=False)
    image_size: int = Field(default=224, ge=1, le=1024)
    patch_size: int = Field(default=16, ge=1, le=64)
    num_channels: Literal[3] = 3
    qkv_bias: bool = True

    @property
    def form(self) -> dict[str, Any]:
        """What decides the network, without `image_size`."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in {"image_size"}}

    @property
    def weights(self) -> int:
        """How many numbers the network has, without a pooler."""
        width, inner = self.hidden_size, self.intermediate_size
        positions = (self.image_size // self.patch_size) ** 2 + 1
        attention = 4 * width**2 + width + 3 * width * self.qkv_bias
        block = attention + 2 * width * inner + inner + width + 4 * width
        return 3 * self.patch_size**2 * width + 4 * width + positions * width + self.num_hidden_layers * block


class _Side(BaseModel):
    model_config = ConfigDict(extra="forbid")

    height: int = Field(ge=1, le=1024)
    width: int = Field(ge=1, le=1024)


class _Processor(BaseModel):
    model_config = ConfigDict(extra="allow")

    size: int | _Side
    do_rescale: bool = True
    rescale_factor: float = Field(default=1 / 255, gt=0, allow_inf_nan=False)
    do_normalize: bool = True
    image_mean: tuple[_Level, _Level, _Level] | None = None
    image_std: tuple[_Spread, _Spread, _Spread] | None = None
    do_center_crop: Literal[False] = False
    image_processor_type: str = Field(default="ViT", pattern="^ViT")
    feature_extractor_type: str = Field(default="ViT", pattern="^ViT")


@dataclass(frozen=True)
class Published:
    """A folder in the published layout whose JSON files hold.

    Attributes:
        folder: Where it is.
        vit: The form of the network.
        mean: Of red, green and blue on a scale of 0 to 1, subtracted from the pixels.
        std: What they are then divided by.
        classifiers: The files with classifiers, by name.
        unused: Keys of the JSON files that have no effect here, as "FILE: KEY".
    """

    folder: Path
    vit: VitFacts
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classifiers: tuple[Path, ...]
    unused: tuple[str, ...]

    @property
    def weights(self) -> Path:
        """The file with the weights."""
        return self.folder / WEIGHTS

    @property
    def files(self) -> dict[str, Path]:
        """All files that are read, by their name in the layout."""
        paths = [self.folder / CONFIG, self.folder / PREPROCESSOR, self.weights, *self.classifiers]
        return {path.relative_to(self.folder).as_posix(): path for path in paths}


def read_published(folder: Path) -> Published:
    """Finds the files of the published layout and checks the JSON files.

    Args:
        folder: Where they are.

    Raises:
        BundleError: A file is missing or damaged, or states what is not supported; it is named.
    """
    _check_files(folder)
    vit = _parsed(VitFacts, folder / CONFIG)
    if vit.image_size % vit.patch_size or vit.hidden_size % vit.num_attention_heads:
        sizes = f"image_size {vit.image_size}, patch_size {vit.patch_size}, hidden_size {vit.hidden_size} and "
        sizes += f"num_attention_heads {vit.num_attention_heads}"
        raise BundleError(str(folder / CONFIG), f"its sizes do not go together: {sizes}")
    pixels = _parsed(_Processor, folder / PREPROCESSOR)
    sides = {pixels.size} if isinstance(pixels.size, int) else {pixels.size.height, pixels.size.width}
    if sides != {vit.image_size}:
        cause = f"its size is {' x '.join(map(str, sorted(sides)))}, the network's image_size {vit.image_size}"
        raise BundleError(str(folder / PREPROCESSOR), cause, "only square crops of the network's own size are read")
    mean, std = _normalisation(pixels, folder / PREPROCESSOR)
    found = {CONFIG: vit.model_extra, PREPROCESSOR: pixels.model_extra}
    unused = tuple(f"{file}: {key}" for file, extra in found.items() for key in sorted(set(extra or {}) - _IDLE))
    return Published(folder, vit, mean, std, _classifiers(folder), unused)


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise BundleError(str(folder), "there is no such folder", "give a folder, or OWNER/NAME of the Hub")
    if not (folder / WEIGHTS).is_file():
        pickles = [path.name for suffix in ("bin", "pt", "pth", "ckpt") for path in sorted(folder.glob(f"*.{suffix}"))]
        if pickles:
            cause = f"has its weights only as a pickle, {pickles[0]}, which is never opened"
            raise BundleError(str(folder), cause, f"get {WEIGHTS}, or convert it where you trust it")
    for name in (CONFIG, PREPROCESSOR, WEIGHTS):
        path = folder / name
        if not path.is_file():
            raise BundleError(str(folder), f"has no {name}", "fetch the whole published repository")
        refuse_pointer(path)


def refuse_pointer(path: Path) -> None:
    """Raises BundleError if a file is what Git leaves in place of a large one that was not fetched, or unreadable."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_POINTER))
    except OSError as error:
        raise BundleError(str(path), f"cannot be read: {error.strerror}") from error
    if start == _POINTER:
        raise BundleError(str(path), "is a Git LFS pointer and not the file itself", "run `git lfs pull` in its folder")


def _classifiers(folder: Path) -> tuple[Path, ...]:
    found = sorted(path for path in (folder / CLASSIFIERS).glob("*") if path.suffix in {".sav", ".joblib"})
    if not found:
        raise BundleError(str(folder), f"has no classifier: no *.sav or *.joblib in {CLASSIFIERS}/")
    if len(found) > _MOST_CLASSIFIERS:
        raise BundleError(str(folder / CLASSIFIERS), f"has {len(found)} classifiers", "keep one of each kind")
    for path in found:
        refuse_pointer(path)
    return tuple(found)


def _parsed(kind: type[_Model], path: Path) -> _Model:
    if path.stat().st_size > _MOST_BYTES:
        raise BundleError(str(path), f"is {path.stat().st_size} bytes long, which no such file is")
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(str(path), f"is no readable JSON: {error}") from error
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "it"
        raise BundleError(str(path), f"{key}: {first['msg']}, not {_short(first['input'])}") from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _normalisation(pixels: _Processor, path: Path) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and deviation for pixels of 0 to 1, with another rescale factor, or none of both steps, folded in."""
    if pixels.do_normalize and (pixels.image_mean is None or pixels.image_std is None):
        raise BundleError(str(path), "do_normalize is on, but image_mean or image_std is missing")
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if pixels.do_normalize and pixels.image_mean is not None and pixels.image_std is not None:
        mean, std = pixels.image_mean, pixels.image_std
    factor = 255 * (pixels.rescale_factor if pixels.do_rescale else 1)
    if math.isclose(factor, 1, rel_tol=1e-9):
        return mean, std
    low, spread = tuple(value / factor for value in mean), tuple(value / factor for value in std)
    if not all(map(math.isfinite, low + spread)) or min(spread) <= 0:
        raise BundleError(str(path), f"rescale_factor: {pixels.rescale_factor} is out of range")
    return (low[0], low[1], low[2]), (spread[0], spread[1], spread[2])
