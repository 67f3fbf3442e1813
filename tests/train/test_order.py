"""The order of records: frequencies as stated, nothing twice or never in an epoch, the same for the same question."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrafake.errors import DataError
from contrafake.train.config import DataConfig
from contrafake.train.order import make_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from contrafake.data.listing import Listing
    from contrafake.train.order import Draw, Order


@dataclass
class Columns:
    """What the order reads of a listing."""

    label: NDArray[np.uint8]
    record: NDArray[np.int64]
    shard: NDArray[np.int32]
    origin: NDArray[np.int32]
    damage: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.label)


def paired(siblings: list[list[int]]) -> Columns:
    """Shard by shard, the number of generated images of each record."""
    sizes = [(shard, number) for shard, numbers in enumerate(siblings) for number in numbers]
    label = np.concatenate([[0] + [1] * number for _, number in sizes]).astype(np.uint8)
    record = np.repeat(np.arange(len(sizes)), [1 + number for _, number in sizes])
    shard = np.array([shard for shard, number in sizes for _ in range(1 + number)], np.int32)
    return Columns(label, record, shard, np.zeros(len(label), np.int32))


def lone(images: Iterable[tuple[int, int, int]]) -> Columns:
    """(label, shard, origin) of each image."""
    label, shard, origin = np.array(list(images)).T
    return Columns(label.astype(np.uint8), np.full(len(label), -1), shard.astype(np.int32), origin.astype(np.int32))


def order_of(columns: Columns, seed: int = 3, **data: Any) -> Order:
    config = DataConfig(train=["a-*.tar", "b.tar"], validation=[], **data)
    return make_order(cast("Listing", columns), config, seed)


def draws(order: Order, positions: Iterable[int]) -> list[Draw]:
    return [order.draw(position) for position in positions]


def chi_square(counts: Iterable[int], expected: Iterable[float]) -> float:
    return sum((found - wanted) ** 2 / wanted for found, wanted in zip(counts, expected, strict=True))


SETS = {
    "pairs": paired([[1, 2, 3], [4, 1], [2, 2, 2, 5]]),
    "lone": lone([(i % 3 > 0, i // 8, i % 5) for i in range(40)]),
}
ORDERS: list[dict[str, Any]] = [{"order": "resampled"}, {"order": "epoch"}, {"order": "epoch", "window": 1}]


@pytest.mark.parametrize("columns", SETS.values(), ids=SETS)
@pytest.mark.parametrize("data", ORDERS, ids=["resampled", "epoch", "window"])
def test_a_draw_follows_from_seed_and_position(columns: Columns, data: dict[str, Any]) -> None:
    order = order_of(columns, **data, generated_per_record=2)
    forward = draws(order, range(50))
    assert draws(order, reversed(range(50))) == forward[::-1]
    assert order_of(columns, **data, generated_per_record=2).draw(49) == forward[49]
    assert draws(order_of(columns, seed=4, **data, generated_per_record=2), range(50)) != forward
    again = [order.draw(position, 1) for position in range(50)]
    assert again != forward
    assert again == [order.draw(position, 1) for position in range(50)]
    assert again != [order.draw(position, 2) for position in range(50)]


@pytest.mark.parametrize("columns", SETS.values(), ids=SETS)
@pytest.mark.parametrize("data", ORDERS, ids=["resampled", "epoch", "window"])
@pytest.mark.parametrize("attempt", [0, 1])
def test_a_draw_is_one_real_image_and_its_generated_ones(columns: Columns, data: dict[str, Any], attempt: int) -> None:
    order = order_of(columns, **data, generated_per_record=3)
    for real, generated in (order.draw(position, attempt) for position in range(60)):
        assert columns.label[real] == 0
        assert len(generated) == 3
        assert all(columns.label[row] == 1 for row in generated)
        if order.paired:
            assert {int(columns.record[row]) for row in generated} == {int(columns.record[real])}
            assert len(set(generated)) == min(3, int((columns.record == columns.record[real]).sum()) - 1)


# --- resampled ------------------------------------------------------------------------------------------------------


def test_records_and_their_siblings_are_resampled_uniformly() -> None:
    found = draws(order_of(paired([[2, 2], [2, 2]])), range(1600))
    assert chi_square(Counter(real for real, _ in found).values(), [400] * 4) < 16.3  # 3 degrees of freedom, p = 0.001
    generated = Counter(row for _, rows in found for row in rows)
    assert chi_square(generated.values(), [200] * 8) < 24.3  # 7 degrees of freedom


@pytest.mark.parametrize("attempt", [0, 1])
def test_origins_are_resampled_by_the_square_root_of_their_size(attempt: int) -> None:
    columns = lone([(0, 0, 3), *((1, 0, origin) for origin, size in enumerate((1, 4, 16)) for _ in range(size))])
    order = order_of(columns, generated_per_record=2)
    rows = [row for position in range(1750) for row in order.draw(position, attempt)[1]]
    # Roots 1 : 2 : 4, so 500, 1000 and 2000 of 3500 are expected.
    counts = Counter(int(columns.origin[row]) for row in rows)
    assert chi_square([counts[origin] for origin in range(3)], [500, 1000, 2000]) < 13.8  # 2 degrees of freedom
    large = Counter(row for row in rows if columns.origin[row] == 2)
    assert chi_square(large.values(), [counts[2] / 16] * 16) < 37.7  # 15 degrees of freedom


# --- epochs ---------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    siblings=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=7), min_size=1, max_size=6),
    window=st.integers(0, 7),
    count=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_an_epoch_shows_each_record_once(siblings: list[list[int]], window: int, count: int, seed: int) -> None:
    columns = paired(siblings)
    reals = set(np.flatnonzero(columns.label == 0).tolist())
    order = order_of(columns, seed, order="epoch", window=window, generated_per_record=count)
    seen: Counter[int] = Counter()
    for epoch in range(60):  # the least common multiple of 1 to 5
        found = draws(order, range(epoch * len(reals), (epoch + 1) * len(reals)))
        assert len(found) == len(reals) == len({real for real, _ in found})
        seen.update(row for _, rows in found for row in rows)
    # A record's K images are shown 60 * count times in all, each as often as any other.
    expected = {
        int(row): 60 * count / (int((columns.record == columns.record[row]).sum()) - 1)
        for row in np.flatnonzero(columns.label)
    }
    assert seen == expected


def test_all_siblings_are_seen_as_soon_as_may_be() -> None:
    order = order_of(paired([[4] * 5]), order="epoch", generated_per_record=2)
    first, second = ({real: set(rows) for real, rows in draws(order, range(5 * e, 5 * e + 5))} for e in range(2))
    assert all(first[real] | second[real] == {real + 1, real + 2, real + 3, real + 4} for real in first)


def test_siblings_of_one_epoch_are_of_all_generators() -> None:
    columns = paired([[4] * 800])
    found = draws(order_of(columns, order="epoch"), range(800))
    counts = Counter(generated - real for real, (generated,) in found)
    assert chi_square([counts[i] for i in range(1, 5)], [200] * 4) < 16.3  # 3 degrees of freedom, p = 0.001


@settings(max_examples=60)
@given(
    labels=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=40),
    window=st.integers(0, 4),
    count=st.integers(1, 3),
)
def test_each_class_of_lone_images_has_its_own_epochs(labels: list[tuple[int, int]], window: int, count: int) -> None:
    columns = lone([(0, 0, 0), (1, 0, 1), *((label, 1 + i // 6, origin) for i, (label, origin) in enumerate(labels))])
    order = order_of(columns, order="epoch", window=window, generated_per_record=count)
    found = draws(order, range(2 * len(columns)))
    shown = [[real for real, _ in found], [row for _, rows in found for row in rows]]
    for label, rows in enumerate(shown):
        everything = sorted(np.flatnonzero(columns.label == label).tolist())
        size = len(everything)
        assert len(rows) >= 2 * size
        for start in range(0, len(rows) - size + 1, size):
            assert sorted(rows[start : start + size]) == everything


def test_each_epoch_has_an_order_of_its_own_and_every_order_is_as_likely() -> None:
    order = order_of(paired([[1], [1, 1]]), order="epoch")
    orders = Counter(tuple(real for real, _ in draws(order, range(3 * e, 3 * e + 3))) for e in range(1200))
    assert len(orders) == 6
    assert chi_square(orders.values(), [200] * 6) < 20.5  # 5 degrees of freedom, p = 0.001


@pytest.mark.parametrize("kind", ["pairs", "lone"])
def test_windows_are_few_shards_shuffled_together(kind: str) -> None:
    shards, size, window = 10, 12, 3
    columns = (
        paired([[1] * size] * shards)
        if kind == "pairs"
        else lone([(label, shard, 0) for shard in range(shards) for label in (0, 1) for _ in range(size)])
    )
    order = order_of(columns, order="epoch", window=window)
    for side in range(2):
        rows = [draw[1][0] if side else draw[0] for draw in draws(order, range(shards * size))]
        of = [int(columns.shard[row]) for row in rows]
        for start in range(0, len(of), window * size):
            stretch = of[start : start + window * size]
            # Whole shards, three by three; a random order of 36 changes shard 24 times, an unshuffled one twice.
            assert set(Counter(stretch).values()) == {size}
            if len(set(stretch)) > 1:
                assert sum(a != b for a, b in pairwise(stretch)) > 12
        assert of[:: window * size] != sorted(of[:: window * size])
    everywhere = [int(columns.shard[real]) for real, _ in draws(order_of(columns, order="epoch"), range(36))]
    assert len(set(everywhere)) > window


def test_the_order_of_millions_of_records_is_small() -> None:
    count = 2_400_000
    columns = Columns(
        label=np.tile(np.array([0, 1], np.uint8), count),
        record=np.repeat(np.arange(count), 2),
        shard=np.repeat(np.arange(480, dtype=np.int32), 2 * count // 480),
        origin=np.zeros(2 * count, np.int32),
    )
    tracemalloc.start()
    order = order_of(columns, order="epoch", window=8)
    populated, _ = tracemalloc.get_traced_memory()
    order.draw(5 * count + 7)
    order.draw(6 * count + 7)  # the former epoch's order goes
    current, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert populated < 21 * count  # shared by all workers: rows, siblings, shards
    assert current - populated < 4.1 * count  # of each worker


# --- sets that cannot be used ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "missing"), [(0, "generated"), (1, "real")])
@pytest.mark.parametrize("data", ORDERS, ids=["resampled", "epoch", "window"])
def test_an_empty_class_is_refused(label: int, missing: str, data: dict[str, Any]) -> None:
    columns = lone([(label, 0, 0)] * 5)
    with pytest.raises(DataError) as caught:
        order_of(columns, **data)
    assert str(caught.value) == f"a-*.tar, b.tar: there is no {missing} image among 5 (both classes are needed)"


def test_an_empty_class_is_explained_by_what_was_left_out() -> None:
    columns = lone([(0, 0, 0)] * 5)
    columns.damage = {"a-1.tar: x.json": "no label", "a-1.tar: y.png": "empty", "a-2.tar: z.json": "no label"}
    with pytest.raises(DataError, match=r"among 5; 3 were left out: 2 x no label, 1 x empty, the first: a-1\.tar: x"):
        order_of(columns)


def test_an_empty_listing_is_refused() -> None:
    nothing = np.zeros(0, np.int64)
    columns = Columns(nothing.astype(np.uint8), nothing, nothing.astype(np.int32), nothing.astype(np.int32))
    with pytest.raises(DataError, match="there is no real image among 0"):
        order_of(columns)


def test_a_mixture_of_records_and_lone_samples_is_refused() -> None:
    columns = paired([[1, 1]])
    columns.record[2:] = -1
    with pytest.raises(DataError, match="mixed"):
        order_of(columns)
