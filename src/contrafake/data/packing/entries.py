"""What a source's items become in a shard: keys, member names, JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from contrafake.data.location import Cell, File, Member
from contrafake.data.sample import GENERATED, Record
from contrafake.data.shards import MASK
from contrafake.data.sources.source import samples_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from contrafake.data.location import Location
    from contrafake.data.sample import Sample
    from contrafake.data.sources.source import Item, Source

Form: TypeAlias = Literal["auto", "lone", "paired"]

SUFFIXES = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "TIFF": "tif",
    "BMP": "bmp",
    "PPM": "ppm",
    "AVIF": "avif",
    "HEIF": "heic",
}
"""Suffix of a lone image by its true format."""

WORDS = {"detection": ("real", "fake"), "anomaly": ("normal", "anomalous")}
UNPAIRED = "no record: only paired records were asked for"

_SLOT = re.compile(r"\.(gen_\d+)$")
# What the JSON says of a sample in fields of its own.
_FIELDS = ("label", "origin", "source", "group", "split")


class Entries:
    """The items of a source under the keys and in the form that the shards will have; each iteration lists anew."""

    def __init__(self, source: Source, form: Form) -> None:
        self.source = source
        self.form = form

    def __iter__(self) -> Iterator[Item]:
        """Records with their official keys, or the lone samples in them; what does not fit the form is skipped."""
        for item in self.source:
            if not isinstance(item, Record):
                if self.form == "paired":
                    self.source.census.skip(item.image.address, UNPAIRED)
                else:
                    yield _plain(item)
            elif self.form == "lone":
                yield from (_plain(replace(s, group=s.group or item.key)) for s in item.samples)
            else:
                yield official(item)


def official(record: Record) -> Record:
    """A record under a key of the form `<dataset>__<split>__<id>`, its images called real, gen_0, gen_1 ...

    An image that already has a number keeps it, so that a record that has lost gen_1 still has its gen_2.
    """
    split, key = _text(record.real.split), _text(record.key)
    parts = key.split("__", 2)
    if len(parts) < 3 or parts[1] != split:
        key = "__".join([_text(record.real.origin).replace("__", "_") or "records", split.replace("__", "_"), key])
    found = [match[1] for sample in record.generated if (match := _SLOT.search(sample.key))]
    numbered = len(set(found)) == len(record.generated)
    names = ["real", *(found if numbered else [f"gen_{k}" for k in range(len(record.generated))])]
    group = _text(record.real.group)
    if group in {"", record.key}:
        group = key
    samples = [
        replace(_plain(sample), key=f"{key}.{name}", group=group, split=split)
        for name, sample in zip(names, record.samples, strict=True)
    ]
    return Record(key, samples[0], tuple(samples[1:]), _text(record.caption), _text(record.url))


def slot(record: Record, sample: Sample) -> str:
    """The name of an image in its `official` record: real, gen_0 ..."""
    return sample.key.removeprefix(f"{record.key}.")


def lone_json(sample: Sample, task: str) -> bytes:
    """What stands beside a lone image."""
    apart = {*_FIELDS, MASK} if mask_of(sample, task) else {*_FIELDS}
    facts = {name: value for name, value in sample.metadata.items() if name not in apart}
    named = {
        "label": WORDS[task][sample.label],
        "origin": sample.origin,
        "source": sample.source,
        "group": sample.group,
        "split": sample.split,
    }
    return _json({**facts, **named})


def mask_of(sample: Sample, task: str) -> Location | None:
    """Where the mask of an anomalous image lies; None where it has none.

    A path counts for anomaly sets only: elsewhere it is text that anybody may have written into a manifest.
    """
    mask = sample.metadata.get(MASK)
    if isinstance(mask, str):
        return File(mask) if mask and task == "anomaly" else None
    return mask if isinstance(mask, Member | File | Cell) else None


def record_json(record: Record, kept: Iterable[Sample]) -> bytes:
    """What stands beside the images of a record: what the official form has no place for."""
    samples = {slot(record, sample): sample for sample in kept}
    source = record.real.source
    facts: dict[str, Any] = {
        "split": record.real.split,
        "source": source,
        "origins": {name: sample.origin for name, sample in samples.items()},
        "sources": {name: sample.source for name, sample in samples.items() if sample.source != source},
        "group": record.real.group if record.real.group != record.key else "",
        "metadata": {name: sample.metadata for name, sample in samples.items() if sample.metadata},
    }
    always = ("split", "source", "origins")
    return _json({name: value for name, value in facts.items() if value or name in always})


def kind_of(item: Item) -> str:
    """The kind of shard an item goes to; one holds either lone samples or paired records."""
    return "paired" if isinstance(item, Record) else "lone"


def split_of(item: Item) -> str:
    """The split of a sample, or of a record's real image."""
    return samples_of(item)[0].split


def keys_of(item: Item) -> Iterator[str]:
    """Every key that an item takes in the set."""
    if isinstance(item, Record):
        yield item.key
    yield from (sample.key for sample in samples_of(item))


def _plain(sample: Sample) -> Sample:
    texts = (sample.key, sample.origin, sample.source, sample.group, sample.split)
    key, origin, source, group, split = map(_text, texts)
    label = GENERATED if sample.label else sample.label
    return replace(sample, key=key, label=label, origin=origin, source=source, group=group, split=split)


def _text(text: str) -> str:
    """The text with undecodable bytes of file names spelled out, since neither Parquet nor UTF-8 can hold them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _json(value: dict[str, Any]) -> bytes:
    default: Callable[[object], str] = str
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=default)
    return text.encode("utf-8", "backslashreplace")
