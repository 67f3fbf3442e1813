"""The backbones: ViT-Tiny/16 against transformers by hand, the others by their shape, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from contrafake.errors import ConfigError
from contrafake.model.encoder import BACKBONES, Encoder, EncoderConfig

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

SMALL_VIT = {"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
SMALL_RESNET: dict[str, Any] = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 24], "depths": [1, 1, 1, 1]}
SMALL: dict[str, tuple[dict[str, Any], int]] = {  # options and the dimension they give
    "vit-tiny-16": (SMALL_VIT, 32),
    "vit-small-16": (SMALL_VIT, 32),
    "vit-base-16": (SMALL_VIT, 32),
    "dinov2-small-14": ({"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2}, 32),
    "resnet-mini": ({}, 192),
    "resnet-18": (SMALL_RESNET, 24),
    "resnet-50": (SMALL_RESNET, 24),
    "convnext-tiny": ({"hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1]}, 24),
}
CONVOLUTIONAL = ["resnet-mini", "resnet-18", "resnet-50", "convnext-tiny"]


def crops(count: int, size: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8))


def embed(encoder: Encoder, batch: Tensor) -> Tensor:
    with torch.inference_mode():
        found: Tensor = encoder.eval()(batch)
        return found


def normalised(batch: Tensor) -> Tensor:
    """ImageNet normalisation as torchvision writes it."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((batch.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def test_vit_tiny_is_the_papers_encoder() -> None:
    encoder = Encoder(EncoderConfig())
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 5_524_416
    assert encoder.dimension == 192
    assert not [name for name, _ in encoder.named_parameters() if "pooler" in name]
    assert encoder.backbone.pooler is None
    assert not list(encoder.norm.parameters())

    settings = transformers.ViTConfig(
        hidden_size=192, num_attention_heads=3, intermediate_size=768, num_hidden_layers=12, layer_norm_eps=1e-6
    )
    by_hand: Any = transformers.ViTModel(settings, add_pooling_layer=False)
    by_hand.eval()
    by_hand.load_state_dict(encoder.backbone.state_dict())
    batch = crops(3, 224)
    with torch.inference_mode():
        expected = by_hand(normalised(batch)).last_hidden_state[:, 0]
    found = embed(encoder, batch)
    assert found.shape == (3, 192)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_every_backbone_has_a_small_version_here() -> None:
    assert SMALL.keys() == BACKBONES.keys()


@pytest.mark.parametrize("name", SMALL)
def test_backbone_by_name_embeds(name: str) -> None:
    options, dimension = SMALL[name]
    encoder = Encoder(EncoderConfig(backbone=name, image_size=56, options=options))
    found = embed(encoder, crops(3, 56))
    assert encoder.dimension == dimension
    assert found.shape == (3, dimension)
    assert found.isfinite().all()
    assert not torch.allclose(found[0], found[1])


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_convolutional_backbone_takes_other_sizes_than_trained_on(name: str) -> None:
    encoder = Encoder(EncoderConfig(backbone=name, image_size=64, options=SMALL[name][0]))
    for size in (32, 64, 96):
        assert embed(encoder, crops(2, size)).shape == (2, SMALL[name][1])


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_convolutional_embeddings_use_the_whole_range_of_the_cosine(name: str) -> None:
    encoder = Encoder(EncoderConfig(backbone=name, image_size=64, options=SMALL[name][0]))
    found = embed(encoder, crops(4, 64))
    assert (found < 0).any(dim=1).all()
    torch.testing.assert_close(found.mean(dim=1), torch.zeros(4), atol=1e-5, rtol=0)


def test_embedding_does_not_depend_on_the_batch() -> None:
    for name in ("vit-tiny-16", "resnet-mini"):
        encoder = Encoder(EncoderConfig(backbone=name, image_size=32, options=SMALL[name][0]))
        batch = crops(5, 32)
        alone = torch.cat([embed(encoder, crop[None]) for crop in batch])
        torch.testing.assert_close(embed(encoder, batch), alone, rtol=1e-5, atol=1e-5)


def test_unknown_backbone_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown name 'vit-huge' .*vit-tiny-16.*resnet-mini.*hub:NAME"):
        Encoder(EncoderConfig(backbone="vit-huge"))


@pytest.mark.parametrize("option", ["hiden_size", "to_dict", "save_pretrained"])
def test_unknown_option_is_refused_with_the_nearest_known_one(option: str) -> None:
    with pytest.raises(
        ConfigError, match=f"encoder.options.{option}: unknown to vit-tiny-16 .*nearest known"
    ) as caught:
        Encoder(EncoderConfig(options={option: 32}))
    if option == "hiden_size":
        assert caught.value.remedy.endswith("hidden_size")


def hub_folder(path: Path, name: str) -> Any:
    options: dict[str, Any] = {**SMALL_VIT, "image_size": 32, "patch_size": 8}
    model: Any = (
        transformers.ViTModel(transformers.ViTConfig(**options))
        if name == "vit"
        else transformers.ResNetModel(transformers.ResNetConfig(**SMALL_RESNET))
    )
    model.save_pretrained(path)
    return model.eval()


@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_model_of_a_hub_loads_from_its_folder(tmp_path: Path, name: str) -> None:
    saved = hub_folder(tmp_path / "model", name)
    encoder = Encoder(EncoderConfig(backbone=f"hub:{tmp_path / 'model'}", image_size=32))
    batch = crops(2, 32)
    with torch.inference_mode():
        hidden = saved(normalised(batch)).last_hidden_state
    if name == "vit":
        expected = hidden[:, 0]
    else:
        mean = hidden.mean(dim=(2, 3))
        expected = (mean - mean.mean(1, keepdim=True)) / (mean.var(1, keepdim=True, unbiased=False) + 1e-6).sqrt()
    torch.testing.assert_close(embed(encoder, batch), expected, rtol=1e-4, atol=1e-4)
    assert not [key for key, _ in encoder.named_parameters() if "pooler" in key]


def test_pickled_weights_of_a_hub_are_not_opened(tmp_path: Path) -> None:
    model = hub_folder(tmp_path / "model", "vit")
    (tmp_path / "model" / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "model" / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        Encoder(EncoderConfig(backbone=f"hub:{tmp_path / 'model'}"))


def test_absent_or_unusable_hub_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in (tmp_path / "absent", tmp_path / "empty"):
        with pytest.raises(ConfigError, match="cannot be loaded"):
            Encoder(EncoderConfig(backbone=f"hub:{name}"))
    settings = transformers.EfficientNetConfig(width_coefficient=0.1, depth_coefficient=0.1)
    transformers.EfficientNetModel(settings).save_pretrained(tmp_path / "other")
    with pytest.raises(ConfigError, match="efficientnet models are of a kind unknown here"):
        Encoder(EncoderConfig(backbone=f"hub:{tmp_path / 'other'}"))
