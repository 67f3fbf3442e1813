"""What one labelled image is, and one real image with its generated siblings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contrafake.data.location import Location

REAL: Final = 0
GENERATED: Final = 1

LABELS: dict[str, Literal[0, 1]] = {"real": REAL, "generated": GENERATED, "fake": GENERATED, "0": REAL, "1": GENERATED}

ANOMALY_LABELS: dict[str, Literal[0, 1]] = {"normal": 0, "anomalous": 1}
"""Labels of the anomaly methods' sets, kept apart so that nobody trains a detector on them by mistake."""


def parse_label(value: object, subject: str, labels: Mapping[str, Literal[0, 1]] = LABELS) -> Literal[0, 1]:
    """Reads a label as data sets write it: real, generated, fake, 0 or 1, in any case.

    Args:
        value: What stands in the metadata.
        subject: Whose label it is, for the error.
        labels: What each word means.

    Returns:
        0 for real, 1 for generated.

    Raises:
        DataError: If the label is none of these.
    """
    label = labels.get(str(value).strip().lower())
    if label is None:
        words = "real, generated or fake" if labels is LABELS else " or ".join(labels)
        raise DataError(subject, f"unknown label {value!r}", f"use {words}")
    return label


@dataclass(frozen=True)
class Sample:
    """One labelled image, not yet read.

    Attributes:
        key: Unique name within its set.
        label: 0 = real, 1 = generated.
        origin: Data set or generator it comes from.
        source: Where it was collected; images of one source share hidden traits, so intervals resample by source.
        group: Images that belong together (tiles of one grid, one prompt), "" where none is known.
        image: Where the image's bytes lie.
        split: "train", "val" or "test" where the set is divided, else "".
        metadata: Everything else that is known of it.
    """

    key: str
    label: Literal[0, 1]
    origin: str
    source: str
    group: str
    image: Location
    split: str = ""
    metadata: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Record:
    """One real image and the images that generators made from its caption.

    Attributes:
        key: Unique name within its set.
        real: The real image.
        generated: Its generated siblings, ordered by generator.
        caption: The caption they share, "" where none is stored.
        url: Where the real image was found, "" where that is not stored.
    """

    key: str
    real: Sample
    generated: tuple[Sample, ...]
    caption: str = ""
    url: str = ""

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The real image, then its siblings."""
        return self.real, *self.generated
