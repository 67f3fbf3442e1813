"""Generators that are reported apart: a part of their own, and in no figure of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scored import detector, evaluation, images

from contrafake.data.location import File
from contrafake.data.origins import Origin, OriginTable
from contrafake.data.sample import Sample
from contrafake.errors import UsageError
from contrafake.evaluate.compute import compute_figures
from contrafake.evaluate.family_folds import Fold, plan_folds, without_apart
from contrafake.evaluate.family_scores import FamilyScore, FamilyScores, FoldFacts
from contrafake.evaluate.family_table import FamilyTable
from contrafake.evaluate.generator_heads import GeneratorHeads
from contrafake.evaluate.generator_scores import GeneratorScores
from contrafake.evaluate.images import Images
from contrafake.evaluate.paper import paper_table
from contrafake.evaluate.report import write_report
from contrafake.evaluate.report.headline import cards, verdict
from contrafake.evaluate.report.view import View
from contrafake.evaluate.robustness import drops, stability

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.evaluate.evaluation import Evaluation

ORIGINS = ["camera"] * 20 + ["gan"] * 12 + ["flux"] * 14 + ["few"] * 2 + ["own"] * 9
PARTS = ["no"] * 20 + ["yes"] * 12 + ["no"] * 16 + ["apart"] * 9
OTHERS = 48


@pytest.fixture(scope="module")
def both() -> tuple[Evaluation, Evaluation]:
    """Two detectors on two variants, with and without the generator that is apart."""
    rng = np.random.default_rng(3)
    label = [0] * 20 + [1] * 37
    of = images(label, origin=ORIGINS, seen=PARTS)
    scores = rng.normal(np.array(label)[None, :, None], 1, (2, len(label), 2))
    heads = detector("ours/linear", head="linear"), detector("ours/svm", head="svm")
    whole = evaluation(of, scores, heads, ["transformed"])
    whole = replace(whole, variants=(whole.variants[0], replace(whole.variants[1], delivered=True, group="jpeg")))
    return whole, replace(whole, images=of.take(np.arange(OTHERS)), scores=scores[:, :OTHERS])


def others(rows: Any) -> list[Any]:
    return [row for row in rows if row.part != "apart"]


def test_figures_of_the_other_parts_are_those_without_its_images(both: tuple[Evaluation, Evaluation]) -> None:
    whole, without = (compute_figures(one, repeats=20, least=10) for one in both)
    assert others(whole.rows) == list(without.rows)
    assert others(whole.spreads) == list(without.spreads)
    assert others(whole.comparisons) == list(without.comparisons)
    for one, other in ((whole, both[0]), (without, both[1])):
        found = {row.part for row in one.rows} | {row.part for row in drops(other, "ours/linear", repeats=20)}
        assert found == ({"seen", "unseen", "apart"} if one is whole else {"seen", "unseen"})
    assert others(drops(both[0], "ours/svm", repeats=20)) == drops(both[1], "ours/svm", repeats=20)
    steady, known = (stability(one, "ours/svm") for one in both)
    assert others(steady.together) == list(known.together)
    assert [(one.images, one.label) for one in steady.together if one.part == "apart"] == [(9, "generated")]


def test_its_own_part_borrows_all_real_images(both: tuple[Evaluation, Evaluation]) -> None:
    row = compute_figures(both[0], repeats=0, least=10).find("ours/linear", "untouched", "apart")
    assert row is not None
    assert (row.real, row.generated, row.borrowed) == (20, 9, True)
    real, own = both[0].scores[0, :20, 0], both[0].scores[0, OTHERS:, 0]
    assert row.metrics["auc"].value == pytest.approx(float((own[:, None] > real).mean()))


def test_the_paper_s_table_has_it_by_itself(both: tuple[Evaluation, Evaluation]) -> None:
    whole, without = (paper_table(one) for one in both)
    assert others(whole.parts) == list(without.parts)
    assert [(part.generated, part.borrowed) for part in whole.parts if part.part == "apart"] == [({"own": 9}, True)]


def test_heads_of_one_generator_are_tested_on_it_by_itself(both: tuple[Evaluation, Evaluation]) -> None:
    of = both[0].images

    def heads(rows: int) -> GeneratorHeads:
        columns = np.tile(both[0].scores[0, :rows, :1], (1, 4))
        found = {"untouched": of.key[:rows]}, {"untouched": columns}
        scores = GeneratorScores("ours 1", 0, {"gan": 30}, 30, {}, {}, *found)
        return GeneratorHeads.of(scores, of)

    whole, without = heads(len(of)), heads(OTHERS)
    assert {part: table for part, table in whole.tables.items() if part != "apart"} == without.tables
    assert whole.tables["apart"].tested == {"own": 9}
    assert whole.borrowed == (*without.borrowed, "apart")


def test_the_table_of_origins_decides_whoever_saw_the_generator() -> None:
    table = OriginTable([Origin("own", 1, "own", seen=True, apart=True), Origin("own", 0, apart=True, seen=False)])
    found = Images.of([sample(1, "own"), sample(0, "own"), sample(1, "gan")], table, {(1, "own"): True})
    assert found.seen.tolist() == ["apart", "no", ""]
    assert Images.from_csv(found.to_csv(), "images.csv").seen.tolist() == ["apart", "no", ""]


def test_the_report_shows_it_last_and_not_on_top(both: tuple[Evaluation, Evaluation], tmp_path: Path) -> None:
    whole, without = (View(one, compute_figures(one, repeats=0, least=10)) for one in both)
    assert (verdict(whole), cards(whole)) == (verdict(without), cards(without))
    assert "AUC" in verdict(whole)
    write_report(tmp_path, whole.evaluation, whole.figures)
    page = (tmp_path / "report.md").read_text("utf-8")
    assert page.index("## Unseen in training") < page.index("## Seen in training") < page.index("## Reported apart")
    assert "their figures stand alone" in page


def test_alone_it_leads_the_report(both: tuple[Evaluation, Evaluation]) -> None:
    rows = np.array([*range(20), *range(OTHERS, OTHERS + 9)])
    of = both[0].images.take(rows)
    alone = replace(both[0], images=replace(of, seen=np.array(["apart"] * 29, object)), scores=both[0].scores[:, rows])
    assert "generators that are reported apart" in verdict(View(alone, compute_figures(alone, repeats=0)))


def sample(label: int, origin: str, at: int = 0, source: str = "") -> Sample:
    key = f"{label}-{origin}-{at}"
    return Sample(key, label, origin, source or origin, "", File(key), "train", {})  # type: ignore[arg-type]


def test_a_family_is_left_out_without_what_is_apart() -> None:
    table = OriginTable([Origin("own-a", 1, "own", apart=True), Origin("own-b", 1, "own", apart=True)])
    generated = [sample(1, name, at) for name in ("gan", "flux", "own-a", "own-b") for at in range(4)]
    samples = [*generated, *(sample(0, "camera", at, f"s{at}") for at in range(6))]
    kept, left = without_apart(samples, table)
    assert left == {"own-a": 4, "own-b": 4}
    assert kept == [one for one in samples if not one.origin.startswith("own")]
    assert [fold.name for fold in plan_folds(kept, table, least=2)] == ["flux", "gan"]
    assert without_apart(samples, table, [["own"]]) == (samples, {})
    with pytest.raises(UsageError, match="none of its images is here"):
        plan_folds(kept, table, least=2, together=[["own"]])


def test_the_table_of_families_names_what_is_apart() -> None:
    rows = [
        FamilyScore("gan", "linear", "untouched", f"{label}{at}", label, "o", "f", f"s{at}", "", label + at / 9, 0.0)
        for label in (0, 1)
        for at in range(4)
    ]
    folds = [FoldFacts(Fold("gan", ("gan",), ("gan",), ("s0",)), (5, 6), (3, 4), {"linear": 0.5})]
    plain = FamilyTable.from_scores(FamilyScores.of(folds, rows, {"mode": "train"}), repeats=0)
    found = FamilyTable.from_scores(FamilyScores.of(folds, rows, {"mode": "train", "apart": {"o|wn": 1200}}), repeats=0)
    assert "apart" not in plain.to_dict()
    assert FamilyTable.from_dict(found.to_dict()) == found
    assert (found.rows, found.summaries) == (plain.rows, plain.summaries)
    assert r"Reported apart, and neither fitted nor tested on: o\|wn" in found.to_markdown()
    assert "Reported apart" not in plain.to_markdown()
