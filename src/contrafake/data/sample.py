"""What one labelled image is, and one real image with its generated siblings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from contrafake.errors import DataError

REAL: Final = 0
GENERATED: Final = 1

LABELS: dict[str, Literal[0, 1]] = {"real": REAL, "generated": GENERATED, "fake": GENERATED, "0": REAL, "1": GENERATED}


def parse_label(value: object, subject: str) -> Literal[0, 1]:
    """Reads a label as data sets write it: real, generated, fake, 0 or 1, in any case.

    Args:
        value: What stands in the metadata.
        subject: Whose label it is, for the error.

    Returns:
        0 for real, 1 for generated.

    Raises:
        DataError: If the label is none of these.
    """
    label = LABELS.get(str(value).strip().lower())
    if label is None:
        raise DataError(subject, f"unknown label {value!r}", "use real, generated or fake")
    return label


@dataclass(frozen=True)
class Member:
    """Where a file's bytes lie inside a shard.

    Attributes:
        shard: Path of the tar file.
        name: Member name inside it.
        offset: First byte of the data, counted from the start of the tar file.
        size: Length of the data in bytes.
    """

    shard: str
    name: str
    offset: int
    size: int


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
        metadata: Everything else its JSON says.
    """

    key: str
    label: Literal[0, 1]
    origin: str
    source: str
    group: str
    image: Member
    metadata: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Record:
    """One real image and the images that generators made from its caption.

    Attributes:
        key: Unique name within its set.
        real: The real image.
        generated: Its generated siblings, ordered by generator.
        caption: The caption they share, "" where none is stored.
    """

    key: str
    real: Sample
    generated: tuple[Sample, ...]
    caption: str = ""
