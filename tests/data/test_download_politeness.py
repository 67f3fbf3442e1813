"""Turns by host, pauses, and what sites say of being collected."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data.download.consent import refusal
from contrafake.data.download.politeness import Task, Turns, retry_after


def task(name: str, host: str) -> Task:
    return Task(name, f"http://{host}/{name}", f"http://{host}/{name}", host)


def test_a_host_has_one_turn_at_a_time_and_a_pause_after_it() -> None:
    turns = Turns()
    for name, host in (("1", "a"), ("2", "a"), ("3", "b")):
        turns.add(task(name, host))
    first, second = turns.take(0.0), turns.take(0.0)
    assert first is not None
    assert second is not None
    assert {first.id, second.id} == {"1", "3"}
    assert turns.take(100.0) is None  # a is busy
    assert turns.next_time() is None
    turns.release("a", until=5.0)
    assert turns.next_time() == 5.0
    assert turns.take(4.9) is None
    third = turns.take(5.0)
    assert third is not None
    assert third.id == "2"
    assert len(turns) == 0


def test_the_pause_outlives_an_empty_queue() -> None:
    turns = Turns()
    turns.add(task("1", "a"))
    turns.take(0.0)
    turns.release("a", until=5.0)
    turns.forget_pauses(4.0)
    turns.add(task("2", "a"))
    assert turns.take(4.9) is None
    assert turns.take(5.0) is not None


def test_hosts_that_were_asked_before_come_before_new_ones() -> None:
    turns = Turns()
    for name, host in (("1", "a"), ("2", "a"), ("3", "b"), ("4", "c"), ("5", "d")):
        turns.add(task(name, host))
    order = []
    for now in (0.0, 1.0, 2.0, 3.0, 4.0):
        taken = turns.take(now)
        assert taken is not None
        order.append(taken.id)
        turns.release(taken.host, now + 2.0)
    assert order == ["1", "3", "2", "4", "5"]


def test_dropping_and_going_first() -> None:
    turns = Turns()
    for name in ("1", "2", "3"):
        turns.add(task(name, "a"))
    taken = turns.take(0.0)
    assert taken is not None
    turns.add(taken, first=True)
    turns.release("a", 0.0)
    again = turns.take(0.0)
    assert again is not None
    assert again.id == "1"
    assert [waiting.id for waiting in turns.drop("a")] == ["2", "3"]
    turns.release("a", 0.0)
    assert len(turns) == 0
    assert turns.take(9.0) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=40))
def test_nobody_is_asked_twice_at_once_nor_too_early_and_nothing_is_lost(steps: list[tuple[str, int]]) -> None:
    turns, free_from = Turns(), dict.fromkeys("abc", 0.0)
    for number, (host, _) in enumerate(steps):
        turns.add(task(str(number), host))
    now = 0.0
    running: list[Task] = []
    done: list[str] = []
    for _, wait in [*steps, *steps]:
        now += wait
        while (taken := turns.take(now)) is not None:
            assert taken.host not in [other.host for other in running]
            assert free_from[taken.host] <= now
            running.append(taken)
        if running:
            ended = running.pop(0)
            done.append(ended.id)
            free_from[ended.host] = now + 3
            turns.release(ended.host, now + 3)
    assert len(done) + len(running) + len(turns) == len(steps)
    assert len(set(done)) == len(done)
    by_host = {host: [name for name in done if steps[int(name)][0] == host] for host in "abc"}
    assert all(names == sorted(names, key=int) for names in by_host.values())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("٣", None),
        ("9" * 30, 999_999_999.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0),
        ("Mon, 01 Jan 2024 00:01:00 GMT", 60.0),
        ("Mon, 01 Jan 2024 01:01:00 +0100", 60.0),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, datetime(2024, 1, 1, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([], ""),
        ([("X-Robots-Tag", "noai")], "X-Robots-Tag: noai"),
        ([("x-robots-tag", "NoImageAI, nofollow")], "X-Robots-Tag: noimageai"),
        ([("X-Robots-Tag", "nofollow"), ("X-Robots-Tag", "noindex")], "X-Robots-Tag: noindex"),
        ([("X-Robots-Tag", "none")], "X-Robots-Tag: none"),
        ([("X-Robots-Tag", "all, max-snippet: 5, noarchive")], ""),
        ([("X-Robots-Tag", "unavailable_after: 25 Jun 2030, noindex")], "X-Robots-Tag: noindex"),
        ([("X-Robots-Tag", "googlebot: noindex, noai")], ""),
        ([("X-Robots-Tag", "contrafake: noindex")], "X-Robots-Tag: noindex"),
        ([("X-Robots-Tag", "otherbot: noai, contrafake: noai")], "X-Robots-Tag: noai"),
        ([("X-Robots-Tag", "*: noai")], "X-Robots-Tag: noai"),
        ([("TDM-Reservation", "1")], "TDM-Reservation"),
        ([("tdm-reservation", "0")], ""),
    ],
)
def test_header_fields_that_refuse(fields: list[tuple[str, str]], reason: str) -> None:
    headers = Message()
    for name, value in fields:
        headers[name] = value
    assert refusal(headers) == reason
