"""Whose turn it is: one request at a time for each host, and a pause after each."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class Task:
    """One image to ask for.

    Attributes:
        id: Its id in the data set.
        url: The address in the data set.
        at: The address to ask next: `url`, or where it was redirected to.
        host: The host of `at`.
        hops: Redirects followed so far.
        tries: Failed requests so far.
    """

    id: str
    url: str
    at: str
    host: str
    hops: int = 0
    tries: int = 0


class Turns:
    """Tasks by host, handed out so that no host ever has two of them.

    Time is a number of seconds that the caller gives, so that nothing here waits.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Task]] = {}
        self._busy: set[str] = set()
        self._ready: list[tuple[float, int, str]] = []  # a heap of the hosts that wait for the end of a pause
        self._fresh: deque[str] = deque()  # hosts that wait and have no pause
        self._order = itertools.count()
        self._paused: dict[str, float] = {}  # hosts that may not be asked before a time
        self._count = 0

    def __len__(self) -> int:
        """How many tasks wait."""
        return self._count

    def add(self, task: Task, *, first: bool = False) -> None:
        """Lets a task wait for its host, behind the others or before them."""
        self._count += 1
        if task.host in self._waiting:
            queue = self._waiting[task.host]
            (queue.appendleft if first else queue.append)(task)
            return
        self._waiting[task.host] = deque([task])
        if task.host in self._busy:
            return
        if (until := self._paused.pop(task.host, None)) is None:
            self._fresh.append(task.host)
        else:
            self._line_up(task.host, until)

    def take(self, now: float) -> Task | None:
        """A task whose host may be asked now, None where there is none.

        Hosts whose pause is over come before new ones: what is known of a host (its robots.txt) is soon used again.
        """
        if self._ready and self._ready[0][0] <= now:
            _, _, host = heapq.heappop(self._ready)
        elif self._fresh:
            host = self._fresh.popleft()
        else:
            return None
        self._busy.add(host)
        return self._pop(host)

    def release(self, host: str, until: float) -> None:
        """Ends a host's turn; it is not asked again before a time."""
        self._busy.discard(host)
        if host in self._waiting:
            self._line_up(host, until)
        else:
            self._paused[host] = until

    def forget_pauses(self, now: float) -> None:
        """Drops what is known of hosts that may be asked again, since there are very many hosts."""
        self._paused = {host: until for host, until in self._paused.items() if until > now}

    def drop(self, host: str) -> list[Task]:
        """Takes out all that waits for a busy host."""
        tasks = list(self._waiting.pop(host, ()))
        self._count -= len(tasks)
        return tasks

    def next_time(self) -> float | None:
        """When the next host may be asked, 0 for at once; None where none waits that is not busy."""
        if self._fresh:
            return 0.0
        return self._ready[0][0] if self._ready else None

    def _line_up(self, host: str, until: float) -> None:
        heapq.heappush(self._ready, (until, next(self._order), host))

    def _pop(self, host: str) -> Task:
        queue = self._waiting[host]
        task = queue.popleft()
        self._count -= 1
        if not queue:
            del self._waiting[host]
        return task


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """The seconds that a Retry-After field asks for (RFC 9110, section 10.2.3).

    Args:
        value: The field, a number of seconds or a date; None where there is none.
        now: The present time, with a time zone.

    Returns:
        Seconds, at least 0; None for a field that says nothing.
    """
    value = (value or "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
