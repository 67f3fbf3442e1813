"""The whole download: takes addresses as they come, keeps to turns, and enters what became of each."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from contrafake.data.download.ask import Again, Answer, Asker
from contrafake.data.download.guard import HOST_NOT_FOUND, Guard, RefusedAddressError
from contrafake.data.download.ledger import Ledger, Outcome
from contrafake.data.download.place import find_file
from contrafake.data.download.politeness import Task, Turns
from contrafake.errors import DataError, ImageError
from contrafake.images.source import file_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from contrafake.data.download.ask import Manners

WINDOW = 10_000
"""Addresses that wait in memory, so that many hosts can take turns."""

MOST_STRANGERS = 100
"""So many unknown hosts at the start of a run, and nothing else, mean that there is no network."""


@dataclass(frozen=True)
class Summary:
    """What a download led to.

    Attributes:
        known: Addresses that needed no request, since the record held them already.
        counts: (status, reason, number) over the whole record, earlier runs included.
        repeated: How many contents were stored more than once, and how often in all.
        report: The list of what is not stored.
    """

    known: int
    counts: list[tuple[str, str, int]]
    repeated: tuple[int, int]
    report: Path

    @property
    def stored(self) -> int:
        """Number of images in the folder."""
        return sum(number for status, _, number in self.counts if status == "stored")

    @property
    def missing(self) -> int:
        """Number of addresses that gave none."""
        return sum(number for status, _, number in self.counts if status != "stored")


class Download:
    """A folder of downloaded images and its record. A run that was killed goes on where it was."""

    def __init__(self, folder: Path, manners: Manners, guard: Guard | None = None) -> None:
        """Prepares a download; nothing is asked yet.

        Args:
            folder: Where the images and the record go.
            manners: How sites are asked.
            guard: What may be asked; by default public web servers only.
        """
        self._folder, self._manners, self._guard = folder, manners, guard or Guard()
        self._asker = Asker(folder, manners, self._guard)
        self._turns = Turns()
        self._answers: SimpleQueue[tuple[Task, Answer | BaseException]] = SimpleQueue()
        self._failures: dict[str, int] = {}  # in a row, by host; only hosts that fail are in it
        self._known = 0
        self._strangers: int | None = 0  # hosts not found before anything else was; None once one answered

    def run(
        self, links: Iterable[tuple[str, str]], *, retry: bool = False, advance: Callable[[int], None] = lambda _: None
    ) -> Summary:
        """Downloads what is not in the record.

        Args:
            links: (id, address) of each image, each id once; taken as they are needed.
            retry: Ask again for what was dead, refused or failed before.
            advance: Called with the number of addresses that are done since the last call.

        Raises:
            DataError: The folder cannot be written, another download works in it, or there seems to be no network.
        """
        self._turns, self._known, self._strangers = Turns(), 0, None if retry else 0
        self._failures.clear()
        with Ledger(self._folder) as ledger:
            try:
                # Leaving the pool waits for the requests under way, which are bounded in time.
                with ThreadPoolExecutor(self._manners.hosts) as pool:
                    self._work(pool, ledger, links, retry=retry, advance=advance)
            finally:
                self._enter_rest(ledger)
            return Summary(self._known, ledger.counts(), ledger.repeated(), ledger.write_report())

    def _work(
        self,
        pool: ThreadPoolExecutor,
        ledger: Ledger,
        links: Iterable[tuple[str, str]],
        *,
        retry: bool,
        advance: Callable[[int], None],
    ) -> None:
        source, more, running = iter(links), True, 0
        while True:
            while more and len(self._turns) < WINDOW:
                link = next(source, None)
                if link is None:
                    more = False
                elif self._begin(ledger, *link, retry=retry):
                    advance(1)
            while running < self._manners.hosts and (task := self._turns.take(time.monotonic())):
                pool.submit(self._ask, task)
                running += 1
            if not running and not len(self._turns):
                return
            ready = self._turns.next_time() if running < self._manners.hosts else None
            try:
                task, answer = self._answers.get(timeout=None if ready is None else max(0, ready - time.monotonic()))
            except Empty:
                continue
            running -= 1
            if isinstance(answer, BaseException):
                raise answer
            advance(self._settle(ledger, task, answer))

    def _ask(self, task: Task) -> None:
        try:
            self._answers.put((task, self._asker.ask(task)))
        except BaseException as error:  # noqa: BLE001 - raised again where the answers are read
            self._answers.put((task, error))

    def _begin(self, ledger: Ledger, name: str, url: str, *, retry: bool) -> bool:
        """Lets an address wait for its turn; true where that is not needed."""
        entry = ledger.get(name)
        if entry and (entry[1] == "stored" or (entry[0] == url and not retry)):
            self._known += 1
            return True
        if found := self._found(name, url):
            ledger.put(name, url, found)
            self._known += 1
            return True
        try:
            host = self._guard.parse(url).host
        except RefusedAddressError as error:
            ledger.put(name, url, Outcome("refused", error.cause))
            return True
        if self._failures.get(host, 0) >= self._manners.failures:
            ledger.put(name, url, _GIVEN_UP)
            return True
        self._turns.add(Task(name, url, url, host))
        return False

    def _found(self, name: str, url: str) -> Outcome | None:
        """An image that is there but not in the record: the run was killed in between, or somebody put it there."""
        path = find_file(self._folder, name)
        try:
            if path is None:
                return None
            outcome = self._asker.examine(url, file_bytes(path, str(path), self._manners.bounds.bytes))
        except ImageError:
            return None
        file = path.relative_to(self._folder).as_posix()
        return replace(outcome, file=file, http_status=0) if outcome.status == "stored" else None

    def _settle(self, ledger: Ledger, task: Task, answer: Answer) -> int:
        """Enters an outcome, or lets the task wait again; returns how many tasks are done."""
        result, done = answer.result, 0
        self._notice_network(result)
        failed = isinstance(result, Again) and bool(result.reason)
        if failed:
            self._failures[task.host] = self._failures.get(task.host, 0) + 1
        elif isinstance(result, Outcome) or result.hop:
            self._failures.pop(task.host, None)
        then = self._next(task, result) if isinstance(result, Again) else result
        if isinstance(then, Outcome):
            ledger.put(task.id, task.url, then)
            done += 1
        else:
            self._turns.add(then, first=then.host == task.host and not failed)
        if self._failures.get(task.host, 0) >= self._manners.failures:
            for waiting in self._turns.drop(task.host):
                ledger.put(waiting.id, waiting.url, _GIVEN_UP)
                done += 1
        now = time.monotonic()
        self._turns.release(task.host, now + answer.pause)
        self._turns.forget_pauses(now)
        return done

    def _notice_network(self, result: Outcome | Again) -> None:
        """Stops before a machine without a network has called a whole data set dead."""
        if self._strangers is None:
            return
        found = isinstance(result, Again) or result.reason != HOST_NOT_FOUND
        self._strangers = None if found else self._strangers + 1
        if self._strangers == MOST_STRANGERS:
            cause = f"the first {MOST_STRANGERS} hosts were not found"
            raise DataError("network", cause, "check the name server; later, ask again with --retry")

    def _next(self, task: Task, again: Again) -> Task | Outcome:
        if again.reason:
            if task.tries + 1 >= self._manners.tries:
                return Outcome("failed", again.reason, again.http_status)
            return replace(task, tries=task.tries + 1)
        try:
            host = self._guard.parse(again.at).host
        except RefusedAddressError as error:
            return Outcome("refused", f"redirect: {error.cause}")
        return replace(task, at=again.at, host=host, hops=task.hops + again.hop)

    def _enter_rest(self, ledger: Ledger) -> None:
        """After an interruption: what the last requests led to is not thrown away."""
        while True:
            try:
                task, answer = self._answers.get_nowait()
            except Empty:
                return
            if isinstance(answer, Answer) and isinstance(answer.result, Outcome):
                ledger.put(task.id, task.url, answer.result)


_GIVEN_UP = Outcome("failed", "the host failed too often")
