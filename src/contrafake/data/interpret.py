"""What the members of one key mean: a labelled image, a paired record, or neither and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal

from contrafake.data.sample import GENERATED, LABELS, REAL, Record, Sample, parse_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contrafake.data.location import Member
    from contrafake.data.tar_scan import TarContents

MASK = "mask"
"""What the mask of an anomalous image is called: its member `<key>.mask.png`, and its place in a sample's metadata."""

IMAGE_SUFFIXES = frozenset({"jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "avif", "heic", "heif"})

FACTS: Final = "json"
CAPTION: Final = "caption.txt"
URL: Final = "url.txt"

NO_IMAGE: Final = "no image"


def is_record(members: Mapping[str, Member]) -> bool:
    """Whether a key's suffixes are those of a paired record: real.*, gen_0.* ..."""
    return any(suffix.startswith(("real.", "gen_")) for suffix in members)


def interpret(
    key: str, members: Mapping[str, Member], contents: TarContents, labels: Mapping[str, Literal[0, 1]] = LABELS
) -> Sample | Record | str:
    """Reads one key of a shard.

    Args:
        key: The key, unescaped.
        members: Its members by suffix.
        contents: Holds the texts of its JSON, caption and URL members.
        labels: What labels mean.

    Returns:
        The sample or the record; else the reason why it is neither.

    Raises:
        DataError: The label is none of `labels`.
    """
    read = _record if is_record(members) else _sample
    return read(key, members, contents, labels)


def facts_of(members: Mapping[str, Member], contents: TarContents) -> dict[str, Any] | None:
    """What the key's JSON says; None where there is none, or none that can be read."""
    text = contents.text(members.get(FACTS))
    if text is None:
        return None
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None


def _sample(
    key: str, members: Mapping[str, Member], contents: TarContents, labels: Mapping[str, Literal[0, 1]]
) -> Sample | str:
    images = [member for suffix, member in members.items() if suffix in IMAGE_SUFFIXES]
    if len(images) != 1:
        return f"{len(images)} images" if images else NO_IMAGE
    facts = facts_of(members, contents)
    if facts is None:
        return "no readable .json beside the image"
    if not (label := _text(facts, "label")):
        return "its .json has no label"
    mask = members.get(f"{MASK}.png")
    return Sample(
        key=key,
        label=parse_label(label, f"{images[0].shard}: {key}", labels),
        origin=_text(facts, "origin"),
        source=_text(facts, "source"),
        group=_text(facts, "group"),
        image=images[0],
        split=_text(facts, "split"),
        metadata=facts if mask is None else {**facts, MASK: mask},
    )


def _record(
    key: str, members: Mapping[str, Member], contents: TarContents, _: Mapping[str, Literal[0, 1]]
) -> Record | str:
    images: dict[str, Member] = {}
    for suffix, member in members.items():
        name, _dot, kind = suffix.partition(".")
        if kind in IMAGE_SUFFIXES and images.setdefault(name, member) is not member:
            return f"several images are called {name}"
    generated = sorted((name for name in images if name.startswith("gen_")), key=lambda name: (len(name), name))
    if "real" not in images or not generated:
        return "a paired record needs real.* and at least one gen_*.*"
    dataset, split, _id = parts if len(parts := key.split("__", 2)) == 3 else (key.partition("__")[0], "", "")
    facts = facts_of(members, contents) or {}
    group = _text(facts, "group") or key

    def sample(name: str, label: Literal[0, 1]) -> Sample:
        origin = _text(_table(facts, "origins"), name) or (dataset if label == REAL else name)
        source = _text(_table(facts, "sources"), name) or _text(facts, "source") or dataset
        metadata = _table(_table(facts, "metadata"), name)
        where = _text(facts, "split") or split
        return Sample(f"{key}.{name}", label, origin, source, group, images[name], where, metadata)

    def words(suffix: str) -> str:
        return (contents.text(members.get(suffix)) or b"").decode("utf-8", "replace")

    real = sample("real", REAL)
    return Record(key, real, tuple(sample(name, GENERATED) for name in generated), words(CAPTION), words(URL))


def _text(facts: dict[str, Any], name: str) -> str:
    """A text, or a number as one; anything else counts as missing."""
    value = facts.get(name)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _table(facts: dict[str, Any], name: str) -> dict[str, Any]:
    value = facts.get(name)
    return value if isinstance(value, dict) else {}
