"""The worked example: a set whose files tell the class, and what is left of that after matching."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contrafake.data.location import read_bytes
from contrafake.data.matching.match import match
from contrafake.data.matching.settings import MatchSettings
from contrafake.data.sources import open_source, samples_of
from contrafake.images import jpeg_facts, read
from contrafake.measure import auc

if TYPE_CHECKING:
    from contrafake.data import Sample

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "leaky_set.py"
COUNT = 16


def make(out: Path, count: int) -> Path:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(out), "--count", str(count)], capture_output=True, text=True, check=True
    )
    assert f"{2 * count} stand-ins" in done.stdout
    return out


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("leaky") / "set", COUNT)


def samples(path: Path) -> list[Sample]:
    return [sample for item in open_source(path) for sample in samples_of(item)]


def test_files_tell_the_class_and_content_does_not(leaky: Path) -> None:
    rows = list(csv.DictReader((leaky / "manifest.csv").read_text().splitlines()))
    sources = {
        label: Counter(row["source"] for row in rows if row["label"] == label) for label in ("real", "generated")
    }
    assert sources["real"] == sources["generated"]
    for sample in samples(leaky / "manifest.csv"):
        data = read_bytes(sample.image)
        if sample.label:
            assert data.startswith(b"\x89PNG")
            assert read(data).pixels.shape[:2] in {(512, 512), (512, 768), (768, 512)}
        else:
            facts = jpeg_facts(data)
            assert facts.quality in range(85, 96)
            assert (facts.subsampling, b"Exif" in data) == ("4:2:0", True)


def test_the_same_call_gives_the_same_bytes(leaky: Path, tmp_path: Path) -> None:
    again = make(tmp_path / "again", 2)
    for path in again.rglob("*.*g"):
        there = leaky / path.relative_to(again)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(there.read_bytes()).digest()


def test_bits_per_pixel_give_the_class_away_before_and_not_after(leaky: Path, tmp_path: Path) -> None:
    match(open_source(leaky / "manifest.csv"), tmp_path / "out", MatchSettings())
    before, after = (_auc_of_bits(samples(path)) for path in (leaky / "manifest.csv", tmp_path / "out"))
    assert before > 0.99
    # 16 against 16: the standard error of an AUC at chance is 0.10, and a third of one class was enlarged.
    assert abs(after - 0.5) < 0.25


def _auc_of_bits(found: list[Sample]) -> float:
    bits: dict[int, list[float]] = {0: [], 1: []}
    for sample in found:
        data = read_bytes(sample.image)
        height, width, _ = read(data).pixels.shape
        bits[sample.label].append(8 * len(data) / (height * width))
    return auc(bits[0], bits[1])
