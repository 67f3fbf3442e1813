"""Who makes what on a cluster: the schedule by itself, with a crew of numbers, and on real processes of Ray."""

from __future__ import annotations

import json
import os
import pickle
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_build import built, painter, settings, write_photographs

from contrafake.errors import ConfigError, DataError
from contrafake.generate.build import build
from contrafake.generate.chunk import Chunk
from contrafake.generate.cluster import make_on
from contrafake.generate.generators.generator import GenerationError
from contrafake.generate.schedule import DEATHS, Heard, Schedule, work_off

if TYPE_CHECKING:
    from contrafake.generate.build import Pending
    from contrafake.generate.config import GenerateConfig

SLURM = Path(__file__).parents[2] / "examples" / "slurm" / "generate.sbatch"


def work(**counts: int) -> Pending:
    """So many chunks of three records for each generator."""
    return [(g, [Chunk(g, f"{g}.tar", n, (3 * n, 3 * n + 1, 3 * n + 2)) for n in range(c)]) for g, c in counts.items()]


class Numbers:
    """A crew without processes: what is asked is done in the order in which it was asked, or in a drawn one.

    Attributes:
        lost: Numbers of requests over which an actor dies.
        stuck: Generators that no machine is free for.
    """

    def __init__(self, lost: set[int] = frozenset(), stuck: set[str] = frozenset(), order: int = 0) -> None:  # type: ignore[assignment]
        self.lost, self.stuck, self.order = lost, stuck, order
        self.loaded: dict[int, str] = {}
        self.asked: list[tuple[int, Chunk | None]] = []
        self.made: list[str] = []
        self.starts: list[str] = []
        self.most = self.requests = self.idle = 0

    def start(self, actor: int, generator: str) -> None:
        self.loaded[actor] = generator
        self.starts.append(generator)
        self.most = max(self.most, len(self.loaded))
        self.asked.append((actor, None))

    def work(self, actor: int, chunk: Chunk) -> None:
        assert self.loaded[actor] == chunk.generator
        assert actor not in [busy for busy, _ in self.asked]
        self.asked.append((actor, chunk))

    def release(self, actor: int) -> None:
        del self.loaded[actor]
        self.asked = [(other, chunk) for other, chunk in self.asked if other != actor]

    def listen(self) -> list[Heard]:
        placed = [asked for asked in self.asked if self.loaded[asked[0]] not in self.stuck]
        self.idle = 0 if placed else self.idle + 1
        if self.idle > 3:
            self.stuck = set()  # a machine joins
        if not placed:
            return []
        actor, chunk = placed[self.order % len(placed)]
        self.asked.remove((actor, chunk))
        self.requests += 1
        if self.requests in self.lost:
            return [Heard(actor, "the power failed")]
        if chunk is not None:
            self.made.append(chunk.name)
        return [Heard(actor)]

    def waiting(self) -> list[int]:
        return [actor for actor, generator in self.loaded.items() if generator in self.stuck]


@given(
    st.lists(st.integers(0, 7), max_size=4),
    st.integers(1, 5),
    st.sets(st.integers(1, 30), max_size=2),
    st.sets(st.sampled_from("abcd")),
    st.integers(0, 5),
)
def test_every_chunk_is_made_once_whoever_dies_or_waits(
    counts: list[int], actors: int, lost: set[int], stuck: set[str], order: int
) -> None:
    pending = work(**dict(zip("abcd", counts, strict=False)))
    crew, records = Numbers(lost, stuck, order), Counter[str]()
    work_off(Schedule(pending, actors), crew, lambda made: records.update(made=made))
    assert sorted(crew.made) == sorted(chunk.name for _, chunks in pending for chunk in chunks)
    assert records["made"] == 3 * sum(counts)
    assert crew.most <= actors


def test_a_model_is_loaded_as_rarely_as_possible() -> None:
    crew = Numbers()
    work_off(Schedule(work(a=4, b=4, c=4, d=4), 2), crew, lambda _: None)
    assert Counter(crew.starts) <= Counter(a=1, b=1, c=1, d=2)  # the last one is helped by whoever is free
    assert crew.starts[:2] == ["a", "b"]


def test_places_left_over_help_where_most_waits_and_never_idle() -> None:
    schedule = Schedule(work(a=2, b=9), 8)
    assert Counter(generator for _, generator in schedule.starts()) == Counter(a=2, b=6)
    assert Counter(generator for _, generator in Schedule(work(a=1, b=2), 8).starts()) == Counter(a=1, b=2)


def test_the_chunk_of_an_actor_that_died_comes_next() -> None:
    schedule = Schedule(work(a=3), 1)
    [(actor, _)] = schedule.starts()
    assert schedule.done(actor) == 0
    [(_, first)] = schedule.orders()
    schedule.died(actor, "killed")
    [(after, _)] = schedule.starts()
    assert schedule.orders() == []  # it has not started yet
    schedule.done(after)
    assert schedule.orders() == [(after, first)]
    assert schedule.done(after) == 3


def test_a_chunk_that_kills_every_process_ends_the_build() -> None:
    lost = set(range(2, 2 + 2 * DEATHS, 2))  # it starts, dies over its chunk, starts, ...
    crew = Numbers(lost)
    with pytest.raises(DataError, match=r"^a: its process died 3 times over .*a\.tar/00000\.tar: the power failed"):
        work_off(Schedule(work(a=2), 1), crew, lambda _: None)
    assert crew.starts == ["a"] * DEATHS


def test_processes_that_never_start_end_the_build() -> None:
    with pytest.raises(DataError, match=r"^a: its process died 3 times while starting"):
        work_off(Schedule(work(a=2), 1), Numbers({1, 2, 3}), lambda _: None)
    work_off(Schedule(work(a=2), 1), Numbers({1, 2, 5}), lambda _: None)  # one that starts shows that they can


def test_what_waits_for_a_machine_keeps_no_place_from_others() -> None:
    crew = Numbers(stuck={"a"})
    work_off(Schedule(work(a=1, b=2, c=1), 1), crew, lambda _: None)
    assert [name.split("/")[2] for name in crew.made] == ["b.tar", "b.tar", "c.tar", "a.tar"]


@pytest.mark.parametrize("kind", [DataError, ConfigError, GenerationError])
def test_an_error_is_the_same_on_the_other_side(kind: type[DataError]) -> None:
    error = pickle.loads(pickle.dumps(kind("a model", "is missing", "fetch it")))  # noqa: S301 - our own
    assert type(error) is kind
    assert (error.subject, error.cause, error.remedy) == ("a model", "is missing", "fetch it")


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    config = settings(write_photographs(tmp_path / "photos", 1), painter("painter", tmp_path))
    with pytest.raises(DataError, match=r"^127\.0\.0\.1:1: no Ray cluster can be reached: .*refused"):
        build(config, tmp_path / "set", workers=1, make=make_on("127.0.0.1:1", 2))


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_the_slurm_script_is_one_and_its_commands_are_ours(tmp_path: Path) -> None:
    checked = subprocess.run(["bash", "-n", str(SLURM)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    (tmp_path / "sbatch").write_text('#!/bin/sh\necho "$@" >> submitted\necho 17\n')
    (tmp_path / "contrafake").write_text('#!/bin/sh\necho "$@" >> called\n')
    for name in ("sbatch", "contrafake"):
        (tmp_path / name).chmod(0o755)
    plain = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def run(environment: dict[str, str], *words: str) -> None:
        command = ["bash", str(SLURM), *words]
        subprocess.run(command, cwd=tmp_path, env={**plain, **environment}, check=True, capture_output=True)

    run({}, "config.yaml", "/out", "4")
    jobs = [shlex.split(line) for line in (tmp_path / "submitted").read_text().splitlines()]
    steps = [job[job.index(str(SLURM)) + 1 :] for job in jobs]
    assert [step[0] for step in steps] == ["begin", "make", "complete"]
    assert "--array=1-4" in jobs[1]
    assert ["afterok:17" in " ".join(job) for job in jobs] == [False, True, True]
    for number, step in enumerate(steps):
        run({"SLURM_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3"} if number == 1 else {"SLURM_JOB_ID": "17"}, *step)
    called = (tmp_path / "called").read_text().splitlines()
    assert called == [
        "generate config.yaml --out /out --part 1/1 --only real",
        "generate config.yaml --out /out --part 3/4",
        "generate config.yaml --out /out",
    ]
    config = settings(write_photographs(tmp_path / "photos", 3), painter("painter", tmp_path))
    (tmp_path / "config.yaml").write_text(config.model_dump_json())
    from contrafake.cli import run as contrafake

    for line in called:
        words = [str(tmp_path / word.lstrip("/")) if word in {"config.yaml", "/out"} else word for word in line.split()]
        assert contrafake([*words, "--workers", "1"]) == 0
    assert json.loads((tmp_path / "out" / "build.json").read_text())["counts"]["painter"]["made"] > 0


_KILLER = """
import json, os, pathlib, signal, sys
# Ends the process that called it, once and in the middle of the work; the marks are files.
marks = pathlib.Path(sys.argv[4])
if not (marks / "spare").exists():
    with open(marks / f"worker-{os.getppid()}", "a") as file:
        file.write("x")
    if sum(mark.stat().st_size for mark in marks.glob("worker-*")) >= 3:
        try:
            (marks / "killed").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getppid(), signal.SIGKILL)
            sys.exit(1)
"""


@pytest.mark.slow
def test_with_a_process_killed_a_cluster_makes_the_same_set(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    photographs, marks = write_photographs(tmp_path / "photos", 10), tmp_path / "marks"
    marks.mkdir()
    killer = painter("killer", tmp_path)
    program = tmp_path / "killer.py"
    paints = (tmp_path / "painter.py").read_text()
    program.write_text(_KILLER + paints)
    killer["command"] = [*killer["command"][:3], str(program), *killer["command"][4:], str(marks)]
    (tmp_path / "fixed").touch()
    (marks / "spare").touch()
    config = settings(photographs, painter("painter", tmp_path), killer, output={"chunk": 1})
    undisturbed = built(config, tmp_path / "alone").summary
    assert undisturbed["counts"]["killer"]["made"] >= 8

    (marks / "spare").unlink()
    done = on_cluster(config, tmp_path / "shared")
    assert done.returncode == 0, done.stderr
    assert (marks / "killed").exists()
    assert len(list(marks.glob("worker-*"))) >= 2
    assert json.loads(done.stdout)["digest"] == undisturbed["digest"]

    missing = painter("missing", tmp_path) | {"command": ["no-such-program", "{jobs}"]}
    broken = on_cluster(settings(photographs, missing, painter("painter", tmp_path)), tmp_path / "broken")
    assert broken.returncode == 2
    assert re.search(r"no-such-program: no such program \(install it, or give its path\)", broken.stderr)


def on_cluster(config: GenerateConfig, out: Path) -> subprocess.CompletedProcess[str]:
    """A build by two processes of a private cluster, started from the command line."""
    file = out.with_suffix(".yaml")
    file.write_text(config.model_dump_json())
    command = [sys.executable, "-m", "contrafake", "generate", str(file), "--out", str(out), "--json", "--workers", "1"]
    return subprocess.run(
        [*command, "--cluster", "local", "--actors", "2"], capture_output=True, text=True, timeout=300, check=False
    )
