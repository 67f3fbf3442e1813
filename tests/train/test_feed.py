"""What a step sees: a pure function of seed and step, decoded once, laid out class by class, nothing broken."""

from __future__ import annotations

import io
import json
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from conftest import jpeg, write_lone_shard, write_paired_shard
from PIL import Image

from contrafake.data import ShardWriter
from contrafake.data.listing import Listing
from contrafake.errors import ConfigError, DataError
from contrafake.images import read
from contrafake.train import feed
from contrafake.train.config import DataConfig, ViewConfig
from contrafake.train.feed import Steps, batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

    from contrafake.train.batch import Batch

SIZE, RECORDS = 16, 3
PLAIN = ViewConfig(max_operations=0)


def png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def flat(value: int) -> bytes:
    return png(np.full((20, 20, 3), value, np.uint8))


def listing_of(path: Path) -> Listing:
    return Listing.of([str(path)], cache=False)


def shard_of(path: Path, samples: Iterable[tuple[str, str, str, bytes]]) -> Listing:
    """(key, label, origin, bytes) each; suffix png whatever the bytes are."""
    with ShardWriter(path) as shard:
        for key, label, origin, data in samples:
            shard.write(key, {"png": data, "json": json.dumps({"label": label, "origin": origin}).encode()})
    return listing_of(path)


def records_of(path: Path, records: Mapping[str, Mapping[str, bytes]]) -> Listing:
    with ShardWriter(path) as shard:
        for key, images in records.items():
            shard.write(key, {f"{name}.png": data for name, data in images.items()})
    return listing_of(path)


def make_steps(listing: Listing, views: ViewConfig | None = None, **changes: Any) -> Steps:
    """Steps of three records; `changes` are fields of the data's configuration, or arguments of Steps."""
    own: dict[str, Any] = {"seed": 5, "size": SIZE, "records": RECORDS}
    own |= {name: changes.pop(name) for name in list(changes) if name not in DataConfig.model_fields}
    return Steps(listing, DataConfig(train=["*.tar"], validation=[], **changes), views or ViewConfig(), **own)


def same(one: Batch, other: Batch) -> bool:
    codes = zip(one.origin_codes, other.origin_codes, strict=True)
    return (
        torch.equal(one.views, other.views)
        and (one.native is None or (other.native is not None and torch.equal(one.native, other.native)))
        and all(torch.equal(*pair) for pair in codes)
        and (one.origins, one.broken) == (other.origins, other.broken)
    )


@pytest.fixture
def lone(tmp_path: Path) -> Listing:
    return listing_of(write_lone_shard(tmp_path / "lone.tar", 6, 1))


# --- batches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["resampled", "epoch"])
def test_a_batch_follows_from_seed_and_step(lone: Listing, order: str) -> None:
    steps = make_steps(lone, order=order)
    first = steps.batch(7)
    steps.batch(8)
    assert same(steps.batch(7), first)
    assert same(make_steps(lone, order=order).batch(7), first)
    assert not torch.equal(steps.batch(8).views, first.views)
    assert not torch.equal(make_steps(lone, order=order, seed=6).batch(7).views, first.views)


def test_batches_come_in_order_and_equal_whatever_cuts_them(lone: Listing) -> None:
    steps, numbers = make_steps(lone), [4, 0, 9, 1, 2]
    here, ahead = (list(batches(steps, numbers, workers)) for workers in (0, 2))
    assert len(here) == len(ahead) == 5
    for number, one, other in zip(numbers, here, ahead, strict=True):
        assert same(one, other)
        assert same(one, steps.batch(number))
        assert one.cpu_seconds > 0
        assert other.cpu_seconds > 0


def test_a_feed_that_is_taken_up_again_goes_on_as_it_would_have(lone: Listing) -> None:
    whole = list(batches(make_steps(lone, order="epoch", accumulate=1), range(12), 1))
    for start in (1, 5, 11):  # an epoch has two steps
        rest = list(batches(make_steps(lone, order="epoch"), range(start, 12), 2))
        assert all(same(one, other) for one, other in zip(rest, whole[start:], strict=True))


@pytest.mark.parametrize(("world", "accumulate"), [(1, 2), (2, 1), (2, 2)])
def test_parts_of_a_step_join_to_the_step(lone: Listing, world: int, accumulate: int) -> None:
    config = ViewConfig(native_locals=1, native_size=8)
    common: dict[str, Any] = {"records": 8, "generated_per_record": 2}
    whole = make_steps(lone, config, **common).batch(3)
    ranks = [make_steps(lone, config, **common, world=world, rank=r, accumulate=accumulate) for r in range(world)]
    parts = [steps.batch(3 * accumulate + part) for part in range(accumulate) for steps in ranks]
    assert [name for part in parts for name in part.origins] == whole.origins
    assert [code for part in parts for code in part.origin_codes[1].tolist()] == whole.origin_codes[1].tolist()
    for kinds, joint, split in (
        (4, whole.views, [part.views for part in parts]),
        (1, whole.native, [part.native for part in parts]),
    ):
        assert joint is not None
        for first, images in ((0, 1), (1, 2)):  # the real images, then the generated ones
            share = 8 // len(parts)
            blocks = [
                part[kinds * share * first :][: kinds * share * images].reshape(kinds, -1, *part.shape[1:])
                for part in split
                if part is not None
            ]
            expected = joint[kinds * 8 * first :][: kinds * 8 * images].reshape(kinds, -1, *joint.shape[1:])
            assert torch.equal(torch.cat(blocks, dim=1), expected)


def test_shards_may_have_an_address(lone: Listing, tmp_path: Path) -> None:
    remote = Listing.of([f"file://{tmp_path}/lone.tar"], cache=False)
    for one, other in zip(
        batches(make_steps(lone), range(2), 0), batches(make_steps(remote), range(2), 1), strict=True
    ):
        assert same(one, other)


def test_views_lie_class_by_class_and_view_by_view(tmp_path: Path) -> None:
    listing = shard_of(tmp_path / "x.tar", [("r", "real", "phone", flat(10)), ("g", "fake", "gan", flat(200))])
    batch = make_steps(listing, PLAIN).batch(0)
    assert batch.views.shape == (8 * RECORDS, SIZE, SIZE, 3)
    assert batch.views.dtype == torch.uint8
    assert set(batch.views[: 4 * RECORDS].flatten().tolist()) == {10}
    assert set(batch.views[4 * RECORDS :].flatten().tolist()) == {200}
    assert batch.native is None
    assert batch.origins == ["real/phone", "generated/gan"] * RECORDS


@pytest.mark.parametrize("on_device", [False, True])
def test_several_generated_images_lie_beside_their_record(tmp_path: Path, on_device: bool) -> None:
    # Record i: real 40 i, generated 40 i + 1, 2, 3; each flat, so that every view tells its image.
    names = {"real": 0, "gen_0": 1, "gen_1": 2, "gen_2": 3}
    records = {f"k{i}": {name: flat(40 * i + value) for name, value in names.items()} for i in range(6)}
    config = ViewConfig(max_operations=0, native_locals=3, native_size=8)
    steps = make_steps(records_of(tmp_path / "x.tar", records), config, generated_per_record=2, on_device=on_device)
    batch = steps.batch(1)
    views, native = batch.cut("cpu", config)
    assert native is not None
    assert views.shape == (4 * RECORDS + 4 * 2 * RECORDS, SIZE, SIZE, 3)
    assert native.shape == (3 * RECORDS + 3 * 2 * RECORDS, 8, 8, 3)
    found = []
    for kinds, flattened in ((4, views), (3, native)):
        real, generated = flattened[: kinds * RECORDS], flattened[kinds * RECORDS :]
        for block, width in ((real, RECORDS), (generated, 2 * RECORDS)):
            values = block.reshape(kinds, width, -1)
            assert (values == values[:1, :, :1]).all()  # of one image whatever the kind of view
            found.append(values[0, :, 0].tolist())
    assert found[:2] == found[2:]
    reals, generated_values = found[:2]
    assert [value % 40 for value in reals] == [0] * RECORDS
    for i, real_value in enumerate(reals):
        siblings = generated_values[2 * i : 2 * i + 2]
        assert {value - value % 40 for value in siblings} == {real_value}
        assert len(set(siblings)) == 2
        assert all(value % 40 for value in siblings)


def test_the_rows_of_a_batch_are_drawn_apart(lone: Listing) -> None:
    clean = make_steps(lone).batch(1).views.reshape(2, 4, RECORDS, -1)[:, 0]
    for side in range(2):
        assert len({tuple(row) for row in clean[side].tolist()}) == RECORDS


def test_origins_are_named_and_coded(lone: Listing) -> None:
    steps = make_steps(lone, generated_per_record=2)
    drawn: Counter[str] = Counter()
    for number in range(5):
        batch = steps.batch(number)
        real, generated = batch.origin_codes
        assert (real.shape, generated.shape) == ((RECORDS,), (2 * RECORDS,))
        assert (real.dtype, generated.dtype) == (torch.int64, torch.int64)
        named = [
            name
            for slot in range(RECORDS)
            for name in (
                f"real/{lone.origins[int(real[slot])]}",
                *(f"generated/{lone.origins[int(code)]}" for code in generated[2 * slot : 2 * slot + 2]),
            )
        ]
        assert batch.origins == named
        drawn.update(name.split("/")[0] for name in named)
    assert drawn == {"real": 5 * RECORDS, "generated": 10 * RECORDS}


def test_each_image_is_read_and_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = listing_of(write_paired_shard(tmp_path / "x.tar", 8, 1))
    reads: Counter[str] = Counter()
    decoded: Counter[str] = Counter()
    read_row = listing.read

    def count_row(row: int) -> bytes:
        reads[listing[row].image.address] += 1
        return read_row(row)

    def count_image(data: bytes, *, name: str) -> Any:
        decoded[name] += 1
        return read(data, name=name)

    monkeypatch.setattr(listing, "read", count_row)
    monkeypatch.setattr(feed, "read", count_image)
    config = ViewConfig(native_locals=3)
    steps = make_steps(listing, config, order="epoch", records=4, generated_per_record=2)
    for number in range(2):
        steps.batch(number)
    assert decoded == reads == Counter(sample.image.address for sample in listing)
    assert len(reads) == 24


def test_views_can_be_cut_where_the_model_is(lone: Listing) -> None:
    config = ViewConfig(native_locals=1, native_size=24)
    here, there = (make_steps(lone, config, on_device=on_device).batch(2) for on_device in (False, True))
    assert there.packed is not None
    assert len(there.views) == 0
    assert (here.origins, here.origin_codes[1].tolist()) == (there.origins, there.origin_codes[1].tolist())
    for one, other in zip(here.cut("cpu", config), there.cut("cpu", config), strict=True):
        assert one is not None
        assert other is not None
        difference = (one.int() - other.int()).abs().float()
        assert difference.mean() < 0.5
        assert (difference <= 2).float().mean() > 0.99


@pytest.mark.parametrize(("records", "world", "accumulate"), [(9, 2, 1), (8, 2, 3), (4, 2, 2), (8, 8, 1), (2, 1, 2)])
def test_records_must_be_shared_out_evenly(lone: Listing, records: int, world: int, accumulate: int) -> None:
    with pytest.raises(ConfigError) as caught:
        make_steps(lone, records=records, world=world, accumulate=accumulate)
    assert f"{records} records cannot be shared out to {world} processes x {accumulate} parts" in str(caught.value)


# --- broken images --------------------------------------------------------------------------------------------------


def named(cause: str) -> str:
    """The shard and the member."""
    return ": ".join(cause.split(": ")[:2])


def test_broken_images_are_replaced_and_named(tmp_path: Path) -> None:
    photo = jpeg(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    samples = [
        ("good", "real", "phone", photo),
        ("cut", "real", "phone", photo[: len(photo) // 2]),
        ("text", "real", "phone", b"no image"),
        ("thread", "real", "phone", png(np.zeros((1, 101, 3), np.uint8))),
        ("gan", "fake", "gan", photo),
    ]
    listing = shard_of(tmp_path / "x.tar", samples)
    plain = [make_steps(listing).batch(number) for number in range(12)]
    ahead = list(batches(make_steps(listing), range(12), 1))
    broken = [cause for batch in plain for cause in batch.broken]
    assert {named(cause) for cause in broken} == {
        f"{tmp_path}/x.tar: {key}" for key in ("cut.png", "text.png", "thread.png")
    }
    assert any("1 x 101 pixels are too elongated" in cause for cause in broken)
    assert all(batch.origins == ["real/phone", "generated/gan"] * RECORDS for batch in plain)
    assert all(same(one, other) for one, other in zip(plain, ahead, strict=True))


def test_an_image_a_hundred_times_as_long_as_high_is_used(tmp_path: Path) -> None:
    samples = [("r", "real", "o", png(np.zeros((1, 100, 3), np.uint8))), ("g", "fake", "o", flat(1))]
    assert make_steps(shard_of(tmp_path / "x.tar", samples)).batch(0).broken == []


def test_a_broken_lone_image_takes_no_other_out_of_its_epoch(tmp_path: Path) -> None:
    samples = [(f"r{i}", "real", "o", flat(i)) for i in range(6)]
    samples += [(f"g{i}", "fake", "o", flat(100 + i) if i % 2 else b"no image") for i in range(6)]
    steps = make_steps(shard_of(tmp_path / "x.tar", samples), PLAIN, order="epoch")
    for epoch in range(3):
        found = [steps.batch(number) for number in (2 * epoch, 2 * epoch + 1)]
        clean = [batch.views.reshape(2, 4, RECORDS, -1)[:, 0, :, 0] for batch in found]
        assert sorted(torch.cat([side[0] for side in clean]).tolist()) == list(range(6))
        generated = torch.cat([side[1] for side in clean]).tolist()
        assert set(generated) == {101, 103, 105}
        # Each broken image has its turn once; its replacement may be broken too.
        causes = Counter(named(cause) for batch in found for cause in batch.broken)
        assert set(causes) == {f"{tmp_path}/x.tar: g{i}.png" for i in (0, 2, 4)}


def test_a_record_with_a_broken_image_is_replaced_as_a_whole(tmp_path: Path) -> None:
    records = {f"k{i}": {"real": flat(10 * i), "gen_0": flat(10 * i + 1)} for i in range(4)}
    records["k2"]["gen_0"] = b"no image"
    steps = make_steps(records_of(tmp_path / "x.tar", records), PLAIN, order="epoch", records=4)
    for number in range(4):
        batch = steps.batch(number)
        real, generated = batch.views.reshape(2, 4, 4, -1)[:, 0, :, 0].tolist()
        assert [value + 1 for value in real] == generated
        assert {0, 10, 30} == set(real)
        assert {named(cause) for cause in batch.broken} == {f"{tmp_path}/x.tar: k2.gen_0.png"}


@pytest.mark.parametrize("workers", [0, 1])
def test_strict_stops_at_the_first_broken_image(tmp_path: Path, workers: int) -> None:
    samples = [("good", "real", "phone", flat(1)), ("bad", "real", "phone", b"no"), ("gan", "fake", "gan", flat(2))]
    steps = make_steps(shard_of(tmp_path / "x.tar", samples), strict=True, order="epoch")
    with pytest.raises(DataError, match=r"x\.tar: bad\.png: not an image"):
        list(batches(steps, range(1), workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_where_nothing_can_be_read_the_error_is_ours(tmp_path: Path, workers: int) -> None:
    samples = [("a", "real", "phone", b"no image"), ("b", "fake", "gan", flat(1))]
    steps = make_steps(shard_of(tmp_path / "x.tar", samples))
    with pytest.raises(DataError, match="20 draws in a row") as caught:
        list(batches(steps, range(3), workers))
    assert f"the last: {tmp_path}/x.tar: a.png: not an image" in str(caught.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_shard_that_shrank_is_named(tmp_path: Path, workers: int) -> None:
    path = write_lone_shard(tmp_path / "x.tar", 2, 1)
    steps = make_steps(listing_of(path))
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"x\.tar.* bytes are left"):
        list(batches(steps, range(2), workers))


def test_a_class_that_is_left_out_whole_is_explained(tmp_path: Path) -> None:
    listing = shard_of(tmp_path / "x.tar", [("r", "real", "phone", flat(1)), ("g", "fake", "gan", b"")])
    with pytest.raises(DataError, match=r"\*\.tar: there is no generated image among 1; 1 were left out: 1 x "):
        make_steps(listing)


# --- workers --------------------------------------------------------------------------------------------------------


def test_other_errors_of_a_worker_keep_their_kind(lone: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(row: int) -> bytes:
        raise RuntimeError(f"row {row}")

    monkeypatch.setattr(lone, "read", fail)
    with pytest.raises(RuntimeError, match="Caught RuntimeError in DataLoader worker"):
        list(batches(make_steps(lone), range(3), 1))


def test_what_workers_hold_ready_is_bounded(lone: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = make_steps(lone, ViewConfig(native_locals=2, native_size=24), generated_per_record=2)
    batch = steps.batch(0)
    assert batch.native is not None
    assert steps.batch_bytes() == batch.views.nbytes + batch.native.nbytes
    asked: list[dict[str, Any]] = []

    def loader(_: Steps, **options: Any) -> list[Batch]:
        asked.append(options)
        return []

    monkeypatch.setattr(feed, "DataLoader", loader)
    for room, workers in ((100, 2), (7, 2), (7, 3), (1, 2)):
        monkeypatch.setattr(feed, "AHEAD", room * steps.batch_bytes())
        assert list(batches(steps, range(3), workers, pin=workers == 3)) == []
    assert [options["prefetch_factor"] for options in asked] == [4, 3, 2, 1]
    assert [options["pin_memory"] for options in asked] == [False, False, True, False]


@pytest.mark.parametrize("on_device", [False, True])
def test_batches_for_a_gpu_are_held_in_locked_memory(
    lone: Listing, monkeypatch: pytest.MonkeyPatch, on_device: bool
) -> None:
    pinned: list[int] = []

    def pin(tensor: Tensor) -> Tensor:
        pinned.append(tensor.nbytes)
        return tensor.clone()

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    steps = make_steps(lone, ViewConfig(native_locals=1, native_size=24), on_device=on_device)
    batch = steps.batch(3)
    assert same(batch.pin_memory(), batch)
    tensors = [batch.views, batch.native, None if batch.packed is None else batch.packed.pixels]
    assert pinned.count(max(pinned)) == 1
    assert sorted(pinned) == sorted(tensor.nbytes for tensor in tensors if tensor is not None)


def test_a_worker_that_dies_is_reported(lone: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = os.getpid()

    def die(*_: object) -> bytes:
        assert os.getpid() != trainer
        os.kill(os.getpid(), signal.SIGKILL)
        return b""

    monkeypatch.setattr(lone, "read", die)
    with pytest.raises(DataError, match=r"a process that reads it died.*runtime\.workers"):
        list(batches(make_steps(lone), range(3), 1))
