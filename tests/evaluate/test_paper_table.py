"""The paper's table from scores made by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from contrafake.errors import UsageError
from contrafake.evaluate.evaluation import DetectorFacts, Evaluation, Point
from contrafake.evaluate.images import Images
from contrafake.evaluate.paper import PaperTable, paper_table
from contrafake.evaluate.variant import UNTOUCHED, Draw, Variant

TRANSFORMED = Variant("transformed", "Transformed", draw=Draw(seed=3))
DELIVERED = Variant("transformed-as-delivered", "As delivered", delivered=True)

# label, origin, seen, score untouched, score transformed
ROWS: list[tuple[int, str, str, float, float]] = [
    (0, "phone", "yes", -2.0, -1.0),
    (0, "phone", "yes", -1.0, 0.0),  # 0 is not above 0: real
    (0, "film", "yes", 0.5, 1.5),
    (0, "film", "yes", -3.0, np.nan),
    (1, "sd", "yes", 1.0, 0.5),
    (1, "sd", "yes", 2.0, -0.5),
    (1, "gan", "yes", -1.0, -1.0),
    (1, "flux", "no", 0.2, 3.0),
    (1, "a|b", "no", 3.0, 3.0),
]


def column(values: list[str]) -> Any:
    found = np.empty(len(values), object)
    found[:] = values
    return found


def evaluation(
    rows: list[tuple[int, str, str, float, float]] = ROWS,
    detectors: tuple[DetectorFacts, ...] = (),
    second: Variant = TRANSFORMED,
) -> Evaluation:
    origin = column([row[1] for row in rows])
    images = Images(
        key=column([f"k{i}" for i in range(len(rows))]),
        label=np.array([row[0] for row in rows], np.uint8),
        origin=origin,
        family=origin,
        source=origin,
        group=column([""] * len(rows)),
        content=column([""] * len(rows)),
        seen=column([row[2] for row in rows]),
        sha256=column([""] * len(rows)),
    )
    known = detectors or (facts("m/linear", "linear"),)
    scores = np.array([[row[3], row[4]] for row in rows], float).T
    return Evaluation(images, (UNTOUCHED, second), known, np.repeat(scores[:, :, None], len(known), axis=2))


def facts(name: str, head: str, points: tuple[Point, ...] = (Point("5% false alarms", 0.7, 0.1),)) -> DetectorFacts:
    return DetectorFacts(name=name, kind="bundle", model="m", head=head, points=points)


def test_every_cell_by_hand() -> None:
    [seen, unseen] = paper_table(evaluation()).parts
    assert (seen.part, seen.real, seen.generated, seen.borrowed) == ("seen", 4, {"gan": 1, "sd": 2}, False)
    zero, stored, zero_changed, stored_changed = seen.rows
    assert [row.rule for row in seen.rows] == ["score 0", "5% false alarms"] * 2
    assert [row.condition for row in seen.rows] == ["untouched"] * 2 + ["transformed"] * 2
    # Real -2, -1, 0.5, -3: three of four at 0, all four at 0.7.
    assert (zero.real, zero.generated) == (3 / 4, {"gan": 0.0, "sd": 1.0})
    assert zero.average == pytest.approx((3 / 4 + 0 + 1) / 3)
    assert zero.balanced == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert zero.overall == pytest.approx(5 / 7)
    assert (stored.real, stored.generated, stored.threshold) == (1.0, {"gan": 0.0, "sd": 1.0}, 0.7)
    # Of the transformed real images one has no score; of the others -1 and 0 are real.
    assert (zero_changed.real, zero_changed.generated) == (2 / 3, {"gan": 0.0, "sd": 0.5})
    assert zero_changed.missing == 1
    assert zero_changed.overall == pytest.approx(3 / 6)
    assert stored_changed.generated == {"gan": 0.0, "sd": 0.0}
    # Unseen generators have no real images of their own.
    assert (unseen.part, unseen.real, unseen.generated, unseen.borrowed) == ("unseen", 4, {"a|b": 1, "flux": 1}, True)
    assert unseen.rows[1].generated == {"a|b": 1.0, "flux": 0.0}
    assert unseen.rows[1].average == pytest.approx((1 + 1 + 0) / 3)


def test_seen_and_unseen_share_no_generator() -> None:
    parts = paper_table(evaluation()).parts
    columns = [set(part.generated) for part in parts]
    assert columns == [{"sd", "gan"}, {"flux", "a|b"}]
    assert all(set(row.generated) <= set(part.generated) for part in parts for row in part.rows)


def test_the_operations_are_those_that_the_images_get() -> None:
    [found] = paper_table(evaluation()).operations
    chains = [TRANSFORMED.chain_for(f"k{i}") for i in range(len(ROWS))]
    assert found.drawn
    assert (found.pool, found.most, found.seed) == ("official", 2, 3)
    assert found.images == {str(n): sum(len(chain) == n for chain in chains) for n in {len(chain) for chain in chains}}
    assert sum((found.kinds or {}).values()) == sum(map(len, chains)) > 0


def test_delivered_copies_are_said_to_be_unknown() -> None:
    table = paper_table(evaluation(second=DELIVERED))
    assert [(found.condition, found.drawn) for found in table.operations] == [("transformed-as-delivered", False)]
    assert "not known" in table.to_markdown()


def test_json_round_trip() -> None:
    table = paper_table(evaluation())
    assert PaperTable.from_dict(json.loads(json.dumps(table.to_dict()))) == table


def test_markdown_has_one_table_for_each_part_model_and_rule() -> None:
    heads = tuple(facts(f"{model}/{head}", head) for model in ("m", "m-2") for head in ("linear", "svm"))
    lines = paper_table(evaluation(detectors=heads)).to_markdown().splitlines()
    titles = [line for line in lines if "linear, untouched" in line]
    assert len(titles) == 2 * 2 * 2
    assert "| svm, transformed |" in titles[0]
    assert "| sd (2) | 100.0 % | 50.0 % | 100.0 % | 50.0 % |" in lines
    assert r"| a\|b (1) | 100.0 % | 100.0 % | 100.0 % | 100.0 % |" in lines


def test_heads_without_a_stored_threshold_decide_at_zero_alone() -> None:
    [seen, _] = paper_table(evaluation(detectors=(facts("m", "nearest", ()),))).parts
    assert [row.rule for row in seen.rows] == ["score 0"] * 2
    assert {row.model for row in seen.rows} == {"m"}


def test_without_real_images_nothing_is_averaged() -> None:
    found = paper_table(evaluation([row for row in ROWS if row[0]])).parts[0]
    assert (found.real, found.borrowed) == (0, False)
    assert {(row.real, row.average, row.balanced, row.overall) for row in found.rows} == {(None, None, None, None)}
    assert "– |" in paper_table(evaluation([row for row in ROWS if row[0]])).to_markdown()


def test_real_images_of_a_part_without_generators_are_counted_all_the_same() -> None:
    rows = [(label, origin, seen, one, two) for label, origin, seen, one, two in ROWS if seen == "yes" or not label]
    table = paper_table(evaluation([*rows, (0, "new", "no", 0.6, 0.9)]))
    assert [(part.part, part.real, part.generated, part.borrowed) for part in table.parts][1] == (
        "unseen",
        1,
        {},
        False,
    )
    assert [(row.real, row.average) for row in table.parts[1].rows] == [
        (0.0, None),
        (1.0, None),
        (0.0, None),
        (0.0, None),
    ]
    assert "| real (1) | 0.0 % | 0.0 % |" in table.to_markdown()


@pytest.mark.parametrize(
    ("made", "cause"),
    [
        (evaluation([row for row in ROWS if not row[0]]), "none of 4 images is generated"),
        (evaluation(detectors=(DetectorFacts("x", "scorer", "x"),)), "none of the heads linear, nearest, svm"),
    ],
)
def test_refusals(made: Evaluation, cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        paper_table(made)


def test_other_variants_are_no_paper_table() -> None:
    made = evaluation()
    other = Evaluation(made.images, (Variant("jpeg-90", "JPEG 90"),), made.detectors, made.scores[:1])
    with pytest.raises(UsageError, match="none of the variants untouched, transformed"):
        paper_table(other)
