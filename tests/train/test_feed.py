"""What a step sees: a pure function of seed and step, 1:1, origins by the square root of their size, nothing broken."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from conftest import jpeg, write_lone_shard, write_paired_shard
from PIL import Image

from contrafake.data import ShardSet, ShardWriter
from contrafake.errors import DataError
from contrafake.train.config import ViewConfig
from contrafake.train.feed import Sampler, Steps, batches

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from contrafake.train.feed import Batch

SIZE, RECORDS = 16, 3


def png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def flat(value: int) -> bytes:
    return png(np.full((20, 20, 3), value, np.uint8))


def shard_of(path: Path, samples: Iterable[tuple[str, str, str, bytes]]) -> ShardSet:
    """(key, label, origin, bytes) each; suffix png whatever the bytes are."""
    with ShardWriter(path) as shard:
        for key, label, origin, data in samples:
            shard.write(key, {"png": data, "json": json.dumps({"label": label, "origin": origin}).encode()})
    return ShardSet([str(path)])


def make_steps(shards: ShardSet, config: ViewConfig | None = None, seed: int = 5) -> Steps:
    return Steps(shards, config or ViewConfig(), size=SIZE, records=RECORDS, seed=seed)


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.views, other.views) and (one.origins, one.broken) == (other.origins, other.broken)


@pytest.fixture
def lone(tmp_path: Path) -> ShardSet:
    return ShardSet([str(write_lone_shard(tmp_path / "lone.tar", 6, 1))])


# --- batches --------------------------------------------------------------------------------------------------------


def test_a_batch_follows_from_seed_and_step(lone: ShardSet) -> None:
    steps = make_steps(lone)
    first = steps.batch(7)
    steps.batch(8)
    assert same(steps.batch(7), first)
    assert same(make_steps(lone).batch(7), first)
    assert not torch.equal(steps.batch(8).views, first.views)
    assert not torch.equal(make_steps(lone, seed=6).batch(7).views, first.views)


def test_batches_come_in_order_and_equal_whatever_cuts_them(lone: ShardSet) -> None:
    steps, numbers = make_steps(lone), [4, 0, 9, 1, 2]
    here, ahead = (list(batches(steps, numbers, workers)) for workers in (0, 1))
    assert len(here) == len(ahead) == 5
    for number, one, other in zip(numbers, here, ahead, strict=True):
        assert same(one, other)
        assert same(one, steps.batch(number))
        assert one.cpu_seconds > 0
        assert other.cpu_seconds > 0


def test_views_lie_class_by_class_and_view_by_view(tmp_path: Path) -> None:
    samples = [("r", "real", "phone", flat(10)), ("g", "fake", "gan", flat(200))]
    shards = shard_of(tmp_path / "x.tar", samples)
    batch = make_steps(shards, ViewConfig(max_operations=0)).batch(0)
    assert batch.views.shape == (8 * RECORDS, SIZE, SIZE, 3)
    assert batch.views.dtype == torch.uint8
    assert set(batch.views[: 4 * RECORDS].flatten().tolist()) == {10}
    assert set(batch.views[4 * RECORDS :].flatten().tolist()) == {200}
    assert batch.origins == ["real/phone", "generated/gan"] * RECORDS


def test_the_views_of_one_row_are_of_one_image(tmp_path: Path) -> None:
    samples = [
        (f"{label}{value}", label, label, flat(value))
        for label, start in (("real", 0), ("fake", 100))
        for value in range(start, start + 80, 8)
    ]
    shards = shard_of(tmp_path / "x.tar", samples)
    views = make_steps(shards, ViewConfig(max_operations=0)).batch(3).views.reshape(2, 4, RECORDS, -1)
    for side in range(2):
        for slot in range(RECORDS):
            assert len(set(views[side, :, slot].flatten().tolist())) == 1


def test_the_rows_of_a_batch_are_drawn_apart(lone: ShardSet) -> None:
    clean = make_steps(lone).batch(1).views.reshape(2, 4, RECORDS, -1)[:, 0]
    for side in range(2):
        assert len({tuple(row) for row in clean[side].tolist()}) == RECORDS


def test_real_and_generated_are_drawn_one_to_one(lone: ShardSet) -> None:
    steps = make_steps(lone)
    drawn = Counter(origin.split("/")[0] for number in range(5) for origin in steps.batch(number).origins)
    assert drawn == {"real": 5 * RECORDS, "generated": 5 * RECORDS}


# --- drawing --------------------------------------------------------------------------------------------------------


def test_origins_are_drawn_by_the_square_root_of_their_size(tmp_path: Path) -> None:
    sizes = {"small": 1, "middle": 4, "large": 16}
    samples = [(f"{origin}{i}", "fake", origin, b"") for origin, size in sizes.items() for i in range(size)]
    shards = shard_of(tmp_path / "x.tar", [*samples, ("r", "real", "phone", b"")])
    sampler, rng = Sampler(shards), np.random.default_rng(0)
    drawn = [sampler.draw(rng) for _ in range(3500)]
    assert {real.key for real, _ in drawn} == {"r"}
    origins = Counter(generated.origin for _, generated in drawn)
    # Roots 1 : 2 : 4, so 500, 1000 and 2000 of 3500 are expected.
    chi_square = sum(
        (origins[origin] - expected) ** 2 / expected
        for origin, expected in (("small", 500), ("middle", 1000), ("large", 2000))
    )
    assert chi_square < 13.8  # 2 degrees of freedom, p = 0.001
    keys = Counter(generated.key for _, generated in drawn if generated.origin == "large")
    assert sum((keys[f"large{i}"] - 125) ** 2 / 125 for i in range(16)) < 37.7 * origins["large"] / 2000  # 15 degrees


def test_paired_records_draw_siblings(tmp_path: Path) -> None:
    shards = ShardSet([str(write_paired_shard(tmp_path / "x.tar", 4, 1))])
    sampler, rng = Sampler(shards), np.random.default_rng(0)
    drawn = [sampler.draw(rng) for _ in range(800)]
    batch = make_steps(shards).batch(0)
    assert all((real.label, generated.label) == (0, 1) for real, generated in drawn)
    assert all(real.group == generated.group for real, generated in drawn)
    counts = Counter(generated.key for _, generated in drawn)
    assert len(counts) == 8
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 24.3  # 7 degrees of freedom, p = 0.001
    assert set(batch.origins) <= {"real/tiny", "generated/gen_0", "generated/gen_1"}


@pytest.mark.parametrize(("label", "missing"), [("real", "generated"), ("fake", "real")])
def test_an_empty_class_is_refused(tmp_path: Path, label: str, missing: str) -> None:
    shards = shard_of(tmp_path / "x.tar", [("a", label, "o", b"")])
    with pytest.raises(DataError, match=f"there is no {missing} image"):
        Sampler(shards)


def test_a_mixture_of_records_and_lone_samples_is_refused(tmp_path: Path) -> None:
    write_lone_shard(tmp_path / "a.tar", 1, 1)
    write_paired_shard(tmp_path / "b.tar", 1, 1)
    shards = ShardSet([str(tmp_path / "*.tar")])
    with pytest.raises(DataError, match="mixed"):
        Sampler(shards)


# --- broken images --------------------------------------------------------------------------------------------------


def test_broken_images_are_replaced_and_named(tmp_path: Path) -> None:
    photo = jpeg(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    samples = [
        ("good", "real", "phone", photo),
        ("cut", "real", "phone", photo[: len(photo) // 2]),
        ("text", "real", "phone", b"no image"),
        ("gan", "fake", "gan", photo),
    ]
    shards = shard_of(tmp_path / "x.tar", samples)
    plain = [make_steps(shards).batch(number) for number in range(8)]
    ahead = list(batches(make_steps(shards), range(8), 1))
    broken = [cause for batch in plain for cause in batch.broken]
    assert {cause.split(":")[0] for cause in broken} == {"cut", "text"}
    assert all(len(batch.origins) == 2 * RECORDS for batch in plain)
    assert all(same(one, other) for one, other in zip(plain, ahead, strict=True))


def test_an_image_too_elongated_for_the_geometry_is_replaced(tmp_path: Path) -> None:
    samples = [
        ("good", "real", "phone", flat(3)),
        ("thread", "real", "phone", png(np.zeros((1, 1_000_000, 3), np.uint8))),
        ("gan", "fake", "gan", flat(4)),
    ]
    shards = shard_of(tmp_path / "x.tar", samples)
    found = [make_steps(shards, ViewConfig(geometry="resize-crop")).batch(number) for number in range(3)]
    assert any("too elongated" in cause for batch in found for cause in batch.broken)


@pytest.mark.parametrize("workers", [0, 1])
def test_where_nothing_can_be_read_the_error_is_ours(tmp_path: Path, workers: int) -> None:
    samples = [("a", "real", "phone", b"no image"), ("b", "fake", "gan", flat(1))]
    shards = shard_of(tmp_path / "x.tar", samples)
    with pytest.raises(DataError, match="in a row") as caught:
        list(batches(make_steps(shards), range(3), workers))
    assert "the last: a: not an image" in str(caught.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_shard_that_shrank_is_named(tmp_path: Path, workers: int) -> None:
    path = write_lone_shard(tmp_path / "x.tar", 2, 1)
    shards = ShardSet([str(path)])
    steps = make_steps(shards)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"x\.tar.* bytes are left"):
        list(batches(steps, range(2), workers))
