"""One real image of a build, with everything that planning needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contrafake.data.location import Location


@dataclass(frozen=True)
class CaptionedReal:
    """A real image and its caption, not yet read.

    Attributes:
        key: Unique name within the build, the same each time.
        caption: Its caption, "" where none is known.
        image: Where its bytes lie.
        origin: Data set it comes from.
        source: What shares hidden traits with it.
        group: What belongs together with it, "" for nothing.
        split: "train", "val", "test" or "".
        url: Where it was found, "" where that is not known.
        metadata: What else is known, by name.
    """

    key: str
    caption: str
    image: Location
    origin: str
    source: str
    group: str = ""
    split: str = ""
    url: str = ""
    metadata: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class RealFacts:
    """What one look at the real image's bytes found.

    Attributes:
        width: Upright width in pixels.
        height: Upright height in pixels.
        format: What it would be written as: "JPEG", "WEBP" or "PNG".
        lossy: Whether it was stored with losses.
        quality: libjpeg quality, or nearest, of a JPEG; -1 for others.
        subsampling: Nearest of "4:4:4", "4:2:2" and "4:2:0".
        grid: (x, y) of an upright pixel at which a block of its compression begins, each 0 to 15: (0, 0) unless the
            file is turned or mirrored by its orientation.
        bytes: Length of the file.
        sha256: Hex digest of its bytes.
    """

    width: int
    height: int
    format: str
    lossy: bool
    quality: int
    subsampling: str
    grid: tuple[int, int]
    bytes: int
    sha256: str


@dataclass(frozen=True)
class BuildRecord:
    """A real image as a build uses it.

    Attributes:
        real: The image and its caption.
        facts: What its bytes say.
    """

    real: CaptionedReal
    facts: RealFacts

    @property
    def key(self) -> str:
        """The record's key."""
        return self.real.key
