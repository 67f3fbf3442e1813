"""Listings without some origins and sources: what is left is what a plain loop leaves, and columns keep promises."""

from __future__ import annotations

import json
import pickle
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import write_lone_shard, write_paired_shard
from hypothesis import given, settings
from hypothesis import strategies as st
from listed_tars import GOOD, names, tar

from contrafake.data import Listing, Sample
from contrafake.train.order import Pairs, find_population

if TYPE_CHECKING:
    from pathlib import Path

Pair = tuple[int, str]
Numbers = tuple[int, int]

GENERATORS = ("gan", "sd", "both")
CAMERAS = ("phone", "film", "both")
# The third name of each stands under both labels, so that a label must count.
ORIGINS = [(0, name) for name in CAMERAS] + [(1, name) for name in GENERATORS]
SOURCES = [(label, f"s{number}") for label in (0, 1) for number in range(3)]


def paired(key: str, real: Numbers, siblings: list[Numbers]) -> list[tuple[str, bytes]]:
    """The members of a record; numbers of origin and of source by image."""
    slots = {"real": CAMERAS[real[0]], **{f"gen_{k}": GENERATORS[origin] for k, (origin, _) in enumerate(siblings)}}
    sources = {slot: f"s{source}" for slot, (_, source) in zip(slots, [real, *siblings], strict=True)}
    facts = json.dumps({"origins": slots, "sources": sources}).encode()
    return [(f"{key}.json", facts), *((f"{key}.{slot}.png", f"{key} {slot}".encode()) for slot in slots)]


def lone(key: str, label: int, origin: int, source: int) -> list[tuple[str, bytes]]:
    name = (CAMERAS, GENERATORS)[label][origin]
    facts = {"label": ("real", "fake")[label], "origin": name, "source": f"s{source}"}
    return [(f"{key}.jpg", key.encode()), (f"{key}.json", json.dumps(facts).encode())]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Listing:
    """Forty records and forty lone images, at random in three shards; and something damaged in the first."""
    folder = tmp_path_factory.mktemp("mixed")
    rng = np.random.default_rng(3)
    keys = [f"{number:03d}" for number in range(80)]
    for shard in range(3):
        members = [("none.txt", b"no image")] if shard == 0 else []
        for key in keys[shard::3]:
            drawn = [(int(a), int(b)) for a, b in rng.integers(3, size=(1 + rng.integers(1, 5), 2))]
            alone = rng.random() < 0.5
            members += lone(key, int(rng.integers(2)), *drawn[0]) if alone else paired(key, drawn[0], drawn[1:])
        tar(folder / f"{shard}.tar", members)
    return Listing.of([str(folder / "*.tar")], cache=False)


def by_a_loop(listing: Listing, origins: set[Pair], sources: set[Pair]) -> list[tuple[Sample, int]]:
    """The samples that are left, each with the number of its record."""
    left: list[tuple[Sample, int]] = []
    records = 0
    numbered = zip(listing, listing.record.tolist(), range(len(listing)), strict=True)
    for (record, _), group in groupby(numbered, key=lambda item: (item[1], item[2] if item[1] < 0 else 0)):
        samples = [
            sample
            for sample, _, _ in group
            if (sample.label, sample.origin) not in origins and (sample.label, sample.source) not in sources
        ]
        if record < 0:
            left += [(sample, -1) for sample in samples]
        elif {sample.label for sample in samples} == {0, 1}:
            left += [(sample, records) for sample in samples]
            records += 1
    return left


@settings(max_examples=150)
@given(origins=st.sets(st.sampled_from(ORIGINS), max_size=3), sources=st.sets(st.sampled_from(SOURCES), max_size=2))
def test_what_a_plain_loop_leaves(mixed: Listing, origins: set[Pair], sources: set[Pair]) -> None:
    found = mixed.without(origins=origins, sources=sources)
    assert list(zip(found, found.record.tolist(), strict=True)) == by_a_loop(mixed, origins, sources)
    assert (found.shards, found.origins, found.sources) == (mixed.shards, mixed.origins, mixed.sources)
    assert list(found.groups) == list(mixed.groups)
    assert found.damage == mixed.damage
    assert len(found.damage) == 1
    assert (np.diff(found.shard) >= 0).all()
    columns = ("label", "origin", "source", "group", "shard", "record")
    assert [getattr(found, name).dtype for name in columns] == [getattr(mixed, name).dtype for name in columns]


def test_what_is_left_is_read_and_travels(mixed: Listing) -> None:
    found = mixed.without(origins=[(1, "gan")], sources=[(0, "s1")])
    assert 0 < len(found) < len(mixed)
    content = {sample.key: mixed.read(row) for row, sample in enumerate(mixed)}
    copy = pickle.loads(pickle.dumps(found))  # noqa: S301
    assert [copy.read(row) for row in range(len(copy))] == [content[key] for key in names(found)]
    assert found.nbytes < mixed.nbytes


def test_lone_images_by_hand(tmp_path: Path) -> None:
    # Of twelve, generated images 0, 4, 8 are sd; real ones 0, 3, 6, 9 film; sources go round by five.
    listing = Listing.of([str(write_lone_shard(tmp_path / "x.tar", 12, 1))], cache=False)
    assert len(listing) == 24
    found = listing.without(origins=[(1, "gan")])
    assert sorted(key for key in names(found) if "sd" in key) == ["sd-1-0", "sd-1-4", "sd-1-8"]
    assert (found.label == 0).sum() == 12
    found = listing.without(sources=[(0, "source-1")])  # real 1, 6, 11
    assert sorted(set(names(listing)) - set(names(found))) == ["film-1-6", "phone-1-1", "phone-1-11"]
    assert set(found.record.tolist()) == {-1}


def test_records_by_hand(tmp_path: Path) -> None:
    records = [paired("a", (0, 0), [(0, 0), (1, 0)]), paired("b", (1, 0), [(0, 0), (0, 0)])]
    records += [paired("c", (0, 0), [(1, 0), (0, 0)]), paired("d", (1, 0), [(1, 0)])]
    listing = Listing.of([tar(tmp_path / "x.tar", [member for record in records for member in record])], cache=False)
    found = listing.without(origins=[(1, "gan")])  # b has none but of this one
    assert names(found) == ["a.real", "a.gen_1", "c.real", "c.gen_0", "d.real", "d.gen_0"]
    assert found.record.tolist() == [0, 0, 1, 1, 2, 2]
    found = listing.without(origins=[(0, "phone")])  # the real image takes its record with it
    assert names(found) == ["b.real", "b.gen_0", "b.gen_1", "d.real", "d.gen_0"]
    assert found.record.tolist() == [0, 0, 0, 1, 1]
    population = find_population(found, ["x"])
    assert isinstance(population, Pairs)
    assert population.real.tolist() == [0, 3]
    assert population.siblings.tolist() == [2, 1]


def test_siblings_without_names(tmp_path: Path) -> None:
    # As the official code writes records: the generators go by the names of their places.
    listing = Listing.of([str(write_paired_shard(tmp_path / "x.tar", 4, 1))], cache=False)
    found = listing.without(origins=[(1, "gen_0")])
    assert [sample.key.partition(".")[2] for sample in found] == ["real", "gen_1"] * 4
    assert found.record.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(listing.without(origins=[(1, "gen_0"), (1, "gen_1")])) == 0


def test_nothing_and_everything(tmp_path: Path) -> None:
    listing = Listing.of([tar(tmp_path / "x.tar", GOOD)], cache=False)
    for unknown in ((1, "phone"), (0, "tablet"), (2, "phone")):
        assert names(listing.without(origins=[unknown])) == ["good"]
    none = listing.without(origins=[(0, "phone")])
    assert (len(none), list(none), none.shards) == (0, [], listing.shards)
    assert len(none.without(sources=[(0, "s")])) == 0
