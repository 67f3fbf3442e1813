"""A build as it stands in its store: its settings, its records, what is done of it and what is not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contrafake.errors import DataError
from contrafake.generate.chunk import CHUNKS, FAILED, ChunkResult, generator_names, plan_shards
from contrafake.generate.config import GenerateConfig
from contrafake.generate.plan import donors_of
from contrafake.generate.shard import NOTES, read_note, reopen
from contrafake.generate.store import WORK
from contrafake.settings import flat_settings, parse_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.generate.chunk import Chunk, ShardPlan
    from contrafake.generate.generators.settings import AnyGenerator
    from contrafake.generate.plan import Donors
    from contrafake.generate.reals.records_file import Records
    from contrafake.generate.store import Store

CONFIG_NAME = "config.json"
SUMMARY_NAME = "build.json"
RECORDS_NAME = "records.parquet"
BEGUN = f"{WORK}/begun"

_FREE = {"batch", "device", "offload", "compile", "seconds", "pause", "family", "base_model", "licence", "apart"}
"""Settings of a generator or captioner that may change between two runs: they change no image but for rounding."""


@dataclass
class Project:
    """One build, opened.

    Attributes:
        config: Its settings, with the generators of earlier runs that are finished.
        store: Where it lies.
        records: Its real images.
        donors: Encodings that the d3 law draws from.
        shards: All shards that it will have, by generator.
    """

    config: GenerateConfig
    store: Store
    records: Records
    donors: Donors = field(init=False)
    shards: dict[str, list[ShardPlan]] = field(init=False)

    def __post_init__(self) -> None:
        """Lays out the shards, which takes no look at the store."""
        facts = (self.records[place].facts for place in range(len(self.records)))
        self.donors = donors_of(facts if self.config.law.kind == "d3" else ())
        self.shards = {name: [] for name in generator_names(self.config)}
        for plan in plan_shards(self.config, self.records, self.shards):
            self.shards[plan.generator].append(plan)

    @property
    def plans(self) -> list[ShardPlan]:
        """All shards, generator by generator."""
        return [plan for plans in self.shards.values() for plan in plans]

    def unfinished(self) -> list[ShardPlan]:
        """The shards that have no note yet."""
        noted = self.store.names(NOTES)
        return [plan for plan in self.plans if f"{plan.name}.json" not in noted]

    def pending(self, part: tuple[int, int] | None = None) -> Iterator[tuple[ShardPlan, list[Chunk]]]:
        """The unfinished shards with the chunks that are still to be made.

        Args:
            part: (i, n) for the i-th of n machines: every n-th chunk, counted over the whole build, so that what one
                machine does never depends on how far the others are.
        """
        wanted: set[str] | None = None
        if part is not None:
            every = [chunk.name for plan in self.plans for chunk in plan.chunks]
            wanted = set(every[part[0] - 1 :: part[1]])
        begun = self.store.folders(CHUNKS)
        for plan in self.unfinished():
            done = self.store.names(f"{CHUNKS}/{plan.name}") if plan.name in begun else set()
            left = [chunk for chunk in plan.chunks if chunk.name.rsplit("/", 1)[1] not in done]
            yield plan, [chunk for chunk in left if wanted is None or chunk.name in wanted]

    def reopen_failed(self, generators: set[str]) -> int:
        """Puts whatever failed back among what is pending.

        Args:
            generators: Of these alone.

        Returns:
            Number of shards and chunks in which something had failed.
        """
        count = 0
        for plan in self.plans:
            if plan.generator not in generators:
                continue
            note = read_note(self.store, plan.name)
            count += reopen(self.store, plan, note) if note else self._reopen_chunks(plan)
        return count

    def _reopen_chunks(self, plan: ShardPlan) -> int:
        count, done = 0, self.store.names(f"{CHUNKS}/{plan.name}")
        for chunk in plan.chunks:
            if chunk.name.rsplit("/", 1)[1] in done:
                result = ChunkResult.from_bytes(self.store.read(chunk.name), self.store.place(chunk.name))
                kept = [outcome for outcome in result.outcomes if outcome.status != FAILED]
                if len(kept) < len(result.outcomes):
                    result.outcomes = kept
                    self.store.write(chunk.kept_name, result.to_bytes())
                    self.store.remove(chunk.name)
                    count += 1
        return count


def settled(config: GenerateConfig, store: Store) -> GenerateConfig:
    """The settings of a build that may have been begun: those given, and the generators that are finished already.

    Args:
        config: What is given now.
        store: Where the build lies.

    Raises:
        DataError: What was begun has other settings; they are named.
    """
    saved = store.find(CONFIG_NAME)
    if saved is None or RECORDS_NAME not in store.names():
        return config
    before = parse_settings(GenerateConfig, parsed(saved, store, CONFIG_NAME), store.place(CONFIG_NAME))
    changed = _changes(_begun_with(before, config, store), config, store.names(BEGUN))
    summary = store.find(SUMMARY_NAME)
    finished = set(parsed(summary, store, SUMMARY_NAME).get("generators", [])) if summary else set()
    given = {generator.name: generator for generator in config.generators}
    merged = [given.pop(old.name, old) for old in before.generators if old.name in given or old.name in finished]
    if changed:
        cause = f"the build there was begun with other settings ({'; '.join(changed)})"
        raise DataError(store.address, cause, "use the same, or name another folder with --out")
    return config.model_copy(update={"generators": [*merged, *given.values()]})


def save_config(config: GenerateConfig, store: Store) -> None:
    """Writes the settings down, paths as they were given, with ``${NAME}`` and all."""
    store.write(CONFIG_NAME, json.dumps(config.model_dump(mode="json"), indent=1).encode())


def note_begun(settings: AnyGenerator | None, name: str, store: Store) -> None:
    """Writes down that images of a generator are being stored, so that its settings stay as they are from now on.

    They are kept apart from the configuration: a generator may be left out of it for a while.

    Args:
        settings: Of the generator, None for the real images.
        name: Of the generator.
        store: Where the build lies.
    """
    store.write(f"{BEGUN}/{name}", b"" if settings is None else json.dumps(settings.model_dump(mode="json")).encode())


def _begun_with(before: GenerateConfig, now: GenerateConfig, store: Store) -> GenerateConfig:
    """The settings before, of those generators that are given now; also of one that was left out for a while."""
    known = {generator.name: generator.model_dump(mode="json") for generator in before.generators}
    for name in store.names(BEGUN) & {generator.name for generator in now.generators}:
        if data := store.find(f"{BEGUN}/{name}"):
            known[name] = parsed(data, store, f"{BEGUN}/{name}")
    kept = [known[generator.name] for generator in now.generators if generator.name in known]
    values = {**before.model_dump(mode="json"), "generators": kept}
    return parse_settings(GenerateConfig, values, store.place(BEGUN)) if kept else before


def _changes(before: GenerateConfig, now: GenerateConfig, begun: set[str]) -> list[str]:
    """What differs in settings that images made so far depend on: of the real images, the law, generators begun."""

    def flat(config: GenerateConfig) -> dict[str, Any]:
        values = config.model_dump(mode="json")
        values["output"].pop("audit_records")
        for free in _FREE & (values["reals"]["captioner"] or {}).keys():
            values["reals"]["captioner"].pop(free)
        values["generators"] = {
            generator["name"]: {key: value for key, value in generator.items() if key not in _FREE}
            for generator in values["generators"]
            if generator["name"] in both
        }
        return flat_settings(values if begun else {"reals": values["reals"]})

    both = begun & {g.name for g in before.generators} & {g.name for g in now.generators}
    old, new = flat(before), flat(now)
    return [f"{key} {old.get(key)}, now {new.get(key)}" for key in sorted({*old, *new}) if old.get(key) != new.get(key)]


def parsed(data: bytes, store: Store, name: str) -> dict[str, Any]:
    """A JSON file of a build.

    Args:
        data: Its content.
        store: Holds it.
        name: Its name there.

    Raises:
        DataError: It is damaged.
    """
    try:
        found = json.loads(data)
    except ValueError as error:
        raise DataError(store.place(name), f"is damaged ({error})", "name another folder with --out") from error
    if not isinstance(found, dict):
        raise DataError(store.place(name), "is damaged (no settings)", "name another folder with --out")
    return found
