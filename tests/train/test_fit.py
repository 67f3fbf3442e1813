"""Fitting: heads as scikit-learn fits them, calibration on validation alone, and what the bundle says of itself."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import jpeg, picture, tiny_settings
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import OneClassSVM

from contrafake.data import Member, Sample, ShardSet, ShardWriter
from contrafake.errors import DataError
from contrafake.images import cut, read
from contrafake.model.bundle import read_bundle
from contrafake.model.encoder import Encoder
from contrafake.model.heads import NearestHead
from contrafake.train.config import FitConfig, parse_config
from contrafake.train.embedding import Embedded, cutter, embed_samples
from contrafake.train.fit import _families, _portable, fit_attribution, fit_bundle, fit_heads

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

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
def train(tiny_shards: Path) -> ShardSet:
    return ShardSet([str(tiny_shards / "train-*.tar")])


@pytest.fixture(scope="module")
def validation(tiny_shards: Path) -> ShardSet:
    return ShardSet([str(tiny_shards / "val-*.tar")])


@pytest.fixture(scope="module")
def parts(encoder: Encoder, train: ShardSet) -> list[Embedded]:
    """Training embeddings as `fit_bundle` makes them: untouched, and one transformed copy (seed 42 + 1)."""
    one_crop = cutter("crop", 32, 1)
    return [embed_samples(encoder, train, train.samples, one_crop, transform_seed=seed) for seed in (None, 43)]


def joined(parts: list[Embedded]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    vectors = np.concatenate([part.vectors for part in parts]).astype(np.float64)
    return vectors, np.concatenate([[sample.label for sample in part.samples] for part in parts])


# --- heads ----------------------------------------------------------------------------------------------------------


def test_heads_are_those_of_scikit_learn(
    bundle: Bundle, parts: list[Embedded], encoder: Encoder, validation: ShardSet
) -> None:
    vectors, labels = joined(parts)
    fresh = embed_samples(encoder, validation, validation.samples, cutter("crop", 32, 1)).vectors.astype(np.float64)
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
    names = [sample.origin for part in parts for sample in part.samples]
    assert [bundle.config.origins[position] for position in head.origins] == names
    assert head.labels.tolist() == [sample.label for part in parts for sample in part.samples]


def test_too_many_references_are_thinned_by_the_seed(parts: list[Embedded]) -> None:
    origins = ["film", "gan", "phone", "sd"]
    config = FitConfig(nearest_references=20)
    one, same, other = (fit_heads(parts, config, origins, {}, seed)["nearest"] for seed in (1, 1, 2))
    assert isinstance(one, NearestHead)
    assert isinstance(same, NearestHead)
    assert isinstance(other, NearestHead)
    assert one.references.shape == (20, 32)
    np.testing.assert_array_equal(one.references, same.references)
    assert not np.array_equal(one.references, other.references)
    known = {
        (vector.tobytes(), sample.label)
        for part in parts
        for vector, sample in zip(part.vectors, part.samples, strict=True)
    }
    assert {(vector.tobytes(), int(label)) for vector, label in zip(one.references, one.labels, strict=True)} <= known


def test_the_transformed_copy_differs_and_is_drawn_by_image(
    encoder: Encoder, train: ShardSet, parts: list[Embedded]
) -> None:
    untouched, transformed = parts
    differing = (untouched.vectors != transformed.vectors).any(axis=1).mean()
    assert 0.4 < differing < 0.95  # about a third draws no operation at all
    alone = embed_samples(encoder, train, train.samples[5:7], cutter("crop", 32, 1), transform_seed=43)
    np.testing.assert_allclose(alone.vectors, transformed.vectors[5:7], atol=1e-5)


def test_unreadable_images_are_left_out_and_named(encoder: Encoder, tmp_path: Path) -> None:
    rng, facts = np.random.default_rng(0), b'{"label": "real"}'
    whole = jpeg(picture(rng, generated=False))
    with ShardWriter(tmp_path / "x.tar") as shard:
        for key, data in (("a", whole), ("torn", whole[:300]), ("b", whole)):
            shard.write(key, {"jpg": data, "json": facts})
    shards = ShardSet([str(tmp_path / "x.tar")])
    found = embed_samples(encoder, shards, shards.samples, cutter("crop", 32, 2))
    nothing = embed_samples(encoder, shards, [], cutter("crop", 32, 2))
    assert [sample.key for sample in found.samples] == ["a", "b"]
    assert list(found.broken) == ["torn"]
    assert found.owner.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(found.vectors[:2], found.vectors[2:])
    assert found.image_scores(np.array([1.0, 3.0, 5.0, 6.0])).tolist() == [2.0, 5.5]
    assert nothing.vectors.shape == (0, 32)


# --- calibration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crops", [1, 5])
@pytest.mark.parametrize("name", ["linear", "nearest", "svm"])
def test_calibration_rests_on_the_validation_images_alone(
    bundle: Bundle, encoder: Encoder, validation: ShardSet, name: str, crops: int
) -> None:
    import torch

    head, scores = bundle.head(name), {0: [], 1: []}  # type: ignore[var-annotated]
    for sample in validation.samples:
        pixels = read(validation.read(sample.image)).pixels
        with torch.inference_mode():
            vectors = encoder(torch.from_numpy(cut(pixels, crops, 32))).numpy()
        scores[sample.label].append(head.score(vectors).mean())
    calibration = bundle.calibration(name, crops)
    assert calibration is not None
    np.testing.assert_allclose(calibration.real_scores, sorted(scores[0]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(calibration.generated_scores, sorted(scores[1]), rtol=1e-4, atol=1e-5)
    real_sources = Counter(sample.source for sample in validation.samples if sample.label == 0)
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


def sample(key: str, origin: str, label: Literal[0, 1] = 1) -> Sample:
    return Sample(key, label, origin, "", "", Member("x.tar", key, 0, 0))


def embedded(rows: list[tuple[str, Vectors]]) -> Embedded:
    """One generated image per row: its origin and the (n, D) embeddings of its crops."""
    owner = np.repeat(np.arange(len(rows)), [len(vectors) for _, vectors in rows])
    samples = [sample(f"{i}", origin) for i, (origin, _) in enumerate(rows)]
    return Embedded(np.concatenate([vectors for _, vectors in rows]), owner, samples, {})


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


def test_origins_are_compared_by_family() -> None:
    head = clusters([[0] * 15, [1] * 15])
    rows = [(f"g{i % 2}-v{i % 5}", axis(i % 2)) for i in range(30)]
    families = {f"g{k}-v{i}": f"g{k}" for k in range(2) for i in range(5)}
    rule = fit_attribution(head, embedded(rows), ["g0", "g1"], families)
    assert rule is not None
    assert rule.precision == 1.0
    assert fit_attribution(head, embedded(rows), ["g0", "g1"], {}) is None


def test_shuffled_origins_give_no_rule() -> None:
    head = clusters([[0] * 15, [1] * 15, [2] * 15])
    origins = np.random.default_rng(0).permutation([f"g{i % 3}" for i in range(60)])
    rows = [(str(origin), axis(i % 3)) for i, origin in enumerate(origins)]
    assert fit_attribution(head, embedded(rows), ["g0", "g1", "g2"], {}) is None


@pytest.mark.parametrize(("images", "found"), [(19, False), (20, True)])
def test_a_rule_needs_twenty_named_images(images: int, found: bool) -> None:
    rule = fit_attribution(clusters([[0] * 15]), embedded([("g0", axis(0))] * images), ["g0"], {})
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


def test_real_images_take_no_part_in_attribution() -> None:
    rows = embedded([("g0", axis(0))] * 20)
    real = [sample(f"r{i}", "phone", 0) for i in range(5)]
    with_real = Embedded(
        np.concatenate([rows.vectors, axis(0, 5)]),
        np.concatenate([rows.owner, np.arange(20, 25)]),
        [*rows.samples, *real],
        {},
    )
    rule = fit_attribution(clusters([[0] * 15]), with_real, ["g0"], {})
    assert rule is not None
    assert (rule.precision, rule.images) == (1.0, 20)


def test_a_table_of_families(tmp_path: Path) -> None:
    table = tmp_path / "origins.csv"
    table.write_text("origin,family,seen_in_training\nsd-1,sd,1\nsd-2,sd,0\n", encoding="utf-8")
    assert _families(str(table)) == {"sd-1": "sd", "sd-2": "sd"}
    assert _families(None) == {}
    for content in (b"origin;family\na;b\n", b"\xff\xfe\x00\n\x00"):
        table.write_bytes(content)
        with pytest.raises(DataError, match=r"origins\.csv: is no table of origins"):
            _families(str(table))
    with pytest.raises(DataError, match=r"none\.csv: is no table"):
        _families(str(tmp_path / "none.csv"))


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
        assert training["shards"][part] == [{"name": name, "sha256": digest}]
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
