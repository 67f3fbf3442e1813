"""Leave-one-family-out and heads of one generator on small sets, with the model of the package."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture
from sklearn.linear_model import LogisticRegression

import contrafake
from contrafake.data import ShardWriter
from contrafake.data.origins import OriginTable
from contrafake.data.sources import open_data, samples_of
from contrafake.errors import DataError, UsageError
from contrafake.evaluate.cache import Cache
from contrafake.evaluate.crop_vectors import embed_samples
from contrafake.evaluate.families import Copies, generated_of, refit_families
from contrafake.evaluate.family_folds import fold_rows, plan_folds
from contrafake.evaluate.family_table import FamilyTable
from contrafake.evaluate.generator_heads import GeneratorHeads, generator_heads
from contrafake.evaluate.suites import parse_variants
from contrafake.evaluate.variant import UNTOUCHED, Draw, Variant
from contrafake.model.lineage import encoder_was_taught

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contrafake.data.sample import Sample
    from contrafake.detect.detector import Detector

ORIGINS = OriginTable()


def write_shard(path: Path, seed: int, count: int, *, broken: bool = False) -> None:
    rng = np.random.default_rng(seed)
    with ShardWriter(path) as shard:
        for i in range(count):
            for origin in ("phone", "gan", "flux"):
                generated = origin != "phone"
                source = f"s{i % 4}" if not generated else f"{origin}-made"
                facts = {"label": "fake" if generated else "real", "origin": origin, "source": source}
                data = b"no image" if broken and i == 1 else jpeg(picture(rng, generated=generated, side=40))
                shard.write(f"{path.stem}-{origin}-{i}", {"jpg": data, "json": json.dumps(facts).encode()})


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = tmp_path_factory.mktemp("set")
    write_shard(folder / "train-0.tar", 1, 24, broken=True)
    write_shard(folder / "val-0.tar", 2, 22)
    source = open_data([f"train={folder / 'train-0.tar'}", f"val={folder / 'val-0.tar'}"])
    return [sample for item in source for sample in samples_of(item)]


@pytest.fixture(scope="module")
def detector() -> Detector:
    """The model inside the package, as if its linear head led and it had been fitted and calibrated plainly."""
    packaged = contrafake.load()
    noted = packaged.bundle.config.training["configuration"]
    plain = {
        **noted,
        "views": {**noted["views"], "pool": "official"},
        "fit": {**noted["fit"], "as_strangers": False, "together": []},
    }
    changes = {"training": {**packaged.bundle.config.training, "configuration": plain}, "default_head": "linear"}
    config = packaged.bundle.config.model_copy(update=changes)
    return type(packaged)(replace(packaged.bundle, config=config))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    """One for all tests, so that each image is embedded once."""
    with Cache(tmp_path_factory.mktemp("cache")) as kept:
        yield kept


# --- embeddings -----------------------------------------------------------------------------------------------------


def test_scores_are_those_of_detect(samples: list[Sample], detector: Detector) -> None:
    chosen = [sample for sample in samples if sample.split == "val"][:4]
    vectors, broken = embed_samples(detector, chosen, [(UNTOUCHED, 5)], workers=2)
    from contrafake.data.location import read_bytes

    expected = [verdict.score for verdict in detector.detect([read_bytes(one.image) for one in chosen], crops=5)]
    found = vectors["untouched"].scores(detector.bundle.head(detector.default_head), np.array([3, 0, 1, 2]))
    np.testing.assert_allclose(found, np.array([expected[row] for row in (3, 0, 1, 2)], float), rtol=1e-6)
    assert broken == {}
    np.testing.assert_allclose(
        vectors["untouched"].centre(np.array([2])), detector.embed([read_bytes(chosen[2].image)])
    )


def test_unreadable_images_have_no_vectors(samples: list[Sample], detector: Detector, tmp_path: Path) -> None:
    chosen = samples[:6]  # the second three are no images
    jpeg_90 = parse_variants(("jpeg-90",))[1]
    with Cache(tmp_path) as cache:
        runs = [
            embed_samples(detector, chosen, [(UNTOUCHED, 1), (jpeg_90, 2)], cache=kept, workers=workers)
            for kept, workers in ((cache, 3), (cache, 1), (None, 1))
        ]
    for vectors, broken in runs:
        assert set(broken) == {sample.key for sample in chosen[3:]}
        assert vectors["untouched"].readable.tolist() == [True] * 3 + [False] * 3
        scores = vectors["untouched"].scores(detector.bundle.head("linear"), np.arange(6))
        assert np.isnan(scores).tolist() == [False] * 3 + [True] * 3
        with pytest.raises(KeyError):
            vectors["untouched"].centre(np.array([0, 4]))
        for name in ("untouched", "jpeg-90"):
            np.testing.assert_array_equal(vectors[name].vectors, runs[0][0][name].vectors)
    with pytest.raises(DataError, match="none of 3 could be read"):
        embed_samples(detector, chosen[3:], [(UNTOUCHED, 1)])


# --- refit ----------------------------------------------------------------------------------------------------------


def test_a_fold_by_scikit_learn(samples: list[Sample], detector: Detector, cache: Cache) -> None:
    folds = plan_folds(samples, ORIGINS, least=10)
    assert [fold.name for fold in folds] == ["flux", "gan"]
    scores = refit_families(detector, samples, ORIGINS, folds, crops=1, rate=0.1, workers=2, cache=cache)
    [noted] = [one.transformed for one in [Copies.of(detector.bundle)]]
    assert [variant.draw for variant in noted] == [Draw("official", 2, 43)]
    readable = [row for row, sample in enumerate(samples) if not sample.key.endswith(("-1",)) or sample.split == "val"]
    everything, _ = embed_samples(detector, samples, [(UNTOUCHED, 1), (noted[0], 1)], workers=2, cache=cache)
    for fold, facts in zip(folds, scores.folds, strict=True):
        rows = fold_rows(samples, fold)
        fitting = np.array([row for row in rows.fitting if row in readable])
        vectors = np.concatenate([everything[name].centre(fitting) for name in ("untouched", noted[0].name)])
        labels = np.tile([samples[row].label for row in fitting], 2)
        model = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced", random_state=42)
        model.fit(vectors.astype(np.float64), labels)
        test = np.array([row for row in rows.test if row in readable])
        expected = model.decision_function(everything["untouched"].centre(test).astype(np.float64))
        inside = (scores.columns["fold"] == fold.name) & (scores.columns["variant"] == "untouched")
        assert scores.columns["key"][inside].tolist() == [samples[row].key for row in test]
        np.testing.assert_allclose(scores.columns["score"][inside], expected, rtol=1e-4, atol=1e-5)
        assert facts.fitting == (int((labels == 0).sum()) // 2, int((labels == 1).sum()) // 2)
        known = np.array(rows.calibration)
        real = np.array([samples[row].label == 0 for row in known])
        real_scores = np.sort(model.decision_function(everything["untouched"].centre(known).astype(np.float64))[real])
        # The k-th largest of n with k = floor(rate (n + 1)).
        k = int(0.1 * (len(real_scores) + 1))
        assert facts.thresholds["linear"] == pytest.approx(real_scores[len(real_scores) - k], rel=1e-4)
        assert facts.encoder_saw == ()
    assert len(scores.facts["unreadable"]) == 3
    table = FamilyTable.from_scores(scores, repeats=50)
    assert {row.variant for row in table.rows} == {"untouched", "jpeg-90"}
    assert all(row.sources_real == 2 for row in table.rows)


def test_several_heads_and_variants_of_ones_own(samples: list[Sample], detector: Detector, cache: Cache) -> None:
    folds = plan_folds(samples, ORIGINS, least=10)
    noise = Variant("k1", "one", draw=Draw(most=1))
    scores = refit_families(
        detector,
        samples,
        ORIGINS,
        folds,
        heads=["svm", "nearest"],
        variants=[noise],
        crops=1,
        rate=0.1,
        workers=2,
        cache=cache,
    )
    assert set(scores.columns["head"]) == {"svm", "nearest"}
    assert set(scores.columns["variant"]) == {"k1"}
    assert all(set(fold.thresholds) == {"svm", "nearest"} for fold in scores.folds)


def test_reconstructions_are_fitted_on_and_not_tested_on(
    samples: list[Sample], detector: Detector, cache: Cache, tmp_path: Path
) -> None:
    rng = np.random.default_rng(9)
    with ShardWriter(tmp_path / "faces.tar") as shard:
        for i in range(12):
            about = {"sources": {"real": f"s{i % 4}"}, "origins": {"real": "phone", "gen_0": "made"}}
            shard.write(
                f"pair-{i}",
                {
                    "real.jpg": jpeg(picture(rng, generated=False, side=40)),
                    "gen_0.jpg": jpeg(picture(rng, generated=True, side=40)),
                    "json": json.dumps(about).encode(),
                },
            )
    pairs = [sample for item in open_data([str(tmp_path / "faces.tar")]) for sample in samples_of(item)]
    generated, sources = generated_of(pairs)
    assert (len(generated), sources[:5]) == (12, ["s0", "s1", "s2", "s3", "s0"])

    folds = plan_folds(samples, ORIGINS, least=10)
    plain = refit_families(detector, samples, ORIGINS, folds, cache=cache, crops=1, rate=0.2)
    more = refit_families(detector, samples, ORIGINS, folds, also=pairs, cache=cache, crops=1, rate=0.2)
    for fold, without, with_pairs in zip(folds, plain.folds, more.folds, strict=True):
        left = sum(source not in fold.sources for source in sources)
        assert 0 < left < 12
        assert with_pairs.fitting == (without.fitting[0], without.fitting[1] + left)
        assert with_pairs.calibration == without.calibration
    assert more.columns["key"].tolist() == plain.columns["key"].tolist()
    assert more.columns["score"].tolist() != plain.columns["score"].tolist()


def test_refusals(samples: list[Sample], detector: Detector, cache: Cache) -> None:
    folds = plan_folds(samples, ORIGINS, least=10)
    with pytest.raises(UsageError, match="head forest: is unknown"):
        refit_families(detector, samples, ORIGINS, folds, heads=["forest"])
    with pytest.raises(UsageError, match=r"fold flux: .*0.01 cannot be supported by \d+ real images"):
        refit_families(detector, samples, ORIGINS, folds, crops=1, rate=0.01, cache=cache)
    with pytest.raises(DataError, match="of the split val is left"):
        refit_families(detector, [one for one in samples if one.split == "train"], ORIGINS, folds)


# --- heads of one generator -----------------------------------------------------------------------------------------


def test_heads_of_one_generator(samples: list[Sample], detector: Detector, cache: Cache) -> None:
    fitting = [sample for sample in samples if sample.split == "train"]
    test = [sample for sample in samples if sample.split == "val"]
    trained = {(0, "phone"): True, (1, "gan"): True}
    changed = Variant("transformed", "k1", draw=Draw(most=1))
    found = generator_heads(detector, fitting, test, ORIGINS, trained=trained, transformed=changed, cache=cache)
    assert list(found.tables) == ["seen", "unknown"]
    seen, unknown = found.tables.values()
    assert (seen.tested, unknown.tested, found.borrowed) == ({"gan": 22}, {"flux": 22}, ("unknown",))
    assert seen.fitted == {"flux": 23, "gan": 23}  # one of each is no image
    assert len(found.unreadable) == 3
    assert {(row.head, row.condition) for row in seen.rows} == {
        (head, condition) for head in ("linear", "nearest") for condition in ("untouched", "transformed")
    }
    [row] = [one for one in seen.rows if (one.head, one.condition, one.generator) == ("linear", "untouched", "flux")]
    ready = [one for one in fitting if one.origin in {"phone", "flux"} and one.key not in found.unreadable]
    vectors = embed_samples(detector, ready, [(UNTOUCHED, 1)], cache=cache)[0]["untouched"].vectors.astype(np.float64)
    model = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced", random_state=42)
    model.fit(vectors, [one.label for one in ready])
    tested = embed_samples(detector, test, [(UNTOUCHED, 1)], cache=cache)[0]["untouched"].vectors.astype(np.float64)
    called = model.predict(tested) == 1
    origins = np.array([one.origin for one in test])
    assert row.real == pytest.approx((~called[origins == "phone"]).mean())
    assert row.generated == {"gan": pytest.approx(called[origins == "gan"].mean())}
    assert GeneratorHeads.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    text = found.to_markdown()
    assert "The real test images are those of the other parts" in text
    assert f"| flux (23) | {100 * row.real:.1f} % |" in text


def test_calibration_on_strangers_changes_thresholds_and_no_score(
    samples: list[Sample], detector: Detector, cache: Cache
) -> None:
    note = {**detector.bundle.config.training["configuration"]}
    note["fit"] = {**note["fit"], "as_strangers": True, "together": []}
    config = detector.bundle.config.model_copy(update={"training": {"configuration": note}})
    strict = type(detector)(replace(detector.bundle, config=config))
    # Three families, so that one can be absent from the fitting of a fold that is itself without one.
    names = np.resize(np.repeat(["gan", "flux", "ldm"], 3), len(samples))
    three = [replace(one, origin=str(name)) if one.label else one for one, name in zip(samples, names, strict=True)]
    folds = plan_folds(three, ORIGINS, least=5)
    easy, hard = (
        refit_families(one, three, ORIGINS, folds, crops=1, rate=0.1, workers=2, cache=cache)
        for one in (detector, strict)
    )
    assert np.array_equal(easy.columns["score"], hard.columns["score"])
    assert any(one.thresholds != other.thresholds for one, other in zip(easy.folds, hard.folds, strict=True))


def test_the_sets_own_transformed_copies(samples: list[Sample], detector: Detector, cache: Cache) -> None:
    fitting = [sample for sample in samples if sample.split == "train"]
    test = [sample for sample in samples if sample.split == "val"]
    both = [
        replace(one, key=f"{condition}/{one.key}", metadata={"condition": condition})
        for condition, part in (("no_augm", test[:30]), ("augm", test[30:]))
        for one in part
    ]
    found = generator_heads(detector, fitting, both, ORIGINS, cache=cache)
    assert {row.condition for row in found.tables["unknown"].rows} == {"untouched", "transformed-as-delivered"}
    assert found.tables["unknown"].tested == {"flux": 10, "gan": 10}


def test_common_images_and_missing_classes_are_refused(samples: list[Sample], detector: Detector, cache: Cache) -> None:
    fitting = [sample for sample in samples if sample.split == "train"]
    test = [sample for sample in samples if sample.split == "val"]
    with pytest.raises(DataError, match="is among the fitting and the test images"):
        generator_heads(detector, samples, test, ORIGINS)
    with pytest.raises(DataError, match="fitting data: none of 48 images is real"):
        generator_heads(detector, [one for one in fitting if one.label], test, ORIGINS)
    with pytest.raises(DataError, match="no generator has 20 images"):
        generator_heads(detector, fitting[:30], test, ORIGINS)
    with pytest.raises(DataError, match="test data: none of 44 images is real"):
        generator_heads(detector, fitting, [one for one in test if one.label], ORIGINS)


@pytest.mark.parametrize(
    ("change", "taught"),
    [
        ({}, False),
        ({"optimizer": {"backbone_rate": 0.1}}, True),
        ({"optimizer": {}}, True),
        ({"encoder": {"start": "imagenet", "pooling": "stages", "projection": 128}}, True),
        ({"encoder": {"start": None, "pooling": "stages"}}, True),
        ({"encoder": {"start": "imagenet", "pooling": "last"}}, True),
    ],
)
def test_an_encoder_in_which_nothing_could_learn_has_seen_no_family(
    detector: Detector, change: dict[str, object], taught: bool
) -> None:
    note = {"encoder": {"start": "imagenet", "pooling": "stages"}, "optimizer": {"backbone_rate": 0}} | change
    config = detector.bundle.config.model_copy(update={"training": {"configuration": note}})
    assert encoder_was_taught(config) is taught
    assert encoder_was_taught(config.model_copy(update={"training": {}}))  # nothing is noted
