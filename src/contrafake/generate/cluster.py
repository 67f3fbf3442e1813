"""Making the chunks of a build on a Ray cluster: actors that each hold one model, and the driver that feeds them."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from contextlib import redirect_stdout, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake import __version__
from contrafake.errors import ContrafakeError, DataError
from contrafake.generate.bench import Bench
from contrafake.generate.chunk import Chunk
from contrafake.generate.config import GenerateConfig
from contrafake.generate.prepare import open_records
from contrafake.generate.project import RECORDS_NAME, Project
from contrafake.generate.ray_cluster import in_short, joined
from contrafake.generate.schedule import Heard, Schedule, work_off
from contrafake.generate.store import Store

if TYPE_CHECKING:
    from contrafake.generate.build import Advance, Maker, Pending

_LOOK, _PATIENCE = 5.0, 30.0  # seconds: between two looks at actors that wait, and until one of them gives way


def make_on(address: str, actors: int) -> Maker:
    """How `build` makes chunks on a cluster.

    The folder of the build must be the same on all machines under the same path, or be an address of an object store;
    so must the real images and models. An actor takes a GPU where its generator computes on one and the cluster has
    GPUs. An actor that dies is replaced, and its chunk is made again.

    Args:
        address: "local" for processes of this machine alone, "auto" for the cluster that this machine belongs to, else
            the address of one. In a process that has called `ray.init`, that cluster is used.
        actors: How many models may be at work at a time.

    Returns:
        The argument `make` of `contrafake.generate.build.build`. It raises DataError where there is no such cluster, or
        where three processes have died over one chunk; MissingExtraError without Ray; else what making raises.
    """

    def make(project: Project, pending: Pending, advance: Advance) -> None:
        if not pending:
            return
        total = sum(len(chunk.positions) for _, chunks in pending for chunk in chunks)
        advance("making", 0, total)
        # Ray prints what happens to its processes to standard output, which is for the outcome.
        with redirect_stdout(sys.stderr), joined(address, actors) as ray:
            local = address == "local"
            crew = _RayCrew(ray, project, max(1, (os.cpu_count() or 1) // actors) if local else 1, local=local)
            try:
                work_off(Schedule(pending, actors), crew, lambda records: advance("making", records, total))
            finally:
                crew.close()

    return make


class _Workplace:
    """The process of an actor: opens the build, then makes chunks of one generator. It is given plain data alone."""

    def __init__(self, build: dict[str, Any], generator: str) -> None:
        self._build, self._generator = build, generator
        self._bench: Bench | None = None

    def open(self) -> None:
        """Opens the build, not yet the model.

        Raises:
            DataError: The build is not the same here.
        """
        build, here = self._build, socket.gethostname()
        if build["version"] != __version__:
            cause = f"has contrafake {__version__}, and {build['version']} where the build was started"
            raise DataError(here, cause, "install the same version on all machines")
        os.environ.update(build["environment"])
        with suppress(OSError):  # relative paths of a program mean what they say where the build was started
            os.chdir(build["folder"])
        config, store = GenerateConfig.model_validate(build["config"]), Store(build["store"])
        elsewhere = "name a folder that all machines share, or an object store"
        if RECORDS_NAME not in store.names():
            raise DataError(store.address, f"does not hold the build on {here}", elsewhere)
        records = open_records(config.reals, store, 1, lambda _doing, _steps, _total: None)
        if len(records) != build["records"]:
            raise DataError(store.address, f"holds another build on {here}", elsewhere)
        project = Project(config, store, records)
        self._bench = Bench(config, records, project.donors, self._generator, store)

    def make(self, chunk: dict[str, Any]) -> None:
        assert self._bench is not None  # noqa: S101 - for the type checker; opened first
        self._bench.make(Chunk(**chunk))

    def close(self) -> None:
        if self._bench is not None:
            self._bench.close()


class _RayCrew:
    """Actors of Ray."""

    def __init__(self, ray: Any, project: Project, cores: int, *, local: bool) -> None:
        self._ray, self._config, self._cores, self._local = ray, project.config, cores, local
        store = project.store
        self._build = {
            "version": __version__,
            "store": store.address if store.folder is None else str(store.folder.absolute()),
            "config": project.config.model_dump(mode="json"),
            "records": len(project.records),
            "environment": _variables(project.config),
            "folder": str(Path.cwd()),
        }
        self._class = ray.remote(max_restarts=0, max_task_retries=0)(_Workplace)
        self._handles: dict[int, Any] = {}
        self._asked: dict[Any, int] = {}
        self._starting: dict[int, float] = {}

    def start(self, actor: int, generator: str) -> None:
        handle = self._class.options(num_cpus=self._cores, num_gpus=self._gpus(generator)).remote(
            self._build, generator
        )
        self._handles[actor] = handle
        self._asked[handle.open.remote()] = actor
        self._starting[actor] = time.monotonic()

    def work(self, actor: int, chunk: Chunk) -> None:
        self._asked[self._handles[actor].make.remote(asdict(chunk))] = actor

    def release(self, actor: int) -> None:
        handle = self._handles.pop(actor)
        if self._starting.pop(actor, None) is None:
            handle.close.remote()  # when that is done, Ray ends an actor that nobody holds any more
        else:
            self._ray.kill(handle)
        self._asked = {asked: other for asked, other in self._asked.items() if other != actor}

    def listen(self) -> list[Heard]:
        errors = self._ray.exceptions
        heard = []
        for asked in self._ray.wait(list(self._asked), num_returns=1, timeout=_LOOK)[0]:
            actor = self._asked.pop(asked)
            try:
                self._ray.get(asked)
            except errors.RayTaskError as error:
                if isinstance(error.cause, ContrafakeError):
                    raise error.cause from None
                raise
            except errors.RayError as error:  # whatever else Ray says is about processes and machines that are gone
                heard.append(Heard(actor, in_short(str(error))))
            else:
                self._starting.pop(actor, None)
                heard.append(Heard(actor))
        return heard

    def waiting(self) -> list[int]:
        now = time.monotonic()
        return [actor for actor, since in self._starting.items() if now - since > _PATIENCE]

    def close(self) -> None:
        """Ends all actors at once."""
        for handle in self._handles.values():
            self._ray.kill(handle)
        self._handles.clear()

    def _gpus(self, generator: str) -> int:
        """GPUs that an actor takes. A cluster may get its first one later, this machine will not."""
        device = next((getattr(g, "device", "cpu") for g in self._config.generators if g.name == generator), "cpu")
        there = self._ray.cluster_resources().get("GPU", 0) >= 1
        return int(device != "cpu" and (there or (device == "cuda" and not self._local)))


def _variables(config: GenerateConfig) -> dict[str, str]:
    """Environment variables that paths of a configuration name; keys of services go to no other machine."""
    plain = config.model_dump(mode="json")
    for generator in plain["generators"]:
        generator.pop("headers", None)
    named = {"CONTRAFAKE_DATA", *re.findall(r"\$\{(\w+)\}", json.dumps(plain))}
    return {name: os.environ[name] for name in sorted(named) if name in os.environ}
