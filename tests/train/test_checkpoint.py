"""Checkpoints: complete or absent, the newest two, never a pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from contrafake.errors import DataError
from contrafake.train.checkpoint import load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from pathlib import Path


def trained(width: int = 4, steps: int = 3) -> tuple[nn.Module, torch.optim.AdamW]:
    torch.manual_seed(steps)
    model = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
    return model, optimizer


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    model, optimizer = trained(steps=3)
    facts = {"draws": {"real/phone": 3}, "best": None, "seconds": 1.5}
    assert save_checkpoint(tmp_path, 7, model, optimizer, facts) == tmp_path / "step-00000007"
    other, its_optimizer = trained(steps=1)
    assert load_checkpoint(tmp_path, other, its_optimizer) == {"step": 7, **facts}
    for name, tensor in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)
    mine, its = optimizer.state_dict()["state"], its_optimizer.state_dict()["state"]
    assert mine.keys() == its.keys()
    for index, values in mine.items():
        for name, tensor in values.items():
            assert torch.equal(its[index][name], tensor)


def test_training_goes_on_from_a_checkpoint_to_the_same_weights(tmp_path: Path) -> None:
    def one_more(model: nn.Module, optimizer: torch.optim.AdamW) -> dict[str, torch.Tensor]:
        optimizer.zero_grad()
        model(torch.ones(5, 3).cumsum(0)).square().sum().backward()
        optimizer.step()
        return model.state_dict()

    model, optimizer = trained(steps=4)
    save_checkpoint(tmp_path, 4, model, optimizer, {})
    resumed, its_optimizer = trained(steps=1)
    load_checkpoint(tmp_path, resumed, its_optimizer)
    expected, found = one_more(model, optimizer), one_more(resumed, its_optimizer)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_where_there_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "missing", *trained()) is None
    assert load_checkpoint(tmp_path, *trained()) is None


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (8, 9, 10, 100):
        save_checkpoint(tmp_path, step, *trained(), {})
    assert names(tmp_path) == ["step-00000010", "step-00000100"]
    assert load_checkpoint(tmp_path, *trained()) == {"step": 100}


def test_a_step_saved_again_replaces_itself(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 5, *trained(), {"turn": 1})
    save_checkpoint(tmp_path, 5, *trained(), {"turn": 2})
    assert names(tmp_path) == ["step-00000005"]
    assert load_checkpoint(tmp_path, *trained()) == {"step": 5, "turn": 2}


@pytest.mark.parametrize("moment", ["model.safetensors", "optimizer.safetensors", "facts.json", "rename"])
def test_an_interrupted_writer_leaves_the_older_one_intact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    save_checkpoint(tmp_path, 5, *trained(), {"older": True})

    def save(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if path.name == moment:
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        save_file(tensors, path)

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("contrafake.train.checkpoint.save_file", save)
        if moment == "facts.json":
            patch.setattr("json.dumps", stop)
        if moment == "rename":
            patch.setattr("pathlib.Path.rename", stop)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(tmp_path, 9, *trained(), {})
    assert names(tmp_path) == [".step-00000009.partial", "step-00000005"]
    assert load_checkpoint(tmp_path, *trained()) == {"step": 5, "older": True}
    save_checkpoint(tmp_path, 12, *trained(), {})
    assert names(tmp_path) == ["step-00000005", "step-00000012"]


@pytest.mark.parametrize("width", [3, 5])
def test_another_model_is_refused(tmp_path: Path, width: int) -> None:
    save_checkpoint(tmp_path, 5, *trained(width=4), {})
    with pytest.raises(DataError, match="step-00000005: belongs to another model"):
        load_checkpoint(tmp_path, *trained(width=width))


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "facts.json"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, name: str, damage: str) -> None:
    saved = save_checkpoint(tmp_path, 5, *trained(), {})
    if damage == "cut":
        (saved / name).write_bytes((saved / name).read_bytes()[:9])
    else:
        (saved / name).unlink()
    with pytest.raises(DataError, match="step-00000005: is damaged"):
        load_checkpoint(tmp_path, *trained())


def test_no_pickle(tmp_path: Path) -> None:
    saved = save_checkpoint(tmp_path, 5, *trained(), {})
    assert names(saved) == ["facts.json", "model.safetensors", "optimizer.safetensors"]
    for path in saved.iterdir():
        start = path.read_bytes()[:9]
        assert start[0:1] == b"{" or start[8:9] == b"{"  # JSON, or the length and then the JSON header of safetensors
