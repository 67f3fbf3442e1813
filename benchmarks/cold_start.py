"""Wall time and peak memory of one photograph judged by a new process, against the official recipe.

What is measured: `contrafake detect examples/real/china.jpg` (640 x 427) through the installed console script, from
the moment the process is asked for to the moment it is gone, and its peak resident memory as the kernel reports it
for that one process (wait4's ru_maxrss). Beside it, in the same rounds: the same with one crop; the same two with a
ViT-Tiny bundle of the official model's architecture (random weights), which makes the comparison like for like in
model cost; and the official recipe (`official_recipe.py`). Every round starts each of them once, in an order that
rotates, so that noise hits all alike; the first round is not counted. Processes are new, files are in the page cache.

Then the same command runs with a stopwatch in its joints (`stages.py`), which says where the time goes.

    python benchmarks/cold_start.py [--model PATH] [--repeats N]

Writes results/cold_start.json. Goal: at least 4 times sooner than the recipe, under 300 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import models
from machine import EXAMPLES, RESULTS, shown, table, write_result

HERE = Path(__file__).parent
PHOTO = EXAMPLES / "real" / "china.jpg"
BASELINE = "official recipe"
DEFAULT = "contrafake, default crops"
GOAL_TIMES, GOAL_MB = 4.0, 300.0
SMALL = 0.015  # share of the total below which imports are lumped together


@dataclass
class Contender:
    """A command and what was measured of it."""

    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)

    def run(self, *, count: bool = True) -> None:
        """Starts it once and waits for its end."""
        with tempfile.TemporaryFile() as noise:
            began = time.monotonic()
            process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=noise, stderr=noise)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                noise.seek(0)
                said = noise.read().decode("utf-8", "replace")
                sys.exit(f"{self.name} left with exit code {process.returncode}:\n{said}")
        if count:
            self.seconds.append(seconds)
            self.peak_mb.append(usage.ru_maxrss / 1000 * 1.024)  # the kernel counts in KiB

    def figures(self) -> dict[str, Any]:
        """Best and median seconds, largest peak."""
        return {
            "seconds_best": min(self.seconds),
            "seconds_median": statistics.median(self.seconds),
            "peak_mb": max(self.peak_mb),
            "seconds": self.seconds,
        }


def contenders(model: str, official: Path, vit: Path) -> list[Contender]:
    """All commands, each judging the same photograph."""
    script = Path(sysconfig.get_path("scripts")) / "contrafake"
    if not script.exists():
        sys.exit("the console script contrafake is not installed beside this Python")
    detect = [str(script), "detect", str(PHOTO)]
    return [
        Contender(DEFAULT, [*detect, "--model", model]),
        Contender("contrafake, 1 crop", [*detect, "--model", model, "--crops", "1"]),
        Contender("contrafake with ViT-Tiny, default crops", [*detect, "--model", str(vit)]),
        Contender("contrafake with ViT-Tiny, 1 crop", [*detect, "--model", str(vit), "--crops", "1"]),
        Contender(BASELINE, [sys.executable, str(HERE / "official_recipe.py"), str(official), str(PHOTO)]),
    ]


def stages(model: str, scratch: Path, repeats: int) -> dict[str, float]:
    """Milliseconds by stage of `contrafake detect` at the default crops; medians over the repeats."""
    out = scratch / "stages.json"
    command = [sys.executable, str(HERE / "stages.py"), str(out), "detect", str(PHOTO), "--model", model]
    runs: list[dict[str, float]] = []
    for _ in range(repeats + 1):
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        gone = time.monotonic()
        if done.returncode:
            sys.exit(f"stages.py failed:\n{done.stderr}")
        found = json.loads(out.read_text(encoding="utf-8"))
        if found["code"]:
            sys.exit(f"contrafake left with exit code {found['code']}:\n{done.stderr}")
        runs.append(
            {
                "start the interpreter": found["began"] - began,
                **found["stages"],
                "end the interpreter": gone - found["ended"],
            }
        )
    names = list(dict.fromkeys(name for run in runs[1:] for name in run))
    medians = {name: 1000 * statistics.median(run.get(name, 0.0) for run in runs[1:]) for name in names}
    least = SMALL * sum(medians.values())
    kept = {name: value for name, value in medians.items() if value >= least or not name.startswith("import ")}
    return {**kept, "import all others": sum(medians.values()) - sum(kept.values())}


def grouped(found: dict[str, float]) -> dict[str, float]:
    """The stages in six groups: interpreter, imports, model load, image and crops, inference, the rest."""
    groups = dict.fromkeys(("interpreter", "imports", "model load", "decode and crops", "inference", "rest"), 0.0)
    for name, value in found.items():
        if name.endswith("the interpreter"):
            groups["interpreter"] += value
        elif name.startswith("import "):
            groups["imports"] += value
        elif name.startswith("model: "):
            groups["model load"] += value
        elif name.startswith("image: "):
            groups["decode and crops"] += value
        elif name == "inference":
            groups["inference"] += value
        else:
            groups["rest"] += value
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="default", help='"default" or the folder of a bundle')
    parser.add_argument("--repeats", type=int, default=9, help="counted rounds")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    model = options.model if options.model == "default" else str(Path(options.model).resolve())

    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        official, vit = models.make(scratch)
        competing = contenders(model, official, vit)
        for number in range(options.repeats + 1):
            turn = number % len(competing)
            for contender in [*competing[turn:], *competing[:turn]]:
                contender.run(count=number > 0)
        breakdown = {
            name: stages(path, scratch, options.repeats) for name, path in (("model", model), ("ViT-Tiny", str(vit)))
        }

    found = {contender.name: contender.figures() for contender in competing}
    baseline = found[BASELINE]
    for figures in found.values():
        figures["times_sooner_best"] = baseline["seconds_best"] / figures["seconds_best"]
        figures["times_sooner_median"] = baseline["seconds_median"] / figures["seconds_median"]
        figures["share_of_baseline_memory"] = figures["peak_mb"] / baseline["peak_mb"]
    reached = found[DEFAULT]["times_sooner_median"] >= GOAL_TIMES and found[DEFAULT]["peak_mb"] < GOAL_MB

    rows = [
        [
            name, f"{f['seconds_best']:.2f}", f"{f['seconds_median']:.2f}", f"{f['times_sooner_best']:.1f}",
            f"{f['times_sooner_median']:.1f}", f"{f['peak_mb']:.0f}",
        ]
        for name, f in found.items()
    ]  # fmt: skip
    print(table(["", "best s", "median s", "sooner (best)", "sooner (median)", "peak MB"], rows))
    outcome = "reached" if reached else "MISSED"
    print(f"\nGoal (at least {GOAL_TIMES:g} times sooner, under {GOAL_MB:g} MB): {outcome}\n")
    for name, parts in breakdown.items():
        total = sum(parts.values())
        print(f"Where the time goes, default crops, {name}, {total:.0f} ms in all:")
        ordered = sorted(parts.items(), key=lambda item: -item[1])
        rows = [[part, f"{ms:.1f}", f"{ms / total:.0%}"] for part, ms in ordered]
        print(table(["stage", "ms", "share"], rows), end="\n\n")
        print(table(["group", "ms"], [[group, f"{ms:.0f}"] for group, ms in grouped(parts).items()]), end="\n\n")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000 * 1.024
    written = write_result(
        "cold_start",
        {
            "photo": shown(PHOTO),
            "model": shown(Path(model)),
            "repeats": options.repeats,
            "note": f"a child's peak cannot be measured below that of the process which starts it ({own:.0f} MB here)",
            "goal": {"times_sooner": GOAL_TIMES, "peak_mb": GOAL_MB, "reached": reached},
            "contenders": found,
            "stages_ms": breakdown,
            "stages_ms_grouped": {name: grouped(parts) for name, parts in breakdown.items()},
        },
        options.results,
    )
    print(f"written: {written.name}")


if __name__ == "__main__":
    main()
