"""Which model at work makes which chunk: the queue of a build that several processes share, without the processes."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Protocol

from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from contrafake.generate.build import Pending
    from contrafake.generate.chunk import Chunk

DEATHS = 3
"""Processes that may die over one chunk, or one after the other while they start for one generator, until the build
ends."""


@dataclass
class _Actor:
    generator: str
    ready: bool = False
    chunk: Chunk | None = None


class Schedule:
    """Gives chunks to actors. An actor is one process with the model of one generator; here it is a number.

    Generators get an actor each, in their order, before one of them gets a second, so that models are loaded as rarely
    as possible. Actors that are left over help where the most chunks wait for each actor. An actor whose generator has
    nothing waiting any more is released, and its place goes to another generator.
    """

    def __init__(self, pending: Pending, actors: int) -> None:
        """Takes the work.

        Args:
            pending: Chunks by generator.
            actors: How many there may be at a time.
        """
        self._queues = {generator: deque(chunks) for generator, chunks in pending}
        self._most = actors
        self._actors: dict[int, _Actor] = {}
        self._numbers = count()
        self._deaths: Counter[str] = Counter()

    @property
    def finished(self) -> bool:
        """Whether all chunks are made."""
        return not any(self._queues.values()) and all(actor.chunk is None for actor in self._actors.values())

    def orders(self) -> list[tuple[int, Chunk]]:
        """Actors that are free, each with the chunk that it gets now."""
        given = []
        for number, actor in self._actors.items():
            if actor.ready and actor.chunk is None and self._queues[actor.generator]:
                actor.chunk = self._queues[actor.generator].popleft()
                given.append((number, actor.chunk))
        return given

    def releases(self) -> list[int]:
        """Actors that nothing is left for; they are forgotten."""
        idle = [n for n, a in self._actors.items() if a.chunk is None and not self._queues[a.generator]]
        for number in idle:
            del self._actors[number]
        return idle

    def starts(self) -> list[tuple[int, str]]:
        """Actors that are to be started now, each with its generator; they count from now on."""
        begun = []
        while len(self._actors) < self._most and (generator := self._neediest()) is not None:
            number = next(self._numbers)
            self._actors[number] = _Actor(generator)
            begun.append((number, generator))
        return begun

    def done(self, number: int) -> int:
        """Notes that an actor has started, or has made its chunk.

        Returns:
            Number of records of the chunk, 0 where it has started.
        """
        actor = self._actors[number]
        made, actor.chunk, actor.ready = actor.chunk, None, True
        if made is None:
            del self._deaths[actor.generator]
        return 0 if made is None else len(made.positions)

    def died(self, number: int, cause: str) -> None:
        """Notes that an actor is gone; its chunk is the next to be given out.

        Args:
            number: Of the actor.
            cause: Why, as far as that is known.

        Raises:
            DataError: Too many have died over this chunk, or without ever starting.
        """
        actor = self._actors.pop(number)
        over = actor.generator if actor.chunk is None else actor.chunk.name
        self._deaths[over] += 1
        if self._deaths[over] >= DEATHS:
            when = "while starting" if actor.chunk is None else f"over {actor.chunk.name}"
            raise DataError(
                actor.generator,
                f"its process died {DEATHS} times {when}: {cause}",
                "what is made is kept; give the same command again, with a smaller batch if memory ran out",
            )
        if actor.chunk is not None:
            self._queues[actor.generator].appendleft(actor.chunk)

    def gives_way(self, number: int) -> bool:
        """Whether an actor that waits for a free machine leaves its place to a generator that has none.

        Args:
            number: Of an actor that has not started; it is forgotten if it gives way, and its generator comes last.
        """
        actor = self._actors[number]
        served = {other.generator for other in self._actors.values()}
        if actor.ready or not any(queue for name, queue in self._queues.items() if name not in served):
            return False
        del self._actors[number]
        self._queues[actor.generator] = self._queues.pop(actor.generator)
        return True

    def _neediest(self) -> str | None:
        """The generator that another actor helps most; the first of several."""
        actors = Counter(actor.generator for actor in self._actors.values())
        free = Counter(actor.generator for actor in self._actors.values() if actor.chunk is None)
        wanting = [name for name, queue in self._queues.items() if len(queue) > free[name]]
        return max(
            wanting,
            key=lambda name: len(self._queues[name]) / actors[name] if actors[name] else math.inf,
            default=None,
        )


@dataclass(frozen=True)
class Heard:
    """What became of the last thing that an actor was asked for.

    Attributes:
        actor: Its number.
        died: Why it is gone; "" where it did what it was asked for.
    """

    actor: int
    died: str = ""


class Crew(Protocol):
    """Processes that make chunks, by number."""

    def start(self, actor: int, generator: str) -> None:
        """Starts one for a generator; that it has started is heard."""

    def work(self, actor: int, chunk: Chunk) -> None:
        """Gives it a chunk; that it is made is heard."""

    def release(self, actor: int) -> None:
        """Ends it; nothing is heard of it any more."""

    def listen(self) -> list[Heard]:
        """Waits until something is heard, or for some seconds.

        Raises:
            ContrafakeError: What an actor raised.
        """

    def waiting(self) -> list[int]:
        """Those that have been waiting for a free machine for long."""


def work_off(schedule: Schedule, crew: Crew, made: Callable[[int], None]) -> None:
    """Lets a crew make all chunks of a schedule.

    Args:
        schedule: Says who does what.
        crew: Does it.
        made: Called with the number of records of each finished chunk.

    Raises:
        ContrafakeError: What an actor raised, or too many died.
    """
    while not schedule.finished:
        for actor, chunk in schedule.orders():
            crew.work(actor, chunk)
        for actor in schedule.releases():
            crew.release(actor)
        for actor, generator in schedule.starts():
            crew.start(actor, generator)
        for heard in crew.listen():
            if heard.died:
                schedule.died(heard.actor, heard.died)
                crew.release(heard.actor)
            elif records := schedule.done(heard.actor):
                made(records)
        for actor in crew.waiting():
            if schedule.gives_way(actor):
                crew.release(actor)
