"""Building a set: every chunk of every generator, then its shards, then what is said of the whole."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from contrafake.data.lock import locked
from contrafake.data.parallel import default_workers
from contrafake.errors import DataError, UsageError
from contrafake.generate.bench import Bench
from contrafake.generate.chunk import generator_names
from contrafake.generate.finish import Built, finish
from contrafake.generate.generators.generator import check_generator
from contrafake.generate.prepare import open_records
from contrafake.generate.project import CONFIG_NAME, Project, save_config, settled
from contrafake.generate.shard import assemble
from contrafake.generate.store import WORK, Store

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection

    from contrafake.generate.chunk import Chunk
    from contrafake.generate.config import GenerateConfig

    Advance = Callable[[str, int, int | None], None]
    Pending = list[tuple[str, list[Chunk]]]
    """Chunks to make, generator by generator."""
    Maker = Callable[[Project, Pending, Advance], None]


def build(
    config: GenerateConfig,
    out: str | os.PathLike[str],
    *,
    only: Collection[str] = (),
    part: tuple[int, int] | None = None,
    retry: bool = False,
    workers: int | None = None,
    make: Maker | None = None,
    advance: Advance = lambda _doing, _steps, _total: None,
) -> Built | None:
    """Builds a set, or goes on with one that was cut off; the result has the same images either way.

    Args:
        config: What to build.
        out: A new folder or address of an object store, or one where this build was begun. A generator that is new in
            the configuration is added, and no shard of another is touched.
        only: Names of generators to work on; all by default. "real" are the real images.
        part: (i, n) makes the chunks of the i-th of n machines and assembles nothing; a call without it completes.
        retry: Whether images that failed in an earlier run are tried again.
        workers: Processes that look at real images and audit; one a core by default. Models run in this process.
        make: Makes the chunks of each generator in another way, for example on a cluster.
        advance: Called with what is being done, the number of steps since the last call, and that of all.

    Returns:
        What was built; None where another call has to complete it.

    Raises:
        UsageError: A name or a part makes no sense.
        DataError: The folder holds something else or is in use; real images or a model are missing; the disk is full.
        ConfigError: A setting does not fit a model.
    """
    if part is not None and not 1 <= part[0] <= part[1]:
        raise UsageError("part", f"{part[0]}/{part[1]} makes no sense", "i/n with i from 1 to n")
    store, processes = Store(out), default_workers() if workers is None else workers
    with ExitStack() as stack:
        _claim(store, part, stack)
        config = settled(config, store)
        names = generator_names(config)
        if unknown := [name for name in only if name not in names]:
            cause = f"there is no generator {', '.join(unknown)}"
            raise UsageError("--only", cause, f"the build has {', '.join(names)}")
        save_config(config, store)
        project = Project(config, store, open_records(config.reals, store, processes, advance))
        wanted = set(only) or set(project.shards)
        if retry:
            project.reopen_failed(wanted)
        pending = _by_generator(project, wanted, part)
        (make or make_here)(project, pending, advance)
        if part is not None:
            return None
        _assemble(project, advance)
        if project.unfinished():
            return None
        return finish(project, processes, advance)


def make_here(project: Project, pending: Pending, advance: Advance) -> None:
    """Makes chunks in this process, one generator after the other, so that each model is loaded once."""
    for settings in project.config.generators:
        if any(name == settings.name for name, _ in pending):
            check_generator(settings)  # before hours of work on those that come first
    for generator, chunks in pending:
        total = sum(len(chunk.positions) for chunk in chunks)
        advance(f"making {generator}", 0, total)
        bench = Bench(project.config, project.records, project.donors, generator, project.store)
        try:
            for chunk in chunks:
                bench.make(chunk, lambda steps, name=generator, of=total: advance(f"making {name}", steps, of))  # type: ignore[misc]
        finally:
            bench.close()


def _by_generator(project: Project, wanted: Collection[str], part: tuple[int, int] | None) -> Pending:
    pending: dict[str, list[Chunk]] = {}
    for plan, chunks in project.pending(part):
        if plan.generator in wanted and chunks:
            pending.setdefault(plan.generator, []).extend(chunks)
    return list(pending.items())


def _assemble(project: Project, advance: Advance) -> None:
    """Assembles every shard whose chunks are all there."""
    ready = [plan for plan, chunks in project.pending() if not chunks]
    advance("assembling", 0, len(ready))
    for plan in ready:
        assemble(project.store, plan)
        advance("assembling", 1, len(ready))


def _claim(store: Store, part: tuple[int, int] | None, stack: ExitStack) -> None:
    """Refuses a folder that holds something else; keeps other runs away from a local one."""
    names = store.names()
    if CONFIG_NAME not in names and (names or store.folders()):
        raise DataError(store.address, "there is something else already", "name a new or empty folder")
    if store.folder is not None:
        try:
            (store.folder / WORK).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(store.address, f"cannot be made: {error.strerror or error}") from error
        stack.enter_context(locked(store.folder / WORK, part, "another run is building in it"))
        if part is None:
            store.sweep()
