"""Builds a set from corpus photographs as a user would, and measures what the builder promises.

    python benchmarks/building.py --tiny runs/tiny-generator/pipeline [--work DIR] [--records 500] [--only STEP ...]

Steps, each into its own part of results/building.json:

    noise    reconstructions of twelve photographs at several strengths: PSNR, seconds an image
    tiny     what `contrafake generate train-tiny` reported of our own generator, beside its pipeline
    matched  the set of configs/generate/reconstructions.yaml: two reconstructions of each photograph; time, audit
    grown    a sibling by our own small generator is added; no other shard changes
    d3       the same siblings under the d3 law: audit; then `contrafake data match` and the audit once more
    kills    a small build, killed five times at random moments, against the same build left alone

Needs ${CONTRAFAKE_DATA} with the corpus and weights/taef2. The sets stay in --work; no picture enters the result.
`--page` writes the tables of docs/generation from the result alone, `--check` compares them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import RESULTS, write_result

from contrafake.generate.build import build
from contrafake.generate.config import GenerateConfig
from contrafake.settings import load_settings, parse_settings

if TYPE_CHECKING:
    from contrafake.data.audit.result import AuditReport
    from contrafake.generate.finish import Built

NAME = "building"
CONFIG = Path(__file__).parent.parent / "configs" / "generate" / "reconstructions.yaml"
PAGES = [Path(__file__).parent.parent / "docs" / "generation" / name for name in ("results.md", "reconstruction.md")]
BLOCK = re.compile(r"(<!-- table: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
STEPS = ("noise", "tiny", "matched", "grown", "d3", "kills")
KILLS, KILLED_RECORDS = 5, 40
DOZEN = 12
NOISES = ((0.0, "fp32"), (0.1, "fp32"), (0.3, "fp32"), (0.6, "fp32"), (0.3, "bf16"))
SINGLE = 6
"""Single features of an audit that are told."""


def main() -> None:
    """Runs the steps that were asked for and keeps the results of the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/building"), help="folder of the sets")
    parser.add_argument("--tiny", type=Path, help="pipeline of `contrafake generate train-tiny`, for grown and d3")
    parser.add_argument("--records", type=int, default=500)
    parser.add_argument("--only", nargs="*", choices=STEPS, default=STEPS)
    parser.add_argument("--page", action="store_true", help="write the tables of the page and leave")
    parser.add_argument("--check", action="store_true", help="compare the tables of the page with the result and leave")
    options = parser.parse_args()
    if options.page or options.check:
        raise SystemExit(page(_steps(), write=options.page))
    options.work.mkdir(parents=True, exist_ok=True)
    for step in options.only:
        found = globals()[step](options)
        print(json.dumps({step: found}, indent=1), flush=True)
        steps = _steps() | {step: found}  # another step may have ended meanwhile
        write_result(
            NAME, {"records": options.records, "steps": {name: steps[name] for name in STEPS if name in steps}}
        )


def _steps() -> dict[str, Any]:
    """The steps that were measured so far."""
    committed = RESULTS / f"{NAME}.json"
    found: dict[str, Any] = json.loads(committed.read_text("utf-8"))["steps"] if committed.exists() else {}
    return found


def noise(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What noise in the latent does to a dozen photographs, each alone, on one thread."""
    import numpy as np
    import torch

    from contrafake.data.location import read_bytes
    from contrafake.generate.generators.generator import Made, Request, open_generator
    from contrafake.generate.job import Job
    from contrafake.generate.plan import Planner, donors_of
    from contrafake.generate.prepare import open_records
    from contrafake.generate.store import Store
    from contrafake.generate.treatment import frame_pixels
    from contrafake.images import read

    torch.set_num_threads(1)
    config = _config(DOZEN)
    records = open_records(config.reals, Store(options.work / "noise"), 1, lambda _doing, _steps, _total: None)
    planner, plain = Planner(config, donors_of(())), config.generators[0]
    found = []
    for strength, precision in NOISES:
        settings = plain.model_copy(update={"noise": strength, "precision": precision})
        generator = open_generator(settings)
        psnr, seconds = [], []
        for record in records:
            job = planner.job(record, settings)
            assert isinstance(job, Job)  # noqa: S101
            frame = frame_pixels(read(read_bytes(record.real.image)).pixels, job)
            begun = time.process_time()
            [made] = generator.make([Request(job, job.seed, frame)])
            seconds.append(time.process_time() - begun)
            assert isinstance(made, Made)  # noqa: S101
            apart = float(np.mean((made.pixels.astype(np.float64) - frame) ** 2))
            psnr.append(10 * float(np.log10(255**2 / apart)))
        row = {
            "noise": strength,
            "precision": precision,
            "psnr": float(np.mean(psnr)),
            "seconds": float(np.mean(seconds)),
        }
        found.append({**row, "least": min(psnr), "greatest": max(psnr)})
    return found


def tiny(options: argparse.Namespace) -> dict[str, Any]:
    """The report of our own generator's training; which photographs were left out stays there."""
    report = json.loads((options.tiny.parent / "report.json").read_text("utf-8"))
    return {**report, "left_out": len(report["left_out"])}


def matched(options: argparse.Namespace) -> dict[str, Any]:
    """The set under the matched law, from nothing."""
    begun = time.perf_counter()
    done = build(_config(options.records), options.work / "matched")
    return {**_figures(done), "minutes": (time.perf_counter() - begun) / 60}


def grown(options: argparse.Namespace) -> dict[str, Any]:
    """The same set with one generator more."""
    out = options.work / "matched"
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.glob("*.tar")}
    begun = time.perf_counter()
    done = build(_config(options.records, _own(options.tiny)), out)
    minutes = (time.perf_counter() - begun) / 60
    after = {name: ((out / name).stat().st_mtime_ns, (out / name).read_bytes()) for name in before}
    return {
        **_figures(done),
        "minutes": minutes,
        "other_shards": len(before),
        "other_shards_changed": _differing(before, after),
    }


def d3(options: argparse.Namespace) -> dict[str, Any]:
    """The same siblings, but files as generators and cameras leave them; then matched by `contrafake data match`."""
    from contrafake.data.matching.match import match
    from contrafake.data.matching.settings import MatchSettings
    from contrafake.data.parallel import default_workers
    from contrafake.data.sources import open_source

    law = {"kind": "d3", "longest": 256}
    done = build(
        _config(options.records, *([_own(options.tiny)] if options.tiny else []), law=law), options.work / "d3"
    )
    out = options.work / "d3-matched"
    match(open_source(options.work / "d3"), out, MatchSettings(), workers=default_workers())
    return {"before": _figures(done), "after": _audit(_audited(out))}


def kills(options: argparse.Namespace) -> dict[str, Any]:
    """A small build through the command line, with SIGKILL after so many chunks, and a time, drawn at random."""
    file = options.work / "kills.json"
    config = _config(KILLED_RECORDS, output={"records_per_shard": 16, "chunk": 4, "audit_records": 0})
    file.write_text(config.model_dump_json(), encoding="utf-8")  # JSON is YAML
    alone, seconds = _run(file, options.work / "alone")
    chunks = 3 * -(-KILLED_RECORDS // config.output.chunk)
    draw = random.Random(6)  # noqa: S311 - nothing secret
    stored = []
    for wanted in sorted(draw.sample(range(chunks), KILLS)):
        # Counted in chunks, since starting takes long and varies; then anywhere within the next one.
        _run(file, options.work / "killed", kill=(wanted, draw.uniform(0, 3 * seconds / chunks)))
        stored.append(_stored(options.work / "killed"))
    killed, _ = _run(file, options.work / "killed")
    return {
        "records": KILLED_RECORDS,
        "seconds_undisturbed": seconds,
        "kills": KILLS,
        "chunks": chunks,
        "chunks_stored_at_each_kill": stored,
        "digest_undisturbed": alone,
        "digest_killed": killed,
        "equal": alone == killed,
    }


def _config(records: int, *more: dict[str, Any], **changes: Any) -> GenerateConfig:
    values = load_settings(GenerateConfig, CONFIG).model_dump(mode="json")
    values["reals"]["limit"] = records
    values["generators"] += more
    for section, given in changes.items():
        values[section] = {**({} if section == "law" else values[section]), **given}
    return parse_settings(GenerateConfig, values)


def _own(pipeline: Path) -> dict[str, Any]:
    own = {
        "name": "tiny",
        "kind": "image-to-image",
        "model": str(pipeline),
        "prompt": "",
        "family": "tiny",
        "apart": True,
    }
    return {**own, "strength": 0.3, "steps": 30, "batch": 4, "precision": "fp32"}


def _run(config: Path, out: Path, kill: tuple[int, float] | None = None) -> tuple[str, float]:
    """Runs the command and returns digest and seconds; or kills it some seconds after so many chunks are stored."""
    command = [sys.executable, "-m", "contrafake", "generate", str(config), "--out", str(out), "--json"]
    begun = time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    if kill is not None:
        chunks, delay = kill
        while running.poll() is None and (_stored(out) < chunks or not (out / "records.parquet").exists()):
            time.sleep(0.05)
        time.sleep(delay)
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        return "", 0.0
    told, _ = running.communicate()
    return json.loads(told)["digest"], time.perf_counter() - begun


def _stored(out: Path) -> int:
    return sum(1 for _ in (out / ".work" / "chunks").rglob("0*.tar")) if out.exists() else 0


def _figures(done: Built | None) -> dict[str, Any]:
    if done is None:
        raise SystemExit("the build is not finished")
    kept = ("digest", "counts", "causes", "seconds", "facts")
    figures = {name: done.summary[name] for name in kept}
    return {**figures, "audit": _audit(done.audit) if done.audit else None}


def _audited(folder: Path) -> AuditReport:
    from contrafake.data.audit.audit import audit
    from contrafake.data.sources import open_source

    return audit(open_source(folder), name=folder.name)


def _audit(report: AuditReport) -> dict[str, Any]:
    joint = report.without_content
    return {
        "auc_by_source": asdict(joint.auc),
        "auc_by_image": joint.auc_same_sources,
        "content_only_by_source": asdict(report.content_only.auc),
        "verdict": report.verdict,
        "single": [
            {"feature": feature.title, "auc": feature.auc, "sentence": feature.sentence}
            for feature in [f for f in report.features if f.room not in {"content", "name"}][:SINGLE]
        ],
    }


def page(steps: dict[str, Any], *, write: bool) -> int:
    """Puts the tables into their places on the pages; returns 1 if others stood there and nothing is written."""
    tables = {
        "built": _built_table(steps),
        "audits": _audit_table(steps),
        "tiny": _tiny_table(steps),
        "kills": _kill_table(steps),
        "noise": _noise_table(steps),
    }
    wrong = []
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        done = BLOCK.sub(lambda place: f"{place[1]}\n{tables[place[2]]}\n\n{place[3]}", text)
        if done != text:
            wrong.append(path.name)
            if write:
                path.write_text(done, encoding="utf-8")
    print(f"{', '.join(wrong)}: {'written anew' if write else 'not what was measured'}" if wrong else "nothing differs")
    return 1 if wrong and not write else 0


def _noise_table(steps: dict[str, Any]) -> str:
    lines = [
        "| noise | precision | PSNR mean (least to greatest), dB | processor seconds an image |",
        "| ---: | --- | ---: | ---: |",
    ]
    for row in steps["noise"]:
        apart = f"{row['psnr']:.1f} ({row['least']:.1f} to {row['greatest']:.1f})"
        lines.append(f"| {row['noise']:g} | {row['precision']} | {apart} | {row['seconds']:.2f} |")
    return "\n".join(lines)


def _built_table(steps: dict[str, Any]) -> str:
    lines = [
        "| generator | made | failed | filtered | skipped | seconds an image |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, counts in steps["grown"]["counts"].items():
        numbers = " | ".join(f"{counts[status]:,}" for status in ("made", "failed", "filtered", "skipped"))
        seconds = steps["grown"]["seconds"][name]
        lines.append(f"| {name} | {numbers} | {'' if seconds is None else f'{seconds:.2f}'} |")
    return "\n".join(lines)


def _audit_table(steps: dict[str, Any]) -> str:
    rows = {
        "d3 law, as built": steps["d3"]["before"]["audit"],
        "d3 law, then `contrafake data match`": steps["d3"]["after"],
        "matched law, reconstructions": steps["matched"]["audit"],
        "matched law, with our own generator": steps["grown"]["audit"],
    }
    lines = [
        "| set | AUC without the content | the same, by image | content only | strongest single feature |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for name, found in rows.items():
        first = found["single"][0]
        cells = [
            _interval(found["auc_by_source"]),
            f"{found['auc_by_image']:.2f}",
            _interval(found["content_only_by_source"]),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {first['feature']}, {first['auc']:.2f} |")
    return "\n".join(lines)


def _kill_table(steps: dict[str, Any]) -> str:
    found = steps["kills"]
    kept = steps["grown"]
    chunks = ", ".join(map(str, found["chunks_stored_at_each_kill"]))
    return "\n".join(
        [
            "| | |",
            "| --- | --- |",
            f"| records; seconds undisturbed | {found['records']}; {found['seconds_undisturbed']:.0f} |",
            f"| chunks stored when each of {found['kills']} kills came | {chunks}, of {found['chunks']} |",
            f"| digest undisturbed | {found['digest_undisturbed'][:16]} |",
            f"| digest killed | {found['digest_killed'][:16]} |",
            f"| other shards changed by a new generator | {kept['other_shards_changed']} of {kept['other_shards']} |",
        ]
    )


def _tiny_table(steps: dict[str, Any]) -> str:
    shown = {
        "photographs": "other photographs: the floor",
        "reconstructions": "photographs through the autoencoder alone",
    }
    lines = ["| images | Frechet distance | kernel distance |", "| --- | ---: | ---: |"]
    for name, found in steps["tiny"]["distances"].items():
        lines.append(f"| {shown.get(name, name)} | {found['frechet']:.4f} | {found['kernel']:.5f} |")
    return "\n".join(lines)


def _interval(found: dict[str, float]) -> str:
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def _differing(before: dict[str, Any], after: dict[str, Any]) -> int:
    return sum(before[name] != after[name] for name in before)


if __name__ == "__main__":
    main()
