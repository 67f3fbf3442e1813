"""How good a bundle is: figures on the test shards of the corpus, seen and unseen origins apart.

What is measured: every image is judged by `Detector.detect_each` at the model's default crops and at one crop, (a) as
its untouched bytes and (b) with the same pixels re-encoded as JPEG 90 (4:2:0), both classes alike: the formats of the
test images still follow the class, so (a) alone would flatter. An image is called generated when its score is above
the stored threshold.

- AUC with a 95 % interval by bootstrap over sources and images;
- for every stored operating point the share of real images called real and of generated ones called generated, their
  mean, and the false alarms with an exact 95 % interval;
- the share of verdicts "uncertain" at the default point; Cllr of the log-likelihood ratios.

All of it overall; for seen origins (real images of origins that training saw, with generators that it saw) and unseen
ones (neither), by `origins.csv`; for photographs against photo-like generated images and for real against generated
art, by the content noted in the corpus. Then every origin by itself.

    python benchmarks/embedded_model.py --data DIR            # judges the test images, writes the scores and the tables
    python benchmarks/embedded_model.py --from-scores         # rebuilds the tables from the scores, without images

DIR is the folder of the corpus, ${CONTRAFAKE_DATA}/corpus unless told. Writes results/embedded_model_scores.csv (no
images, no paths), embedded_model.json and embedded_model.md. The test split is opened once: the script refuses where
its scores exist already, unless told --again. `--split val` is for development and writes files named after the
split.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import RESULTS, circumstances, write_json
from score_tables import CONDITIONS, LABELS, Row, markdown, measure, read_scores, write_scores

import contrafake
from contrafake.data import Sample, ShardSet
from contrafake.images import encode, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contrafake import Detector

QUALITY = 90


def main() -> None:
    options = _options()
    name = "embedded_model" if options.split == "test" else f"embedded_model_{options.split}"
    scores = options.results / f"{name}_scores.csv"
    if options.from_scores:
        facts = json.loads((options.results / f"{name}.json").read_text(encoding="utf-8"))
        rows = read_scores(scores)
    else:
        if scores.exists() and options.split == "test" and not options.again:
            sys.exit(f"{scores.name} exists: the test split was opened before (--again opens it once more)")
        detector = contrafake.load(options.model)
        facts = {**circumstances(name), "split": options.split, "limit": options.limit, "model": model_facts(detector)}
        began = time.perf_counter()
        rows = judge(detector, options.data, options.split, options.limit)
        facts["seconds"] = round(time.perf_counter() - began, 1)
        write_scores(rows, scores)
    figures = measure(rows, facts["model"])
    write_json(options.results / f"{name}.json", {**facts, **figures})
    text = markdown(facts, figures)
    (options.results / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)
    print(f"written: {name}_scores.csv, {name}.json, {name}.md", file=sys.stderr)


def judge(detector: Detector, folder: Path, split: str, limit: int | None) -> list[Row]:
    """Opens the shards of a split and judges every image under both conditions at both numbers of crops.

    Args:
        detector: The model.
        folder: The corpus: `SPLIT-*.tar`, `origins.csv` and, if it is there, `manifest.csv`.
        split: Which shards.
        limit: Images per class, spread evenly; None for all.
    """
    origins = _origins(folder / "origins.csv")
    trained = _trained_sources(folder / "manifest.csv")
    rows: list[Row] = []
    shards = ShardSet([str(folder / f"{split}-*.tar")])
    if shards.skipped:
        sys.exit(f"{len(shards.skipped)} samples cannot be used, for example {next(iter(shards.skipped.items()))}")
    samples = _limited(shards.samples, limit)
    for condition in CONDITIONS:
        for crops in sorted({detector.default_crops, 1}, reverse=True):
            began = time.perf_counter()
            verdicts = detector.detect_each(_images(shards, samples, condition), crops=crops)
            for sample, verdict in zip(samples, verdicts, strict=True):
                if verdict.name != sample.key:
                    raise RuntimeError(f"the verdict on {verdict.name!r} came where {sample.key!r} was due")
                family, seen = origins[sample.label, sample.origin]
                rows.append(
                    Row(
                        key=sample.key,
                        label=LABELS[sample.label],
                        origin=sample.origin,
                        family=family,
                        source=sample.source,
                        content=str(sample.metadata.get("content") or ""),
                        seen=seen,
                        source_seen="" if trained is None else _yes(sample.source in trained),
                        condition=condition,
                        crops=crops,
                        score=verdict.score,
                        llr=verdict.llr,
                        verdict=verdict.label,
                    )
                )
            seconds = time.perf_counter() - began
            print(f"{condition}, crops {crops}: {len(samples)} images in {seconds:.0f} s", file=sys.stderr)
    return rows


def model_facts(detector: Detector) -> dict[str, Any]:
    """Which model, and the operating points it stores at the crops in question."""
    points: dict[str, list[dict[str, Any]]] = {}
    for crops in sorted({detector.default_crops, 1}):
        points[str(crops)] = [
            point.to_dict()
            for known in detector.bundle.config.calibrations
            if (known.head, known.crops) == (detector.default_head, crops)
            for point in known.operating_points
        ]
    return {
        "name": detector.model.name,
        "version": detector.model.version,
        "hash": detector.model.hash,
        "head": detector.default_head,
        "default_crops": detector.default_crops,
        "operating_points": points,
    }


def _images(shards: ShardSet, samples: Sequence[Sample], condition: str) -> Iterator[tuple[str, bytes]]:
    for sample in samples:
        data = shards.read(sample.image)
        yield sample.key, encode(read(data, name=sample.key).pixels, "JPEG", QUALITY) if condition == "jpeg90" else data


def _limited(samples: Sequence[Sample], limit: int | None) -> list[Sample]:
    if limit is None:
        return list(samples)
    chosen: list[Sample] = []
    for label in range(2):
        of_class = [sample for sample in samples if sample.label == label]
        picked = np.linspace(0, len(of_class) - 1, min(limit, len(of_class))).round().astype(int)
        chosen += [of_class[at] for at in picked]
    return chosen


def _origins(path: Path) -> dict[tuple[int, str], tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {
            (int(row["label"] != "real"), row["origin"]): (row["family"], row["seen_in_training"])
            for row in csv.DictReader(file)
        }


def _trained_sources(path: Path) -> set[str] | None:
    if not path.exists():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        return {row["source"] for row in csv.DictReader(file) if row["split"] == "train"}


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _options() -> argparse.Namespace:
    data = os.environ.get("CONTRAFAKE_DATA")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="default", help='"default" or the folder of a bundle')
    corpus = Path(data, "corpus") if data else None
    parser.add_argument("--data", type=Path, default=corpus, help="folder of the corpus")
    parser.add_argument("--split", default="test", choices=["test", "val"], help="val is for development")
    parser.add_argument("--limit", type=int, help="images per class, for development")
    parser.add_argument("--from-scores", action="store_true", help="rebuild the tables from the scores")
    parser.add_argument("--again", action="store_true", help="open the test split once more")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    if options.data is None and not options.from_scores:
        parser.error("give --data, or set CONTRAFAKE_DATA")
    if options.limit is not None and options.split == "test":
        parser.error("--limit is for --split val")
    return options


if __name__ == "__main__":
    main()
