"""What matching leaves out or refuses, and how it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import picture
from PIL import Image

from contrafake.data.matching.match import match
from contrafake.data.matching.settings import MatchSettings
from contrafake.data.sources.folders import PlainFolders
from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

SMALL = MatchSettings(min_side=32)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Three images of each class, 120 x 120."""
    rng = np.random.default_rng(0)
    for name, suffix in (("real", "jpg"), ("fake", "png")):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(picture(rng, generated=False, side=120)).save(tmp_path / "set" / name / f"{i}.{suffix}")
    return tmp_path / "set"


def test_a_broken_table_of_origins_shows_before_any_work(folders: Path, tmp_path: Path) -> None:
    (folders / "origins.csv").write_text("no,such\ntable,1\n")
    steps: list[tuple[str, int]] = []
    with pytest.raises(DataError, match=r"origins\.csv"):
        match(PlainFolders(folders), tmp_path / "out", SMALL, advance=lambda *step: steps.append(step))
    assert steps == []
    assert not (tmp_path / "out").exists()


def test_an_empty_class_tells_what_the_listing_skipped(folders: Path, tmp_path: Path) -> None:
    (folders / "real" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    (folders / "real" / "film.mp4").write_text("no image")
    with pytest.raises(DataError, match=r"no usable real image \(1 unreadable; 3 too small; 1 skipped: .*film\.mp4"):
        match(PlainFolders(folders), tmp_path / "out", MatchSettings())


def test_lines_too_thin_to_enlarge_are_left_out_and_counted(folders: Path, tmp_path: Path) -> None:
    Image.new("L", (20_000, 1)).save(folders / "real" / "line.png")
    Image.new("L", (20_000, 8)).save(folders / "fake" / "beam.png")
    Image.new("L", (8, 40)).save(folders / "real" / "chip.png")
    Image.new("L", (8, 40)).save(folders / "fake" / "chip.png")
    report = match(PlainFolders(folders), tmp_path / "out", MatchSettings(min_side=32, allow_upsampling=True))
    assert [(label, reason, count) for label, _, reason, count in report.lost] == [
        ("generated", "too small or thin to be enlarged", 1),
        ("real", "too small or thin to be enlarged", 1),
    ]
    assert report.failed_count == 0
    assert (report.after["real"].images, report.after["generated"].images) == (4, 4)
