"""One matched image or record, from the original's bytes to what a shard stores; runs in worker processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from contrafake.data.fingerprint import perceptual_hashes
from contrafake.data.location import read_bytes
from contrafake.data.matching.chain import run_chain
from contrafake.data.matching.traits import FORMATS, number
from contrafake.data.sample import REAL, Record, Sample
from contrafake.data.sources.source import samples_of
from contrafake.errors import ContrafakeError
from contrafake.images import jpeg_facts, read

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.data.matching.settings import MatchSettings
    from contrafake.data.sources.source import Item

SUFFIXES = {"JPEG": "jpg", "WEBP": "webp", "PNG": "png"}

# What a sample's JSON says of the file itself; it is kept, but no longer true of the matched one.
_OF_THE_FILE = {"bytes", "file", "format", "height", "original", "phash", "phash2", "processing", "quality", "sha256"}
_OF_THE_FILE |= {"source_path", "width"}
_OWN = {"group", "key", "label", "origin", "source", "split"}


@dataclass(frozen=True)
class Job:
    """One item and what is to be done to it.

    Attributes:
        item: A lone sample, or a record.
        plan: (n,) of dtype `PLAN`, one row for each of its samples.
        kept: (n,) whether each of its samples is matched.
        as_record: Whether a record stays one; else its samples become lone ones.
        settings: What was asked for.
    """

    item: Item
    plan: NDArray[Any]
    kept: NDArray[np.bool_]
    as_record: bool
    settings: MatchSettings


@dataclass(frozen=True)
class MadeImage:
    """What is known of a matched image, for the index.

    Attributes:
        name: "real", "gen_0" ... in a record, else "".
        label: 0 = real, 1 = generated.
        origin: As before matching.
        source: As before matching.
        group: As before matching; the new key for images of a record.
        split: As before matching.
        suffix: Suffix of the member that holds it.
        sha256: Of the new bytes.
        format: New container format.
        width: New width.
        height: New height.
        quality: New JPEG quality, else -1.
        hashes: Both perceptual hashes.
    """

    name: str
    label: int
    origin: str
    source: str
    group: str
    split: str
    suffix: str
    sha256: str
    format: str
    width: int
    height: int
    quality: int
    hashes: tuple[int, int]


@dataclass(frozen=True)
class Made:
    """One entry of a shard.

    Attributes:
        key: Its key.
        members: Suffix to bytes, as `ShardWriter.write` takes them.
        images: Its images.
    """

    key: str
    members: dict[str, bytes]
    images: tuple[MadeImage, ...]


Result: TypeAlias = tuple[list[Made], list[tuple[str, str]]]


def make(job: Job) -> Result:
    """Does a job.

    Returns:
        What goes into the shard, and (key, cause) of images that failed. A record that lost its real image or all
        of its siblings is left out, and all that was left of it counts as failed.
    """
    made: dict[int, tuple[Sample, bytes, dict[str, Any], MadeImage]] = {}
    failed: list[tuple[str, str]] = []
    samples = samples_of(job.item)
    key = new_key(job.item, job.settings) if job.as_record else ""
    for place, sample in enumerate(samples):
        if job.kept[place]:
            try:
                name = ("real" if place == 0 else f"gen_{place - 1}") if job.as_record else ""
                made[place] = (sample, *_image(sample, job.plan[place], job.settings.seed, name, key))
            except ContrafakeError as error:
                failed.append((sample.key, error.cause))
    if not job.as_record:
        return [_lone(*parts, new_key(parts[0], job.settings)) for parts in made.values()], failed
    if not made or made[min(made)][3].label != REAL or len(made) < 2:
        failed.extend((parts[0].key, "its record is incomplete") for parts in made.values())
        return [], failed
    return [_record(job.item, list(made.values()), key)], failed


def new_key(item: Item, settings: MatchSettings) -> str:
    """A key that says nothing of the class; for a record in the form of the official code."""
    if settings.keep_keys:
        return clean(item.key)
    name = blake2b(f"{settings.seed}:{item.key}".encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()
    return f"matched__{clean(item.real.split)}__{name}" if isinstance(item, Record) else name


def clean(text: str) -> str:
    """Text that UTF-8 can hold: undecodable bytes of a path are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def _image(sample: Sample, plan: Any, seed: int, name: str, record: str) -> tuple[bytes, dict[str, Any], MadeImage]:
    original = read_bytes(sample.image)
    picture = read(original, name=sample.image.address)
    data, steps = run_chain(picture.pixels, plan, np.random.default_rng([seed, number(sample.key), 1]))
    form = FORMATS[plan["format"]]
    image = MadeImage(
        name=name,
        label=sample.label,
        origin=clean(sample.origin),
        source=clean(sample.source),
        group=record or clean(sample.group),
        split=clean(sample.split),
        suffix=f"{name}.{SUFFIXES[form]}" if name else SUFFIXES[form],
        sha256=sha256(data).hexdigest(),
        format=form,
        width=int(plan["width"]),
        height=int(plan["height"]),
        quality=(jpeg_facts(data).quality or -1) if form == "JPEG" else -1,
        hashes=perceptual_hashes(read(data).pixels),
    )
    before: dict[str, Any] = {
        "key": sample.key,
        "sha256": picture.sha256,
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(original),
    }
    if said := {field: value for field, value in sample.metadata.items() if field in _OF_THE_FILE}:
        before["metadata"] = said
    return data, {"original": before, "processing": steps}, image


def _lone(sample: Sample, data: bytes, history: dict[str, Any], image: MadeImage, key: str) -> Made:
    other = {name: value for name, value in sample.metadata.items() if name not in _OF_THE_FILE | _OWN}
    facts = {
        **other,
        "label": "real" if image.label == REAL else "fake",
        "origin": image.origin,
        "source": image.source,
        "group": image.group,
        "split": image.split,
        **history,
    }
    return Made(key, {image.suffix: data, "json": _json(facts)}, (image,))


def _record(item: Item, parts: list[tuple[Sample, bytes, dict[str, Any], MadeImage]], key: str) -> Made:
    members: dict[str, bytes] = {}
    facts: dict[str, Any] = {"source": parts[0][3].source, "split": parts[0][3].split, "origins": {}}
    facts |= {"original": {"record": item.key}, "processing": {}}
    for _, data, history, image in parts:
        members[image.suffix] = data
        facts["origins"][image.name] = image.origin
        facts["original"][image.name] = history["original"]
        facts["processing"][image.name] = history["processing"]
    if isinstance(item, Record):
        texts = {"caption.txt": item.caption, "url.txt": item.url}
        members |= {suffix: clean(text).encode() for suffix, text in texts.items() if text}
    members["json"] = _json(facts)
    return Made(key, members, tuple(part[3] for part in parts))


def _json(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, default=str, sort_keys=True).encode()
