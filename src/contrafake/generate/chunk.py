"""A chunk: some neighbouring records of one generator, whose outcomes are stored together."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from contrafake.errors import DataError
from contrafake.generate.generators.settings import RESERVED as REAL_NAME
from contrafake.generate.store import WORK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from contrafake.generate.config import GenerateConfig
    from contrafake.generate.reals.records_file import Records

CHUNKS = f"{WORK}/chunks"
_OUTCOMES = "outcomes.json"

MADE, FAILED, FILTERED, SKIPPED = "made", "failed", "filtered", "skipped"


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is made in one go.

    Attributes:
        generator: Name of the generator, "real" for the real images.
        shard: File name of the shard that its images go into.
        number: Its place among the shard's chunks.
        positions: Places of its records in the list of all.
    """

    generator: str
    shard: str
    number: int
    positions: tuple[int, ...]

    @property
    def name(self) -> str:
        """File in the store that holds its outcomes until the shard is assembled."""
        return f"{CHUNKS}/{self.shard}/{self.number:05d}.tar"

    @property
    def kept_name(self) -> str:
        """File in the store with the outcomes that an unfinished chunk keeps from earlier."""
        return f"{CHUNKS}/{self.shard}/{self.number:05d}.kept.tar"


@dataclass(frozen=True)
class ShardPlan:
    """The chunks of one shard.

    Attributes:
        name: File name of the shard.
        generator: Whose images it holds.
        split: Their split.
        chunks: Its chunks, in order.
    """

    name: str
    generator: str
    split: str
    chunks: tuple[Chunk, ...]

    @property
    def records(self) -> int:
        """Number of records that it covers."""
        return sum(len(chunk.positions) for chunk in self.chunks)


def plan_shards(config: GenerateConfig, records: Records, generators: Iterable[str]) -> Iterator[ShardPlan]:
    """Which records go into which shard and chunk: a function of the records and the settings alone.

    Args:
        config: Its `output` says how large shards and chunks are.
        records: All records.
        generators: Names, in the order in which they are worked on; "real" for the real images.
    """
    by_split: dict[str, list[int]] = {}
    for position, split in enumerate(records.splits):
        by_split.setdefault(split, []).append(position)
    size, step = config.output.records_per_shard, config.output.chunk
    for generator in generators:
        for split, positions in sorted(by_split.items()):
            for number, start in enumerate(range(0, len(positions), size)):
                inside = positions[start : start + size]
                name = f"{f'{split}-' if split else ''}{generator}-{number:05d}.tar"
                chunks = (
                    Chunk(generator, name, place, tuple(inside[at : at + step]))
                    for place, at in enumerate(range(0, len(inside), step))
                )
                yield ShardPlan(name, generator, split, tuple(chunks))


def generator_names(config: GenerateConfig) -> list[str]:
    """The real images first, then the generators in the order of the configuration."""
    return [REAL_NAME, *(generator.name for generator in config.generators)]


@dataclass(frozen=True)
class Outcome:
    """What became of one record at one generator.

    Attributes:
        key: Key of the image.
        record: Key of the record.
        status: "made", "failed", "filtered" or "skipped".
        cause: Why it was not made, "" where it was.
        attempts: How often it was tried.
        content: Hash of the pixels as they were made, "" where none were.
        image: What the index says of the finished image.
        members: The image's members by suffix; kept out of the list of outcomes.
    """

    key: str
    record: str
    status: str
    cause: str = ""
    attempts: int = 0
    content: str = ""
    image: dict[str, Any] = field(default_factory=dict)
    members: dict[str, bytes] = field(default_factory=dict)


@dataclass
class ChunkResult:
    """The outcomes of a chunk.

    Attributes:
        outcomes: In the order of the records.
        seconds: Wall time that making the images took, without loading the model.
        facts: What the generator said of itself.
    """

    outcomes: list[Outcome]
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """A tar file: a list of the outcomes, then the members."""
        listed = [{**asdict(outcome), "members": list(outcome.members)} for outcome in self.outcomes]
        head = {"outcomes": listed, "seconds": self.seconds, "facts": self.facts}
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, _OUTCOMES, json.dumps(head).encode())
            for outcome in self.outcomes:
                for suffix, data in outcome.members.items():
                    _add(tar, f"{outcome.key}.{suffix}", data)
        return target.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, subject: str) -> ChunkResult:
        """Reads what `to_bytes` wrote.

        Raises:
            DataError: It is damaged.
        """
        try:
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
                held = {member.name: _content(tar, member) for member in tar.getmembers()}
            head = json.loads(held[_OUTCOMES])
            outcomes = [
                Outcome(**{**entry, "members": {s: held[f"{entry['key']}.{s}"] for s in entry["members"]}})
                for entry in head["outcomes"]
            ]
            return cls(outcomes, head["seconds"], head["facts"])
        except (tarfile.TarError, OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                subject, f"is damaged ({error})", "remove it and start again; its images are made anew"
            ) from error


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""
