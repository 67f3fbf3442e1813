"""The plan as a table: the same rows in three formats, harmless in spreadsheets, and counted."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from contrafake.data.location import File
from contrafake.errors import DataError, UsageError
from contrafake.generate.config import GenerateConfig
from contrafake.generate.plan import Donors, Planner
from contrafake.generate.plan_table import COLUMNS, plan_rows, write_plan
from contrafake.generate.record import BuildRecord, CaptionedReal, RealFacts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contrafake.generate.plan_table import Row

CAPTIONS = ("a dog", "=1+cmd|'/c calc'!A0", "", 'two "quoted", words', "+49 30", "@me", "＝x")


def rows() -> Iterator[Row]:
    values = {
        "name": "t",
        "reals": {"data": ["x"]},
        "generators": [
            {"name": "text", "kind": "text-to-image", "model": "sd", "guidance": 4, "sizes": [(640, 480)]},
            {"name": "through", "kind": "reconstruction", "model": "vae"},
        ],
    }
    config = GenerateConfig.model_validate(values)
    facts = [
        RealFacts(640, 480, "JPEG", True, 83, "4:2:0", (0, 0), 9, ""),
        RealFacts(640, 480, "PNG", False, -1, "4:2:0", (0, 0), 9, ""),
        RealFacts(60, 480, "PNG", False, -1, "4:2:0", (0, 0), 9, ""),
    ]
    records = [
        BuildRecord(CaptionedReal(f"r\udcff{i}", caption, File("x"), "coco", "coco"), facts[i % 3])
        for i, caption in enumerate(CAPTIONS)
    ]
    return plan_rows(Planner(config, Donors()), records, config.generators)


def test_rows_are_flat_and_say_what_is_planned() -> None:
    listed = list(rows())
    assert len(listed) == 3 * len(CAPTIONS)
    assert all(tuple(row) == COLUMNS for row in listed)
    real, text, through = listed[:3]
    assert (real["generator"], text["generator"], through["generator"]) == ("real", "text", "through")
    assert (text["width"], text["crop_width"], text["crop_height"], text["guidance"]) == (640, 608, 448, 4)
    assert (text["earlier_format"], text["earlier_quality"], text["earlier_x"]) == (
        "JPEG",
        83,
        int(text["frame_left"] or 0) % 16,
    )
    assert (real["earlier_format"], real["format"], real["quality"], real["subsampling"]) == (None, "JPEG", 83, "4:2:0")
    assert listed[6]["skipped"] == listed[7]["skipped"] == "the real image is smaller than 72 x 72"
    assert listed[6]["key"] is None


def test_three_formats_hold_the_same(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    for suffix in ("csv", "jsonl", "parquet"):
        assert write_plan(str(tmp_path / f"plan.{suffix}"), rows()) == 3 * len(CAPTIONS)
    lines = [json.loads(line) for line in (tmp_path / "plan.jsonl").read_text("utf-8").splitlines()]
    assert lines == pq.read_table(tmp_path / "plan.parquet").to_pylist()
    assert [line["record"] for line in lines[:4]] == ["r\\udcff0"] * 3 + ["r\\udcff1"]
    expected = [
        {name: v.replace("\udcff", "\\udcff") if isinstance(v, str) else v for name, v in row.items()} for row in rows()
    ]
    assert lines == expected
    with (tmp_path / "plan.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["seed"] for row in table] == ["" if line["seed"] is None else str(line["seed"]) for line in lines]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["plan.csv", "plan.jsonl", "plan.parquet"]


def test_no_cell_of_a_spreadsheet_is_a_formula(tmp_path: Path) -> None:
    write_plan(str(tmp_path / "plan.csv"), rows())
    with (tmp_path / "plan.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))]
    assert "'=1+cmd|'/c calc'!A0" in cells


def test_a_plan_that_breaks_off_leaves_what_stood_there(tmp_path: Path) -> None:
    target = tmp_path / "plan.csv"
    target.write_text("before")

    def broken() -> Iterator[Row]:
        yield from list(rows())[:2]
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        write_plan(str(target), broken())
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(UsageError, match="how to write it"):
        write_plan(str(tmp_path / "plan.xls"), rows())
    with pytest.raises(DataError, match="cannot be written"):
        write_plan(str(tmp_path / "missing" / "plan.csv"), rows())
