"""The detector's promises, on a bundle trained in seconds: its verdicts are weak, its behaviour is the real one."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import threading
import time
import warnings
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import jpeg, picture
from PIL import Image

import contrafake
from contrafake.detect.detector import CalibrationWarning, Detector
from contrafake.detect.verdict import UNKNOWN_GENERATOR
from contrafake.errors import BundleError, ImageError, UsageError
from contrafake.images import cut
from contrafake.model.bundle import read_bundle
from contrafake.model.calibration import OperatingPoint
from contrafake.model.method import Scorer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from contrafake.detect.verdict import Attribution, Verdict

HEADS = ("linear", "nearest", "svm")


@pytest.fixture(scope="module")
def detector(tiny_bundle: Path) -> Detector:
    return contrafake.load(tiny_bundle)


@pytest.fixture(scope="module")
def images() -> list[bytes]:
    """Twelve JPEGs of several shapes, real and generated in turn."""
    rng = np.random.default_rng(9)
    return [jpeg(picture(rng, generated=bool(i % 2), side=40 + 9 * i)[: 36 + 5 * i]) for i in range(12)]


def altered(tiny_bundle: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of the bundle with another configuration."""
    shutil.copytree(tiny_bundle, folder)
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    change(values)
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


def scores(verdicts: list[Verdict]) -> list[float]:
    found = [verdict.score for verdict in verdicts]
    assert all(score is not None for score in found)
    return [float(score) for score in found if score is not None]


# --- one image's verdict is its own


@pytest.mark.parametrize("head", HEADS)
def test_verdict_depends_on_nothing_but_the_image(detector: Detector, images: list[bytes], head: str) -> None:
    alone = [detector.detect([image], head=head)[0] for image in images]
    rng = np.random.default_rng(0)
    for workers in (1, 2, 5):
        order = rng.permutation(len(images))[: rng.integers(2, len(images) + 1)]
        together = detector.detect([images[i] for i in order], head=head, workers=workers)
        expected = [alone[i] for i in order]
        np.testing.assert_allclose(scores(together), scores(expected), rtol=0, atol=1e-5)
        for one, other in zip(together, expected, strict=True):
            assert (one.label, one.sha256, one.crops, one.notes) == (
                other.label,
                other.sha256,
                other.crops,
                other.notes,
            )
            assert one.probability == pytest.approx(other.probability, abs=1e-5)
            assert one.llr == pytest.approx(other.llr, abs=1e-3 if head == "nearest" else 1e-4)


def test_same_pixels_same_verdict_through_every_door(detector: Detector, tmp_path: Path) -> None:
    pixels = picture(np.random.default_rng(1), generated=True, side=90)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    with path.open("rb") as file, Image.open(path) as image:
        doors = [path, str(path), path.read_bytes(), file, image, pixels, contrafake.read(path), ("named", pixels)]
        verdicts = detector.detect(doors)
    np.testing.assert_allclose(scores(verdicts), scores(verdicts)[0], rtol=0, atol=1e-6)
    assert len({verdict.label for verdict in verdicts}) == 1
    names = [verdict.name for verdict in verdicts]
    assert names == [*[str(path)] * 2, "<bytes>", str(path), str(path), "<array>", str(path), "named"]
    digests = [verdict.sha256 for verdict in verdicts]
    assert len({*digests[:4], digests[6]}) == 1
    assert digests[5] is digests[7] is None


def test_a_jpeg_gives_the_same_through_path_bytes_file_and_pillow(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(picture(np.random.default_rng(1), generated=False, side=90), quality=80))
    with path.open("rb") as file, Image.open(path) as image:
        found = scores(detector.detect([path, path.read_bytes(), file, image]))
    np.testing.assert_allclose(found, found[0], rtol=0, atol=1e-6)


def test_score_is_what_detect_says(detector: Detector, images: list[bytes]) -> None:
    assert isinstance(detector, Scorer)
    assert detector.name == "contrafake-tiny"
    found = detector.score([contrafake.read(image) for image in images])
    assert found.dtype == np.float64
    assert found.shape == (len(images),)
    np.testing.assert_allclose(found, scores(detector.detect(images)), rtol=0, atol=1e-5)
    assert detector.score([]).shape == (0,)


def test_verdict_fits_its_operating_point_and_calibration(detector: Detector, images: list[bytes]) -> None:
    calibration = detector.bundle.calibration(detector.default_head, detector.default_crops)
    assert calibration is not None
    for verdict in detector.detect(images):
        assert verdict.score is not None
        assert verdict.operating_point is not None
        assert verdict.llr == calibration.llr(verdict.score)
        assert verdict.probability == pytest.approx(1 / (1 + math.exp(-verdict.llr)))
        assert verdict.label == verdict.operating_point.label(verdict.score)
        assert verdict.model.hash == detector.bundle.hash
        assert verdict.head == detector.default_head


# --- what goes wrong stays where it is


def test_broken_inputs_are_rows_among_the_others(detector: Detector, images: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image", encoding="utf-8")
    odd: list[Any] = [
        images[0],
        tmp_path / "absent.jpg",
        tmp_path / "text.jpg",
        images[1][:200],
        ("half.jpg", images[2][: len(images[2]) // 2]),
        ("one", "two", "three"),
        42,
        np.zeros((0, 5, 3), np.uint8),
        np.full((9, 9, 3), 0.5),
        io.BytesIO(),
        images[3],
    ]
    verdicts = detector.detect(odd)
    assert [verdict.label == "error" for verdict in verdicts] == [False, *[True] * 9, False]
    expected = scores([detector.detect([images[0]])[0], detector.detect([images[3]])[0]])
    np.testing.assert_allclose(scores([verdicts[0], verdicts[-1]]), expected, atol=1e-5)
    for verdict in verdicts[1:-1]:
        assert verdict.error
        assert {verdict.score, verdict.probability, verdict.llr, verdict.operating_point} == {None}
        assert verdict.crops == 0
        json.dumps(verdict.to_dict(), allow_nan=False)
    names = [verdict.name for verdict in verdicts[1:5]]
    assert names == [str(tmp_path / "absent.jpg"), str(tmp_path / "text.jpg"), "<bytes>", "half.jpg"]
    assert verdicts[1].error == "no such file"


def test_one_broken_file_alone_is_a_row(detector: Detector, tmp_path: Path) -> None:
    [verdict] = detector.detect([tmp_path / "absent.jpg"])
    assert (verdict.label, verdict.error) == ("error", "no such file")


def test_failing_input_iterator_is_the_callers_error(detector: Detector, images: list[bytes]) -> None:
    def failing() -> Iterator[bytes]:
        yield from images[:4]
        raise LookupError("no more")

    before = threading.active_count()
    with pytest.raises(LookupError, match="no more"):
        detector.detect(failing())
    assert threading.active_count() == before


@pytest.mark.parametrize("one", ["a.jpg", b"\xff\xd8", np.zeros((50, 50, 3), np.uint8), np.zeros((50, 50), np.uint8)])
def test_one_image_outside_a_list_is_refused(detector: Detector, one: Any) -> None:
    with pytest.raises(UsageError, match="put it in a list"):
        detector.detect(one)
    with pytest.raises(UsageError, match="put it in a list"):
        detector.embed(one)


def test_one_path_outside_a_list_is_refused(detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="put it in a list"):
        detector.detect_each(tmp_path)  # type: ignore[arg-type]


# --- streams


def test_no_images_no_verdicts(detector: Detector) -> None:
    assert detector.detect([]) == []
    assert detector.detect(iter(())) == []


def test_stream_is_taken_bit_by_bit_and_in_order(detector: Detector, images: list[bytes]) -> None:
    taken = []

    def endless() -> Iterator[tuple[str, bytes]]:
        for i in count():
            taken.append(i)
            yield str(i), images[i % len(images)]

    stream = detector.detect_each(endless(), workers=2)
    assert not taken
    assert next(stream).name == "0"
    assert len(taken) <= 6
    assert [verdict.name for verdict in islice(stream, 30)] == [str(i) for i in range(1, 31)]
    assert len(taken) <= 36
    stream.close()  # type: ignore[attr-defined]


def test_closing_a_stream_early_leaves_no_threads(detector: Detector, images: list[bytes]) -> None:
    detector.detect(images[:2])
    before = threading.active_count()
    stream = detector.detect_each(images * 3, workers=3)
    next(stream)
    assert threading.active_count() > before
    stream.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_closing_a_stream_early_reads_nothing_more(detector: Detector, images: list[bytes]) -> None:
    begun = []

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            begun.append(self)
            time.sleep(0.05)
            return super().read(-1)

    stream = detector.detect_each([Slow(image) for image in images], workers=1)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert len(set(map(id, begun))) <= 2  # the first, and the one in work; the third was waiting already


def test_settings_are_refused_before_the_first_image(detector: Detector) -> None:
    def never() -> Iterator[bytes]:
        yield pytest.fail("an image was asked for")

    cases: list[dict[str, Any]] = [{"crops": 0}, {"workers": 0}, {"prior": 1.0}, {"threshold": math.nan}]
    for settings in [*cases, {"false_alarm_rate": 0.9}]:
        with pytest.raises(UsageError):
            detector.detect_each(never(), **settings)
    with pytest.raises(BundleError):
        detector.detect_each(never(), head="forest")


def test_one_detector_serves_many_threads(tiny_bundle: Path, images: list[bytes]) -> None:
    fresh = contrafake.load(tiny_bundle)  # nothing loaded yet, so that loading is raced for, too
    expected = scores(contrafake.load(tiny_bundle).detect(images))
    found: list[list[float]] = []
    threads = [threading.Thread(target=lambda: found.append(scores(fresh.detect(images)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    np.testing.assert_allclose(found, [expected] * 4, atol=1e-5)


# --- crops


def test_crops_are_those_really_used(detector: Detector) -> None:
    rng = np.random.default_rng(2)
    large, exact, narrow = (picture(rng, generated=False, side=side) for side in (90, 32, 33))
    with pytest.warns(CalibrationWarning):
        verdicts = detector.detect([large, exact, narrow], crops=9)
    assert [verdict.crops for verdict in verdicts] == [9, 1, 4]


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (31, 32), (200, 5)])
def test_small_image_is_judged_and_says_so(detector: Detector, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    [verdict] = detector.detect([pixels])
    assert verdict.label in {"real", "generated", "uncertain"}
    assert "smaller than 32 pixels: extended by mirroring" in verdict.notes
    [large] = detector.detect([np.zeros((32, 32, 3), np.uint8)])
    assert not large.notes


def test_other_crops_than_calibrated_warn_and_answer(detector: Detector, images: list[bytes]) -> None:
    with pytest.warns(CalibrationWarning, match="calibrated at 1 or 5 crops, not at 4") as caught:
        verdicts = detector.detect(images[:3], 4)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    for verdict in verdicts:
        assert verdict.probability is not None
        assert "calibrated at 5 crops, judged at 4" in verdict.notes
        assert verdict.operating_point == detector.operating_point(crops=5)


def test_calibrated_crops_do_not_warn(detector: Detector, images: list[bytes]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for crops in (None, 1, 5):
            verdicts = detector.detect(images[:2], crops=crops)
            assert verdicts[0].operating_point == detector.operating_point(crops=crops)
    assert detector.operating_point(crops=1) != detector.operating_point(crops=5)


def test_resize_crop_geometry_takes_one_crop(tiny_bundle: Path, tmp_path: Path, images: list[bytes]) -> None:
    path = altered(tiny_bundle, tmp_path / "b", lambda config: config["preprocessing"].update(geometry="resize-crop"))
    small = np.random.default_rng(3).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    verdicts = contrafake.load(path).detect([*images[:2], small])
    assert [verdict.crops for verdict in verdicts] == [1, 1, 1]
    assert not verdicts[2].notes
    [elongated] = contrafake.load(path).detect([("strip", np.zeros((1, 200_000, 3), np.uint8))])
    assert (elongated.name, elongated.label) == ("strip", "error")


# --- decision rules


def test_stored_rate_is_taken_from_the_bundle(detector: Detector) -> None:
    for rate, name in ((None, "10% false alarms"), (0.1, "10% false alarms"), (0.05, "5% false alarms")):
        point = detector.operating_point(rate)
        assert point == detector.bundle.stored_point(detector.default_head, 5, rate)
        assert point.name == name


def test_other_rate_is_computed(detector: Detector, images: list[bytes]) -> None:
    assert detector.bundle.stored_point(detector.default_head, 5, 0.2) is None
    point = detector.operating_point(0.2)
    assert point.false_alarm_rate == pytest.approx(6 / 31)
    assert point.threshold < detector.operating_point(0.1).threshold
    assert {verdict.operating_point for verdict in detector.detect(images[:2], false_alarm_rate=0.2)} == {point}
    assert {verdict.operating_point for verdict in detector.detect(images[:2], operating_point=point)} == {point}


def test_rate_beyond_the_data_is_refused(detector: Detector) -> None:
    with pytest.raises(UsageError, match=r"cannot be supported by 30 real images \(at least 0.033\)"):
        detector.detect([], false_alarm_rate=0.001)
    assert detector.operating_point(0.033).real_images == 30


def test_threshold_decides_two_ways(detector: Detector, images: list[bytes]) -> None:
    threshold = float(np.median(scores(detector.detect(images))))
    verdicts = detector.detect(images, threshold=threshold)
    assert {verdict.label for verdict in verdicts} == {"real", "generated"}
    for verdict, score in zip(verdicts, scores(verdicts), strict=True):
        assert verdict.label == ("generated" if score > threshold else "real")
        assert verdict.operating_point is not None
        assert verdict.operating_point.name == "custom threshold"
        assert 0 <= verdict.operating_point.false_alarm_rate <= 1


def test_prior_moves_the_probability_and_not_the_label(detector: Detector, images: list[bytes]) -> None:
    usual, rare, common = (detector.detect(images, prior=prior) for prior in (None, 0.01, 0.99))
    for middle, low, high in zip(usual, rare, common, strict=True):
        assert low.label == middle.label == high.label
        assert low.llr == middle.llr == high.llr
        assert low.probability is not None
        assert middle.probability is not None
        assert high.probability is not None
        assert low.probability < middle.probability < high.probability
        assert high.probability == pytest.approx(1 / (1 + math.exp(-(middle.llr or 0) - math.log(99))))


@pytest.mark.parametrize("head", HEADS)
def test_head_is_chosen_by_name(detector: Detector, images: list[bytes], head: str) -> None:
    verdicts = detector.detect(images, head=head)
    assert {verdict.head for verdict in verdicts} == {head}
    assert verdicts[0].operating_point == detector.operating_point(head=head)
    vectors = detector.embed(images, crops=1)
    one_crop = scores(detector.detect(images, head=head, crops=1))
    np.testing.assert_allclose(one_crop, detector.bundle.head(head).score(vectors), atol=1e-5)


def test_unknown_head_is_refused_with_the_known_ones(detector: Detector) -> None:
    cases: list[dict[str, Any]] = [{}, {"false_alarm_rate": 0.1}, {"threshold": 1.0}]
    for settings in cases:
        with pytest.raises(BundleError, match=r"no head 'forest' .*it has linear, nearest, svm"):
            detector.detect([], head="forest", **settings)


POINT = OperatingPoint("mine", 1.0, 0.0, 0.1, (0.0, 0.2), 10)


@pytest.mark.parametrize(
    "settings",
    [
        {"threshold": 1.0, "false_alarm_rate": 0.1},
        {"threshold": 1.0, "operating_point": POINT},
        {"operating_point": POINT, "false_alarm_rate": 0.1},
    ],
)
def test_two_decision_rules_are_refused(detector: Detector, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="give one of"):
        detector.detect([], **settings)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"crops": 0}, "outside 1 to 256"),
        ({"crops": 257}, "outside 1 to 256"),
        ({"prior": 0.0}, "prior"),
        ({"prior": math.nan}, "prior"),
        ({"threshold": math.inf}, "no finite number"),
        ({"false_alarm_rate": 0.0}, "outside 0 to 0.5"),
        ({"workers": -1}, "workers"),
    ],
)
def test_impossible_settings_are_refused(detector: Detector, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        detector.detect([], **settings)


# --- attribution


OLD_RULE = {"neighbours": 5, "least_share": 0.0, "precision": 0.9, "given": 0.5, "images": 30}


def test_generated_images_alone_get_an_origin(tiny_bundle: Path, tmp_path: Path, images: list[bytes]) -> None:
    """By a rule as older bundles have it."""
    always = contrafake.load(altered(tiny_bundle, tmp_path / "a", lambda config: config.update(attribution=OLD_RULE)))
    verdicts = always.detect(images, threshold=float(np.median(scores(always.detect(images)))))
    for verdict in verdicts:
        assert (verdict.attribution is not None) == (verdict.label == "generated")
        if verdict.attribution is not None:
            assert verdict.attribution.origin in {"gan", "sd"}
            assert verdict.attribution.distance >= 0
            assert verdict.attribution.limit is None
    none = altered(tiny_bundle, tmp_path / "n", lambda config: config.update(attribution=None))
    assert not any(verdict.attribution for verdict in contrafake.load(none).detect(images, threshold=-1e9))


def test_an_origin_is_named_unknown_or_not_told(tiny_bundle: Path, tmp_path: Path, images: list[bytes]) -> None:
    def attributions(name: str, **changes: float) -> list[Attribution]:
        rule = {**OLD_RULE, **changes}
        found = contrafake.load(altered(tiny_bundle, tmp_path / name, lambda config: config.update(attribution=rule)))
        return [verdict.attribution for verdict in found.detect(images, threshold=-1e9) if verdict.attribution]

    named = attributions("a")
    assert len(named) == len(images)
    for one in named:
        first = one.nearest[0]
        assert (one.origin, one.distance, one.known) == (first.origin, first.distance, True)
        assert sum(near.share for near in one.nearest) == pytest.approx(1)  # there are two origins
        assert [near.share for near in one.nearest] == sorted((near.share for near in one.nearest), reverse=True)
    middle = float(np.median([one.distance for one in named]))
    limited = attributions("l", limit=middle)
    assert [one.nearest for one in limited] == [one.nearest for one in named]
    assert [one.origin == UNKNOWN_GENERATOR for one in limited] == [one.distance > middle for one in named]
    assert {one.limit for one in limited} == {middle}
    undecided = attributions("u", limit=middle, least_share=1.1)
    expected = [UNKNOWN_GENERATOR if one.distance > middle else None for one in named]
    assert [one.origin for one in undecided] == expected


def test_the_rule_of_a_fitted_bundle_is_at_work(detector: Detector, images: list[bytes]) -> None:
    rule = detector.bundle.config.attribution
    assert rule is not None
    assert rule.limit is not None
    for verdict in detector.detect(images, threshold=-1e9):
        assert verdict.attribution is not None
        assert verdict.attribution.limit == rule.limit
        assert verdict.attribution.origin in {"gan", "sd", UNKNOWN_GENERATOR, None}


# --- a model without calibration


@pytest.fixture(scope="module")
def uncalibrated(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    folder = tmp_path_factory.mktemp("uncalibrated") / "bundle"
    return contrafake.load(altered(tiny_bundle, folder, lambda config: config.update(calibrations=[])))


def test_uncalibrated_model_gives_no_probability_and_says_so(
    detector: Detector, uncalibrated: Detector, images: list[bytes]
) -> None:
    verdicts = uncalibrated.detect(images, crops=3)
    for verdict in verdicts:
        assert verdict.label == "uncertain"
        assert {verdict.probability, verdict.llr, verdict.operating_point} == {None}
        assert "uncalibrated model: no probability" in verdict.notes
    with pytest.warns(CalibrationWarning):
        calibrated = detector.detect(images, crops=3)
    np.testing.assert_allclose(scores(verdicts), scores(calibrated), atol=1e-5)


def test_uncalibrated_model_needs_a_threshold(uncalibrated: Detector, images: list[bytes]) -> None:
    threshold = float(np.median(scores(uncalibrated.detect(images))))
    for verdict, score in zip(judged := uncalibrated.detect(images, threshold=threshold), scores(judged), strict=True):
        assert verdict.label == ("generated" if score > threshold else "real")
        assert verdict.probability is None
        assert verdict.operating_point is not None
        assert math.isnan(verdict.operating_point.false_alarm_rate)
        assert verdict.operating_point.describe() == "false alarms unknown"
        json.dumps(verdict.to_dict(), allow_nan=False)
    with pytest.raises(UsageError, match=r"is not calibrated \(give a threshold"):
        uncalibrated.detect(images, false_alarm_rate=0.05)
    with pytest.raises(UsageError, match=r"is not calibrated \(give a threshold"):
        uncalibrated.operating_point()


# --- embeddings


def test_embeddings_are_raw_and_averaged_over_the_crops(detector: Detector, images: list[bytes]) -> None:
    found = detector.embed(images)
    assert found.shape == (len(images), 32)
    assert found.dtype == np.float32
    assert not np.allclose(np.linalg.norm(found, axis=1), 1)
    large = picture(np.random.default_rng(4), generated=False, side=64)
    np.testing.assert_allclose(detector.embed([large], 5)[0], detector.embed(cut(large, 5, 32)).mean(axis=0), atol=1e-5)
    assert detector.embed([]).shape == (0, 32)


def test_embedding_a_broken_image_fails(detector: Detector) -> None:
    with pytest.raises(ImageError):
        detector.embed([b"no image"])


# --- opening


@pytest.mark.parametrize("name", ["no-such-model", "./no/such/folder", ""])
def test_unknown_model_is_refused(name: str) -> None:
    with pytest.raises(
        BundleError, match=r'there is no such model .*give "default".* the folder of a bundle|no bundle'
    ):
        contrafake.load(name)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no readable config\.json"):
        contrafake.load(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match="no such model"):
        contrafake.load(tmp_path / "file")


def test_foreign_method_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    path = altered(tiny_bundle, tmp_path / "b", lambda config: config.update(method="tea-leaves"))
    with pytest.raises(BundleError, match=r"unknown method 'tea-leaves' \(upgrade contrafake\)"):
        contrafake.load(path)


def test_any_kind_of_path_opens_a_bundle(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_bundle.parent)
    expected = read_bundle(tiny_bundle).hash
    for path in (tiny_bundle, str(tiny_bundle), tiny_bundle.name, os.path.join(".", tiny_bundle.name)):  # noqa: PTH118
        assert contrafake.load(path).model.hash == expected
