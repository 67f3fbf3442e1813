"""The model inside the package, as a user meets it; on real images where the corpus is at hand."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import contrafake
from contrafake.data import ShardSet
from contrafake.detect.load import BUNDLES
from contrafake.measure import auc

ROOT = Path(__file__).parent.parent
CORPUS = Path(os.environ.get("CONTRAFAKE_DATA", ""), "corpus")
needs_corpus = pytest.mark.skipif(
    not os.environ.get("CONTRAFAKE_DATA") or not CORPUS.is_dir(), reason="${CONTRAFAKE_DATA}/corpus is not there"
)


def test_all_package_data_is_under_25_megabytes() -> None:
    assert sum(path.stat().st_size for path in BUNDLES.rglob("*") if path.is_file()) < 25_000_000


def test_every_head_is_calibrated_at_one_two_and_five_crops() -> None:
    detector = contrafake.load()
    assert set(detector.heads) == {"linear", "nearest", "kernel"}
    for head in detector.heads:
        assert detector.bundle.calibrated_crops(head) == [1, 2, 5]
        for rate in (0.01, 0.05):
            point = detector.operating_point(rate, head=head)
            assert point.interval[0] <= point.false_alarm_rate <= point.interval[1]
            assert point.real_images > 400


def test_photographs_among_the_examples_are_not_flagged() -> None:
    verdicts = contrafake.load().detect(sorted((ROOT / "examples" / "real").iterdir()))
    assert len(verdicts) == 3
    assert all(verdict.label in {"real", "uncertain"} for verdict in verdicts), verdicts


def test_the_card_is_what_the_committed_results_give() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "model_card.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs_corpus
@pytest.mark.corpus
def test_shards_hold_what_the_manifest_lists() -> None:
    with (CORPUS / "manifest.csv").open(encoding="utf-8", newline="") as file:
        listed = Counter((row["label"], row["origin"]) for row in csv.DictReader(file) if row["split"] == "val")
    shards = ShardSet([str(CORPUS / "val-*.tar")])
    found = Counter((("real", "fake")[sample.label], sample.origin) for sample in shards.samples)
    assert found == listed


@needs_corpus
@pytest.mark.corpus
def test_real_validation_images_are_ordered_better_than_by_chance() -> None:
    detector = contrafake.load()
    shards = ShardSet([str(CORPUS / "val-*.tar")])
    chosen = {label: [s for s in shards.samples if s.label == label][::5] for label in (0, 1)}
    images = [(sample.key, shards.read(sample.image)) for label in (0, 1) for sample in chosen[label]]
    verdicts = detector.detect(images, crops=1)
    scores = [verdict.score for verdict in verdicts if verdict.score is not None]
    assert len(scores) == len(images)
    assert auc(scores[: len(chosen[0])], scores[len(chosen[0]) :]) > 0.65
