"""Everything that an audit measures on one image, from one decode."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from contrafake.data.audit import content, file_facts, history, names, pixel_facts
from contrafake.data.fingerprint import perceptual_hashes
from contrafake.images import read

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from contrafake.data.audit.feature import Feature, Value

FEATURES: tuple[Feature, ...] = (
    *file_facts.FEATURES,
    *history.FEATURES,
    *pixel_facts.FEATURES,
    *names.FEATURES,
    *content.FEATURES,
)
"""All features, in the order in which they are shown."""


@dataclass(frozen=True)
class Measurement:
    """What was measured on one image.

    Attributes:
        values: One value for each of `FEATURES`, by name and in their order.
        sha256: Hex digest of the file's bytes.
        phash: Perceptual hash, 64 bits.
        phash2: Second perceptual hash, 64 bits.
    """

    values: dict[str, Value]
    sha256: str
    phash: int
    phash2: int


def measure(data: bytes, file_name: str) -> Measurement:
    """Measures one image, on one thread; processes are the way to use more cores.

    Args:
        data: The file's bytes.
        file_name: Its name without folders; only a feature, and what errors call it.

    Raises:
        ImageError: The bytes are no image that can be read.
    """
    with _one_thread():
        return _measure(data, file_name)


def _measure(data: bytes, file_name: str) -> Measurement:
    picture = read(data, name=file_name or "<image>")
    jpeg = file_facts.stored_jpeg(data)
    luma = history.centre_luma(picture.pixels, jpeg)
    values: dict[str, Value] = {
        **file_facts.file_facts(data, file_name, picture.format, picture.width, picture.height),
        **history.history_facts(luma, jpeg),
        **pixel_facts.pixel_facts(picture.pixels, luma),
        **names.name_facts(file_name),
        **content.content_facts(picture.pixels),
    }
    phash, phash2 = perceptual_hashes(picture.pixels)
    ordered = {feature.name: values[feature.name] for feature in FEATURES}
    return Measurement(ordered, picture.sha256 or hashlib.sha256(data).hexdigest(), phash, phash2)


def _one_thread() -> AbstractContextManager[object]:
    # The matrices are small: on a busy machine the threads of BLAS would mostly wait for each other.
    limited: AbstractContextManager[object] = _blas().limit(limits=1, user_api="blas")
    return limited


@cache
def _blas() -> Any:
    import scipy.special  # noqa: F401, PLC0415 - only what is loaded is limited; comes with scikit-learn
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # noqa: PLC0415 - likewise

    return ThreadpoolController()
