"""One interface for every data set: what it lists, what it counts, and what it could not take."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from contrafake.data.sample import GENERATED, REAL, Record, Sample
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contrafake.data.origins import OriginTable

Item: TypeAlias = Sample | Record

SHOWN = 20
"""How many addresses are kept for each reason to skip; all are counted."""

CLASS_NAMES = {"detection": {REAL: "real", GENERATED: "generated"}, "anomaly": {0: "normal", 1: "anomalous"}}


@dataclass
class Census:
    """What a listing found, in memory that does not grow with the number of images.

    Attributes:
        images: Number of images by (split, label, origin).
        records: Number of paired records.
        skipped: For each reason, how many things were left out.
        examples: For each reason, the first addresses.
        notes: What else a user should know, for example a count that differs from the published one.
    """

    images: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    records: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, item: Item) -> None:
        """Counts a sample, or the samples of a record."""
        self.records += isinstance(item, Record)
        for sample in samples_of(item):
            self.images[sample.split, sample.label, sample.origin] += 1

    def skip(self, address: str, reason: str) -> None:
        """Counts something that was left out."""
        self.skipped[reason] += 1
        shown = self.examples.setdefault(reason, [])
        if len(shown) < SHOWN:
            shown.append(address)

    def of_class(self, label: int) -> int:
        """Number of images of one class."""
        return sum(count for (_, found, _), count in self.images.items() if found == label)

    def describe_skipped(self) -> list[str]:
        """One line for each reason, the most frequent first."""
        return [
            f"{count} skipped: {reason} ({', '.join(self.examples[reason][:3])}{', ...' if count > 3 else ''})"
            for reason, count in self.skipped.most_common()
        ]


class Source(ABC):
    """A data set in one layout. Iterating lists it, always in the same order, without reading any pixels.

    A subclass gives `_list`, which yields items and calls `self.census.skip` for whatever it leaves out: nothing is
    ever left out in silence.

    Attributes:
        layout: The layout's name, as `--layout` takes it.
        task: "detection" (real or generated) or "anomaly" (normal or anomalous, for the anomaly methods).
        root: Where the set lies.
        census: What the last complete listing found.
    """

    layout: ClassVar[str]
    task: ClassVar[Literal["detection", "anomaly"]] = "detection"
    classes: ClassVar[tuple[int, ...]] = (REAL, GENERATED)
    """Labels that a complete copy of this layout must hold."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.census = Census()

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether the folder or file looks like this layout; cheap, and false rather than wrong."""
        return False

    @property
    @abstractmethod
    def origins(self) -> OriginTable:
        """What is known of each origin."""

    @abstractmethod
    def _list(self) -> Iterator[Item]:
        """The items, in an order that depends on nothing but the set."""

    def __iter__(self) -> Iterator[Item]:
        """The items.

        Raises:
            DataError: At the end, if a class that the layout must hold came out empty; or if the set is unreadable.
        """
        self.census = Census()
        for item in self._list():
            self.census.add(item)
            yield item
        self._check()

    def _check(self) -> None:
        for label in self.classes:
            if not self.census.of_class(label):
                name = CLASS_NAMES[self.task][label]
                lost = "; ".join(self.census.describe_skipped()) or "nothing was skipped"
                raise DataError(str(self.root), f"layout {self.layout}: no {name} image ({lost})", "check the layout")


def samples_of(item: Item) -> tuple[Sample, ...]:
    """The samples of an item: itself, or a record's real image and its siblings."""
    return item.samples if isinstance(item, Record) else (item,)
