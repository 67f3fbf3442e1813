"""A bundle calibrated anew on the validation images that it remembers, or on some of them: no image is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import UsageError
from contrafake.model.calibration import fit_calibration
from contrafake.train.head_fitting import score_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.model.bundle import Bundle
    from contrafake.model.calibration import Calibration
    from contrafake.model.validation_memory import ValidationMemory


def remembered(bundle: Bundle) -> ValidationMemory:
    """The validation images of a bundle.

    Raises:
        UsageError: It has none.
        BundleError: They are damaged.
    """
    memory = bundle.validation_memory()
    if memory is None:
        raise UsageError(bundle.config.name, "keeps no validation images", "fit it anew with this contrafake")
    return memory


def memory_scores(bundle: Bundle, head: str | None = None, crops: int | None = None) -> NDArray[np.float64]:
    """Scores of the validation images that a bundle remembers.

    Args:
        bundle: The model.
        head: A head; None takes the default one.
        crops: 1, or the number that is remembered; None takes the latter.

    Returns:
        (N,) float64, in the order of `bundle.validation_memory()`.

    Raises:
        UsageError: There are no such images, or not at that number of crops.
        BundleError: The bundle lacks the head, or is damaged.
    """
    memory = remembered(bundle)
    most = 1 if bundle.config.validation is None else bundle.config.validation.crops
    crops = most if crops is None else crops
    if crops not in {1, most}:
        raise UsageError("crops", f"validation images are remembered at 1 and {most} crops, not at {crops}")
    scorer = bundle.head(head or bundle.config.default_head)
    vectors = memory.centres() if crops == 1 else memory.vectors
    scores = score_all(scorer, vectors)
    return scores if crops == 1 else memory.mean_scores(scores)


def recalibrate_from_memory(
    bundle: Bundle, keep: NDArray[np.bool_] | None = None, *, head: str | None = None, crops: int | None = None
) -> Calibration:
    """Calibrates on some of the images that a bundle remembers, for example all but those of one source.

    Args:
        bundle: The model.
        keep: (N,) which of them count; None takes all.
        head: As in `memory_scores`, like `crops`.
        crops: Number of crops.

    Raises:
        UsageError: As in `memory_scores`, or a class has fewer than two images.
        BundleError: As in `memory_scores`.
    """
    memory, scores = remembered(bundle), memory_scores(bundle, head, crops)
    kept = np.ones(len(scores), bool) if keep is None else keep
    real, generated = kept & (memory.labels == 0), kept & (memory.labels == 1)
    sources = np.unique(memory.sources[real], return_inverse=True)[1]
    return fit_calibration(scores[real], scores[generated], sources.astype(np.int32))
