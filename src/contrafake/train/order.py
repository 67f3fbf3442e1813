"""Which images each position of the endless order holds: a pure function of seed and position.

Whoever asks for the same position gets the same images, so processes and workers share out the positions without a
word between them, and a run that goes on at some step sees what it would have seen.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.data.listing import Listing
    from contrafake.train.config import DataConfig

# Streams of chance: draws, permutations of an epoch, permutations of siblings. The feed draws views from another one.
DRAWS, EPOCHS, SIBLINGS = 1, 2, 3

Draw = tuple[int, tuple[int, ...]]


@dataclass(frozen=True)
class Pairs:
    """Paired records.

    Attributes:
        real: (R,) int64 rows of the real images; the generated siblings are the rows that follow.
        siblings: (R,) int64 numbers of siblings, at least 1.
        shard: (R,) int32 shard of each record, those of a shard side by side.
    """

    real: NDArray[np.int64]
    siblings: NDArray[np.int64]
    shard: NDArray[np.int32]


@dataclass(frozen=True)
class Lone:
    """Images of one class, by themselves.

    Attributes:
        rows: (N,) int64 their rows.
        origin: (N,) int32 code of each one's origin.
        shard: (N,) int32 shard of each, those of a shard side by side.
    """

    rows: NDArray[np.int64]
    origin: NDArray[np.int32]
    shard: NDArray[np.int32]


Population = Pairs | tuple[Lone, Lone]


class Order(Protocol):
    """An endless order of records.

    Attributes:
        paired: Whether a draw is a record, whose images belong together, or lone images.
    """

    paired: bool

    def draw(self, position: int, attempt: int = 0) -> Draw:
        """The rows of one real image and of its generated ones.

        Args:
            position: 0, 1, ...
            attempt: Above 0, another draw in the place of one that cannot be used.
        """
        ...


def make_order(listing: Listing, data: DataConfig, seed: int) -> Order:
    """The order that a configuration asks for.

    Raises:
        DataError: If a class is empty, or paired records and lone samples are mixed.
    """
    population = find_population(listing, data.train)
    if data.order == "epoch":
        return Epochs(population, generated=data.generated_per_record, window=data.window, seed=seed)
    return Resampled(population, generated=data.generated_per_record, seed=seed)


def find_population(listing: Listing, patterns: list[str]) -> Population:
    """Finds what there is to draw from: records, or the images of each class.

    Raises:
        DataError: See `make_order`; names the patterns, and what the listing left out.
    """
    subject = ", ".join(patterns) or "data.train"
    for label, name in ((REAL, "real"), (GENERATED, "generated")):
        if not (listing.label == label).any():
            cause = f"there is no {name} image among {len(listing)}{left_out(listing.damage)}"
            raise DataError(subject, cause, "both classes are needed")
    paired = listing.record >= 0
    if not paired.any():
        return _lone(listing, REAL), _lone(listing, GENERATED)
    if not paired.all():
        raise DataError(subject, "paired records and lone samples are mixed", "train on one kind")
    rows = np.flatnonzero(listing.label == REAL)
    return Pairs(rows, np.diff(rows, append=len(listing)) - 1, listing.shard[rows])


class Resampled:
    """Draws with replacement.

    Paired records are drawn uniformly, then their generated images (as the official code does, which takes one). Lone
    samples are drawn per class: an origin with probability proportional to the square root of its size, so that small
    generators are seen and large ones still weigh more, then one of its images uniformly.
    """

    def __init__(self, population: Population, *, generated: int, seed: int) -> None:
        """Prepares the draws; `generated` images for each real one, of a record without repetition if it has enough."""
        self.paired = isinstance(population, Pairs)
        self._population = population
        self._generated = generated
        self._seed = seed
        self._origins = [] if isinstance(population, Pairs) else [_by_origin(lone) for lone in population]

    def draw(self, position: int, attempt: int = 0) -> Draw:
        """See `Order.draw`."""
        rng = np.random.default_rng([self._seed, DRAWS, attempt, position])
        if isinstance(self._population, Pairs):
            return _draw_record(self._population, self._generated, rng)
        real, generated = self._origins
        return _draw_lone(real, rng), tuple(_draw_lone(generated, rng) for _ in range(self._generated))


class Epochs:
    """Shows each record once before any is shown again, in an order of its own in every epoch.

    Of a record's K generated images each epoch takes the next, by an order of the record's own, so that all are seen
    alike. Of lone samples the two classes have epochs of their own: each image once per epoch of its class.
    """

    def __init__(self, population: Population, *, generated: int, window: int, seed: int) -> None:
        """Prepares the epochs; for `window` see `DataConfig.window`."""
        self.paired = isinstance(population, Pairs)
        self._population = population
        self._generated = generated
        self._seed = seed
        shards = [population.shard] if isinstance(population, Pairs) else [lone.shard for lone in population]
        self._shuffled = [Shuffled(shard, window, (seed, EPOCHS, label)) for label, shard in enumerate(shards)]

    def draw(self, position: int, attempt: int = 0) -> Draw:
        """See `Order.draw`; replacements are drawn uniformly."""
        count = self._generated
        if attempt:
            rng = np.random.default_rng([self._seed, DRAWS, attempt, position])
            if isinstance(self._population, Pairs):
                return _draw_record(self._population, count, rng)
            real, generated = (lone.rows for lone in self._population)
            return int(rng.choice(real)), tuple(rng.choice(generated, count).tolist())
        if isinstance(self._population, Pairs):
            epoch, record = self._shuffled[0][position]
            order = np.random.default_rng([self._seed, SIBLINGS, record]).permutation(self._population.siblings[record])
            taken = order[(epoch * count + np.arange(count)) % len(order)]
            return _siblings(self._population, record, taken)
        real, generated = (lone.rows for lone in self._population)
        places = range(position * count, (position + 1) * count)
        return (
            int(real[self._shuffled[REAL][position][1]]),
            tuple(int(generated[self._shuffled[GENERATED][place][1]]) for place in places),
        )


class Shuffled:
    """Numbers below n in an endless order, each once per epoch, shuffled anew for each epoch."""

    def __init__(self, shard: NDArray[np.int32], window: int, key: tuple[int, ...]) -> None:
        """Prepares the order.

        Args:
            shard: (n,) the shard of each number, those of a shard side by side.
            window: Shards that are shuffled together after the shards have been shuffled; 0 shuffles all.
            key: Decides the order, together with the epoch.
        """
        starts = np.flatnonzero(np.diff(shard, prepend=-1))
        self._starts = starts
        self._ends = np.append(starts[1:], len(shard))
        self._window = window or len(starts)
        self._key = key
        self._current: tuple[int, NDArray[Any]] = (-1, np.empty(0))

    def __getitem__(self, position: int) -> tuple[int, int]:
        """The epoch that a position lies in, and its number."""
        epoch, place = divmod(position, int(self._ends[-1]))
        if self._current[0] != epoch:
            self._current = (epoch, self._permutation(epoch))
        return epoch, int(self._current[1][place])

    def _permutation(self, epoch: int) -> NDArray[Any]:
        rng = np.random.default_rng([*self._key, epoch])
        count = int(self._ends[-1])
        shards = rng.permutation(len(self._starts))
        order = np.empty(count, np.int32 if count < 2**31 else np.int64)  # kept: each worker holds one
        done = 0
        for first in range(0, len(shards), self._window):
            begun = done
            for shard in shards[first : first + self._window]:
                start, end = self._starts[shard], self._ends[shard]
                order[done : done + end - start] = np.arange(start, end)
                done += end - start
            rng.shuffle(order[begun:done])
        return order


def _lone(listing: Listing, label: int) -> Lone:
    rows = np.flatnonzero(listing.label == label)
    return Lone(rows, listing.origin[rows], listing.shard[rows])


def _draw_record(pairs: Pairs, count: int, rng: np.random.Generator) -> Draw:
    record = int(rng.integers(len(pairs.real)))
    siblings = int(pairs.siblings[record])
    return _siblings(pairs, record, rng.permutation(siblings)[np.arange(count) % siblings])


def _siblings(pairs: Pairs, record: int, taken: NDArray[np.int64]) -> Draw:
    real = int(pairs.real[record])
    return real, tuple((real + 1 + taken).tolist())


def _by_origin(lone: Lone) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
    """The rows of each origin, and the square roots of their numbers, normalised."""
    order = np.argsort(lone.origin, kind="stable")
    _, starts = np.unique(lone.origin[order], return_index=True)
    groups = np.split(lone.rows[order], starts[1:])
    roots = np.sqrt([len(group) for group in groups])
    return groups, roots / roots.sum()


def _draw_lone(origins: tuple[list[NDArray[np.int64]], NDArray[np.float64]], rng: np.random.Generator) -> int:
    groups, shares = origins
    group = groups[rng.choice(len(groups), p=shares)]
    return int(group[rng.integers(len(group))])


def left_out(damage: dict[str, str]) -> str:
    """What a listing left out, as the end of a sentence: number, most frequent causes, first address."""
    if not damage:
        return ""
    causes = ", ".join(f"{number} x {cause}" for cause, number in Counter(damage.values()).most_common(3))
    return f"; {len(damage)} were left out: {causes}, the first: {next(iter(damage))}"
