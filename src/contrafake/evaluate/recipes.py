"""How images reach those who judge them: documented chains of steps, named after the way and not after a company.

Figures with a source are what a program's code says; all others are our choice, and each recipe says which. Platforms
change, and differ by device and country: a recipe is an example of its kind, not a copy of one platform. Where the code
of a program was read, the names in brackets are those of its class or setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contrafake.images.transforms import JpegQuality, LongestSide, Screenshot, WebpQuality

if TYPE_CHECKING:
    from contrafake.images.transforms import Operation


@dataclass(frozen=True)
class Recipe:
    """A way of delivery.

    Attributes:
        name: The variant's name.
        title: For people.
        chain: The steps in order. JPEG is at 4:2:0; a limit of the longest side leaves smaller images as they are.
        steps: The steps in words.
        sources: Where its figures come from; what is not named here is our choice.
    """

    name: str
    title: str
    chain: tuple[Operation, ...]
    steps: str
    sources: str


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "messenger",
        "Messenger",
        (LongestSide(1600, "bilinear"), JpegQuality(70)),
        "longest side at most 1600, JPEG 70",
        "Signal for Android, default level (`PushMediaConstraints`, LEVEL_1); the filter is our choice",
    ),
    Recipe(
        "messenger-small",
        "Messenger on a small phone",
        (LongestSide(768, "bilinear"), JpegQuality(70)),
        "longest side at most 768, JPEG 70",
        "Signal for Android on devices with little memory (`PushMediaConstraints`, LEVEL_1_LOW_MEMORY); the filter is "
        "our choice",
    ),
    Recipe(
        "messenger-1280",
        "Messenger, 1280 pixels",
        (LongestSide(1280, "bilinear"), JpegQuality(80)),
        "longest side at most 1280, JPEG 80",
        "Telegram for Android (`AndroidUtilities.getPhotoSize`, `SendMessagesHelper`); the filter is our choice",
    ),
    Recipe(
        "messenger-forwarded",
        "Two messengers in turn",
        (LongestSide(1280, "bilinear"), JpegQuality(80), LongestSide(1600, "bilinear"), JpegQuality(70)),
        "longest side at most 1280, JPEG 80, longest side at most 1600, JPEG 70",
        "messenger-1280, then messenger; that it happens in this order is our choice",
    ),
    Recipe(
        "social-network",
        "Social network",
        (LongestSide(1080, "lanczos"), JpegQuality(75)),
        "longest side at most 1080, JPEG 75",
        "all figures are our choice; that networks scale and compress again: Giudice et al. 2017 (arXiv:1610.06347), "
        "Wu et al. 2022 (arXiv:2102.00653)",
    ),
    Recipe(
        "social-network-webp",
        "Social network, WebP",
        (LongestSide(1080, "lanczos"), WebpQuality(75)),
        "longest side at most 1080, WebP 75",
        "the quality is libwebp's default; the limit and the filter are our choice",
    ),
    Recipe(
        "news-site",
        "News site",
        (JpegQuality(90), LongestSide(1024, "bilinear"), JpegQuality(82)),
        "JPEG 90 by the editor's program, longest side at most 1024, JPEG 82",
        'WordPress: size "large" (`large_size_w`), quality of JPEG (`WP_Image_Editor`); the first JPEG and the filter '
        "are our choice",
    ),
    Recipe(
        "news-site-webp",
        "News site, WebP",
        (LongestSide(1024, "bilinear"), WebpQuality(86)),
        "longest side at most 1024, WebP 86",
        'WordPress: size "large" (`large_size_w`), quality of WebP (`WP_Image_Editor`); the filter is our choice',
    ),
    Recipe(
        "web-screenshot",
        "Screenshot of a web page, sent on",
        (
            LongestSide(1024, "bilinear"),
            JpegQuality(82),
            Screenshot(0.8, 2, 255, 0),
            LongestSide(1600, "bilinear"),
            JpegQuality(70),
        ),
        "longest side at most 1024, JPEG 82, shown at 0.8 and captured with a white frame of 2 pixels, "
        "longest side at most 1600, JPEG 70",
        "news-site without its first JPEG, then messenger; display and frame are our choice",
    ),
)
