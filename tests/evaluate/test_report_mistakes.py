"""The most confident mistakes, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored import detector, evaluation, images

from contrafake.evaluate.evaluation import Calibration, Point
from contrafake.evaluate.report.mistakes import mistaken_keys, mistakes


def test_false_alarms_then_misses_the_furthest_first() -> None:
    scores = [2.0, 5.0, 1.0, np.nan, -1.0, 0.5, 1.0, 1.1]  # the threshold is 1: above it, generated
    found = mistakes(evaluation(images([0, 0, 0, 0, 1, 1, 1, 1]), scores), "ours")
    assert [(one.kind, one.key, one.score, one.distance) for one in found] == [
        ("false alarm", "i0001", 5.0, 4.0),
        ("false alarm", "i0000", 2.0, 1.0),
        ("miss", "i0004", -1.0, 2.0),
        ("miss", "i0005", 0.5, 0.5),
        ("miss", "i0006", 1.0, 0.0),
    ]
    assert [one.origin for one in found] == ["camera"] * 2 + ["generator"] * 3
    assert [one.llr for one in found] == [5.0, 2.0, -1.0, 0.5, 1.0]
    assert [one.key for one in mistakes(evaluation(images([0, 0, 1]), [3.0, 2.0, 0.0]), "ours", 1)] == [
        "i0000",
        "i0002",
    ]


def test_bounded_ratios_do_not_blur_the_order() -> None:
    bounded = detector(calibration=Calibration(1, 0, 2.0))
    found = mistakes(evaluation(images([0, 0, 0, 1]), [3.0, 9.0, 5.0, 2.0], [bounded]), "ours")
    assert [one.key for one in found] == ["i0001", "i0002", "i0000"]
    assert {one.llr for one in found} == {2.0}


@pytest.mark.parametrize(
    ("changes", "threshold"),
    [
        ({"points": (Point("a", 0.0, -9.0), Point("b", 4.0, 4.0))}, 0.0),  # the first rule, its hard threshold
        ({"points": (), "calibration": Calibration(2.0, -3.0, 9.0)}, 1.5),  # a ratio of 1
        ({"points": (), "calibration": None, "probability": True}, 0.5),
        ({"points": (), "calibration": None}, None),
        ({"points": (), "calibration": Calibration(0.0, 1.0, 9.0)}, None),
    ],
)
def test_where_the_verdict_turns(changes: dict[str, Any], threshold: float | None) -> None:
    scores = np.array([-1.0, 0.25, 0.4, 0.5, 0.6, 1.4, 1.6, 3.0])
    if changes.get("probability"):
        scores = scores.clip(0, 1)
    of = evaluation(images([0] * 8), scores, [detector(**changes)])
    wanted = [] if threshold is None else [f"i{at:04d}" for at in range(8) if scores[at] > threshold]
    assert sorted(one.key for one in mistakes(of, "ours")) == wanted


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([-2.0, 0.5, 1.0, 1.5, 7.0])), min_size=1, max_size=30))
def test_mistakes_are_mistakes_and_all_of_them(rows: list[tuple[int, float]]) -> None:
    labels, scores = [row[0] for row in rows], [row[1] for row in rows]
    found = mistakes(evaluation(images(labels), scores), "ours", 100)
    wrong = {f"i{at:04d}" for at, (label, score) in enumerate(rows) if (score > 1.0) != bool(label)}
    assert {one.key for one in found} == wrong
    assert len(found) == len(wrong)
    for kind in ("false alarm", "miss"):
        distances = [one.distance for one in found if one.kind == kind]
        assert distances == sorted(distances, reverse=True)


def test_keys_of_all_detectors_come_once() -> None:
    two = [detector(), detector("other")]
    of = evaluation(images([0, 0, 1]), [[3.0, 3.0], [0.0, 4.0], [2.0, 2.0]], two)
    assert mistaken_keys(of) == ["i0000", "i0001"]
    with pytest.raises(KeyError):
        mistakes(replace(of), "nobody")
