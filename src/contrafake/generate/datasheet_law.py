"""The law of a built set in words, and what it cannot make equal."""

from __future__ import annotations

from typing import Any

from contrafake.data.matching.law import DEFAULT_QUALITY
from contrafake.generate.datasheet_generators import in_words, listed, table

_BEGIN_WITH_REAL = {"image-to-image", "inpainting", "reconstruction"}


def law_in_words(config: dict[str, Any]) -> list[str]:
    """What all images of a record share, one sentence each.

    Args:
        config: The resolved configuration; every key may be missing.
    """
    law = table(config.get("law"))
    if law.get("kind") not in {"matched", "d3"}:
        return ["The configuration does not say how real and generated images were made alike."]
    longest, multiple = in_words(law.get("longest")), in_words(law.get("multiple"))
    sizes = law.get("sizes")
    frame = {
        "real": f"as much of the upright real image as a longest side of {longest} pixels allows",
        "paper": "one of the sizes 256 x 256, 512 x 512, 640 x 480 and 640 x 360 that fits into the upright real image",
    }.get(str(sizes), f"one of the sizes {in_words(sizes)} that fits into the upright real image")
    lines = [f"A record is about its frame, {frame}; its sides are multiples of {multiple} pixels."]
    encoding = _encoding(law)
    if law["kind"] == "d3":
        return [
            *lines,
            "As in D3 [2], the file of the real image stays as it is, to the byte.",
            "A generated image keeps the size that its generator made.",
            f"It is encoded once, with a format and quality drawn from those of the real images; {encoding}.",
        ]
    factor = law.get("factor")
    scaled = (
        f"All images of a record are scaled by one factor, drawn from {factor[0]:g} to {factor[1]:g}."
        if isinstance(factor, list | tuple) and list(factor) != [1, 1]
        else "No image is scaled after it was made."
    )
    return [
        *lines,
        "Every image of the record shows that frame; one that was made larger is cut in its middle.",
        "Where the real image came as a lossy file, its generated siblings were compressed once the same way: in the "
        "same format, at the nearest quality and subsampling, on a grid of the same phase.",
        scaled,
        f"All images of a record have the same final encoding: {encoding}.",
        "Images are named by a hash, and carry neither EXIF nor a colour profile.",
    ]


def filters_in_words(config: dict[str, Any]) -> list[str]:
    """Which made images were not used.

    Args:
        config: The resolved configuration; every key may be missing.
    """
    filters = table(config.get("filters"))
    lines = []
    if filters.get("blank_deviation"):
        lines.append(
            f"blank ones, whose grey values deviate by less than {in_words(filters['blank_deviation'])} of 255"
        )
    if filters.get("flagged"):
        lines.append("those that the generator's own safety checker flagged")
    if filters.get("duplicates"):
        lines.append("those with the same pixels as an earlier image of the same generator")
    return lines


def limits(config: dict[str, Any]) -> list[str]:
    """What stays different between the classes whatever the law does, one sentence each.

    Args:
        config: The resolved configuration; every key may be missing.
    """
    kind = table(config.get("law")).get("kind")
    generators = listed(config.get("generators"))
    kinds = {str(entry.get("kind")) for entry in generators}
    from_real = [_begins_with_real(entry) for entry in generators]
    lines = []
    if kind == "d3":
        lines += [
            "A real file has at least one compression more behind it than a generated one, and its metadata; both tell "
            "the class. Match the set before training on it: `contrafake data match`.",
            "Sizes follow the generators, not the real images.",
        ]
    if kind == "matched":
        lines += [
            "A file tells its last compression only. A real image that had been compressed or scaled before that keeps "
            "these traces, and no generated image has them.",
            "Where a real file's quantisation tables are not libjpeg's, its siblings' earlier compression has the "
            "nearest ones.",
        ]
    if not all(from_real):
        lines.append(
            "Images made from a caption alone show another scene than their real sibling: subjects and composition "
            "differ between the classes."
        )
    if any(from_real):
        lines.append(
            "Images made from their real sibling show nearly the same: a split, or folds, must never part them from it."
        )
    if "inpainting" in kinds:
        lines.append("An inpainted image is generated within its mask only, and labelled generated as a whole.")
    lines.append("A detector that does well on these generators need not do well on others.")
    return lines


def _begins_with_real(generator: dict[str, Any]) -> bool:
    asked = f"{generator.get('command')} {generator.get('body')}"
    return generator.get("kind") in _BEGIN_WITH_REAL or any(
        f"{{{word}}}" in asked for word in ("input", "jobs", "image")
    )


def _encoding(law: dict[str, Any]) -> str:
    wanted, quality = law.get("format"), law.get("quality")
    low, high = DEFAULT_QUALITY
    if wanted == "png":
        return "PNG, without losses"
    named = "the format of the real image" if wanted == "real" else f"{str(wanted).upper()} for all"
    if isinstance(quality, list | tuple) and len(quality) == 2:
        return f"{named}, quality {quality[0]} to {quality[1]}"
    return f"{named}, quality of the real image, or from {low} to {high} where it has none in that format"
