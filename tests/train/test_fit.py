"""Fitting: heads as scikit-learn fits them, calibration on validation alone, and what the bundle says of itself."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import tiny_settings, write_lone_shard
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import OneClassSVM

from contrafake.data import Listing
from contrafake.errors import ConfigError, DataError
from contrafake.images import cut, read
from contrafake.model.bundle import read_bundle
from contrafake.model.encoder import Encoder
from contrafake.model.heads import NearestHead
from contrafake.train.attribution import choose_rule, fit_attribution, read_families
from contrafake.train.config import FitConfig
from contrafake.train.config_file import parse_config
from contrafake.train.embedding import Embedded, cutter, embed_images
from contrafake.train.fit import _portable, fit_bundle
from contrafake.train.head_fitting import copies, fit_heads, score_all

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from contrafake.model.bundle import Bundle

    Vectors = NDArray[np.float32]


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return read_bundle(tiny_bundle)


@pytest.fixture(scope="module")
def encoder(tiny_run: Path, tiny_shards: Path) -> Encoder:
    found = Encoder(parse_config(tiny_settings(tiny_shards)).encoder)
    found.load_state_dict(load_file(tiny_run / "best.safetensors"))
    return found.eval()


@pytest.fixture(scope="module")
def train(tiny_shards: Path) -> Listing:
    return Listing.of([str(tiny_shards / "train-*.tar")])


@pytest.fixture(scope="module")
def validation(tiny_shards: Path) -> Listing:
    return Listing.of([str(tiny_shards / "val-*.tar")])


@pytest.fixture(scope="module")
def parts(encoder: Encoder, train: Listing) -> list[Embedded]:
    """Training embeddings as `fit_bundle` makes them: untouched, and one transformed copy (seed 42 + 1)."""
    one_crop = cutter("crop", 32, 1)
    return [embed_images(encoder, train, range(len(train)), one_crop, transform_seed=seed) for seed in (None, 43)]


def joined(parts: list[Embedded]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    vectors = np.concatenate([part.vectors for part in parts]).astype(np.float64)
    return vectors, np.concatenate([part.labels for part in parts])


# --- heads ----------------------------------------------------------------------------------------------------------


def test_heads_are_those_of_scikit_learn(
    bundle: Bundle, parts: list[Embedded], encoder: Encoder, validation: Listing
) -> None:
    vectors, labels = joined(parts)
    fresh = embed_images(encoder, validation, range(len(validation)), cutter("crop", 32, 1)).vectors.astype(np.float64)
    logistic = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced", random_state=42).fit(vectors, labels)
    svm = OneClassSVM(kernel="poly", degree=3, gamma="auto", nu=0.1).fit(vectors[labels == 0])
    nearest = KNeighborsClassifier(1, metric="cosine", algorithm="brute").fit(vectors, labels)

    linear = bundle.head("linear").score(fresh)
    np.testing.assert_allclose(linear, logistic.decision_function(fresh), rtol=1e-5)
    np.testing.assert_array_equal(linear > 0, logistic.predict(fresh) == 1)
    outside = bundle.head("svm").score(fresh)
    np.testing.assert_allclose(outside, -svm.decision_function(fresh), rtol=1e-5, atol=1e-12)
    np.testing.assert_array_equal(outside > 0, svm.predict(fresh) == -1)
    closer = bundle.head("nearest").score(fresh)
    np.testing.assert_array_equal(closer > 0, nearest.predict(fresh) == 1)
    to_real = KNeighborsClassifier(1, metric="cosine").fit(vectors[labels == 0], labels[labels == 0])
    to_generated = KNeighborsClassifier(1, metric="cosine").fit(vectors[labels == 1], labels[labels == 1])
    expected = to_real.kneighbors(fresh)[0][:, 0] - to_generated.kneighbors(fresh)[0][:, 0]
    np.testing.assert_allclose(closer, expected, rtol=1e-5, atol=1e-9)


def test_references_are_the_training_images_of_both_copies(bundle: Bundle, parts: list[Embedded]) -> None:
    head = bundle.head("nearest")
    assert isinstance(head, NearestHead)
    np.testing.assert_array_equal(head.references, np.concatenate([part.vectors for part in parts]))
    names = [origin for part in parts for origin in part.origins]
    assert [bundle.config.origins[position] for position in head.origins] == names
    assert head.labels.tolist() == [label for part in parts for label in part.labels]


def test_too_many_references_are_thinned_by_the_seed(parts: list[Embedded]) -> None:
    vectors, labels = joined(parts)
    config = FitConfig(nearest_references=20)
    one, same, other = (
        fit_heads(vectors.astype(np.float32), labels, config=config, seed=seed, names=["nearest"])["nearest"]
        for seed in (1, 1, 2)
    )
    assert isinstance(one, NearestHead)
    assert isinstance(same, NearestHead)
    assert isinstance(other, NearestHead)
    assert one.references.shape == (20, 32)
    np.testing.assert_array_equal(one.references, same.references)
    assert not np.array_equal(one.references, other.references)
    known = {
        (vector.tobytes(), label) for part in parts for vector, label in zip(part.vectors, part.labels, strict=True)
    }
    assert {(vector.tobytes(), int(label)) for vector, label in zip(one.references, one.labels, strict=True)} <= known


def test_the_linear_head_weighs_classes_alike_whatever_their_sizes() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [10, 70])
    vectors = (rng.normal(size=(80, 3)) + labels[:, None]).astype(np.float32)
    head = fit_heads(vectors, labels, config=FitConfig(), seed=1, names=["linear"])["linear"]
    doubled = np.concatenate([np.tile(vectors[:10], (7, 1)), vectors[10:]]).astype(np.float64)
    # Balanced weights keep their sum: both classes count as 40 images.
    alike = LogisticRegression(C=0.316 * 40 / 70, max_iter=1500).fit(doubled, np.repeat([0, 1], [70, 70]))
    np.testing.assert_allclose(head.score(vectors), alike.decision_function(vectors), atol=1e-3)


def test_many_references_are_scored_a_few_at_a_time(parts: list[Embedded]) -> None:
    vectors, labels = joined(parts)
    head = fit_heads(vectors.astype(np.float32), labels, config=FitConfig(), seed=1, names=["nearest"])["nearest"]
    many = np.random.default_rng(0).normal(size=(1300, 32)).astype(np.float32)
    np.testing.assert_allclose(score_all(head, many), head.score(many), rtol=1e-12)
    assert score_all(head, many[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("untouched", "transformed", "expected"), [(True, 1, [None, 43]), (True, 0, [None]), (False, 2, [43, 44])]
)
def test_copies_that_heads_are_fitted_on(untouched: bool, transformed: int, expected: list[int | None]) -> None:
    assert copies(FitConfig(untouched_copy=untouched, transformed_copies=transformed), 42) == expected


def test_heads_need_a_copy_and_both_classes() -> None:
    with pytest.raises(ConfigError, match="no copy of an image"):
        copies(FitConfig(untouched_copy=False, transformed_copies=0), 42)
    vectors = np.eye(4, dtype=np.float32)
    for label, missing in ((1, "real"), (0, "generated")):
        with pytest.raises(DataError, match=f"no {missing} image"):
            fit_heads(vectors, np.full(4, label), config=FitConfig(), seed=1)


# --- calibration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crops", [1, 5])
@pytest.mark.parametrize("name", ["linear", "nearest", "svm"])
def test_calibration_rests_on_the_validation_images_alone(
    bundle: Bundle, encoder: Encoder, validation: Listing, name: str, crops: int
) -> None:
    import torch

    head, scores = bundle.head(name), {0: [], 1: []}  # type: ignore[var-annotated]
    for row, sample in enumerate(validation):
        pixels = read(validation.read(row)).pixels
        with torch.inference_mode():
            vectors = encoder(torch.from_numpy(cut(pixels, crops, 32))).numpy()
        scores[sample.label].append(head.score(vectors).mean())
    calibration = bundle.calibration(name, crops)
    assert calibration is not None
    np.testing.assert_allclose(calibration.real_scores, sorted(scores[0]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(calibration.generated_scores, sorted(scores[1]), rtol=1e-4, atol=1e-5)
    real_sources = Counter(sample.source for sample in validation if sample.label == 0)
    assert sorted(Counter(calibration.real_sources.tolist()).values()) == sorted(real_sources.values())


def test_every_head_is_calibrated_at_every_number_of_crops(bundle: Bundle) -> None:
    assert {(facts.head, facts.crops) for facts in bundle.config.calibrations} == {
        (head, crops) for head in ("linear", "nearest", "svm") for crops in (1, 5)
    }


def test_operating_points_come_with_their_numbers_and_interval(bundle: Bundle) -> None:
    for facts in bundle.config.calibrations:
        assert [point.name for point in facts.operating_points] == ["10% false alarms", "5% false alarms"]
        calibration = bundle.calibration(facts.head, facts.crops)
        assert calibration is not None
        for point, target in zip(facts.operating_points, (0.1, 0.05), strict=True):
            assert (point.real_images, point.generated_images) == (30, 30)
            low, high = point.interval
            assert 0 <= low <= point.false_alarm_rate <= high <= 1
            assert point.false_alarm_rate == pytest.approx(int(target * 31) / 31)
            assert point.uncertain_from <= point.threshold
            flagged = float(np.mean(calibration.real_scores > point.threshold))
            assert flagged <= target


def test_the_default_head_is_the_best_on_validation(bundle: Bundle) -> None:
    values = {facts.head: facts.auc for facts in bundle.config.calibrations if facts.crops == 5}
    assert values[bundle.config.default_head] == max(values.values())


# --- attribution ----------------------------------------------------------------------------------------------------


def embedded(rows: list[tuple[str, Vectors]], real: int = 0) -> Embedded:
    """One image per row, its origin and the (n, D) embeddings of its crops; the last `real` of them are real."""
    labels = np.repeat([1, 0], [len(rows) - real, real])
    origins = np.array([origin for origin, _ in rows], object)
    owner = np.repeat(np.arange(len(rows)), [len(vectors) for _, vectors in rows])
    return Embedded(np.concatenate([vectors for _, vectors in rows]), owner, labels, origins, origins, {})


def axis(position: int, count: int = 1) -> Vectors:
    return np.tile(np.eye(6, dtype=np.float32)[position], (count, 1))


def clusters(origins: list[list[int]]) -> NearestHead:
    """Cluster c lies on axis c and holds generated references of the listed origins; one real one lies on the last."""
    vectors = [axis(c, len(members)) for c, members in enumerate(origins)]
    flat = [origin for members in origins for origin in members]
    return NearestHead(
        np.concatenate([*vectors, axis(5)]), np.array([1] * len(flat) + [0], np.uint8), np.array([*flat, 0], np.int32)
    )


def test_clean_clusters_give_a_rule_that_is_always_right() -> None:
    head = clusters([[0] * 15, [1] * 15, [2] * 15])
    rows = [(f"g{i % 3}", axis(i % 3, 2)) for i in range(30)]
    rule = fit_attribution(head, embedded(rows), ["g0", "g1", "g2"], {})
    assert rule is not None
    assert (rule.precision, rule.given, rule.images, rule.least_share, rule.neighbours) == (1.0, 1.0, 30, 0.2, 15)
    assert (rule.accuracy, rule.known_kept, rule.limit) == (1.0, 1.0, 0.0)
    # Each family's images lie off all other clusters, so that all of them are called unknown.
    assert (rule.unknown_rejected, rule.auc) == (1.0, 1.0)
    assert [(row.family, row.images, row.named) for row in rule.left_out] == [("smaller families", 30, 0.0)]


def test_origins_are_compared_by_family() -> None:
    head = clusters([[0] * 15, [1] * 15])
    rows = [(f"g{i % 2}-v{i % 5}", axis(i % 2)) for i in range(30)]
    families = {f"g{k}-v{i}": f"g{k}" for k in range(2) for i in range(5)}
    rule = fit_attribution(head, embedded(rows), ["g0", "g1"], families)
    assert rule is not None
    assert rule.precision == 1.0
    assert fit_attribution(head, embedded(rows), ["g0", "g1"], {}) is None  # no image of a known origin


def test_the_rule_of_shuffled_origins_says_that_its_names_are_worth_nothing() -> None:
    head = clusters([[0] * 15, [1] * 15, [2] * 15])
    origins = np.random.default_rng(0).permutation([f"g{i % 3}" for i in range(150)])
    rows = [(str(origin), axis(i % 3)) for i, origin in enumerate(origins)]
    rule = fit_attribution(head, embedded(rows), ["g0", "g1", "g2"], {})
    assert rule is not None
    assert rule.precision < 0.5
    assert rule.accuracy is not None
    assert rule.accuracy < 0.5
    assert rule.auc is not None
    # A family's images lie on all clusters; a third of the others left alone with a foreign cluster, as are they.
    assert rule.auc == pytest.approx(0.5, abs=0.15)
    assert [row.images for row in rule.left_out] == [50, 50, 50]


@pytest.mark.parametrize(("images", "families", "found"), [(19, 2, False), (20, 2, True), (40, 1, False)])
def test_a_rule_needs_twenty_images_and_two_families(images: int, families: int, found: bool) -> None:
    rows = [(f"g{i % families}", axis(i % families)) for i in range(images)]
    rule = fit_attribution(clusters([[0] * 15, [1] * 15]), embedded(rows), ["g0", "g1"], {})
    assert (rule is not None) is found


def test_the_least_share_counts_as_it_will_in_use() -> None:
    # Cluster 0: 9 of 15 votes for origin 0; cluster 1: 8 of 15. Right images vote with 18 of 30 = 0.6, wrong ones with
    # 17 of 30, so that exactly the share 0.6 tells them apart.
    head = clusters([[0] * 9 + [1] * 6, [0] * 8 + [1] * 7])
    right = [("g0", axis(0, 2))] * 25
    wrong = [("g1", np.concatenate([axis(0), axis(1)]))] * 25
    rule = fit_attribution(head, embedded([*right, *wrong]), ["g0", "g1"], {})
    assert rule is not None
    assert (rule.least_share, rule.precision, rule.given) == (0.6, 1.0, 0.5)


def test_the_limit_keeps_nine_of_ten() -> None:
    distance = np.random.default_rng(1).permutation(np.arange(1.0, 101.0))
    least, limit = choose_rule(np.full(100, 0.5), distance, np.ones(100, bool))
    assert least == 0.2
    assert np.mean(distance <= limit) == pytest.approx(0.9, abs=0.011)


def test_the_best_share_is_taken_where_none_is_good_enough() -> None:
    # Right are 40 % of the weak votes and 60 % of the strong ones.
    share = np.repeat([0.3, 0.7], 50)
    right = np.concatenate([np.arange(50) < 20, np.arange(50) < 30])
    least, _ = choose_rule(share, np.ones(100), right)
    assert least == 0.35


def test_real_and_foreign_images_take_no_part_in_attribution() -> None:
    known = [(f"g{i % 2}", axis(i % 2)) for i in range(20)]
    head = clusters([[0] * 15, [1] * 15])
    plain = fit_attribution(head, embedded(known), ["g0", "g1"], {})
    foreign = [("g9", axis(0))] * 7
    assert plain == fit_attribution(head, embedded([*foreign, *known, *[("phone", axis(0))] * 5], 5), ["g0", "g1"], {})


def test_a_table_ofread_families(tmp_path: Path) -> None:
    table = tmp_path / "origins.csv"
    table.write_text("origin,family,seen_in_training\nsd-1,sd,1\nsd-2,sd,0\n", encoding="utf-8")
    assert read_families(str(table)) == {"sd-1": "sd", "sd-2": "sd"}
    assert read_families(None) == {}
    for content in (b"origin;family\na;b\n", b"\xff\xfe\x00\n\x00"):
        table.write_bytes(content)
        with pytest.raises(DataError, match=r"origins\.csv: is no table of origins"):
            read_families(str(table))
    with pytest.raises(DataError, match=r"none\.csv: is no table"):
        read_families(str(tmp_path / "none.csv"))


# --- the bundle -----------------------------------------------------------------------------------------------------


def test_the_bundle_tells_how_it_was_made(bundle: Bundle, tiny_run: Path, tiny_shards: Path) -> None:
    training = bundle.config.training
    state = json.loads((tiny_run / "state.json").read_text())
    assert training["steps"] == state["step"] == 30
    assert training["best_step"] == state["best_step"]
    assert training["draws"] == state["draws"]
    assert training["images"]["validation"] == {
        "generated/gan": 22,
        "generated/sd": 8,
        "real/film": 10,
        "real/phone": 20,
    }
    for part, name in (("train", "train-0000.tar"), ("validation", "val-0000.tar")):
        digest = hashlib.sha256((tiny_shards / name).read_bytes()).hexdigest()
        size = (tiny_shards / name).stat().st_size
        assert training["shards"][part] == [{"name": name, "bytes": size, "sha256": digest}]
    assert "torch" in training["software"]


def test_the_bundle_holds_no_folder_of_this_machine(tiny_bundle: Path, tiny_shards: Path, tiny_run: Path) -> None:
    text = (tiny_bundle / "config.json").read_text() + (tiny_bundle / "README.md").read_text()
    assert str(tiny_shards) not in text
    assert str(tiny_run) not in text
    training = json.loads((tiny_bundle / "config.json").read_text())["training"]
    assert training["configuration"]["data"]["train"] == ["train-*.tar"]


def test_variables_and_relative_paths_are_kept_as_written() -> None:
    data = {"train": ["${HERE}/a/*.tar", "b/c.tar"], "validation": ["/abs/v.tar"], "origins": "/abs/o.csv"}
    config = parse_config({"name": "x", "data": data, "optimizer": {"steps": 1}})
    found = _portable(config)
    assert found.data.train == ["${HERE}/a/*.tar", "b/c.tar"]
    assert found.data.validation == ["v.tar"]
    assert found.data.origins == "o.csv"
    assert found.model_copy(update={"data": config.data}) == config


def test_shards_of_one_name_in_two_folders_are_both_listed(
    tiny_run: Path, tiny_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part, name in (("train", "train-0000.tar"), ("val", "val-0000.tar")):
        (tmp_path / part).mkdir()
        (tmp_path / part / "0000.tar").write_bytes((tiny_shards / name).read_bytes())
    monkeypatch.setenv("TINY_DATA", str(tmp_path))
    data = {"train": ["${TINY_DATA}/train/*.tar"], "validation": ["${TINY_DATA}/val/*.tar"]}
    config = parse_config(tiny_settings(tiny_shards, data=data, fit={"crops": [1], "default_crops": 1}))
    lines: list[str] = []
    found = fit_bundle(config, tiny_run, tmp_path / "bundle", lines.append)
    shards = found.config.training["shards"]
    assert [entry["name"] for part in ("train", "validation") for entry in shards[part]] == ["0000.tar", "0000.tar"]
    assert shards["train"] != shards["validation"]
    text = (tmp_path / "bundle" / "config.json").read_text()
    assert "${TINY_DATA}/train/*.tar" in text
    assert str(tmp_path) not in text
    assert any("calibrating" in line for line in lines)


def test_heads_are_fitted_on_the_fitting_shards_where_there_are_any(
    tiny_run: Path, tiny_shards: Path, encoder: Encoder, tmp_path: Path
) -> None:
    write_lone_shard(tmp_path / "fit.tar", 9, 7)
    data = {"fitting": [str(tmp_path / "fit.tar")]}
    fit = {"crops": [1], "default_crops": 1, "untouched_copy": False, "transformed_copies": 1}
    config = parse_config(tiny_settings(tiny_shards, data=data, fit=fit))
    found = fit_bundle(config, tiny_run, tmp_path / "bundle")
    listing = Listing.of(data["fitting"])
    expected = embed_images(encoder, listing, range(len(listing)), cutter("crop", 32, 1), transform_seed=43)
    head = found.head("nearest")
    assert isinstance(head, NearestHead)
    np.testing.assert_array_equal(head.references, expected.vectors)
    training = found.config.training
    assert sum(training["images"]["fitting"].values()) == 18
    assert [shard["name"] for shard in training["shards"]["fitting"]] == ["fit.tar"]
    assert training["configuration"]["data"]["fitting"] == ["fit.tar"]
    assert sum(training["images"]["train"].values()) == 48


def test_a_bundle_has_the_heads_that_were_asked_for(tiny_run: Path, tiny_shards: Path, tmp_path: Path) -> None:
    settings = tiny_settings(tiny_shards, fit={"heads": ["linear", "kernel"], "default_head": "kernel"})
    found = fit_bundle(parse_config(settings), tiny_run, tmp_path / "bundle")
    again = read_bundle(tmp_path / "bundle")
    assert (again.config.heads, again.config.default_head) == (["linear", "kernel"], "kernel")
    assert {facts.head for facts in again.config.calibrations} == {"linear", "kernel"}
    assert again.config.attribution is None  # names come from the nearest neighbours
    vectors = np.random.default_rng(0).normal(size=(5, found.config.architecture["dimension"]))
    assert again.head("kernel").score(vectors) == pytest.approx(found.head("kernel").score(vectors))


def test_calibration_on_strangers_leaves_the_heads_as_they_are(
    bundle: Bundle, tiny_run: Path, tiny_shards: Path, tmp_path: Path
) -> None:
    settings = tiny_settings(tiny_shards)
    settings["fit"] = {**settings.get("fit", {}), "as_strangers": True}
    said: list[str] = []
    found = fit_bundle(parse_config(settings), tiny_run, tmp_path / "bundle", said.append)
    assert any("without family group 1" in line for line in said)
    vectors = np.random.default_rng(0).normal(size=(5, found.config.architecture["dimension"]))
    assert found.head("linear").score(vectors) == pytest.approx(bundle.head("linear").score(vectors))
    known, unknown = bundle.calibration("linear", 1), found.calibration("linear", 1)
    assert known is not None
    assert unknown is not None
    assert len(known.real_scores) == len(unknown.real_scores)
    assert not np.allclose(known.generated_scores, unknown.generated_scores)


@pytest.mark.parametrize("heads", [["linear", "linear"], ["nearest"], []])
def test_heads_that_disagree_are_refused(heads: list[str], tiny_shards: Path) -> None:
    with pytest.raises(ConfigError, match="heads"):
        parse_config(tiny_settings(tiny_shards, fit={"heads": heads, "default_head": "linear"}))


@pytest.mark.parametrize("problem", ["no weights", "another encoder", "too few real images"])
def test_what_cannot_be_fitted_is_said(tiny_run: Path, tiny_shards: Path, tmp_path: Path, problem: str) -> None:
    changes: dict[str, Any] = {}
    run = tiny_run
    expected = {
        "no weights": "best.safetensors",
        "another encoder": "another encoder",
        "too few real images": "30 real",
    }
    if problem == "no weights":
        run = tmp_path
    if problem == "another encoder":
        changes = {"encoder": {"options": {"hidden_size": 16}}}
    if problem == "too few real images":
        changes = {"fit": {"false_alarm_rates": [0.001], "crops": [1], "default_crops": 1}}
    from contrafake.errors import ContrafakeError

    with pytest.raises(ContrafakeError, match=expected[problem]):
        fit_bundle(parse_config(tiny_settings(tiny_shards, **changes)), run, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
