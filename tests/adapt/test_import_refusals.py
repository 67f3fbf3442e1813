"""What is refused of a published folder, and that each refusal names the file and what is wrong with it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sklearn")

import torch
from published_layout import FILES, SIDE, write_layout, write_preprocessor
from safetensors.torch import load_file, save_file

from contrafake.adapt.importing import import_published
from contrafake.adapt.official import read_published
from contrafake.adapt.official_weights import encoder_config, load_encoder
from contrafake.errors import BundleError
from contrafake.model.encoder import Encoder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_layout(tmp_path_factory.mktemp("layout") / "CoDE").folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "CoDE")


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(folder: Path, complaint: str) -> None:
    with pytest.raises(BundleError, match=complaint):
        import_published(folder, folder.with_name("out"))
    assert not folder.with_name("out").exists()


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, rf"CoDE: has no {name} .fetch the whole published repository")


def test_weights_that_are_only_a_pickle_are_never_opened(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(folder, "only as a pickle, pytorch_model.bin, which is never opened")


def test_a_pickle_beside_the_weights_has_no_say(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "somewhere/else"}')
    change_config(folder, auto_map={"AutoModel": "code.Model"}, quantization_config={"quant_method": "x"})
    published = read_published(folder)
    assert published.unused == ("config.json: auto_map", "config.json: quantization_config")
    assert load_encoder(published).dimension == 24


def test_no_classifier_too_many_and_a_pointer_are_named(folder: Path) -> None:
    for number in range(20):
        (folder / "sklearn" / f"more-{number}.sav").write_bytes(b"")
    refused(folder, "has 23 classifiers")
    for path in (folder / "sklearn").glob("*.sav"):
        path.unlink()
    (folder / "sklearn" / FILES["svm"]).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    refused(folder, rf"{FILES['svm']}: is a Git LFS pointer .* .run `git lfs pull`")
    (folder / "sklearn" / FILES["svm"]).unlink()
    refused(folder, "has no classifier: no ..sav or ..joblib in sklearn/")


def test_a_classifier_for_other_embeddings_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / "sklearn")
    other = write_layout(folder.with_name("other"), hidden_size=16)
    shutil.copytree(other.folder / "sklearn", folder / "sklearn")
    refused(folder, "has the shape .* x 16, not .* x 24 .embeddings of the encoder have 24 numbers")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model_type": "dinov2"}, "config.json: model_type: Input should be 'vit', not 'dinov2'"),
        ({"hidden_act": "relu"}, "hidden_act: .*'gelu', not 'relu'"),
        ({"num_channels": 1}, "num_channels: Input should be 3, not 1"),
        ({"hidden_size": 10**9}, "hidden_size: .*less than or equal to 4096"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps"),
        ({"num_attention_heads": 5}, "sizes do not go together: .*num_attention_heads 5"),
        ({"patch_size": 7}, "sizes do not go together: .*patch_size 7"),
        ({"patch_size": 16}, r"position_embeddings has the shape \(1, 17, 24\), where config.json asks for \(1, 5, 24"),
        ({"hidden_size": 48}, r"has the shape .*where config.json asks for \(1, 17, 48\)"),
        ({"intermediate_size": 32}, "has another shape than config.json asks for"),
        ({"intermediate_size": 16000}, r"holds 1\d,\d\d\d weights, where config.json asks for 1,5\d\d,\d\d\d"),
        ({"num_hidden_layers": 3}, r"lacks .*layers?\.2\..* and \d+ more"),
        ({"num_hidden_layers": 1}, r"does not account for: .*layers?\.1\..* and \d+ more"),
        ({"qkv_bias": False}, "does not account for: .*bias"),
        ({"image_size": 64}, "its size is 32, the network's image_size 64"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(folder: Path, changes: dict[str, Any], complaint: str) -> None:
    change_config(folder, **changes)
    refused(folder, complaint)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"size": {"shortest_edge": SIDE}}, "preprocessor_config.json: size"),
        ({"size": {"height": SIDE, "width": 30}}, "its size is 30 x 32, the network's image_size 32"),
        ({"size": None}, "size: Field required"),
        ({"image_mean": None}, "do_normalize is on, but image_mean or image_std is missing"),
        ({"image_std": [0.2, 0, 0.2]}, "image_std.1: .*greater than 0"),
        ({"image_std": [0.2, 0.2]}, "image_std"),
        ({"rescale_factor": 0}, "rescale_factor: .*greater than 0"),
        ({"rescale_factor": 1e-320}, "rescale_factor: 1e-320 is out of range"),
        ({"do_center_crop": True}, "do_center_crop: .*False, not True"),
        ({"image_processor_type": "CLIPImageProcessor"}, "image_processor_type: .*not 'CLIPImageProcessor'"),
    ],
)
def test_preprocessing_that_is_not_supported_is_refused(folder: Path, changes: dict[str, Any], complaint: str) -> None:
    write_preprocessor(folder, **changes)
    refused(folder, complaint)


def test_steps_that_are_off_are_folded_into_the_graph(folder: Path) -> None:
    write_preprocessor(folder, do_normalize=False, image_mean=None)
    found = read_published(folder)
    assert (found.mean, found.std) == ((0, 0, 0), (1, 1, 1))
    write_preprocessor(folder, do_rescale=False, image_mean=[51, 102, 255], image_std=[255, 51, 510])
    found = read_published(folder)
    np.testing.assert_allclose(found.mean, (0.2, 0.4, 1))
    np.testing.assert_allclose(found.std, (1, 0.2, 2))
    encoder = Encoder(encoder_config(found))
    pixels = torch.tensor([51.0, 0.0, 255.0]).view(1, 3, 1, 1)
    normalised = ((pixels - encoder.mean) * encoder.scale).flatten().tolist()
    np.testing.assert_allclose(normalised, [0, -2, 0], atol=1e-5)  # (x - mean) / std of 0 to 255


def test_damaged_weights_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    refused(folder, "model.safetensors: is damaged or cut short")
    path.write_bytes(data[:5])
    refused(folder, "model.safetensors: is damaged or cut short")
    path.write_bytes(data)
    (folder / "config.json").write_text('{"model_type": "vit", ')
    refused(folder, "config.json: is no readable JSON")
    (folder / "config.json").write_bytes(b" " * (2 << 20))
    refused(folder, "config.json: is 2097152 bytes long")
    (folder / "config.json").write_text("[]")
    refused(folder, "config.json: it: ")


def test_weights_are_missing_unknown_or_not_finite(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    some = "layernorm.weight"
    save_file({name: tensor for name, tensor in tensors.items() if name != some}, path)
    refused(folder, rf"lacks {some} .without all weights it would be another model")
    save_file(tensors | {"adapter.extra": torch.zeros(2)}, path)
    refused(folder, "does not account for: adapter.extra")
    save_file(tensors | {some: torch.full_like(tensors[some], torch.nan)}, path)
    refused(folder, rf"{some} holds numbers that are not finite")
    save_file(tensors | {some: tensors[some].to(torch.int32)}, path)
    refused(folder, rf"{some} is of the type I32, not one of F32, F16, BF16")
