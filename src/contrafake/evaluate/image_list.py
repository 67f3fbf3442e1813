"""Which images an evaluation judges, and where the bytes of each lie, untouched and as the set itself changed them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources import samples_of
from contrafake.data.sources.d3_test import CONDITIONS
from contrafake.errors import DataError, UsageError
from contrafake.evaluate.variant import UNTOUCHED, Variant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.data.sample import Sample
    from contrafake.data.sources import Source

DELIVERED = Variant("transformed-as-delivered", "Transformed, as delivered", delivered=True)
"""Changed copies that a data set brings itself."""


@dataclass(frozen=True)
class ListedImage:
    """One image.

    Attributes:
        sample: What is known of it; its location is that of the untouched bytes, or of the changed ones if those are
            all that there is.
        untouched: The image as it came first, None where the set has only a changed copy.
        delivered: The set's own changed copy of it, None where there is none.
    """

    sample: Sample
    untouched: Sample | None
    delivered: Sample | None = None


@dataclass(frozen=True)
class ImageList:
    """What there is to judge.

    Attributes:
        images: In the order of the set.
        variants: The changes, the first of which is what the others are compared with.
        notes: What a reader should know about the choice.
        left_out: Keys of the set's other images, which `split` or `limit` leaves out.
    """

    images: tuple[ListedImage, ...]
    variants: tuple[Variant, ...]
    notes: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def list_images(
    source: Source, variants: Sequence[Variant], *, split: str | None = None, limit: int | None = None
) -> ImageList:
    """Lists a set; nothing is decoded.

    A set that brings each image untouched and changed (D3's test layout: conditions `no_augm` and `augm`) gives one
    image for both, under the key without its condition, and the further variant `transformed-as-delivered`. All other
    variants are made from the untouched copies.

    Args:
        source: The set.
        variants: Changes asked for.
        split: Only the images of this split; None takes all.
        limit: At most this many images of each class, evenly spaced over the set's order; None takes all.

    Raises:
        UsageError: Variants share a name, there is none, or `limit` is below 1.
        DataError: The set holds anomalies, no image (of that split), or two images under one key.
    """
    if not variants or len({variant.name for variant in variants}) < len(variants):
        raise UsageError("variants", "two have the same name" if variants else "none is given")
    if limit is not None and limit < 1:
        raise UsageError("limit", f"{limit} is below 1")
    if source.task != "detection":
        cause = "is a set of normal and anomalous images"
        raise DataError(str(source.root), cause, "give one of real and generated images")
    everything = [sample for item in source for sample in samples_of(item)]
    samples = [sample for sample in everything if split is None or sample.split == split]
    if not samples:
        there = ", ".join(sorted({sample.split or "images of no split" for sample in everything}))
        cause = f"no image of the split {split!r}" if everything else "no image"
        raise DataError(str(source.root), cause, f"it has {there}" if there else "")
    conditions = {condition for sample in samples if (condition := _condition(sample))}
    paired = conditions == set(CONDITIONS)
    images = _merged(samples) if conditions else [ListedImage(sample, sample) for sample in _unique(samples)]
    notes = []
    if conditions and not paired:
        [only] = conditions
        images = [ListedImage(image.sample, image.sample) for image in images]
        notes.append(f"only the images of the condition {only} are here: untouched means as they were delivered there")
    if limit is not None:
        images = _spread(images, limit)
        notes.append(f"at most {limit:,} image{'' if limit == 1 else 's'} of each class, evenly spaced over the set")
    kept = {image.sample.key for image in images}
    keys = (_plain_key(sample) if conditions else sample.key for sample in everything)
    left_out = dict.fromkeys(key for key in keys if key not in kept)
    return ImageList(tuple(images), _with_delivered(variants, paired=paired), tuple(notes), tuple(left_out))


def _with_delivered(variants: Sequence[Variant], *, paired: bool) -> tuple[Variant, ...]:
    rest = [variant for variant in variants if not variant.delivered]
    if not paired:
        if len(rest) < len(variants):
            raise DataError(DELIVERED.name, "the set has no changed copies of its own", "leave this variant out")
        return tuple(rest)
    plain = next((variant for variant in rest if variant.changes_nothing), UNTOUCHED)
    return plain, DELIVERED, *(variant for variant in rest if variant is not plain)


def _condition(sample: Sample) -> str:
    found = sample.metadata.get("condition")
    return found if isinstance(found, str) and found in CONDITIONS else ""


def _plain_key(sample: Sample) -> str:
    """The key without the folder that names the condition."""
    parts = sample.key.split("/")
    if (condition := _condition(sample)) and condition in parts:
        parts.remove(condition)
    return "/".join(parts)


def _merged(samples: Sequence[Sample]) -> list[ListedImage]:
    """One for each image; its two copies have one key but for the folder that names the condition."""
    untouched: dict[str, Sample] = {}
    delivered: dict[str, Sample] = {}
    for sample in samples:
        _place(delivered if _condition(sample) == CONDITIONS[1] else untouched, _plain_key(sample), sample)
    images = []
    for key in dict.fromkeys([*untouched, *delivered]):
        first, second = untouched.get(key), delivered.get(key)
        if first is not None and second is not None and first.label != second.label:
            raise DataError(first.image.address, f"its changed copy {second.image.address} has another label")
        known = first or second
        assert known is not None  # noqa: S101 (the key came from one of them)
        images.append(ListedImage(replace(known, key=key), first, second))
    return images


def _unique(samples: Sequence[Sample]) -> list[Sample]:
    found: dict[str, Sample] = {}
    for sample in samples:
        _place(found, sample.key, sample)
    return list(found.values())


def _place(found: dict[str, Sample], key: str, sample: Sample) -> None:
    if (other := found.setdefault(key, sample)) is not sample:
        cause = f"the key {key!r} stands at {other.image.address} as well"
        raise DataError(sample.image.address, cause, "make keys unique")


def _spread(images: Sequence[ListedImage], limit: int) -> list[ListedImage]:
    kept: set[int] = set()
    for label in (REAL, GENERATED):
        places = [place for place, image in enumerate(images) if image.sample.label == label]
        count = min(limit, len(places))
        kept.update(places[(2 * i + 1) * len(places) // (2 * count)] for i in range(count))
    return [images[place] for place in sorted(kept)]
