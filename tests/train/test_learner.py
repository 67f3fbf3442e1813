"""One optimiser step: parts, native views, moving average, queue, precision; what is saved and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from accelerate import Accelerator
from conftest import TINY_VIT, tiny_settings

from contrafake.data import Listing
from contrafake.errors import ConfigError, DataError
from contrafake.train.checkpoint import load_checkpoint, save_checkpoint
from contrafake.train.config_file import parse_config
from contrafake.train.learner import Learner, split_views
from contrafake.train.loop import make_steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contrafake.train.batch import Batch
    from contrafake.train.config import TrainConfig


def configuration(shards: Path, **changes: Any) -> TrainConfig:
    return parse_config(tiny_settings(shards, **{"optimizer": {"records": 4, "warmup_steps": 0}, **changes}))


def feed(config: TrainConfig, accelerator: Accelerator, first: int = 0) -> Callable[[], Batch]:
    steps = make_steps(config, Listing.of(config.data.train), accelerator)
    numbers = iter(range(first * config.optimizer.accumulate, 10**6))
    return lambda: steps.batch(next(numbers))


def trained(config: TrainConfig, steps: int) -> tuple[Learner, list[float]]:
    accelerator = Accelerator(cpu=True)
    learner, fetch = Learner(config, accelerator), feed(config, accelerator)
    return learner, [learner.step(number, fetch)[0].total.item() for number in range(steps)]


def weights(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in learner.encoder.state_dict().items()}


def alike(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], tolerance: float = 0.0) -> bool:
    return all(torch.allclose(other[name], tensor, rtol=0, atol=tolerance) for name, tensor in one.items())


EVERYTHING: dict[str, Any] = {
    "encoder": {"options": {**TINY_VIT, "hidden_dropout_prob": 0.1}},
    "views": {"native_locals": 2, "native_size": 16, "max_operations": 3},
    "loss": {"queue": 6, "positives": "label"},
    "data": {"generated_per_record": 2},
    "optimizer": {"records": 8, "accumulate": 2, "ema": 0.9, "clip": 1.0, "decay_all": False},
    "runtime": {"precision": "fp16"},
}


def test_a_learner_goes_on_exactly_from_what_it_saved(tiny_shards: Path, tmp_path: Path) -> None:
    config = configuration(tiny_shards, **EVERYTHING)
    accelerator = Accelerator(cpu=True)
    straight, fetch = Learner(config, accelerator), feed(config, accelerator)
    expected = [straight.step(number, fetch)[0].total.item() for number in range(5)]
    first, fetch = Learner(config, accelerator), feed(config, accelerator)
    found = [first.step(number, fetch)[0].total.item() for number in range(3)]
    save_checkpoint(tmp_path, 3, first.tensors(), first.facts())
    second = Learner(config, accelerator)
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    assert set(saved[1]) == {"model", "optimizer", "average", "queue"}
    assert saved[2]["loss_scale"]["scale"] > 0
    second.restore(*saved)
    fetch = feed(config, accelerator, first=3)
    found += [second.step(number, fetch)[0].total.item() for number in (3, 4)]
    assert found == expected
    assert alike(weights(straight), weights(second))
    assert alike(straight.kept.state_dict(), second.kept.state_dict())


def test_two_learners_of_one_seed_are_one(tiny_shards: Path) -> None:
    config = configuration(tiny_shards, **EVERYTHING)
    assert trained(config, 3)[1] == trained(config, 3)[1]
    other = config.model_copy(update={"seed": 7})
    assert trained(other, 1)[1] != trained(config, 1)[1]


def test_parts_add_up_to_their_mean(tiny_shards: Path) -> None:
    """The gradient of a step in parts is the mean of the parts' gradients, each contrasted by itself."""
    config = configuration(tiny_shards, optimizer={"records": 8, "accumulate": 4, "learning_rate": 1.0})
    accelerator = Accelerator(cpu=True)
    gradients: list[dict[str, torch.Tensor]] = []
    learner = Learner(config, accelerator)
    names = {parameter: name for name, parameter in learner.encoder.named_parameters()}

    def keep(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        rows = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        gradients.append({names[parameter]: parameter.grad.clone() for parameter in rows})

    fetch = feed(config, accelerator)
    batches = [fetch() for _ in range(4)]
    learner._optimizer.register_step_pre_hook(keep)
    terms, _ = learner.step(0, iter(batches).__next__)
    parts = []
    for part, batch in enumerate(batches):
        fresh = Learner(config, accelerator)
        fresh.encoder.train()
        parts.append(fresh._part(0, part, batch))
        gradients.append({name: parameter.grad.clone() for name, parameter in fresh.encoder.named_parameters()})  # type: ignore[union-attr]
    assert terms.total.item() == pytest.approx(sum(part.total.item() for part in parts) / 4)
    whole, *shares = gradients
    for name, gradient in whole.items():
        assert torch.allclose(gradient, sum(share[name] for share in shares), atol=1e-6)  # type: ignore[arg-type]


def test_the_average_is_what_is_kept(tiny_shards: Path) -> None:
    learner, _ = trained(configuration(tiny_shards, optimizer={"ema": 0.5}), 1)
    assert alike(weights(learner), learner.kept.state_dict())  # the first is taken as it is
    accelerator = Accelerator(cpu=True)
    before = weights(learner)
    learner.step(1, feed(configuration(tiny_shards), accelerator, first=1))
    for name, tensor in learner.kept.state_dict().items():
        assert torch.allclose(tensor, (before[name] + learner.encoder.state_dict()[name]) / 2, atol=1e-6)
    plain, _ = trained(configuration(tiny_shards), 1)
    assert plain.kept is plain.encoder


def test_gradients_are_clipped(tiny_shards: Path) -> None:
    norms = []
    for clip in (None, 0.01):
        config = configuration(tiny_shards, optimizer={"clip": clip})
        accelerator = Accelerator(cpu=True)
        learner = Learner(config, accelerator)

        def keep(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            rows = [parameter.grad.norm() for group in optimizer.param_groups for parameter in group["params"]]
            norms.append(torch.stack(rows).norm().item())

        learner._optimizer.register_step_pre_hook(keep)
        learner.step(0, feed(config, accelerator))
    assert norms[0] > 0.1
    assert norms[1] == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_stays_near(tiny_shards: Path, precision: str) -> None:
    learner, exact = trained(configuration(tiny_shards), 1)
    before = weights(learner)
    learner, found = trained(configuration(tiny_shards, runtime={"precision": precision}), 1)
    assert found != exact
    assert found == pytest.approx(exact, rel=0.02)
    assert all(tensor.dtype == before[name].dtype for name, tensor in weights(learner).items())


def test_half_precision_lowers_a_scale_that_overflows(tiny_shards: Path) -> None:
    learner, losses = trained(configuration(tiny_shards, runtime={"precision": "fp16"}), 12)
    assert all(loss - loss == 0 for loss in losses)
    assert learner.facts()["loss_scale"]["scale"] < 65536  # where it begins; the first steps overflow and are skipped
    assert losses[-1] != losses[0]
    assert trained(configuration(tiny_shards), 1)[0].facts()["loss_scale"] == {}


def test_computing_activations_again_changes_nothing(tiny_shards: Path) -> None:
    again = configuration(tiny_shards, runtime={"gradient_checkpointing": True})
    learner, losses = trained(again, 2)
    plain, expected = trained(configuration(tiny_shards), 2)
    assert losses == pytest.approx(expected, rel=1e-6)
    assert alike(weights(plain), weights(learner), 1e-5)
    cannot = configuration(
        tiny_shards,
        encoder={"backbone": "resnet-mini", "options": {}},
        runtime={"gradient_checkpointing": True},
    )
    with pytest.raises(ConfigError, match="resnet-mini cannot compute activations again"):
        Learner(cannot, Accelerator(cpu=True))


@pytest.mark.slow
def test_a_compiled_encoder_gives_the_same_losses(tiny_shards: Path) -> None:
    compiled = trained(configuration(tiny_shards, runtime={"compile": True}), 3)
    plain = trained(configuration(tiny_shards), 3)
    assert compiled[1] == pytest.approx(plain[1], rel=1e-4)
    assert weights(compiled[0]).keys() == weights(plain[0]).keys()


def test_another_model_is_refused(tiny_shards: Path, tmp_path: Path) -> None:
    learner, _ = trained(configuration(tiny_shards), 1)
    save_checkpoint(tmp_path, 1, learner.tensors(), learner.facts())
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    for options in ({"intermediate_size": 48}, {"num_hidden_layers": 3}):
        config = configuration(tiny_shards, encoder={"options": {**TINY_VIT, **options}})
        with pytest.raises(DataError, match="step-00000001: belongs to another model"):
            Learner(config, Accelerator(cpu=True)).restore(*saved)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("encoder.image_size", {"encoder": {"options": TINY_VIT, "image_size": 7}}),
        ("views.native_size", {"views": {"native_locals": 1, "native_size": 7}}),
    ],
)
def test_views_smaller_than_a_patch_are_refused(tiny_shards: Path, name: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}: vit-tiny-16 cannot embed views of 7 pixels"):
        Learner(configuration(tiny_shards, **changes), Accelerator(cpu=True))


def test_an_average_and_a_queue_may_begin_later(tiny_shards: Path, tmp_path: Path) -> None:
    learner, _ = trained(configuration(tiny_shards), 2)
    save_checkpoint(tmp_path, 2, learner.tensors(), learner.facts())
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    config = configuration(tiny_shards, optimizer={"ema": 0.9}, loss={"queue": 5})
    accelerator = Accelerator(cpu=True)
    later = Learner(config, accelerator)
    later.restore(*saved)
    later.step(2, feed(config, accelerator, first=2))
    assert alike(weights(later), later.kept.state_dict())


def test_views_come_out_as_the_feed_put_them_in(tiny_shards: Path) -> None:
    # Class, view and image as digits: 4 views and 2 native ones of 3 real and 6 generated images.
    config = configuration(tiny_shards, data={"generated_per_record": 2}, views={"native_locals": 2})
    counts = (3, 6)

    def rows(kinds: int) -> torch.Tensor:
        return torch.tensor(
            [
                [100 * side + 10 * view + image]
                for side, count in enumerate(counts)
                for view in range(kinds)
                for image in range(count)
            ]
        )

    real, generated = split_views(rows(4), rows(2), config)
    assert real.clean.flatten().tolist() == [0, 1, 2]
    assert real.local.flatten().tolist() == [30, 31, 32]
    assert generated.transformed.flatten().tolist() == [110, 111, 112, 113, 114, 115]
    assert generated.wide.flatten().tolist() == [120, 121, 122, 123, 124, 125]
    assert real.native is not None
    assert generated.native is not None
    assert real.native[..., 0].tolist() == [[0, 1, 2], [10, 11, 12]]
    assert generated.native[1].flatten().tolist() == [110, 111, 112, 113, 114, 115]
    assert split_views(rows(4), None, config)[0].native is None
