"""A verdict as plain JSON types."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import FrozenInstanceError

import pytest

from contrafake.cli.records import csv_rows
from contrafake.cli.table import looks_like, print_table
from contrafake.detect.verdict import SCHEMA_VERSION, UNKNOWN_GENERATOR, Attribution, ModelId, NearOrigin, Verdict
from contrafake.model.calibration import OperatingPoint

POINT = OperatingPoint("5% false alarms", 1.5, -0.5, 0.05, (0.03, 0.08), 400, 0.1, 300)


def verdict(**changes: object) -> Verdict:
    values: dict[str, object] = {
        "name": "a.jpg",
        "sha256": "0" * 64,
        "label": "generated",
        "probability": 0.9,
        "llr": 2.2,
        "score": 3.1,
        "operating_point": POINT,
        "head": "linear",
        "crops": 5,
        "model": ModelId("tiny", "1", "f" * 64),
        "attribution": Attribution("sd", 0.25, (NearOrigin("sd", 0.6, 0.25), NearOrigin("=gan", 0.4, 0.5)), 1.2),
        "notes": ("first of 12 frames",),
    }
    return Verdict(**{**values, **changes})  # type: ignore[arg-type]


def test_verdict_survives_json() -> None:
    plain = verdict().to_dict()
    assert plain == json.loads(json.dumps(plain, allow_nan=False))
    assert plain["schema_version"] == SCHEMA_VERSION == 1
    assert plain["operating_point"] == {
        "name": "5% false alarms",
        "threshold": 1.5,
        "uncertain_from": -0.5,
        "false_alarm_rate": 0.05,
        "interval": [0.03, 0.08],
        "real_images": 400,
        "missed_rate": 0.1,
        "generated_images": 300,
    }
    assert plain["model"] == {"name": "tiny", "version": "1", "hash": "f" * 64}
    assert plain["attribution"] == {
        "origin": "sd",
        "distance": 0.25,
        "limit": 1.2,
        "nearest": [
            {"origin": "sd", "share": 0.6, "distance": 0.25},
            {"origin": "=gan", "share": 0.4, "distance": 0.5},
        ],
    }
    assert plain["notes"] == ["first of 12 frames"]


def test_every_field_is_told() -> None:
    assert verdict().to_dict().keys() == {"schema_version", *vars(verdict())}


def test_error_survives_json() -> None:
    nothing = {"sha256": None, "probability": None, "llr": None, "score": None, "operating_point": None}
    plain = verdict(label="error", error="no such file", crops=0, attribution=None, notes=(), **nothing).to_dict()
    assert plain == json.loads(json.dumps(plain, allow_nan=False))
    assert (plain["label"], plain["error"]) == ("error", "no such file")


def test_unknown_false_alarms_are_valid_json() -> None:
    bare = OperatingPoint("custom threshold", 0.0, 0.0, math.nan, (0.0, 1.0), 0)
    assert (
        json.loads(json.dumps(verdict(operating_point=bare).to_dict(), allow_nan=False))["operating_point"][
            "false_alarm_rate"
        ]
        is None
    )


def test_name_of_any_bytes_survives_json() -> None:
    name = b"caf\xe9\x1b[31m.jpg".decode("utf-8", "surrogateescape")
    assert json.loads(json.dumps(verdict(name=name).to_dict()))["name"] == name


@pytest.mark.parametrize(
    ("origin", "known", "shown"),
    [("sd", True, "sd (0.60)"), (UNKNOWN_GENERATOR, False, "unknown generator"), (None, False, "cannot be told")],
)
def test_only_a_name_counts_as_known(origin: str | None, known: bool, shown: str) -> None:
    found = Attribution(origin, 0.25, (NearOrigin("sd", 0.6, 0.25),), 0.2)
    assert found.known is known
    assert looks_like(found) == shown
    assert json.loads(json.dumps(verdict(attribution=found).to_dict()))["attribution"]["origin"] == origin


def test_a_table_shows_the_origin_with_its_control_characters_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "sd\x1b[31m\n"
    named = verdict(attribution=Attribution(evil, 0.25, (NearOrigin(evil, 0.6, 0.25),)))
    print_table([named, verdict(attribution=Attribution(UNKNOWN_GENERATOR, 3.0))], [])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "(0.60)" in out
    assert "unknown generator" in out


def test_csv_tells_the_nearest_origin_even_where_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    found = Attribution(None, 0.25, (NearOrigin("=gan", 0.3, 0.25),), 1.2)
    with csv_rows("-") as write:
        write(verdict(attribution=found))
        write(verdict(attribution=None))
    named, none = csv.DictReader(io.StringIO(capsys.readouterr().out))
    columns = ("origin", "distance", "distance_limit", "nearest_origin", "nearest_share")
    assert [named[column] for column in columns] == ["", "0.25", "1.2", "'=gan", "0.3"]
    assert [none[column] for column in columns] == [""] * 5
    assert none["notes"] == named["notes"] == "first of 12 frames"


def test_verdict_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        verdict().label = "real"  # type: ignore[misc]
