"""Which items go into which shard, and that no key stands in two places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data import Record, Sample
from contrafake.data.location import File
from contrafake.data.packing.conflicts import LabelWatch
from contrafake.data.packing.plan import count_checked, plan_shards, shuffled
from contrafake.data.sources import samples_of
from contrafake.errors import DataError

if TYPE_CHECKING:
    from contrafake.data.sources import Item


def lone(key: str, split: str = "", label: Literal[0, 1] = 0) -> Sample:
    return Sample(key, label, "o", "s", "", File(f"/set/{key}.jpg"), split)


def record(key: str, siblings: int, split: str = "") -> Record:
    return Record(key, lone(f"{key}.real", split), tuple(lone(f"{key}.gen_{k}", split, 1) for k in range(siblings)))


def test_shards_by_hand() -> None:
    items: list[Item] = [
        lone("a"), lone("b", "val"), record("r", 1), lone("c"), lone("d"), record("q", 2), record("p", 4), lone("e"),
    ]  # fmt: skip
    plans = [(p.name, [i.key for i in p.items], p.images) for p in plan_shards(items, 3, "x")]
    assert plans == [
        ("x-paired-00000.tar", ["r"], 2),
        ("x-paired-00001.tar", ["q"], 3),
        ("x-lone-00000.tar", ["a", "c", "d"], 3),
        ("x-lone-00001.tar", ["e"], 1),
        ("x-paired-00002.tar", ["p"], 5),
        ("val-x-lone-00000.tar", ["b"], 1),
    ]


item = st.tuples(st.sampled_from(["", "train", "a/b."]), st.integers(0, 4))


@given(st.lists(item, max_size=30), st.integers(1, 7))
def test_every_item_goes_into_one_shard_of_its_kind(drawn: list[tuple[str, int]], size: int) -> None:
    items: list[Item] = [
        record(str(n), siblings, split) if siblings else lone(str(n), split)
        for n, (split, siblings) in enumerate(drawn)
    ]
    plans = list(plan_shards(items, size))
    assert sorted(int(i.key) for p in plans for i in p.items) == list(range(len(items)))
    assert len({p.name for p in plans}) == len(plans)
    for plan in plans:
        assert plan.images == sum(len(samples_of(i)) for i in plan.items)
        assert plan.images <= size or len(plan.items) == 1
        assert len({(type(i), samples_of(i)[0].split) for i in plan.items}) == 1
        assert [int(i.key) for i in plan.items] == sorted(int(i.key) for i in plan.items)
        assert "/" not in plan.name


def test_the_plan_takes_items_as_they_are_needed() -> None:
    source = iter([lone(str(n)) for n in range(10)])
    plans = plan_shards(source, 2)
    next(plans)
    assert len(list(source)) == 7


@given(st.permutations([lone(str(n)) for n in range(8)]), st.integers())
def test_the_shuffled_order_does_not_depend_on_the_listing(items: list[Item], seed: int) -> None:
    assert shuffled(items, seed) == shuffled(sorted(items, key=lambda i: i.key), seed)


def test_images_are_counted() -> None:
    assert count_checked([lone("a"), record("r", 3), lone("b")]) == 6
    assert count_checked([]) == 0


@pytest.mark.parametrize(
    "items",
    [
        [lone("a"), lone("b"), lone("a")],
        [record("r", 1), lone("a"), record("r", 2)],
        [record("r", 1), lone("r.gen_0")],
        [lone("r"), record("r", 1)],
    ],
)
def test_a_key_twice_is_refused(items: list[Item]) -> None:
    with pytest.raises(DataError, match=r"/set/.*its key '.*' stands at /set/.* as well"):
        count_checked(items)


def test_two_keys_whose_hashes_agree_are_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contrafake.data.packing.plan.Seen.add", lambda self, key: key != "b")
    assert count_checked([lone("a"), lone("b"), lone("c")]) == 3


def test_both_labels_by_hand() -> None:
    pytest.importorskip("pyarrow")
    from dataclasses import replace

    from test_index import ROW

    same, alike = "ab" * 32, "ab" * 8 + "cd" * 24  # the first 64 bits agree
    rows = [
        replace(ROW, key=key, label=label, sha256=sha)
        for key, label, sha in [("a", 1, same), ("b", 0, alike), ("c", 0, "00" * 32), ("d", 0, same), ("e", 1, same)]
    ]
    watch = LabelWatch()
    assert list(watch.watch(rows)) == rows
    assert watch.conflicts(lambda: rows) == [["d", "a", "e"]]
    apart = LabelWatch()
    list(apart.watch(rows[:3]))
    assert apart.conflicts(lambda: rows[:3]) == []
    assert LabelWatch().conflicts(lambda: pytest.fail("nobody needs to look again")) == []
