"""The validation images that a bundle remembers, and the new images that join them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrafake.model.bundle_config import ValidationNames
from contrafake.model.validation_memory import ValidationMemory
from contrafake.train.embedded import Embedded

if TYPE_CHECKING:
    from numpy.typing import NDArray

OWN = "own photographs"
"""What one's own real images are called."""


def as_memory(images: Embedded) -> ValidationMemory:
    """Embedded images in the form of a memory; the codes of origins and sources mean nothing in it."""
    none = np.zeros(len(images.labels), np.int64)
    return ValidationMemory(images.vectors, images.owner.astype(np.int64), images.labels, none, none)


def as_embedded(memory: ValidationMemory, names: ValidationNames) -> Embedded:
    """The images of a memory under their families' names."""
    families, sources = np.array(names.families, object), np.array(names.sources, object)
    return Embedded(
        memory.vectors, memory.owner, memory.labels, families[memory.origins], sources[memory.sources], broken={}
    )


@dataclass(frozen=True, eq=False)
class Judged:
    """The images that heads are judged by: none of them is ever fitted on.

    Attributes:
        names: What the codes of `memory` mean.
        memory: The validation images, as the old encoder embeds them and as the new one does.
        held: The new images held back, likewise.
        kinds: Family by origin, where it has another name.
    """

    names: ValidationNames
    memory: tuple[ValidationMemory, ValidationMemory]
    held: tuple[Embedded, Embedded]
    kinds: dict[str, str]

    @property
    def families(self) -> NDArray[np.object_]:
        """(N,) family of each validation image."""
        return np.array(self.names.families, object)[self.memory[0].origins]

    @property
    def held_families(self) -> NDArray[np.object_]:
        """(M,) family of each image held back."""
        found = np.empty(len(self.held[0].labels), object)
        found[:] = [self.kinds.get(origin, origin) for origin in self.held[0].origins.tolist()]
        return found

    @property
    def held_memory(self) -> tuple[ValidationMemory, ValidationMemory]:
        """The images held back, in the form of a memory."""
        return as_memory(self.held[0]), as_memory(self.held[1])

    def everything(self) -> tuple[Embedded, Embedded]:
        """All images under their families' names, before and after."""
        first, second = (
            _together(as_embedded(memory, self.names), held, self.held_families)
            for memory, held in zip(self.memory, self.held, strict=True)
        )
        return first, second


def _together(known: Embedded, held: Embedded, families: NDArray[np.object_]) -> Embedded:
    return Embedded(
        vectors=np.concatenate([known.vectors, held.vectors]),
        owner=np.concatenate([known.owner, held.owner + len(known.labels)]),
        labels=np.concatenate([known.labels, held.labels]),
        origins=np.concatenate([known.origins, families]),
        sources=np.concatenate([known.sources, held.sources]),
        broken={},
    )


def appended(
    memory: ValidationMemory, names: ValidationNames, new: Embedded, families: dict[str, str]
) -> tuple[ValidationMemory, ValidationNames]:
    """A memory with more images.

    Folders of one's own are not named: a source is called by its origin, with a number for each folder.

    Args:
        memory: The images that were there.
        names: What their codes mean.
        new: The others, as many crops of each.
        families: Family by origin, the origin itself where it is missing.
    """
    origins, kinds, sources = list(names.origins), list(names.families), list(names.sources)
    before = len(sources)
    of_origin, of_source = [], []
    numbers: dict[tuple[str, str], int] = {}
    for origin, source in zip(new.origins.tolist(), new.sources.tolist(), strict=True):
        if origin not in origins:
            origins.append(origin)
            kinds.append(families.get(origin, origin))
        of_origin.append(origins.index(origin))
        if (origin, source) not in numbers:
            numbers[origin, source] = len(sources)
            base = f"{origin} {len(sources) - before + 1}"
            sources.append(base if base not in sources else f"{base} of {len(sources)}")
        of_source.append(numbers[origin, source])
    joined = ValidationMemory(
        vectors=np.concatenate([memory.vectors, new.vectors]),
        owner=np.concatenate([memory.owner, new.owner + len(memory.labels)]),
        labels=np.concatenate([memory.labels, new.labels]),
        origins=np.concatenate([memory.origins, np.array(of_origin, np.int64)]),
        sources=np.concatenate([memory.sources, np.array(of_source, np.int64)]),
    )
    return joined, ValidationNames(crops=names.crops, origins=origins, families=kinds, sources=sources)
