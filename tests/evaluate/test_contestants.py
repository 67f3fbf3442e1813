from __future__ import annotations

import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import picture

import contrafake
from contrafake.errors import BundleError, ContrafakeError, DataError, UsageError
from contrafake.evaluate.contestants import BundleContestant, ScorerContestant, open_contestant
from contrafake.evaluate.evaluation import Point
from contrafake.images import Picture, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from contrafake.evaluate.contestant import Contestant


@pytest.fixture(scope="module")
def detector() -> contrafake.Detector:
    return contrafake.load()


@pytest.fixture(scope="module")
def images() -> list[Picture]:
    rng = np.random.default_rng(1)
    return [read(picture(rng, generated=bool(i % 2), side=150 + 90 * i)) for i in range(4)]


def test_a_bundle_says_and_decides_what_its_detector_does(detector: contrafake.Detector, images: list[Picture]) -> None:
    contestant: Contestant = BundleContestant(detector, detector.heads)
    assert [one.name for one in contestant.columns] == [f"contrafake-embedded/{head}" for head in detector.heads]
    measured = [contestant.measure(image) for image in images]
    for at, facts in enumerate(contestant.columns):
        assert (facts.kind, facts.hash, facts.crops) == ("bundle", detector.bundle.hash, detector.default_crops)
        assert facts.points[0].name == "5% false alarms"
        assert len(facts.points) == 2
        scores = np.array([contestant.scores(vectors)[at] for vectors in measured])
        verdicts = detector.detect(images, head=facts.head)
        np.testing.assert_allclose(scores, [one.score or np.nan for one in verdicts], rtol=1e-12)
        llr = facts.llr(scores)
        assert llr is not None
        np.testing.assert_allclose(llr, [one.llr or np.nan for one in verdicts], rtol=1e-12)
        decided = facts.verdicts(scores)
        assert decided is not None
        assert decided.tolist() == [one.label for one in verdicts]
        stored = detector.operating_point(0.01, head=facts.head)
        assert facts.points[1] == Point(
            "1% false alarms", stored.threshold, stored.uncertain_from, stored.false_alarm_rate
        )


def test_the_default_head_goes_by_the_models_name(detector: contrafake.Detector) -> None:
    assert BundleContestant(detector).columns[0].name == "contrafake-embedded"
    assert BundleContestant(detector, ["kernel"]).columns[0].name == "contrafake-embedded"
    assert BundleContestant(detector, ["linear"]).columns[0].name == "contrafake-embedded/linear"


def test_rules_come_from_the_nearest_calibrated_number_of_crops(detector: contrafake.Detector) -> None:
    with pytest.warns(contrafake.CalibrationWarning, match="calibrated at 1 or 2 or 5 crops, not at 3"):
        [facts] = BundleContestant(detector, crops=3).columns
    [one] = BundleContestant(detector, crops=2).columns
    assert (facts.points, facts.calibration) == (one.points, one.calibration)
    assert facts.crops == 3


def test_a_head_without_calibration_has_no_rule(detector: contrafake.Detector) -> None:
    config = detector.bundle.config.model_copy(update={"calibrations": []})
    plain = contrafake.Detector(replace(detector.bundle, config=config))
    [facts] = BundleContestant(plain).columns
    assert facts.points == ()
    assert facts.calibration is None


def test_what_embeddings_depend_on_makes_the_identity(detector: contrafake.Detector) -> None:
    same = BundleContestant(detector).identity
    assert BundleContestant(detector, ["kernel", "linear"]).identity == same
    assert BundleContestant(contrafake.load(), crops=detector.default_crops).identity == same
    assert BundleContestant(detector, crops=1).identity != same
    facts = detector.bundle.config
    smaller = facts.preprocessing.model_copy(update={"crop_size": 200})
    for change in ({"preprocessing": smaller}, {"files": {**facts.files, "model.onnx": "0" * 64}}):
        changed = contrafake.Detector(replace(detector.bundle, config=facts.model_copy(update=change)))
        assert BundleContestant(changed).identity != same


def test_a_bundle_was_trained_on_what_any_role_saw(detector: contrafake.Detector) -> None:
    trained = BundleContestant(detector).trained_on
    assert (1, "sd1.4") in trained
    assert (0, "celeb-web") in trained  # photographs of the validation set alone
    assert (0, "sd1.4") not in trained
    silent = detector.bundle.config.model_copy(update={"training": {}})
    assert BundleContestant(contrafake.Detector(replace(detector.bundle, config=silent))).trained_on == frozenset()


@pytest.mark.parametrize(
    ("heads", "crops", "problem"),
    [
        (["forest"], None, "has no head 'forest'"),
        ([], None, "heads: none"),
        (["kernel", "kernel"], None, "name each head once"),
        (None, 0, "crops: 0 is outside"),
        (None, 10_000, "crops: 10000 is outside"),
    ],
)
def test_heads_and_crops_that_make_no_sense(
    detector: contrafake.Detector, heads: list[str] | None, crops: int | None, problem: str
) -> None:
    with pytest.raises(ContrafakeError, match=problem):
        BundleContestant(detector, heads, crops)


class Fixed:
    """Gives whatever it was made with."""

    name = "fixed"

    def __init__(self, answer: Any = (0.25,), **facts: Any) -> None:
        self.answer = answer
        for key, value in facts.items():
            setattr(self, key, value)

    def score(self, pictures: Sequence[Picture]) -> Any:
        return self.answer


def test_a_scorer_says_what_it_has(images: list[Picture]) -> None:
    contestant = ScorerContestant(Fixed())
    [facts] = contestant.columns
    assert (facts.name, facts.kind, facts.model, facts.points, facts.probability) == (
        "fixed",
        "scorer",
        "fixed",
        (),
        False,
    )
    assert contestant.identity == ""
    assert contestant.scores(contestant.measure(images[0])) == (0.25,)
    [facts] = ScorerContestant(Fixed(probability=True, version="2.1")).columns
    assert (facts.version, facts.points, facts.probability) == ("2.1", (Point("own threshold", 0.5, 0.5),), True)
    [facts] = ScorerContestant(Fixed(threshold=-3)).columns
    assert facts.points == (Point("own threshold", -3.0, -3.0),)


def test_two_scorers_share_an_identity_only_if_all_of_it_is_the_same() -> None:
    class Other(Fixed):
        pass

    class Renamed(Fixed):
        name = "renamed"

    same = ScorerContestant(Fixed(identity="1")).identity
    assert same == ScorerContestant(Fixed(identity="1")).identity != ""
    others = [Fixed(identity="2"), Other(identity="1"), Renamed(identity="1")]
    assert len({same, *(ScorerContestant(other).identity for other in others)}) == 4


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((0.1, 0.2), r"shape \(2,\)"),
        (0.5, r"shape \(\)"),
        ([[0.5]], r"shape \(1, 1\)"),
        ([], r"shape \(0,\)"),
        (["high"], "gave no numbers"),
        (None, r"gave no numbers|shape \(\)"),
    ],
)
def test_answers_that_are_no_score(images: list[Picture], answer: Any, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        ScorerContestant(Fixed(answer)).measure(images[0])


@pytest.mark.parametrize("answer", [-0.1, 1.5, np.nan])
def test_a_probability_lies_between_0_and_1(images: list[Picture], answer: float) -> None:
    with pytest.raises(DataError, match="gave the probability"):
        ScorerContestant(Fixed([answer], probability=True)).measure(images[0])


@pytest.mark.parametrize(
    "facts", [{"name": ""}, {"name": 3}, {"threshold": "high"}, {"threshold": np.nan}, {"score": 1}]
)
def test_scorers_of_the_wrong_kind(facts: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ScorerContestant(Fixed(**facts))
    with pytest.raises(UsageError, match="is no scorer"):
        ScorerContestant(object())  # type: ignore[arg-type]


def test_a_scorer_is_asked_by_one_thread_at_a_time(images: list[Picture]) -> None:
    class Guarded(Fixed):
        busy = threading.Lock()

        def score(self, pictures: Sequence[Picture]) -> Any:
            assert self.busy.acquire(blocking=False)
            time.sleep(0.005)
            self.busy.release()
            return super().score(pictures)

    contestant = ScorerContestant(Guarded())
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(contestant.measure, images * 2))) == 8


MODULE = """
class Mean:
    name = "mean"

    def score(self, pictures):
        return [float(picture.pixels.mean()) for picture in pictures]

class Demanding(Mean):
    def __init__(self, folder):
        self.folder = folder

def make():
    return Mean()

def fail():
    raise RuntimeError("no weights here")

ready = Mean()
text = "no scorer"

class Group:
    inner = Mean()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_peer_of_ours.py").write_text(MODULE)
    (tmp_path / "a_broken_peer.py").write_text("import a_module_that_nobody_has")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "a_peer_of_ours", raising=False)
    return "a_peer_of_ours"


@pytest.mark.parametrize("name", ["ready", "Mean", "make", "Group.inner"])
def test_an_object_a_class_or_a_function_of_a_module(module: str, name: str, images: list[Picture]) -> None:
    contestant = open_contestant(f"{module}:{name}", heads=("all",), crops=3)
    assert contestant.columns[0].name == "mean"
    [score] = contestant.scores(contestant.measure(images[0]))
    assert score == images[0].pixels.mean()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a_peer_of_ours:nothing", "AttributeError"),
        ("a_peer_of_ours:Demanding", "TypeError"),
        ("a_peer_of_ours:fail", "RuntimeError: no weights here"),
        ("a_peer_of_ours:text", "gives a str, which is no scorer"),
        ("a_broken_peer:Mean", "No module named 'a_module_that_nobody_has'"),
        ("nowhere_at_all:Mean", "No module named 'nowhere_at_all'"),
    ],
)
def test_modules_that_give_no_scorer(module: str, text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        open_contestant(text)
    assert caught.value.subject == text
    assert module
    assert "\n" not in str(caught.value)


def test_bundles_by_name_and_by_folder(detector: contrafake.Detector, tmp_path: Path) -> None:
    assert [one.head for one in open_contestant("default").columns] == ["kernel"]
    assert [one.head for one in open_contestant("default", heads=("all",)).columns] == ["linear", "nearest", "kernel"]
    folder = shutil.copytree(detector.bundle.path, tmp_path / "a:b")
    [facts] = open_contestant(str(folder), heads=["nearest"], crops=1).columns
    assert (facts.head, facts.crops, facts.hash) == ("nearest", 1, detector.bundle.hash)
    with pytest.raises(BundleError, match="no such model"):
        open_contestant("nothing/here")


def test_a_scorer_that_leaves_is_refused_and_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaves_early.py").write_text("import sys\nsys.exit(5)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(UsageError, match="SystemExit: 5"):
        open_contestant("leaves_early:Detector")
