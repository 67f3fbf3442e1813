"""A verdict as plain JSON types."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError

import pytest

from contrafake.detect.verdict import SCHEMA_VERSION, Attribution, ModelId, Verdict
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
        "attribution": Attribution("sd", 0.25),
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
    assert plain["attribution"] == {"origin": "sd", "distance": 0.25}
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


def test_verdict_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        verdict().label = "real"  # type: ignore[misc]
