"""The tables that lie beside exported images; `data.sources.manifest` reads them as a set."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from contrafake.evaluate.images import LABELS, csv_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contrafake.data.origins import OriginTable
    from contrafake.data.sample import Sample
    from contrafake.evaluate.export_journal import Written
    from contrafake.evaluate.variant import Variant

MANIFEST, ORIGINS = "manifest.csv", "origins.csv"
COLUMNS = ("path", "key", "image", "variant", "label", "origin", "family", "source", "group", "split", "sha256")
"""Columns of the manifest: `image` is the image's key in the set it comes from, `key` is VARIANT/KEY and unique, and
`group` keeps the variants of an image together where the set has no groups of its own."""


def manifest(origins: OriginTable, files: Iterable[tuple[Sample, Variant, Written]]) -> str:
    """The manifest, one row a file.

    Args:
        origins: What is known of the images' origins.
        files: Image, variant and file.
    """
    rows: list[Iterable[str]] = [COLUMNS]
    for sample, variant, written in files:
        family = origins.get(sample.label, sample.origin).family if sample.label else ""
        names = [written.path, f"{variant.name}/{sample.key}", sample.key, variant.name]
        about = [LABELS[sample.label], sample.origin, family, sample.source, sample.group or sample.key, sample.split]
        rows.append([_utf8(cell) for cell in (*names, *about, written.sha256)])
    return csv_text(rows)


def origin_table(origins: OriginTable, samples: Iterable[Sample]) -> str:
    """The table of the origins that occur, with their numbers of images by split."""
    found = Counter((sample.split, int(sample.label), sample.origin) for sample in samples)
    return _utf8(origins.counted(found).to_csv())


def _utf8(text: str) -> str:
    """The text with undecodable bytes of file names spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()
