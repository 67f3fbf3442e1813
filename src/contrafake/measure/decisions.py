"""How often a threshold decides rightly, class by class: an image is called generated when score > threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import UsageError
from contrafake.measure._checks import classes
from contrafake.measure.ranking import roc

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class ClassAccuracy:
    """Accuracy at one threshold, apart for the two classes so that neither hides behind the other.

    Attributes:
        threshold: Images with a higher score were called generated.
        real: Share of real images called real (1 minus the false positive rate), 0 to 1.
        generated: Share of generated images called generated (the true positive rate), 0 to 1.
    """

    threshold: float
    real: float
    generated: float

    @property
    def balanced(self) -> float:
        """Mean of the two accuracies: both classes weigh alike, whatever their sizes."""
        return (self.real + self.generated) / 2


def accuracy_at(real: ArrayLike, generated: ArrayLike, threshold: float) -> ClassAccuracy:
    """Accuracy on each class at a given threshold.

    Args:
        real: (N,) scores of real images, higher = more likely generated.
        generated: (M,) scores of generated images.
        threshold: Any number, infinities included; a score equal to it counts as real.

    Returns:
        The accuracies on real and on generated images, with their mean as `balanced`.

    Raises:
        DataError: A class is empty, holds NaN or is not a vector.
        UsageError: The threshold is NaN.
    """
    real, generated = classes(real, generated)
    if np.isnan(threshold):
        raise UsageError("threshold", "is NaN")
    return ClassAccuracy(
        threshold=float(threshold),
        real=float(np.mean(real <= threshold)),
        generated=float(np.mean(generated > threshold)),
    )


def balanced_accuracy(real: ArrayLike, generated: ArrayLike, threshold: float) -> float:
    """`accuracy_at(...).balanced`, a plain number, as the bootstrap wants its statistics."""
    return accuracy_at(real, generated, threshold).balanced


def best_accuracy(real: ArrayLike, generated: ArrayLike) -> ClassAccuracy:
    """The threshold with the highest balanced accuracy on these images.

    An upper bound, chosen with the labels in hand: what a detector could reach, not what it reaches. Among equally good
    thresholds the highest is taken (fewest false alarms), and it lies half way between the two scores it separates.

    Args:
        real: (N,) scores of real images, higher = more likely generated.
        generated: (M,) scores of generated images.

    Returns:
        The accuracies at that threshold; `balanced` is 0.5 or more. Where no threshold beats chance, it is the highest
        score of all: everything is called real.

    Raises:
        DataError: A class is empty, holds NaN or is not a vector.
    """
    real, generated = classes(real, generated)
    fpr, tpr, thresholds = roc(real, generated)
    gains = np.round((tpr - fpr) * real.size * generated.size)  # Whole numbers: ties are true ties, not rounding.
    best = int(np.argmax(gains))
    lower = float(thresholds[best])
    if best == 0:
        return accuracy_at(real, generated, lower)
    upper = float(thresholds[best - 1])
    middle = lower / 2 + upper / 2
    # Between neighbouring floats, or beside an infinity, the middle is one of the two; only the lower separates them.
    return accuracy_at(real, generated, middle if lower <= middle < upper else lower)
