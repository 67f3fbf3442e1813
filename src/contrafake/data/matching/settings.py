"""What a user may ask of matching."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from contrafake.errors import UsageError

Mode = Literal["auto", "paired", "distribution"]
FinalFormat = Literal["keep-law", "jpeg", "webp", "png"]
Resize = Literal["factor", "size", "none"]

LEAST_SIDE, MOST_SIDE = 16, 16_383
"""What an 8-pixel grid needs to be seen, and what WebP can store."""


@dataclass(frozen=True)
class MatchSettings:
    """How the common law is drawn; the same settings, seed and data give the same bytes.

    Attributes:
        mode: "paired" equalises within each record or group, "distribution" couples the classes by rank, "auto" does
            the first where there are siblings and the second with the rest.
        format: Final format; "keep-law" lets files of the set decide.
        quality: Lowest and highest final quality, 1 to 100; None takes stored qualities.
        size: Side in pixels of a square that all images are cut to; None draws sizes from the set.
        resize: "factor" scales both classes by factors of one law, "size" scales everything down to the cell's size
            (and so by factors that depend on the class), "none" leaves the sampling alone.
        factor: Lowest and highest scale factor.
        seed: Of all random draws.
        allow_upsampling: Enlarge images that are too small, instead of leaving them out, unless they are so thin that
            they would become more pixels than may be read.
        min_side: Least side of a matched image in pixels, when `size` does not say it.
        keep_keys: Keep the keys, though they may name the class.
    """

    mode: Mode = "auto"
    format: FinalFormat = "keep-law"
    quality: tuple[int, int] | None = None
    size: int | None = None
    resize: Resize = "factor"
    factor: tuple[float, float] = (0.5, 0.9)
    seed: int = 0
    allow_upsampling: bool = False
    min_side: int = 128
    keep_keys: bool = False

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("mode", self.mode, get_args(Mode)),
            ("format", self.format, get_args(FinalFormat)),
            ("resize", self.resize, get_args(Resize)),
        ):
            if value not in choices:
                raise UsageError(f"--{name}", f"{value!r} is unknown", f"one of {', '.join(choices)}")
        low, high = self.quality or (1, 100)
        if not 1 <= low <= high <= 100:
            raise UsageError("--quality", f"{low}-{high} is no range within 1-100")
        if self.quality and self.format == "png":
            raise UsageError("--quality", "PNG is lossless and has no quality")
        if not 0 < self.factor[0] <= self.factor[1] <= 1:
            raise UsageError("--factor", f"{self.factor[0]:g}-{self.factor[1]:g} is no range above 0 and up to 1")
        if self.needed_side < LEAST_SIDE:
            raise UsageError("--size" if self.size is not None else "--min-side", f"less than {LEAST_SIDE} pixels")
        if self.needed_side > MOST_SIDE:
            raise UsageError("--size" if self.size is not None else "--min-side", f"more than {MOST_SIDE:,} pixels")
        if self.seed < 0:
            raise UsageError("--seed", "is negative")
        if self.allow_upsampling and self.resize == "none":
            raise UsageError("--allow-upsampling", "--resize none resamples nothing")

    @property
    def needed_side(self) -> int:
        """What both sides of every image must reach after scaling and cutting, in pixels."""
        return self.min_side if self.size is None else self.size

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
