from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import jpeg, picture
from PIL import Image, ImageOps

import contrafake
from contrafake.data import ShardWriter
from contrafake.data.location import File
from contrafake.data.origins import Origin, OriginTable
from contrafake.data.sample import GENERATED, REAL, Sample
from contrafake.data.sources import Source, open_source
from contrafake.errors import DataError, UsageError
from contrafake.evaluate import judge as judge_module
from contrafake.evaluate.cache import Cache
from contrafake.evaluate.contestants import BundleContestant, ScorerContestant
from contrafake.evaluate.evaluation import Evaluation
from contrafake.evaluate.image_list import DELIVERED
from contrafake.evaluate.run import run_evaluation
from contrafake.evaluate.score_files import ScoreFile
from contrafake.evaluate.suites import parse_variants
from contrafake.evaluate.variant import UNTOUCHED, Draw, Variant
from contrafake.images import Picture, read
from contrafake.images.transforms import HorizontalFlip, JpegQuality
from contrafake.images.transforms.operation import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from contrafake.evaluate.contestant import Contestant

JPEG = Variant("jpeg-90", "JPEG 90", chain=(JpegQuality(90),))
DRAWN = Variant("drawn", "Drawn", draw=Draw(most=1, seed=3))


class Brightness:
    """Scores the mean of the pixels, and counts how often it is asked; `identity` lets it be cached."""

    def __init__(self, name: str = "brightness", identity: str = "1") -> None:
        self.name = name
        self.identity = identity
        self.calls: Counter[str] = Counter()

    def score(self, pictures: Sequence[Picture]) -> NDArray[np.float64]:
        for one in pictures:
            self.calls[Path(one.name).name] += 1
        return np.array([self.one(one) for one in pictures], np.float64)

    def one(self, given: Picture) -> float:
        return float(given.pixels.mean())


def of(scorer: Any) -> ScorerContestant:
    return ScorerContestant(scorer)


def write_folder(folder: Path, count: int) -> Path:
    rng = np.random.default_rng(5)
    for label, origin in (("real", "phone"), ("fake", "gan")):
        place = folder / label / origin
        place.mkdir(parents=True)
        for i in range(count):
            (place / f"{i:02d}.jpg").write_bytes(jpeg(picture(rng, generated=label == "fake")))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("run") / "set", 5)


@pytest.fixture(scope="module")
def detector() -> contrafake.Detector:
    return contrafake.load()


class Given(Source):
    """A source of samples that a test made."""

    layout = "given"
    classes = ()

    def __init__(self, root: Path, samples: Sequence[Sample]) -> None:
        super().__init__(root)
        self.samples = samples

    @property
    def origins(self) -> OriginTable:
        return OriginTable()

    def _list(self) -> Iterator[Sample]:
        yield from self.samples


@pytest.mark.parametrize("crops", [1, 5])
def test_scores_are_those_of_detect(folder: Path, detector: contrafake.Detector, crops: int) -> None:
    paths = sorted(folder.glob("*/*/*.jpg"))
    source = open_source(folder)
    outcome = run_evaluation(
        [BundleContestant(detector, detector.heads, crops)], source, variants=[UNTOUCHED, JPEG], workers=2
    )
    evaluation = outcome.evaluation
    keys = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    assert list(evaluation.images.key) == keys
    recompressed = [JpegQuality(90)(Image.fromarray(np.asarray(read(path).pixels))) for path in paths]
    for at, head in enumerate(detector.heads):
        assert evaluation.detectors[at].name == f"contrafake-embedded/{head}"
        untouched = np.array([verdict.score for verdict in detector.detect(paths, crops=crops, head=head)], np.float64)
        np.testing.assert_allclose(evaluation.scores[0, :, at], untouched, rtol=1e-8)
        changed = np.array(
            [verdict.score for verdict in detector.detect(recompressed, crops=crops, head=head)], np.float64
        )
        np.testing.assert_allclose(evaluation.scores[1, :, at], changed, rtol=1e-8)
    assert outcome.vectors is not None
    np.testing.assert_allclose(outcome.vectors, detector.embed(paths, crops=crops), atol=1e-5)


def test_threads_change_nothing(folder: Path, detector: contrafake.Detector) -> None:
    found = [
        run_evaluation([BundleContestant(detector)], open_source(folder), variants=[UNTOUCHED, DRAWN], workers=workers)
        for workers in (1, 3)
    ]
    np.testing.assert_array_equal(found[0].evaluation.scores, found[1].evaluation.scores)
    assert found[0].vectors is not None
    assert found[1].vectors is not None
    np.testing.assert_array_equal(found[0].vectors, found[1].vectors)


def test_results_come_in_the_order_of_the_set_however_long_each_takes(folder: Path) -> None:
    class Slow(Brightness):
        def one(self, given: Picture) -> float:
            return float(Path(given.name).stem) + (100 if "fake" in given.name else 0)

    class Late(ScorerContestant):
        def measure(self, picture: Picture) -> NDArray[np.float32] | NDArray[np.float64]:
            time.sleep(0.03 if "00" in picture.name else 0)
            return super().measure(picture)

    seen: list[tuple[str, int, int | None]] = []
    found = run_evaluation(
        [Late(Slow())],
        open_source(folder),
        variants=[UNTOUCHED],
        workers=4,
        report=lambda *step: seen.append(step),
    )
    assert found.evaluation.scores[0, :, 0].tolist() == [100, 101, 102, 103, 104, 0, 1, 2, 3, 4]
    assert seen.count(("judging", 1, 10)) == 10


def test_a_cached_rerun_neither_decodes_nor_measures(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detector: contrafake.Detector
) -> None:
    decoded: list[str] = []

    def counted(data: bytes, *, name: str) -> Picture:
        decoded.append(name)
        return read(data, name=name)

    monkeypatch.setattr(judge_module, "read", counted)
    scorer = Brightness()
    found = []
    for _ in range(2):
        with Cache(tmp_path) as cache:
            both: list[Contestant] = [of(scorer), BundleContestant(detector, crops=1)]
            found.append(run_evaluation(both, open_source(folder), variants=[UNTOUCHED, JPEG], cache=cache))
    assert len(decoded) == 10
    assert scorer.calls.total() == 20
    first, second = (one.evaluation for one in found)
    np.testing.assert_array_equal(first.scores, second.scores)
    assert found[1].vectors is not None
    np.testing.assert_array_equal(found[0].vectors, found[1].vectors)
    assert (first.facts["cache"]["hits"], first.facts["cache"]["fresh"]) == (0, 40)
    assert (second.facts["cache"]["hits"], second.facts["cache"]["fresh"]) == (40, 0)
    # Another head of the same encoder costs no pass.
    with Cache(tmp_path) as cache:
        other = BundleContestant(detector, ["kernel"], crops=1)
        third = run_evaluation([other], open_source(folder), variants=[UNTOUCHED], cache=cache).evaluation
    assert third.facts["cache"]["fresh"] == 0
    assert len(decoded) == 10


def test_a_changed_file_is_measured_again(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", 2)
    scorer = Brightness()
    with Cache(tmp_path / "cache") as cache:
        before = run_evaluation([of(scorer)], open_source(folder), variants=[UNTOUCHED], cache=cache).evaluation
        white = np.full((64, 64, 3), 255, np.uint8)
        (folder / "real" / "phone" / "01.jpg").write_bytes(jpeg(white))
        after = run_evaluation([of(scorer)], open_source(folder), variants=[UNTOUCHED], cache=cache).evaluation
    assert scorer.calls == {"00.jpg": 2, "01.jpg": 3}
    [changed] = np.flatnonzero(before.scores[0, :, 0] != after.scores[0, :, 0])
    assert after.scores[0, changed, 0] == 255
    assert after.images.sha256[changed] == hashlib.sha256(jpeg(white)).hexdigest()


_APPLIED: Counter[tuple[int, int]] = Counter()
_LOCK = threading.Lock()


@dataclass(frozen=True)
class CountedFlip(Operation):
    """Mirrors, and counts."""

    name = "counted_flip"
    number: int = 0

    def __call__(self, image: Image.Image) -> Image.Image:
        with _LOCK:
            _APPLIED[self.number, int(np.asarray(image, np.int64).sum())] += 1
        return ImageOps.mirror(image)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> CountedFlip:
        return cls()


def test_a_sweep_makes_and_measures_each_variant_once_for_all_detectors(folder: Path) -> None:
    _APPLIED.clear()
    sweep = [Variant(f"flip-{n}", f"Flip {n}", chain=(CountedFlip(n),)) for n in range(3)]
    first, second = Brightness("first"), Brightness("second")
    run_evaluation([of(first), of(second)], open_source(folder), variants=[UNTOUCHED, *sweep], workers=3)
    assert len(_APPLIED) == 30
    assert set(_APPLIED.values()) == {1}
    assert first.calls.total() == second.calls.total() == 40


def test_a_draw_of_nothing_is_the_untouched_image(folder: Path) -> None:
    scorer = Brightness()
    found = run_evaluation([of(scorer)], open_source(folder), variants=[UNTOUCHED, DRAWN]).evaluation
    drawn = {key: DRAWN.chain_for(key) for key in found.images.key}
    empty = [not drawn[key] for key in found.images.key]
    assert 0 < sum(empty) < 10
    assert scorer.calls.total() == 20 - sum(empty)
    np.testing.assert_array_equal(found.scores[0, empty], found.scores[1, empty])
    by_hand = [
        np.asarray(DRAWN(Image.fromarray(np.asarray(read(folder / f"{key}.jpg").pixels)), key)).mean()
        for key in found.images.key
    ]
    np.testing.assert_allclose(found.of("drawn", "brightness"), by_hand, rtol=1e-8)


def test_damaged_images_fail_for_all_and_the_rest_goes_on(tmp_path: Path, detector: contrafake.Detector) -> None:
    folder = write_folder(tmp_path / "set", 3)
    whole = (folder / "real" / "phone" / "00.jpg").read_bytes()
    (folder / "real" / "phone" / "00.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "fake" / "gan" / "02.jpg").write_text("no image")
    outcome = run_evaluation(
        [BundleContestant(detector, ["linear", "kernel"], 1)], open_source(folder), variants=[UNTOUCHED, JPEG]
    )
    found = outcome.evaluation
    lost = np.isin(found.images.key, ["real/phone/00", "fake/gan/02"])
    assert np.isnan(found.scores[:, lost]).all()
    assert np.isfinite(found.scores[:, ~lost]).all()
    assert [(one.key, one.variant, one.detector) for one in found.failures] == [
        (key, variant, "") for key in ("fake/gan/02", "real/phone/00") for variant in ("untouched", "jpeg-90")
    ]
    assert all(one.cause and str(tmp_path) not in one.cause for one in found.failures)
    assert found.images.sha256[lost][1] == hashlib.sha256(whole[: len(whole) // 2]).hexdigest()
    assert outcome.vectors is not None
    assert np.isnan(outcome.vectors[lost]).all()
    assert np.isfinite(outcome.vectors[~lost]).all()
    assert found.facts["counts"]["without_any_score"] == 2


def test_an_image_that_vanished_has_no_digest(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", 2)
    samples = [*open_source(folder)]
    (folder / "fake" / "gan" / "01.jpg").unlink()
    assert all(isinstance(sample, Sample) for sample in samples)
    source = Given(folder, [sample for sample in samples if isinstance(sample, Sample)])
    found = run_evaluation([of(Brightness())], source, variants=[UNTOUCHED]).evaluation
    assert found.images.sha256[1] == ""
    assert [one.cause for one in found.failures] == ["no such file"]
    assert found.facts["data"]["images"] == 3


def test_what_a_scorer_gives_wrongly_is_its_own_failure_and_is_asked_again(folder: Path, tmp_path: Path) -> None:
    class Odd(Brightness):
        def score(self, pictures: Sequence[Picture]) -> NDArray[np.float64]:
            super().score(pictures)
            number = int(Path(pictures[0].name).stem)
            if number == 0:
                raise RuntimeError("out of order\nand more")
            answers: dict[int, Any] = {1: [np.nan], 2: [np.inf], 3: [0.5, 0.5], 4: [0.5]}
            return np.array(answers[number])

    odd, even = Odd("odd"), Brightness("even")
    with Cache(tmp_path) as cache:
        for _ in range(2):
            found = run_evaluation([of(odd), of(even)], open_source(folder), variants=[UNTOUCHED], cache=cache)
    assert np.isfinite(found.evaluation.of("untouched", "even")).all()
    right = [key.endswith("04") for key in found.evaluation.images.key]
    assert np.isfinite(found.evaluation.of("untouched", "odd")).tolist() == right
    causes = {one.key: one.cause for one in found.evaluation.failures}
    assert all(one.detector == "odd" for one in found.evaluation.failures)
    assert [causes[f"fake/gan/{n:02d}"] for n in range(4)] == [
        "RuntimeError: out of order", "the score is nan", "the score is inf",
        "gave an array of shape (2,) for one picture, not (1,)",
    ]  # fmt: skip
    assert odd.calls == {"00.jpg": 4, "01.jpg": 4, "02.jpg": 4, "03.jpg": 4, "04.jpg": 2}
    assert set(even.calls.values()) == {2}


def test_nothing_scored_is_an_error(folder: Path) -> None:
    class Broken(Brightness):
        def one(self, given: Picture) -> float:
            raise ValueError("never works")

    with pytest.raises(DataError, match="none of 10 images has a score: ValueError: never works"):
        run_evaluation([of(Broken())], open_source(folder), variants=[UNTOUCHED])


def test_a_key_in_two_places_names_both(folder: Path) -> None:
    places = [str(path) for path in sorted(folder.glob("real/*/*"))[:2]]
    twins = [Sample("same", REAL, "a", "a", "", File(place)) for place in places]
    with pytest.raises(DataError) as caught:
        run_evaluation([of(Brightness())], Given(folder, twins), variants=[UNTOUCHED])
    assert all(place in str(caught.value) for place in places)


def test_what_makes_no_sense_is_refused(folder: Path) -> None:
    source, scorer = open_source(folder), of(Brightness())
    with pytest.raises(UsageError, match="models: none given"):
        run_evaluation([], source, variants=[UNTOUCHED])
    with pytest.raises(UsageError, match="workers: 0"):
        run_evaluation([scorer], source, variants=[UNTOUCHED], workers=0)
    with pytest.raises(UsageError, match="limit: 0"):
        run_evaluation([scorer], source, variants=[UNTOUCHED], limit=0)
    with pytest.raises(UsageError, match="same name"):
        run_evaluation([scorer], source, variants=[UNTOUCHED, UNTOUCHED])
    with pytest.raises(DataError, match=r"no image of the split 'test' \(it has images of no split\)"):
        run_evaluation([scorer], source, variants=[UNTOUCHED], split="test")
    with pytest.raises(DataError, match="no changed copies"):
        run_evaluation([scorer], source, variants=[UNTOUCHED, DELIVERED])


@pytest.fixture(scope="module")
def d3_test(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """D3's layout: grey pictures whose value tells condition, kind and number."""
    root = tmp_path_factory.mktemp("layout") / "d3_test"
    for c, condition in enumerate(("no_augm", "augm")):
        for k, kind in enumerate(("real", "gen_0", "gen_1", "gen_2", "gen_3")):
            place = root / condition / kind
            place.mkdir(parents=True)
            for i in range(2):
                if (condition, kind, i) != ("no_augm", "gen_3", 1):  # of this one there is only the changed copy
                    value = 100 * c + 10 * k + i
                    Image.fromarray(np.full((40, 40, 3), value, np.uint8)).save(place / f"{i}.png")
    return root


def test_delivered_copies_become_a_variant_of_the_same_images(d3_test: Path) -> None:
    flip = Variant("flip", "Flip", chain=(HorizontalFlip(),))
    found = run_evaluation([of(Brightness())], open_source(d3_test), variants=[UNTOUCHED, flip]).evaluation
    assert [one.name for one in found.variants] == ["untouched", "transformed-as-delivered", "flip"]
    assert found.variants[1].delivered
    assert len(found.images) == 10
    at = {key: place for place, key in enumerate(found.images.key)}
    scores = found.scores[:, :, 0]
    assert scores[:, at["real/1"]].tolist() == [1, 101, 1]
    assert scores[:, at["gen_2/0"]].tolist() == [30, 130, 30]
    alone = at["gen_3/1"]
    assert np.isnan(scores[0, alone])
    assert scores[1, alone] == 141
    assert np.isnan(scores[2, alone])
    assert {(one.variant, one.cause) for one in found.failures if one.key == "gen_3/1"} == {
        ("untouched", "the set has no such copy of it"), ("flip", "the set has no such copy of it"),
    }  # fmt: skip
    assert found.images.origin[at["gen_2/0"]] == "sd2.1"
    assert found.images.group[at["gen_2/0"]] == "d3/0"
    untouched = (d3_test / "no_augm" / "real" / "1.png").read_bytes()
    assert found.images.sha256[at["real/1"]] == hashlib.sha256(untouched).hexdigest()


def test_one_condition_alone_is_a_set_like_others(d3_test: Path) -> None:
    for condition, first in (("no_augm", 0), ("augm", 100)):
        found = run_evaluation([of(Brightness())], open_source(d3_test / condition), variants=[UNTOUCHED]).evaluation
        assert [one.name for one in found.variants] == ["untouched"]
        scores = dict(zip(found.images.key, found.scores[0, :, 0], strict=True))
        assert scores["real/0"] == first
        assert any(condition in note for note in found.facts["notes"])


def test_a_limit_spreads_evenly_over_each_class(tmp_path: Path) -> None:
    one = np.zeros((8, 8, 3), np.uint8)
    for label, count in (("real", 10), ("fake", 3)):
        (tmp_path / label).mkdir()
        for i in range(count):
            Image.fromarray(one).save(tmp_path / label / f"{i}.png")
    found = run_evaluation([of(Brightness())], open_source(tmp_path), variants=[UNTOUCHED], limit=5).evaluation
    assert list(found.images.key) == ["fake/0", "fake/1", "fake/2", "real/1", "real/3", "real/5", "real/7", "real/9"]
    assert found.facts["limit"] == 5
    assert "at most 5 images of each class, evenly spaced over the set" in found.facts["notes"]


def test_a_split_is_taken_alone(tmp_path: Path) -> None:
    for split, value in (("train", 1), ("test", 2)):
        for label in ("real", "fake"):
            (tmp_path / split / label).mkdir(parents=True)
            Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(tmp_path / split / label / "a.png")
    found = run_evaluation([of(Brightness())], open_source(tmp_path), variants=[UNTOUCHED], split="test").evaluation
    assert found.scores[0, :, 0].tolist() == [2, 2]
    assert found.facts["split"] == "test"


def test_score_files_stand_beside_and_alone_open_no_image(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", 2)
    keys = ["fake/gan/00", "fake/gan/01", "real/phone/00", "real/phone/01"]
    table = tmp_path / "brightness.csv"
    rows = [f"{key},{variant},{i}" for variant in ("untouched", "jpeg-90") for i, key in enumerate(keys[:3])]
    table.write_text("\n".join(["key,variant,score", *rows]))
    files = [ScoreFile.read(table)]
    both = run_evaluation(
        [of(Brightness())], open_source(folder), variants=parse_variants(["standard"]), score_files=files
    ).evaluation
    assert [one.name for one in both.detectors] == ["brightness", "brightness-2"]
    np.testing.assert_array_equal(both.of("jpeg-90", "brightness-2"), [0, 1, 2, np.nan])
    assert {(one.key, one.detector) for one in both.failures} == {(keys[3], "brightness-2")}
    for path in folder.glob("*/*/*.jpg"):
        path.write_text("no image at all")
    alone = run_evaluation([], open_source(folder), variants=[UNTOUCHED], score_files=files)
    assert alone.vectors is None
    assert set(alone.evaluation.images.sha256) == {""}
    assert np.isfinite(alone.evaluation.scores).sum() == 3
    assert "sha256" not in alone.evaluation.facts["data"]


def test_a_table_of_the_whole_set_serves_a_part_of_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", 4)
    keys = [f"{label}/{i:02d}" for label in ("fake/gan", "real/phone") for i in range(4)]
    table = tmp_path / "whole.csv"
    table.write_text("\n".join(["key,score", *(f"{key},{i}" for i, key in enumerate(keys))]))
    found = run_evaluation(
        [], open_source(folder), variants=[UNTOUCHED], score_files=[ScoreFile.read(table)], limit=2
    ).evaluation
    assert list(found.images.key) == keys[1::2]
    assert found.scores[0, :, 0].tolist() == [1, 3, 5, 7]


def test_a_set_of_one_class_is_refused_before_anything_is_judged(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", 2)
    for path in (folder / "fake" / "gan").iterdir():
        path.rename(folder / "real" / "phone" / f"not-{path.name}")
    (folder / "real" / "phone").rename(tmp_path / "phone")
    (tmp_path / "one.csv").write_text("path,label\n" + "".join(f"phone/0{i}.jpg,real\n" for i in range(2)))
    scorer = Brightness()
    with pytest.raises(DataError, match="there is no generated image"):
        run_evaluation([of(scorer)], open_source(tmp_path / "one.csv"), variants=[UNTOUCHED])
    assert not scorer.calls


def test_two_detectors_of_one_name_are_told_apart(folder: Path, detector: contrafake.Detector) -> None:
    both = [BundleContestant(detector, ["linear", "kernel"], 1), BundleContestant(detector, ["linear", "kernel"], 5)]
    found = run_evaluation([*both, of(Brightness()), of(Brightness())], open_source(folder), variants=[UNTOUCHED])
    name = "contrafake-embedded"
    assert [one.name for one in found.evaluation.detectors] == [
        f"{name}/linear", f"{name}/kernel", f"{name}-2/linear", f"{name}-2/kernel", "brightness", "brightness-2",
    ]  # fmt: skip
    assert [one.crops for one in found.evaluation.detectors] == [1, 1, 5, 5, 0, 0]


def test_the_table_of_origins_comes_before_what_a_model_says(folder: Path) -> None:
    class Told(ScorerContestant):
        def __init__(self) -> None:
            super().__init__(Brightness())
            self.trained_on = frozenset({(REAL, "phone"), (GENERATED, "gan")})

    table = OriginTable([Origin("gan", GENERATED, "gans", seen=False)])
    found = run_evaluation([Told()], open_source(folder), variants=[UNTOUCHED], origins=table).evaluation.images
    assert set(zip(found.origin, found.seen, found.family, strict=True)) == {
        ("phone", "yes", "real"),
        ("gan", "no", "gans"),
    }
    nobody = run_evaluation([of(Brightness())], open_source(folder), variants=[UNTOUCHED], origins=table).evaluation
    assert set(zip(nobody.images.origin, nobody.images.seen, strict=True)) == {("phone", ""), ("gan", "no")}


def test_facts_say_which_data_and_survive_the_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = {}
    with ShardWriter(tmp_path / "test-0000.tar") as shard:
        for i in range(4):
            facts = {"label": "fake" if i % 2 else "real", "origin": "o", "source": f"s{i}"}
            data[f"k{i}"] = jpeg(picture(rng, generated=bool(i % 2)))
            shard.write(f"k{i}", {"jpg": data[f"k{i}"], "json": json.dumps(facts).encode()})
    found = run_evaluation(
        [of(Brightness())], open_source(tmp_path), variants=[UNTOUCHED, DRAWN], command="contrafake evaluate"
    ).evaluation
    lines = "".join(f"{key}\t{hashlib.sha256(data[key]).hexdigest()}\n" for key in sorted(data))
    tar = (tmp_path / "test-0000.tar").read_bytes()
    assert found.facts["data"] == {
        "name": tmp_path.name, "layout": "shards", "images": 4, "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "shards": [{"name": "test-0000.tar", "bytes": len(tar), "sha256": hashlib.sha256(tar).hexdigest()}],
    }  # fmt: skip
    assert found.facts["counts"] == {
        "images": 4, "real": 2, "generated": 2, "sources": 4, "groups": 0, "without_any_score": 0,
    }  # fmt: skip
    assert found.facts["draws"]["drawn"]["seed"] == 3
    assert found.facts["command"] == "contrafake evaluate"
    assert found.facts["contrafake"] == contrafake.__version__
    assert str(tmp_path) not in json.dumps(found.facts)
    found.write(tmp_path / "out")
    again = Evaluation.read(tmp_path / "out")
    assert again.facts == found.facts
    np.testing.assert_array_equal(again.scores, found.scores)
    assert again.detectors == found.detectors


def test_the_cost_is_kept_with_the_processor_it_was_measured_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Busy(ScorerContestant):
        def measure(self, picture: Picture) -> NDArray[np.float32] | NDArray[np.float64]:
            until = time.thread_time() + 0.004
            while time.thread_time() < until:
                pass
            return super().measure(picture)

    source = open_source(write_folder(tmp_path / "set", 12))
    few = run_evaluation([Busy(Brightness())], source, variants=[UNTOUCHED], limit=4).evaluation
    assert few.detectors[0].seconds is None
    with Cache(tmp_path / "cache") as cache:
        fresh = run_evaluation([Busy(Brightness())], source, variants=[UNTOUCHED], cache=cache, workers=2).evaluation
        cached = run_evaluation([Busy(Brightness())], source, variants=[UNTOUCHED], cache=cache).evaluation
        assert fresh.detectors[0].seconds is not None
        assert 4 <= fresh.detectors[0].seconds < 40
        assert cached.facts["cache"]["fresh"] == 0
        assert cached.detectors[0].seconds == fresh.detectors[0].seconds
        monkeypatch.setattr("contrafake.evaluate.cost.processor", lambda: "another machine")
        elsewhere = run_evaluation([Busy(Brightness())], source, variants=[UNTOUCHED], cache=cache).evaluation
        assert elsewhere.detectors[0].seconds is None


def test_a_run_that_is_interrupted_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    class Interrupted(Brightness):
        left = 4

        def one(self, given: Picture) -> float:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return super().one(given)

    first = Interrupted()
    with Cache(tmp_path) as cache, pytest.raises(KeyboardInterrupt):
        run_evaluation([of(first)], open_source(folder), variants=[UNTOUCHED], cache=cache, workers=1)
    first.left = 1000
    with Cache(tmp_path) as cache:
        found = run_evaluation([of(first)], open_source(folder), variants=[UNTOUCHED], cache=cache).evaluation
    assert found.facts["cache"]["hits"] == 4
    assert found.facts["cache"]["fresh"] == 6


KILLED = """
import os, signal, sys
from contrafake.data.sources import open_source
from contrafake.evaluate.cache import Cache
from contrafake.evaluate.contestants import ScorerContestant
from contrafake.evaluate.run import run_evaluation
from contrafake.evaluate.variant import UNTOUCHED

class Mean:
    name, identity = "mean", "1"
    asked, limit = 0, int(sys.argv[3])

    def score(self, pictures):
        self.asked += 1
        if self.asked > self.limit:
            os.kill(os.getpid(), signal.SIGKILL)
        return [float(picture.pixels.mean()) for picture in pictures]

scorer = Mean()
found = run_evaluation([ScorerContestant(scorer)], open_source(sys.argv[1]), variants=[UNTOUCHED],
                       cache=Cache(sys.argv[2]), workers=2)
print(scorer.asked, found.evaluation.facts["cache"]["hits"], len(found.evaluation.images))
"""


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_a_killed_run_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    call = [sys.executable, "-c", KILLED, str(folder), str(tmp_path)]
    killed = subprocess.run([*call, "6"], capture_output=True, text=True, check=False)
    assert killed.returncode == -9
    done = subprocess.run([*call, "1000"], capture_output=True, text=True, check=True)
    asked, hits, images = map(int, done.stdout.split())
    assert (asked + hits, images) == (10, 10)
    assert hits >= 5  # of the six that were measured, the other thread may still have been writing one
