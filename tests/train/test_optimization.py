"""The schedule by hand, what is decayed, the moving average, and parameters that no embedding depends on."""

from __future__ import annotations

import pytest
import torch
from conftest import TINY_VIT

from contrafake.model.encoder import Encoder, EncoderConfig
from contrafake.train.config import OptimizerConfig
from contrafake.train.optimization import freeze_unreached, learning_rate, make_average, make_optimizer


def encoder(seed: int = 0, **options: object) -> Encoder:
    torch.manual_seed(seed)
    return Encoder(EncoderConfig(image_size=16, options={**TINY_VIT, **options}))


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        # Peak 2, 10 steps of warm-up from 2 / 2000 = 0.001; 110 steps in all, so 100 of cosine.
        (0, 0.001),
        (5, 1.0005),  # 0.001 + 1.999 / 2
        (9, 1.8001),  # 0.001 + 0.9 * 1.999
        (10, 2.0),
        (35, 1.707107),  # a quarter: 2 * (1 + cos 45 deg) / 2
        (60, 1.0),
        (85, 0.292893),
        (110, 0.0),
    ],
)
def test_the_learning_rate_by_hand(step: int, rate: float) -> None:
    assert learning_rate(step, 110, 10, 2.0) == pytest.approx(rate, abs=1e-6)


def test_a_run_may_have_no_warm_up_or_nothing_else() -> None:
    assert learning_rate(0, 10, 0, 2.0) == 2.0
    assert learning_rate(9, 10, 10, 2.0) == pytest.approx(0.001 + 0.9 * 1.999)
    assert learning_rate(10, 10, 10, 2.0) == 2.0


def test_everything_decays_or_only_weights_do() -> None:
    model = encoder()
    [alone] = make_optimizer(model, OptimizerConfig(steps=1, weight_decay=0.1)).param_groups
    assert alone["weight_decay"] == 0.1
    assert len(alone["params"]) == len(list(model.parameters()))
    decayed, spared = make_optimizer(model, OptimizerConfig(steps=1, weight_decay=0.1, decay_all=False)).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    kept = {names[id(parameter)] for parameter in spared["params"]}
    assert {"backbone.embeddings.cls_token", "backbone.embeddings.position_embeddings"} <= kept
    assert all(name.endswith(("bias", "cls_token", "position_embeddings")) or "norm" in name for name in kept)
    changed = {names[id(parameter)] for parameter in decayed["params"]}
    assert changed | kept == set(names.values())
    assert all(name.endswith("weight") and "norm" not in name for name in changed)


def test_decay_shrinks_weights_and_leaves_biases() -> None:
    model = encoder()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(2.0)
    optimizer = make_optimizer(model, OptimizerConfig(steps=1, learning_rate=0.5, weight_decay=0.1, decay_all=False))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    found = dict(model.named_parameters())
    assert torch.allclose(found["backbone.embeddings.patch_embeddings.projection.weight"], torch.tensor(1.9))
    assert torch.equal(
        found["backbone.embeddings.cls_token"], torch.full_like(found["backbone.embeddings.cls_token"], 2)
    )


def test_the_moving_average_by_hand() -> None:
    model = encoder()
    average = make_average(model, 0.75)
    for value in (1.0, 2.0, 4.0):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(value)
        average.update_parameters(model)
    # The first is taken as it is; then 0.75 * 1 + 0.25 * 2 = 1.25, and 0.75 * 1.25 + 0.25 * 4 = 1.9375.
    assert all(torch.allclose(parameter, torch.tensor(1.9375)) for parameter in average.module.parameters())
    assert all(torch.equal(parameter, torch.full_like(parameter, 4)) for parameter in model.parameters())


def test_running_statistics_are_averaged_too() -> None:
    model = Encoder(EncoderConfig(backbone="resnet-mini", image_size=32))
    average = make_average(model, 0.5)
    for value in (0.0, 8.0):
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.fill_(value)
        average.update_parameters(model)
    means = [buffer for name, buffer in average.module.named_buffers() if name.endswith("running_mean")]
    assert means
    assert all(torch.equal(mean, torch.full_like(mean, 4)) for mean in means)


def test_what_the_embedding_does_not_depend_on_is_frozen() -> None:
    dino = Encoder(
        EncoderConfig(
            backbone="dinov2-small-14",
            image_size=28,
            options={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
        )
    )
    before = {name: tensor.clone() for name, tensor in dino.state_dict().items()}
    assert freeze_unreached(dino, 28) == ["backbone.embeddings.mask_token"]
    assert not dino.backbone.embeddings.mask_token.requires_grad
    assert all(parameter.grad is None for parameter in dino.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in dino.state_dict().items())
    assert freeze_unreached(encoder(), 16) == []
    resnet = Encoder(EncoderConfig(backbone="resnet-mini", image_size=32))
    statistics = {name: tensor.clone() for name, tensor in resnet.named_buffers()}
    assert freeze_unreached(resnet, 32) == []
    assert all(torch.equal(statistics[name], tensor) for name, tensor in resnet.named_buffers())
    assert resnet.training
