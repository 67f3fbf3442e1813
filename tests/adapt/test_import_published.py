"""Imported weights score as transformers and scikit-learn do, on crops made without our code; and the command."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sklearn")

import torch
from PIL import Image
from published_layout import FILES, SIDE, WIDTH, Layout, center_crop, write_layout
from safetensors.torch import load_file

from contrafake import load
from contrafake.adapt.importing import import_published
from contrafake.cli import run
from contrafake.errors import BundleError, UsageError
from contrafake.model.encoder import Encoder, EncoderConfig

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from contrafake.model.bundle import Bundle

# Both parities on both sides of the crop's own side, in one or both directions.
SIZES = [(32, 32), (47, 60), (61, 46), (33, 35), (31, 20), (9, 14), (13, 75), (64, 11), (200, 33), (34, 31)]
EQUAL = 1e-4
"""Largest difference of a score, of the spread of all scores."""


def pictures() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(5)
    found = []
    for number, (height, width) in enumerate(SIZES * 3):
        pixels = rng.integers(0, 256, (height, width, 3)) * rng.uniform(0.3, 1) + rng.uniform(0, 60)
        found.append(np.clip(pixels * (1 if number % 2 else 0.6), 0, 255).astype(np.uint8))
    return found


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    torch.set_num_threads(1)
    return write_layout(tmp_path_factory.mktemp("layout") / "CoDE")


@pytest.fixture(scope="module")
def bundle(layout: Layout) -> Bundle:
    return import_published(layout.folder, layout.folder.with_name("bundle"))


def reference_scores(name: str, classifier: Any, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores in scikit-learn's own words; the nearest neighbour's is made from all its neighbours."""
    if name == "linear":
        return np.asarray(classifier.decision_function(vectors))
    if name == "svm":
        return -np.asarray(classifier.decision_function(vectors))
    labels, count = classifier._y, len(classifier._y)
    distances, order = classifier.kneighbors(vectors, n_neighbors=count)
    nearest = [[row[labels[places] == label].min() for label in (0, 1)] for row, places in zip(distances, order)]  # noqa: B905
    return np.asarray([real - generated for real, generated in nearest])


@pytest.mark.parametrize("head", ["linear", "nearest", "svm"])
def test_scores_and_decisions_are_those_of_transformers_and_scikit_learn(
    layout: Layout, bundle: Bundle, head: str
) -> None:
    images = pictures()
    vectors = layout.embed(np.stack([center_crop(image) for image in images]))
    classifier = layout.classifiers[head]
    expected = reference_scores(head, classifier, vectors)
    verdicts = load(bundle.path).detect(images, head=head)
    found = np.array([verdict.score for verdict in verdicts])
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(found, expected, rtol=0, atol=EQUAL * np.ptp(expected))
    generated = -1 if head == "svm" else 1
    said = ["generated" if label == generated else "real" for label in classifier.predict(vectors)]
    assert len(set(said)) == 2
    assert [verdict.label for verdict in verdicts] == said


def test_embeddings_are_those_of_transformers(layout: Layout, bundle: Bundle) -> None:
    images = pictures()
    expected = layout.embed(np.stack([center_crop(image) for image in images]))
    np.testing.assert_allclose(load(bundle.path).embed(images), expected, rtol=0, atol=1e-4)


def test_the_svms_sign_is_that_of_the_training_code_and_not_of_the_card(layout: Layout, bundle: Bundle) -> None:
    """Fitted on real images alone, scikit-learn calls most of them +1; by the card they would be generated."""
    real = layout.fitted_on[layout.labels == 0]
    published = layout.classifiers["svm"].predict(layout.embed(real))
    training_code, card = {1: "real", -1: "generated"}, {1: "generated", -1: "real"}
    ours = [verdict.label for verdict in load(bundle.path).detect(list(real), head="svm")]
    assert ours.count("real") > 0.6 * len(real)
    assert ours == [training_code[label] for label in published]
    assert all(label != card[inverted] for label, inverted in zip(ours, published, strict=True))
    assert "Here -1 = generated, +1 = real" in (bundle.path / "README.md").read_text(encoding="utf-8")


def test_the_bundle_says_what_it_is_and_that_it_is_not_calibrated(layout: Layout, bundle: Bundle) -> None:
    config = bundle.config
    assert (config.method, config.name, config.version) == ("code", "code-published", "published")
    assert (config.heads, config.default_head) == (["linear", "nearest", "svm"], "linear")
    assert config.native_threshold == 0
    assert not config.calibrations
    assert (config.preprocessing.geometry, config.preprocessing.small_images) == ("crop", "black")
    assert (config.preprocessing.default_crops, config.preprocessing.crop_size) == (1, SIDE)
    facts = config.training["imported"]
    for name, digest in facts["files"].items():
        assert hashlib.sha256((layout.folder / name).read_bytes()).hexdigest() == digest
    assert set(facts["files"]) >= {"model.safetensors", *(f"sklearn/{name}" for name in FILES.values())}
    [verdict] = load(bundle.path).detect([pictures()[0]])
    assert verdict.score is not None
    assert verdict.calibrated is False
    assert verdict.llr is None
    assert verdict.probability == pytest.approx(1 / (1 + np.exp(-verdict.score)))
    assert any("uncalibrated" in note for note in verdict.notes)


def test_the_kept_weights_make_the_same_encoder(layout: Layout, bundle: Bundle) -> None:
    architecture = {key: value for key, value in bundle.config.architecture.items() if key != "dimension"}
    encoder = Encoder(EncoderConfig(**architecture)).eval()
    assert bundle.weights_path is not None
    encoder.load_state_dict(load_file(bundle.weights_path))
    crops = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    with torch.inference_mode():
        found = encoder(torch.from_numpy(crops)).numpy()
    assert found.shape == (3, WIDTH)
    np.testing.assert_allclose(found, layout.embed(crops), rtol=0, atol=1e-4)
    assert encoder.backbone.config.layer_norm_eps == 1e-12


def test_other_means_another_factor_and_a_pooler_are_honoured(tmp_path: Path) -> None:
    """x * 2/255 - 1 over 1 is what some ViTs are fed: the same as mean and deviation 0.5 of x/255."""
    layout = write_layout(
        tmp_path / "in",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        pooler=True,
        qkv_bias=False,
        preprocessor={"rescale_factor": 2 / 255, "image_mean": [1, 1, 1], "image_std": [1, 1, 1], "size": SIDE},
    )
    (layout.folder / "sklearn" / FILES["svm"]).unlink()
    made = import_published(layout.folder, tmp_path / "out")
    assert made.config.heads == ["linear", "nearest"]
    assert made.config.training["imported"]["missing"] == ["svm"]
    images = pictures()[:4]
    expected = layout.embed(np.stack([center_crop(image) for image in images]))
    np.testing.assert_allclose(load(made.path).embed(images), expected, rtol=0, atol=1e-4)


def test_the_command_imports_and_the_bundle_judges_files(
    layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "import", str(layout.folder), "--out", str(tmp_path / "bundle")]) == 0
    told = capsys.readouterr()
    assert "code-published published" in told.out
    assert "read, not run" in told.out
    assert "Not calibrated" in told.out
    assert "reading the weights ..." in told.err
    Image.fromarray(pictures()[1]).save(tmp_path / "picture.png")
    assert run(["detect", str(tmp_path / "picture.png"), "--model", str(tmp_path / "bundle"), "--json"]) in {0, 1}
    assert '"calibrated": false' in capsys.readouterr().out
    assert run(["models", "import", str(tmp_path / "nowhere"), "--out", str(tmp_path / "b"), "--json"]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_the_command_prints_json(layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "import", str(layout.folder), "--out", str(tmp_path / "bundle"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["heads"] == ["linear", "nearest", "svm"]
    assert told["calibrated"] is False
    assert told["imported"]["heads"]["svm"] == f"sklearn/{FILES['svm']}"


def test_a_revision_of_a_folder_and_two_revisions_make_no_sense(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no repository"):
        import_published(layout.folder, tmp_path / "out", revision="main")
    with pytest.raises(UsageError, match="'v1' is not that of"):
        import_published("owner/name@v2", tmp_path / "out", revision="v1")
    with pytest.raises(BundleError, match="there is no such folder"):
        import_published("a/b/c", tmp_path / "out")


def test_a_repository_is_taken_from_the_hubs_cache_with_its_commit(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests run offline, where the client knows what lies in its cache: laid out here as it lays it out."""
    commit = "c2a0c92" + "0" * 33
    cache = tmp_path / "models--aimagelab--CoDE"
    shutil.copytree(layout.folder, cache / "snapshots" / commit)
    (cache / "snapshots" / commit / "LICENSE").write_text("MIT")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made = import_published("aimagelab/CoDE@main", tmp_path / "out")
    assert (made.config.name, made.config.version) == ("code-published", commit[:12])
    facts = made.config.training["imported"]
    assert (facts["repo"], facts["commit"], facts["terms"]) == ("aimagelab/CoDE", commit, ["LICENSE"])
    assert f"aimagelab/CoDE, commit {commit}" in (made.path / "README.md").read_text(encoding="utf-8")
    with pytest.raises(BundleError, match="does not lie in the cache"):
        import_published("aimagelab/CoDE", tmp_path / "out", revision="1" * 40)
