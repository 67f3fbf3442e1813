"""A generator that is reported apart: the set says so, and no image depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from small_build import built, painter, settings, write_photographs

from contrafake.data.origins import read_origins
from contrafake.data.sources import open_source
from contrafake.evaluate.images import Images

if TYPE_CHECKING:
    from pathlib import Path


def test_it_can_be_said_and_taken_back_after_the_build(tmp_path: Path) -> None:
    photographs, out = write_photographs(tmp_path / "photographs", count=2), tmp_path / "set"
    plain, apart = painter("painter", tmp_path), painter("own", tmp_path, salt=1, apart=True)
    first = built(settings(photographs, plain, apart), out)
    assert {origin.name: origin.apart for origin in read_origins(out / "origins.csv") if origin.label} == {
        "painter": False,
        "own": True,
    }
    assert "| reported apart | no | yes |" in (out / "datasheet.md").read_text("utf-8")
    found = open_source(out)
    samples = [sample for record in found for sample in getattr(record, "samples", [record])]
    of = Images.of(samples, found.origins)
    assert set(zip(of.origin, of.seen == "apart", strict=True)) >= {("painter", False), ("own", True)}
    assert not (of.seen[of.label == 0] == "apart").any()
    again = built(settings(photographs, plain, {**apart, "apart": False}), out)
    assert again.summary["digest"] == first.summary["digest"]
    assert "apart" not in (out / "origins.csv").read_text("utf-8").splitlines()[0]
