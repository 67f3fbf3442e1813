"""Which of the new images are held back: never fitted on, and not alike to those that are."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.audit.duplicates import duplicate_clusters
from contrafake.errors import DataError

if TYPE_CHECKING:
    from contrafake.data.sample import Sample


@dataclass(frozen=True)
class Look:
    """What the first reading notes of a file.

    Attributes:
        pixels: Digest of its pixels.
        hashes: Its perceptual hashes.
        shape: Its format and size, such as "PNG, 512 x 512".
    """

    pixels: str
    hashes: tuple[int, int]
    shape: str


def distinct(flat: list[tuple[str, Sample]], looks: list[Look | str]) -> tuple[list[int], Counter[str]]:
    """Positions of the first of each image, and how many others there were by name."""
    kept, repeated, names = [], Counter[str](), dict[str, str]()
    for at, ((name, sample), look) in enumerate(zip(flat, looks, strict=True)):
        if isinstance(look, str):
            continue
        before = names.setdefault(look.pixels, name)
        if before != name:
            raise DataError(sample.key, f"stands under {before} and under {name}", "an image has one origin")
        if look.pixels in repeated:
            repeated[name] += 1
        else:
            repeated[look.pixels] = 1
            kept.append(at)
    return kept, repeated


def units(flat: list[tuple[str, Sample]], looks: list[Look | str], kept: list[int]) -> dict[int, str]:
    """What decides an image's side: one digest for all that must stay together."""
    seen = [look for at in kept if isinstance(look := looks[at], Look)]
    cluster = duplicate_clusters(
        [look.pixels for look in seen],
        np.array([look.hashes[0] for look in seen], np.uint64),
        np.array([look.hashes[1] for look in seen], np.uint64),
    )
    # Groups join what looks different, looks join what has no group: united until nothing changes.
    parent = {at: at for at in kept}

    def root(at: int) -> int:
        while parent[at] != at:
            at = parent[at]
        return at

    firsts: dict[tuple[str, object], int] = {}
    for at, number in zip(kept, cluster.tolist(), strict=True):
        name, sample = flat[at]
        for key in (("looks", number), *([("group", (name, sample.group))] if sample.group else [])):
            one, other = root(firsts.setdefault(key, at)), root(at)
            parent[max(one, other)] = min(one, other)
    digests = {at: look.pixels for at, look in zip(kept, seen, strict=True)}
    smallest: dict[int, str] = {}
    for at in kept:
        smallest[root(at)] = min(smallest.get(root(at), "g"), digests[at])
    return {at: smallest[root(at)] for at in kept}


def choose_held(name: str, own: list[int], unit: dict[int, str], share: float, seed: int) -> list[int]:
    """The images whose unit draws a number below the share; more where these are too few, fewer where too many."""
    members: dict[str, list[int]] = {}
    for at in own:
        members.setdefault(unit[at], []).append(at)
    if len(members) < 2:
        raise DataError(name, "its images are all alike or of one group", "none could be held back, give others")
    drawn = sorted(
        (int(hashlib.sha256(f"{seed} {key}".encode()).hexdigest()[:12], 16) / 16**12, key) for key in members
    )
    held: list[int] = []
    for number, key in drawn[:-1]:
        enough = len(held) >= max(2, share * len(own) / 2)
        if (enough and number >= share) or (held and len(own) - len(held) - len(members[key]) < 2):
            break
        held += members[key]
    return held


def _draw(key: str, seed: int) -> float:
    """A number from 0 to 1 that only the key and the seed decide."""
    return int(hashlib.sha256(f"{seed} {key}".encode()).hexdigest()[:12], 16) / float(16**12)
