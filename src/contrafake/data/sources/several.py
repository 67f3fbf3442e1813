"""Several addresses as one set, each perhaps named as a split: `train=shards/a-*.tar val=folder/`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from contrafake.data.origins import OriginTable
from contrafake.data.sample import Record
from contrafake.data.sources.folders import SPLIT_NAMES
from contrafake.data.sources.source import SHOWN, Source
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contrafake.data.sample import Sample
    from contrafake.data.sources.source import Item


class Several(Source):
    """Sources one after the other; keys that could collide get their place in front."""

    layout = "several"

    def __init__(self, parts: Sequence[tuple[str, Source]]) -> None:
        """Takes (split, source) pairs; a split of "" leaves what the source says.

        Raises:
            UsageError: There are none, or sources of different tasks are mixed.
        """
        if not parts:
            raise UsageError("data", "none given")
        tasks = {source.task for _, source in parts}
        if len(tasks) > 1:
            raise UsageError("data", "sets of real and generated images are mixed with sets of anomalies")
        super().__init__(parts[0][1].root)
        self.parts = list(parts)
        self.task = tasks.pop()  # type: ignore[misc]
        self.classes = tuple({label for _, source in parts for label in source.classes})  # type: ignore[misc]

    @property
    def origins(self) -> OriginTable:
        """The tables of all parts."""
        return OriginTable(origin for _, source in self.parts for origin in source.origins)

    def _list(self) -> Iterator[Item]:
        for position, (split, source) in enumerate(self.parts):
            prefix = f"{position}/" if len(self.parts) > 1 else ""
            for item in source:
                yield _renamed(item, prefix, split)
            for reason, count in source.census.skipped.items():
                self.census.skipped[reason] += count
                shown = self.census.examples.setdefault(reason, [])
                shown.extend(source.census.examples[reason][: SHOWN - len(shown)])
            self.census.notes.extend(source.census.notes)


def split_address(address: str) -> tuple[str, str]:
    """Takes `train=PATH` apart; a path that exists as it is written is never taken apart.

    Returns:
        (split or "", path).
    """
    name, equals, path = address.partition("=")
    if equals and name.lower() in SPLIT_NAMES and not Path(address).exists():
        return SPLIT_NAMES[name.lower()], path
    return "", address


def _renamed(item: Item, prefix: str, split: str) -> Item:
    if isinstance(item, Record):
        real, *generated = (_renamed_sample(sample, prefix, split) for sample in item.samples)
        return replace(item, key=prefix + item.key, real=real, generated=tuple(generated))
    return _renamed_sample(item, prefix, split)


def _renamed_sample(sample: Sample, prefix: str, split: str) -> Sample:
    group = prefix + sample.group if sample.group else ""
    return replace(sample, key=prefix + sample.key, group=group, split=split or sample.split)
