"""Same and similar images, against brute force and by hand."""

from __future__ import annotations

import io
from functools import reduce
from operator import or_

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contrafake.data.audit import duplicates
from contrafake.data.audit.duplicates import NEAR, NEAR2, clusters_and_crowds, duplicate_clusters
from contrafake.data.audit.twins import EXAMPLES, Images, count_duplicates
from contrafake.data.fingerprint import perceptual_hashes


def naive(sha: list[str], first: list[int], second: list[int]) -> list[int]:
    """Flood fill over all pairs."""
    cluster = [-1] * len(sha)
    for start in range(len(sha)):
        if cluster[start] >= 0:
            continue
        number, waiting = max(cluster) + 1, [start]
        while waiting:
            i = waiting.pop()
            cluster[i] = number
            for j in range(len(sha)):
                near = (first[i] ^ first[j]).bit_count() <= 6 and (second[i] ^ second[j]).bit_count() <= 6
                if cluster[j] < 0 and (sha[i] == sha[j] or (near and first[i] and first[j])):
                    waiting.append(j)
    return cluster


flips = st.lists(st.integers(0, 63), max_size=8)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5), flips, flips, st.integers(0, 12)), min_size=1, max_size=40))
def test_clusters_are_those_of_brute_force(images: list[tuple[int, list[int], list[int], int]]) -> None:
    rng = np.random.default_rng(0)
    bases = [(0, 0), *[tuple(int(x) for x in rng.integers(1, 2**64, 2, dtype=np.uint64)) for _ in range(5)]]
    sha, first, second = [], [], []
    for base, one, two, name in images:
        p, q = bases[base]
        for bit in one if base else []:
            p ^= 1 << bit
        for bit in two:
            q ^= 1 << bit
        sha.append(f"{name:064x}")
        first.append(p)
        second.append(q)
    found = duplicate_clusters(sha, np.array(first, np.uint64), np.array(second, np.uint64))
    assert found.tolist() == naive(sha, first, second)


@pytest.mark.parametrize("count", [2_000, 9_000])  # one and two equal bands
def test_planted_pairs_are_found_exactly_up_to_the_radius(count: int) -> None:
    rng = np.random.default_rng(count)
    first, second = rng.integers(1, 2**64, (2, count), dtype=np.uint64)
    half = count // 2
    apart = []
    for i in range(half):
        one, two = rng.integers(0, 10, 2)
        for hashes, bits in ((first, one), (second, two)):
            flip = sum(1 << int(bit) for bit in rng.choice(64, bits, replace=False))
            hashes[half + i] = hashes[i] ^ np.uint64(flip)
        apart.append(one > NEAR or two > NEAR2)
    found = duplicate_clusters([str(i) for i in range(count)], first, second)
    np.testing.assert_array_equal(found[:half] != found[half:], apart)


@pytest.mark.parametrize(("count", "bands"), [(100, 7), (10_000, 8), (1_000_000, 9), (10**8, 10)])
def test_larger_sets_need_more_equal_bits(count: int, bands: int) -> None:
    masks = [int(mask) for mask in duplicates._masks(count)]
    assert reduce(or_, masks) == 2**64 - 1
    equal = bands - NEAR
    assert all(mask.bit_count() >= 64 // bands * equal for mask in masks)
    # Whatever six bits differ, one mask does not see them.
    rng = np.random.default_rng(0)
    for _ in range(50):
        differing = sum(1 << int(bit) for bit in rng.choice(64, NEAR, replace=False))
        assert any(mask & differing == 0 for mask in masks)


def test_thousands_of_the_same_look_are_one_cluster_at_once() -> None:
    count = 50_000
    same = np.full(count, 12345, np.uint64)
    cluster, crowded = clusters_and_crowds([str(i) for i in range(count)], same, same)
    assert set(cluster) == {0}
    assert crowded == 0


def test_crowds_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "WINDOW", 4)
    first = (np.arange(100, dtype=np.uint64) << np.uint64(1)) | np.uint64(1 << 63)
    cluster, crowded = clusters_and_crowds([str(i) for i in range(100)], first, first)
    assert crowded == 100
    assert len(set(cluster)) < 100  # neighbours are still found


def test_pictures_without_a_hash_are_only_linked_by_their_bytes() -> None:
    nothing = np.zeros(3, np.uint64)
    assert duplicate_clusters(["a", "b", "a"], nothing, nothing).tolist() == [0, 1, 0]
    assert duplicate_clusters([], nothing[:0], nothing[:0]).tolist() == []


def test_a_recompressed_and_scaled_copy_is_near_and_another_scene_is_not() -> None:
    rng = np.random.default_rng(3)

    def scene() -> Image.Image:
        coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        return coarse.resize((300, 240), Image.Resampling.BICUBIC)

    one, other = scene(), scene()
    buffer = io.BytesIO()
    one.resize((200, 160)).save(buffer, "JPEG", quality=60)
    copy = Image.open(buffer).convert("RGB")
    hashes = np.array([perceptual_hashes(np.asarray(image)) for image in (one, other, copy)], np.uint64)
    assert duplicate_clusters(list("abc"), hashes[:, 0], hashes[:, 1]).tolist() == [0, 1, 0]


def images(rows: list[tuple[str, int, str, int, int]]) -> Images:
    """Rows of (bytes, label, split, group, look): looks are far apart, except that 2k and 2k + 1 differ in two bits."""
    rng = np.random.default_rng(0)
    base = rng.integers(1, 2**64, 50, dtype=np.uint64)
    look = np.array([int(base[row[4] // 2]) ^ (3 if row[4] % 2 else 0) for row in rows], np.uint64)
    keys = [f"k{i}" for i in range(len(rows))]
    label, group = np.array([row[1] for row in rows]), np.array([row[3] for row in rows])
    return Images(keys, label, [row[2] for row in rows], group, [row[0] for row in rows], look, look)


def test_a_hundred_copies_are_ninety_nine_pairs() -> None:
    found, crowded = count_duplicates(images([("a", 0, "train", -1, 0)] * 100))
    assert (found.exact, found.near, found.across_splits, found.across_labels, found.siblings) == (99, 0, 0, 0, 0)
    assert {twin.first for twin in found.examples} == {"k0"}
    assert crowded == 0


def test_pairs_across_splits_and_labels_by_hand() -> None:
    rows = [
        ("a", 1, "train", -1, 0),
        ("a", 0, "test", -1, 0),  # same bytes, other label, other split
        ("b", 1, "test", -1, 1),  # near the first two; paired with the real one
        ("c", 0, "train", -1, 2),
        ("d", 0, "test", -1, 3),  # near, other split
        ("e", 0, "train", -1, 4),  # alone
    ]
    found, _ = count_duplicates(images(rows))
    assert (found.exact, found.near, found.across_splits, found.across_labels, found.siblings) == (1, 2, 2, 2, 0)
    seen = [(t.first, t.second, t.kind, t.distance, t.labels, t.splits) for t in found.examples]
    assert seen == [
        ("k1", "k0", "exact", 0, (0, 1), ("test", "train")),
        ("k1", "k2", "near", 2, (0, 1), ("test", "test")),
        ("k3", "k4", "near", 2, (0, 0), ("train", "test")),
    ]


def test_siblings_are_told_apart() -> None:
    rows = [("g", 1, "", 7, 1), ("r", 0, "", 7, 0), ("x", 1, "", -1, 1)]
    found, _ = count_duplicates(images(rows))
    assert (found.near, found.across_labels, found.siblings) == (2, 1, 1)
    assert [(t.second, t.siblings) for t in found.examples] == [("k2", False), ("k0", True)]


def test_one_photograph_in_two_records_makes_their_images_siblings() -> None:
    rows = [("r", 0, "", 1, 0), ("g", 1, "", 1, 1), ("r", 0, "", 2, 0), ("h", 1, "", 2, 1)]
    found, _ = count_duplicates(images(rows))
    assert (found.exact, found.near, found.across_labels, found.siblings) == (1, 2, 0, 2)


def test_one_file_under_two_labels_in_two_records_is_no_sibling() -> None:
    found, _ = count_duplicates(images([("r", 0, "", 1, 0), ("r", 1, "", 2, 0)]))
    assert (found.exact, found.across_labels, found.siblings) == (1, 1, 0)


def test_examples_are_bounded() -> None:
    found, _ = count_duplicates(images([(f"{i // 2}", 0, "", -1, 0) for i in range(2 * EXAMPLES + 60)]))
    assert len(found.examples) == EXAMPLES
    assert found.exact + found.near == 2 * EXAMPLES + 59
