from __future__ import annotations

import json
import math
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scored import RULE, column, detector, evaluation, images

from contrafake.data import Sample
from contrafake.data.location import File
from contrafake.data.origins import Origin, OriginTable
from contrafake.errors import DataError
from contrafake.evaluate.compute import compute_figures
from contrafake.evaluate.evaluation import Calibration, DetectorFacts, Evaluation, Failure, Point, as_stored
from contrafake.evaluate.images import Images, csv_rows, csv_text
from contrafake.evaluate.variant import UNTOUCHED, Draw, Variant
from contrafake.images.transforms import EXTENDED

if TYPE_CHECKING:
    from pathlib import Path

# Names in a tar may be no UTF-8: their odd bytes come as the surrogates that `surrogateescape` makes.
odd = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n\",;\x00\udc80\udcff'= "), max_size=8)
number = st.floats(-1e12, 1e12) | st.just(math.nan)


@st.composite
def evaluations(draw: st.DrawFn) -> Evaluation:
    keys = draw(st.lists(odd, min_size=1, max_size=6, unique=True))
    n = len(keys)
    names = draw(st.lists(odd, min_size=1, max_size=3, unique=True))
    variants = [UNTOUCHED, *(Variant(name, name) for name in draw(st.lists(odd, max_size=2, unique=True)))]
    variants = variants if len({variant.name for variant in variants}) == len(variants) else [UNTOUCHED]
    texts = {name: column(draw(st.lists(odd, min_size=n, max_size=n))) for name in ("origin", "family", "source")}
    of = Images(
        key=column(keys),
        label=np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), np.uint8),
        **texts,
        group=texts["source"],
        content=texts["origin"],
        seen=column(draw(st.lists(st.sampled_from(["yes", "no", ""]), min_size=n, max_size=n))),
        sha256=column(["0" * 64] * n),
    )
    shape = len(variants), n, len(names)
    cells = draw(st.lists(number, min_size=math.prod(shape), max_size=math.prod(shape)))
    points = tuple(
        Point(f"p{t}", t, t - 1, draw(st.none() | st.floats(0, 1))) for t in draw(st.lists(st.floats(-9, 9)))
    )
    facts = [detector(name, points=points, seconds=draw(st.none() | st.floats(0, 100))) for name in names]
    failures = tuple(Failure(key, "untouched", "", "cannot be read") for key in keys[:2])
    stored = as_stored(np.array(cells).reshape(shape))
    return Evaluation(of, tuple(variants), tuple(facts), stored, failures, {"command": draw(odd), "limit": None})


def same(one: Evaluation, other: Evaluation) -> bool:
    columns = [field.name for field in fields(Images)]
    return (
        all((getattr(one.images, name) == getattr(other.images, name)).all() for name in columns)
        and np.array_equal(one.scores, other.scores, equal_nan=True)
        and (one.variants, one.detectors, one.failures, one.facts)
        == (other.variants, other.detectors, other.failures, other.facts)
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=evaluations())
def test_what_is_read_is_what_was_written(case: Evaluation, tmp_path: Path) -> None:
    case.write(tmp_path)
    assert same(Evaluation.read(tmp_path), case)
    before = [(tmp_path / name).read_bytes() for name in ("images.csv", "scores.csv", "evaluation.json")]
    Evaluation.read(tmp_path).write(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in ("images.csv", "scores.csv", "evaluation.json")] == before


@given(st.lists(st.lists(odd, min_size=2, max_size=4), max_size=4))
def test_csv_survives_every_character(rows: list[list[str]]) -> None:
    assert [cells for _, cells in csv_rows(csv_text(rows), "a.csv")] == rows


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_stored_digits_are_kept_by_storing_again(score: float) -> None:
    once = as_stored(np.array([[score]]))
    assert once.shape == (1, 1)
    assert np.array_equal(as_stored(once), once, equal_nan=True)
    assert math.isnan(score) or once[0, 0] == pytest.approx(score, rel=1e-8)


@given(st.data())
def test_variants_come_back_and_draw_the_same(data: st.DataObject) -> None:
    draws = st.builds(Draw, pool=st.just("official"), most=st.integers(0, 3), seed=st.integers(0, 99))
    kind = data.draw(st.sampled_from(EXTENDED))
    chain = (kind.sample(np.random.default_rng(data.draw(st.integers(0, 99)))),)
    for variant in (
        Variant("drawn", "Drawn", draw=data.draw(draws)),
        Variant("chained", "Chained", "group", 0.5, chain),
        Variant("given", "Delivered", delivered=True),
    ):
        back = Variant.from_dict(json.loads(json.dumps(variant.to_dict())))
        assert back.to_dict() == variant.to_dict()
        assert back.chain_for("a key") == variant.chain_for("a key")
        assert back.changes_nothing == variant.changes_nothing


def test_figures_are_the_same_before_and_after(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label = [0] * 30 + [1] * 30
    of = images(label, source=[f"s{at % 9}" for at in range(60)])
    case = evaluation(of, as_stored(rng.normal(size=(2, 60, 2))), [detector("a"), detector("b")], ["jpeg-90"])
    case.write(tmp_path)
    assert compute_figures(Evaluation.read(tmp_path), repeats=30) == compute_figures(case, repeats=30)


def test_columns_are_gathered_from_samples_and_the_table() -> None:
    samples = [
        Sample("a", 0, "camera", "s1", "", File("a.jpg"), metadata={"content": "real-photo"}),
        Sample("b", 1, "sdxl", "s2", "g", File("b.jpg")),
        Sample("c", 1, "flux", "s2", "", File("c.jpg")),
        Sample("d", 1, "new", "s3", "", File("d.jpg")),
    ]
    table = OriginTable([Origin("camera", 0, seen=True), Origin("sdxl", 1, "sd", seen=False), Origin("flux", 1, "fx")])
    of = Images.of(samples, table, {(1, "flux"): True, (1, "sdxl"): True}, {"a": "ab"})
    assert of.family.tolist() == ["real", "sd", "fx", "new"]
    # The table is believed before the model's own list; without either nobody knows.
    assert of.seen.tolist() == ["yes", "no", "yes", ""]
    assert (of.content.tolist(), of.group.tolist()) == (["real-photo", "", "", ""], ["", "g", "", ""])
    assert of.sha256.tolist() == ["ab", "", "", ""]
    assert of.take(np.array([1, 3])).key.tolist() == ["b", "d"]
    assert Images.of(samples, OriginTable()).seen.tolist() == [""] * 4


# Damage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, two variants, two detectors."""
    scores = np.array([[[0.5, 1.0], [2.0, 3.0]], [[0.25, math.nan], [1.5, 2.5]]])
    evaluation(images([0, 1]), scores, [detector("a"), detector("b")], ["jpeg-90"]).write(tmp_path)
    return tmp_path


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))


def test_the_files_as_people_see_them(folder: Path) -> None:
    assert (folder / "scores.csv").read_text().splitlines() == [
        "variant,key,a,b",
        "untouched,i0000,0.5,1",
        "untouched,i0001,2,3",
        "jpeg-90,i0000,0.25,",
        "jpeg-90,i0001,1.5,2.5",
    ]
    lines = (folder / "images.csv").read_text().splitlines()
    assert lines[0] == "key,label,origin,family,source,group,content,seen,sha256"
    assert lines[1] == "i0000,real,camera,real,s0,,,no,"
    assert sorted(path.name for path in folder.iterdir()) == ["evaluation.json", "images.csv", "scores.csv"]


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("images.csv", "i0001,generated", "i0001,made", "line 3: unknown label 'made'"),
        ("images.csv", "i0001,", "i0000,", "line 3: the key 'i0000' stands there before"),
        ("images.csv", "s1,,,no,", "s1,,,perhaps,", "line 3: seen is 'perhaps'"),
        ("images.csv", "s1,,,no,", "s1,,,no", "line 3: has another number of cells"),
        ("images.csv", "s1,,,no,", "s1,,,no,,", "line 3: has another number of cells"),
        ("images.csv", "i0001", '"i0001', "line 3: is no CSV"),
        ("images.csv", "seen", "known", "the columns seen are missing"),
        ("scores.csv", "untouched,i0001", "untouched,i0007", "line 3: fits neither"),
        ("scores.csv", "untouched,i0001", "jpeg-30,i0001", "line 3: fits neither"),
        ("scores.csv", "untouched,i0001", "untouched,i0000", "line 3: untouched of 'i0000' stands there before"),
        ("scores.csv", "2,3", "2,3,4", "line 3: fits neither"),
        ("scores.csv", "2,3", "2,high", "line 3: a score is no number"),
        ("scores.csv", "2,3", '2,"3', "is no CSV"),
        ("scores.csv", "variant,key,a,b", "variant,key,b,a", "columns are not the detectors"),
        ("evaluation.json", '"schema_version": 1', '"schema_version": 9', "schema version 9, not 1"),
        ("evaluation.json", '"schema_version": 1', '"version": 1', "is no evaluation: 'schema_version'"),
        ("evaluation.json", "{", "[", "is no evaluation"),
        ("evaluation.json", '"threshold": 1.0', '"threshold": "high"', "of 'a' is no number"),
        ("evaluation.json", '"slope": 1', '"slope": null', "of 'a' is no number"),
        ("evaluation.json", '"name": "b"', '"name": "a"', "the detector 'a' stands there twice"),
        ("evaluation.json", '"name": "jpeg-90"', '"name": "untouched"', "the variant 'untouched' stands there twice"),
        ("evaluation.json", '"uncertain_from": 0.0', '"doubt": 0.0', "is no evaluation"),
    ],
)
def test_damage_is_named_with_its_line(folder: Path, name: str, old: str, new: str, complaint: str) -> None:
    replaced(folder / name, old, new)
    with pytest.raises(DataError) as caught:
        Evaluation.read(folder)
    assert name in str(caught.value)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("name", ["images.csv", "scores.csv", "evaluation.json"])
def test_a_missing_or_emptied_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("")
    with pytest.raises(DataError, match=name):
        Evaluation.read(folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: cannot be read"):
        Evaluation.read(folder)


def test_files_with_other_line_ends_are_read(folder: Path) -> None:
    before = Evaluation.read(folder)
    for name in ("images.csv", "scores.csv"):
        (folder / name).write_bytes((folder / name).read_bytes().replace(b"\n", b"\r\n"))
    assert same(Evaluation.read(folder), before)


def test_a_key_that_no_file_can_hold_is_refused_with_its_character(tmp_path: Path) -> None:
    of = replace(images([0, 1]), key=column(["fine", "\ud800"]))
    with pytest.raises(DataError, match=r"images.csv: cannot hold '\\ud800'"):
        evaluation(of, [0.0, 1.0]).write(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file"):
        evaluation(images([0, 1]), [0.0, 1.0]).write(tmp_path / "file")


# Detectors


def test_ratios_follow_the_calibration_within_its_bound() -> None:
    scores = np.array([-10.0, 0.0, 1.0, 10.0, math.nan])
    found = detector(calibration=Calibration(2.0, -1.0, 5.0)).llr(scores)
    assert found is not None
    assert found[:4].tolist() == [-5, -1, 1, 5]
    assert math.isnan(found[4])
    assert detector(calibration=None).llr(scores) is None


def test_probabilities_are_ratios() -> None:
    found = detector(calibration=None, probability=True).llr(np.array([0.0, 0.5, 0.9, 1.0]))
    assert found is not None
    assert found.tolist() == pytest.approx([-math.inf, 0, math.log(9), math.inf])


def test_verdicts_by_the_rule() -> None:
    scores = np.array([-1.0, 0.0, 0.5, 1.0, 1.5, math.nan])
    found = detector().verdicts(scores)
    assert found is not None
    assert found.tolist() == ["real", "real", "uncertain", "uncertain", "generated", ""]
    strict = detector().verdicts(scores, replace(RULE, threshold=2.0, uncertain_from=2.0))
    assert strict is not None
    assert strict.tolist() == ["real"] * 5 + [""]
    assert detector(points=()).verdicts(scores) is None


def test_facts_come_back_from_json() -> None:
    facts: list[dict[str, Any]] = [{}, {"points": (), "calibration": None}, {"kind": "file", "probability": True}]
    for changes in facts:
        made = detector("x", **changes)
        assert DetectorFacts.from_dict(json.loads(json.dumps(asdict(made)))) == made


def test_scores_are_found_by_name(folder: Path) -> None:
    case = Evaluation.read(folder)
    assert case.of("untouched", "b").tolist() == [1, 3]
    assert math.isnan(case.of("jpeg-90", "b")[0])
    with pytest.raises(KeyError, match="jpeg-30"):
        case.of("jpeg-30", "a")
