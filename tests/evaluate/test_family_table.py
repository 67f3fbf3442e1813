"""The table of leave-one-family-out from scores made by hand, and from disk without the data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score

from contrafake.errors import DataError
from contrafake.evaluate.family_folds import Fold
from contrafake.evaluate.family_scores import FACTS, SCORES, FamilyScore, FamilyScores, FoldFacts
from contrafake.evaluate.family_table import FamilyTable

if TYPE_CHECKING:
    from pathlib import Path

THRESHOLDS = {"gan": 0.5, "flux": -0.25, "few": 0.0}


def made(mode: str = "refit", saw: tuple[str, ...] | None = ("gan",)) -> FamilyScores:
    rng = np.random.default_rng(5)
    rows = []
    for place, (fold, generated) in enumerate((("gan", 40), ("flux", 25), ("few", 6))):
        for label, count in ((0, 30), (1, generated)):
            for i in range(count):
                score = float(rng.normal(label, 1))
                rows += [
                    FamilyScore(
                        fold=fold,
                        head="linear",
                        variant=variant,
                        key=f"{fold}|{label}-{i}",
                        label=label,
                        origin=fold if label else "phone",
                        family=fold if label else "real",
                        source=f"{fold}-{label}-{i % 4}",
                        content=("photo-face", "art")[i % 2] if label else "real-photo",
                        score=score + change,
                        llr=2 * (score + change) - place,
                    )
                    for variant, change in (("untouched", 0.0), ("jpeg-90", -0.125))
                ]
    folds = [
        FoldFacts(Fold(fold, (fold, "other"), (fold,), (f"{fold}-0-0",)), (5, 6), (3, 4), {"linear": threshold}, saw)
        for fold, threshold in THRESHOLDS.items()
    ]
    return FamilyScores.of(folds, rows, {"mode": mode, "model": "toy", "version": "1", "rate": 0.05, "unreadable": {}})


SCORED = made()
TABLE = FamilyTable.from_scores(SCORED, repeats=200)


def pick(variant: str, fold: str | None, *, photo: bool = False) -> tuple[list[int], list[float], list[float]]:
    """Labels, scores and ratios, row by row."""
    columns = SCORED.columns
    rows = [
        row
        for row in range(len(SCORED))
        if columns["variant"][row] == variant
        and fold in {None, columns["fold"][row]}
        and not (photo and columns["label"][row] and not columns["content"][row].startswith("photo"))
    ]
    return tuple([columns[name][row] for row in rows] for name in ("label", "score", "llr"))  # type: ignore[return-value]


@pytest.mark.parametrize("variant", ["untouched", "jpeg-90"])
@pytest.mark.parametrize("photo", [False, True])
@pytest.mark.parametrize("fold", list(THRESHOLDS))
def test_a_fold_as_scikit_learn_has_it(variant: str, fold: str, *, photo: bool) -> None:
    labels, scores, llr = pick(variant, fold, photo=photo)
    row = TABLE.find(fold, variant, "photo-like" if photo else "all")
    assert row is not None
    assert (row.real, row.generated) == (labels.count(0), labels.count(1))
    assert row.auc.value == pytest.approx(roc_auc_score(labels, scores))
    assert row.auc.low is not None
    assert row.auc.high is not None
    assert row.auc.low < row.auc.value < row.auc.high
    called = np.array(scores) > THRESHOLDS[fold]
    assert row.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, called))
    assert row.false_alarms.value == pytest.approx(called[np.array(labels) == 0].mean())
    weights = [1 / labels.count(label) for label in labels]
    chances = 1 / (1 + np.exp(-np.array(llr)))
    assert row.cllr == pytest.approx(log_loss(labels, chances, sample_weight=weights) / np.log(2))
    assert (row.sources_real, row.counted) == (4, fold != "few" and (row.generated >= 20))


def test_the_mean_leaves_out_small_folds_and_the_pool_does_not() -> None:
    [summary] = [s for s in TABLE.summaries if (s.variant, s.subset) == ("untouched", "all")]
    values = {fold: float(roc_auc_score(*pick("untouched", fold)[:2])) for fold in ("gan", "flux")}
    assert summary.folds == 2
    assert summary.auc is not None
    assert summary.auc.value == pytest.approx(np.mean(list(values.values())))
    assert summary.worst == pytest.approx(min(values.values()))
    assert summary.worst_name == min(values, key=values.__getitem__)
    labels, _, llr = pick("untouched", None)
    assert (summary.real, summary.generated) == (90, 71)
    weights = [1 / labels.count(label) for label in labels]
    chances = 1 / (1 + np.exp(-np.array(llr)))
    assert summary.cllr.value == pytest.approx(log_loss(labels, chances, sample_weight=weights) / np.log(2))
    alarms = [
        score > THRESHOLDS[fold]
        for fold in THRESHOLDS
        for label, score in zip(*pick("untouched", fold)[:2], strict=True)
        if not label
    ]
    assert summary.false_alarms.value == pytest.approx(np.mean(alarms))


def test_calibration_error_by_hand() -> None:
    folds = [FoldFacts(Fold("a", ("a",), ("a",), ("s",)), (1, 1), (1, 1), {"linear": 0.0})]
    # Ratios of 0 for all: one bin, in which half of the mass is generated whatever the counts.
    rows = [FamilyScore("a", "linear", "untouched", f"{i}", int(i > 5), "o", "f", "s", "", 0.0, 0.0) for i in range(8)]
    summary = FamilyTable.from_scores(FamilyScores.of(folds, rows, {}), repeats=10).summaries[0]
    assert summary.calibration_error.value == pytest.approx(0, abs=1e-12)
    assert (summary.auc, summary.worst, summary.folds) == (None, None, 0)


def test_the_table_is_remade_from_the_files(tmp_path: Path) -> None:
    SCORED.write(tmp_path)
    again = FamilyScores.read(tmp_path)
    assert FamilyTable.from_scores(again, repeats=200) == TABLE
    assert again.facts == SCORED.facts
    before = [(tmp_path / name).read_bytes() for name in (SCORES, FACTS)]
    again.write(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in (SCORES, FACTS)] == before
    assert FamilyTable.from_dict(json.loads(json.dumps(TABLE.to_dict()))) == TABLE


def test_without_resamples_there_is_no_interval() -> None:
    table = FamilyTable.from_scores(SCORED, repeats=0)
    assert [(row.auc.value, row.auc.low) for row in table.rows] == [(row.auc.value, None) for row in TABLE.rows]
    assert "None" not in table.to_markdown()


def test_markdown() -> None:
    text = TABLE.to_markdown()
    assert "an upper bound" in text
    assert "### linear, jpeg-90: photo-like generated images against photographs" in text
    row = TABLE.find("gan", "untouched")
    assert row is not None
    assert f"| gan | 30 (4) | 40 (4) | {row.auc.value:.3f} (" in text
    assert "Not in mean and worst, with fewer than 20 generated images: few (6)." in text


@pytest.mark.parametrize(
    ("saw", "mode", "words"),
    [
        (None, "refit", "nobody noted on what: **take these figures for an upper bound**"),
        ((), "refit", "trained before, with none of the families."),
        (("gan",), "train", "sources; its images"),
    ],
)
def test_what_the_encoder_saw_is_said(saw: tuple[str, ...] | None, mode: str, words: str) -> None:
    text = FamilyTable.from_scores(made(mode, saw), repeats=2).to_markdown()
    assert words in text
    assert ("Only the heads" in text) == (mode == "refit")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda lines: [lines[0].replace("llr", "ratio"), *lines[1:]], "its columns are not fold, head"),
        (lambda lines: [*lines, lines[1]], r"line \d+: untouched of 'gan\|0-0' stands there before"),
        (lambda lines: [lines[0], lines[1].replace("gan,linear", "gan,svm"), *lines[2:]], "line 2: does not fit"),
        (lambda lines: [lines[0], lines[1].replace("gan,linear", "vq,linear"), *lines[2:]], "line 2: does not fit"),
        (lambda lines: [lines[0], lines[1].rpartition(",")[0] + ",nan"], "line 2: a score is not finite"),
        (lambda lines: [lines[0], lines[1].rpartition(",")[0] + ",x"], "line 2: a score is no number"),
        (lambda lines: [lines[0], lines[1].replace(",real,phone", ",maybe,phone")], "line 2: unknown label 'maybe'"),
    ],
)
def test_damaged_scores_name_the_line(tmp_path: Path, damage: object, words: str) -> None:
    SCORED.write(tmp_path)
    lines = (tmp_path / SCORES).read_text().splitlines()
    (tmp_path / SCORES).write_text("\n".join(damage(lines)) + "\n")  # type: ignore[operator]
    with pytest.raises(DataError, match=words):
        FamilyScores.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema_version": 1, "folds": [{}], "facts": {}}'])
def test_damaged_facts(tmp_path: Path, text: str) -> None:
    SCORED.write(tmp_path)
    (tmp_path / FACTS).write_text(text)
    with pytest.raises(DataError, match=r"families\.json: is no leave-one-family-out"):
        FamilyScores.read(tmp_path)


def test_one_class_alone_is_refused() -> None:
    real = [FamilyScore("gan", "linear", "untouched", "k", 0, "o", "real", "s", "", 0.0, 0.0)]
    with pytest.raises(DataError, match="no fold has scores of both classes"):
        FamilyTable.from_scores(FamilyScores.of(SCORED.folds, real, {}))
