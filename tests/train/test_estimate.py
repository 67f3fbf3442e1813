"""What a dry run says: sums by hand, memory by an independent count, and what decides a step's time."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
import torch
from conftest import TINY_VIT, tiny_settings, write_paired_shard
from torch import nn
from torch.utils.checkpoint import checkpoint

from contrafake.errors import ConfigError
from contrafake.model.encoder import Encoder
from contrafake.train import estimate as module
from contrafake.train import trial
from contrafake.train.config_file import parse_config
from contrafake.train.estimate import estimate
from contrafake.train.peak_memory import peak_bytes
from contrafake.train.trial import Cost, random_batches

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.train.config import TrainConfig
    from contrafake.train.estimate import Estimate

CPU = torch.device("cpu")

# Weights of TINY_VIT at 32 px: 4 x 4 patches of 8 px and a class token; two layers of width 32 with 64 hidden units.
EMBEDDINGS = 32 + 17 * 32 + 3 * 8 * 8 * 32 + 32
LAYER = 2 * (32 + 32) + 4 * (32 * 32 + 32) + (32 * 64 + 64) + (64 * 32 + 32)
WEIGHTS = EMBEDDINGS + 2 * LAYER + 2 * 32


def config(folder: Path, **changes: Any) -> TrainConfig:
    return parse_config(tiny_settings(folder, **changes))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the trial "measures", in place of it: a record's cost to the model and to the feed."""
    costs: dict[str, Any] = {"model": Cost(1.0, 1.0), "feed": (Cost(0.5, 0.5), None), "activations": 1000}
    monkeypatch.setattr(module, "try_model", lambda *_: (costs["model"], costs["activations"]))
    monkeypatch.setattr(module, "try_feed", lambda *_: costs["feed"])
    monkeypatch.setattr(module, "default_workers", lambda: 2)
    return costs


# --- counts ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(tiny_shards: Path) -> Estimate:
    """One whole trial: 24 real and 24 generated images, 30 steps of 8 records."""
    return estimate(config(tiny_shards, optimizer={"ema": 0.9}))


def test_parameters_and_memory_are_those_of_the_model(found: Estimate) -> None:
    assert found.parameters == {"embeddings": EMBEDDINGS, "layers": 2 * LAYER, "layernorm": 64}
    assert (found.dimension, found.untrained) == (32, 0)
    assert found.memory["weights"] == found.memory["gradients"] == 4 * WEIGHTS
    assert 8 * WEIGHTS <= found.memory["moments"] <= 8 * WEIGHTS + 1000  # two moments, and a counter for each tensor
    assert 4 * WEIGHTS <= found.memory["average"] <= 4 * WEIGHTS + 1000
    assert found.memory["activations"] > 8 * 8 * 3 * 32 * 32 * 4  # at least the views as floats
    assert found.checkpoint == pytest.approx(16 * WEIGHTS, abs=3000)
    assert found.disk == pytest.approx(3 * found.checkpoint + 4 * WEIGHTS, abs=3000)


def test_what_is_seen_follows_from_the_configuration(found: Estimate) -> None:
    assert (found.steps, found.records, found.views) == (30, 8, 64)
    assert found.images == {"real": 24, "generated": 24}
    assert found.epochs == {"real": 10, "generated": 10}
    assert found.learning_rates == pytest.approx((1e-6, 2e-3))
    assert (found.validations, found.processes) == (3, 1)
    assert all(seconds is None or seconds > 0 for seconds in found.seconds.values())
    facts = found.to_dict()
    assert facts["total_parameters"] == WEIGHTS
    assert facts["total_views"] == 30 * 64
    assert facts["total_memory"] == sum(found.memory.values())
    assert facts["hours"] == pytest.approx(30 * (found.seconds["step"] or 0) / 3600)


def test_siblings_and_native_views_count(tmp_path: Path, quick: dict[str, Any]) -> None:
    write_paired_shard(tmp_path / "train-0.tar", 6, 1)
    data = {"generated_per_record": 2}
    views = {"native_locals": 1, "native_size": 16}
    made = estimate(config(tmp_path, data=data, views=views, optimizer={"steps": 3}, validation={"every": 2}))
    assert made.images == {"real": 6, "generated": 12}
    assert made.epochs == {"real": 3 * 8 / 6, "generated": 3 * 16 / 12}
    assert made.views == 8 * 3 * 5
    assert made.validations == 2
    assert made.memory["activations"] == quick["activations"]


def test_data_that_is_not_there_is_noted(tmp_path: Path, quick: dict[str, Any]) -> None:
    made = estimate(config(tmp_path))
    assert made.images is made.epochs is None
    assert made.seconds["feed"] is None
    assert made.seconds["step"] == made.seconds["model"] == 8 * quick["model"].seconds
    assert "no shard matches" in made.notes[0]


def test_records_that_do_not_divide_are_refused(tiny_shards: Path) -> None:
    with pytest.raises(ConfigError, match="8 records cannot be shared out to 1 processes x 3 parts"):
        estimate(config(tiny_shards, optimizer={"accumulate": 3, "steps": 1}))
    with pytest.raises(ConfigError, match="8 records cannot be shared out to 1 processes x 8 parts"):
        estimate(config(tiny_shards, optimizer={"accumulate": 8, "steps": 1}))


# --- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workers", "costs", "step", "bottleneck"),
    [
        (0, (Cost(2.0, 2.0), Cost(1.0, 1.0)), 3.0, "model"),  # one after the other
        (0, (Cost(1.0, 1.0), Cost(2.0, 2.0)), 3.0, "feed"),
        (1, (Cost(2.0, 2.0), Cost(1.0, 1.0)), 2.0, "model"),  # side by side, a core for each
        (1, (Cost(1.0, 1.0), Cost(2.0, 2.0)), 2.0, "feed"),
        (1, (Cost(2.0, 4.0), Cost(1.0, 1.0)), 2.5, "processor"),  # five seconds of work for two cores
    ],
)
def test_what_decides_a_step(  # noqa: PLR0917
    tiny_shards: Path, quick: dict[str, Any], workers: int, costs: tuple[Cost, Cost], step: float, bottleneck: str
) -> None:
    quick.update(model=costs[0], feed=(costs[1], None))
    made = estimate(config(tiny_shards, runtime={"workers": workers}))
    assert (made.seconds["step"], made.bottleneck) == (8 * step, bottleneck)


def test_cutting_on_the_device_keeps_the_model_waiting(tiny_shards: Path, quick: dict[str, Any]) -> None:
    quick["feed"] = (Cost(0.1, 0.1), Cost(0.5, 0.2))
    made = estimate(config(tiny_shards, runtime={"workers": 1}))
    assert made.seconds == {"model": 8.0, "cutting": 4.0, "feed": pytest.approx(0.8), "step": 12.0}


def test_a_busy_machine_is_noted(tiny_shards: Path, quick: dict[str, Any]) -> None:
    quick["model"] = Cost(1.0, 0.2)
    [note] = estimate(config(tiny_shards)).notes
    assert "20% of the time" in note


def test_the_feed_is_timed_with_and_without_cutting(tiny_shards: Path) -> None:
    from contrafake.data.listing import Listing
    from contrafake.train.devices import make_accelerator

    for transforms in ("pillow", "torch"):
        settings = config(tiny_shards, views={"transforms": transforms})
        listing = Listing.of(settings.data.train, cache=False)
        feed, cutting = trial.try_feed(settings, listing, make_accelerator(settings))
        assert feed.seconds > 0
        assert feed.cpu > 0
        assert (cutting is None) is (transforms == "pillow")


# --- memory ---------------------------------------------------------------------------------------------------------


def test_peaks_by_hand() -> None:
    given = torch.zeros(1000)  # 4,000 bytes that were there before
    assert peak_bytes(lambda: given + 1, CPU) == 4000
    assert peak_bytes(lambda: given.add_(1), CPU) == 0
    assert peak_bytes(lambda: given.view(10, 100).t(), CPU) == 0
    assert peak_bytes(lambda: [given + 1, given + 2, given.double()], CPU) == 16000

    def one_at_a_time() -> None:
        for _ in range(5):
            given + 1

    assert peak_bytes(one_at_a_time, CPU) == 4000


def test_the_peak_of_a_backward_pass_is_what_was_kept_for_it() -> None:
    layers = nn.Sequential(*(nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(8)))
    crops = torch.randn(500, 64)
    layers(crops).sum().backward()
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if all(
            tensor.untyped_storage().data_ptr() != other.untyped_storage().data_ptr() for other in layers.parameters()
        ):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = layers(crops).sum()
    held = sum(kept.values()) - crops.untyped_storage().nbytes()
    assert held == 8 * 500 * 64 * 4
    del loss
    assert held <= peak_bytes(lambda: layers(crops).sum().backward(), CPU) <= 1.4 * held


def test_activations_computed_again_are_not_held() -> None:
    block = nn.Sequential(*(nn.Tanh() for _ in range(20)))
    crops = torch.randn(1000, requires_grad=True)
    kept = peak_bytes(lambda: block(crops).sum().backward(), CPU)
    halves = peak_bytes(
        lambda: (
            checkpoint(block[10:], checkpoint(block[:10], crops, use_reentrant=False), use_reentrant=False)
            .sum()
            .backward()
        ),
        CPU,
    )
    assert halves < 0.75 * kept


def test_activations_grow_with_what_is_embedded(tmp_path: Path) -> None:
    def activations(**changes: Any) -> int:
        settings = config(tmp_path, **changes)
        return trial._activations(Encoder(settings.encoder), settings)

    usual = activations()
    assert activations(data={"generated_per_record": 3}) == pytest.approx(2 * usual, rel=0.02)
    deeper = activations(encoder={"options": {**TINY_VIT, "num_hidden_layers": 4}})
    assert 1.5 * usual < deeper < 2.1 * usual
    assert activations(views={"native_locals": 4, "native_size": 24}) > 1.2 * usual


def test_noise_comes_in_the_feed_s_shapes(tmp_path: Path) -> None:
    settings = config(tmp_path, data={"generated_per_record": 2}, views={"native_locals": 1, "native_size": 16})
    first, second = islice(random_batches(settings, 5), 2)
    assert first.views is not None
    assert first.views.shape == (5 * 3 * 4, 32, 32, 3)
    assert first.native is not None
    assert first.native.shape == (5 * 3, 16, 16, 3)
    assert [len(codes) for codes in first.origin_codes] == [5, 10]
    assert second.views is not None
    assert not torch.equal(first.views, second.views)
