"""Checkpoints: complete or absent, the newest two, never a pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from contrafake.errors import DataError
from contrafake.train.checkpoint import (
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.train.checkpoint import Groups


def trained(width: int = 4, steps: int = 3) -> tuple[nn.Module, torch.optim.AdamW]:
    torch.manual_seed(steps)
    model = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
    return model, optimizer


def called(model: nn.Module) -> dict[torch.Tensor, str]:
    return {parameter: name for name, parameter in model.named_parameters()}


def groups(width: int = 4, steps: int = 3) -> Groups:
    """What a training process saves."""
    model, optimizer = trained(width, steps)
    return {"model": model.state_dict(), "optimizer": optimizer_tensors(optimizer, called(model))}


def facts_of(folder: Path) -> dict[str, Any] | None:
    found = load_checkpoint(folder)
    return None if found is None else found[2]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    saved = groups()
    facts = {"draws": {"real/phone": 3}, "best": None, "seconds": 1.5}
    where = save_checkpoint(tmp_path, 7, saved, facts)
    assert where == tmp_path / "step-00000007"
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert found[0] == where
    assert found[2] == {"step": 7, **facts}
    assert found[1].keys() == saved.keys()
    for name, tensors in saved.items():
        assert found[1][name].keys() == tensors.keys()
        assert all(torch.equal(found[1][name][key], tensor) for key, tensor in tensors.items())


@pytest.mark.parametrize("split", [False, True])
def test_training_goes_on_from_a_checkpoint_to_the_same_weights(tmp_path: Path, split: bool) -> None:
    def one_more(model: nn.Module, optimizer: torch.optim.AdamW) -> dict[str, torch.Tensor]:
        optimizer.zero_grad()
        model(torch.ones(5, 3).cumsum(0)).square().sum().backward()
        optimizer.step()
        return model.state_dict()

    model, optimizer = trained(steps=4)
    tensors = {"model": model.state_dict(), "optimizer": optimizer_tensors(optimizer, called(model))}
    save_checkpoint(tmp_path, 4, tensors, {})
    resumed, its_optimizer = trained(steps=1)
    if split:  # other groups, in another order: what belongs to a parameter goes by its name
        first, *rest = reversed(list(resumed.parameters()))
        its_optimizer = torch.optim.AdamW([{"params": rest}, {"params": [first]}], lr=0.1)
    found = load_checkpoint(tmp_path)
    assert found is not None
    resumed.load_state_dict(found[1]["model"])
    restore_optimizer(its_optimizer, found[1]["optimizer"], called(resumed))
    expected, after = one_more(model, optimizer), one_more(resumed, its_optimizer)
    assert all(torch.equal(after[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("change", ["shape", "fewer", "more"])
def test_the_state_of_other_parameters_is_refused(change: str) -> None:
    model, optimizer = trained(width=5 if change == "shape" else 4)
    saved = groups(width=4)["optimizer"]
    if change == "fewer":
        saved = {name: tensor for name, tensor in saved.items() if not name.startswith("0.weight")}
    if change == "more":
        saved["other|exp_avg"] = torch.zeros(2)
    with pytest.raises(ValueError, match=r"other parameters|another shape"):
        restore_optimizer(optimizer, saved, called(model))


def test_where_there_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "missing") is None
    assert load_checkpoint(tmp_path) is None


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (8, 9, 10, 100):
        save_checkpoint(tmp_path, step, groups(), {})
    assert names(tmp_path) == ["step-00000010", "step-00000100"]
    assert facts_of(tmp_path) == {"step": 100}


def test_a_step_saved_again_replaces_itself(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 5, groups(), {"turn": 1})
    save_checkpoint(tmp_path, 5, groups(), {"turn": 2})
    assert names(tmp_path) == ["step-00000005"]
    assert facts_of(tmp_path) == {"step": 5, "turn": 2}


@pytest.mark.parametrize("moment", ["model.safetensors", "optimizer.safetensors", "facts.json", "rename"])
def test_an_interrupted_writer_leaves_the_older_one_intact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    save_checkpoint(tmp_path, 5, groups(), {"older": True})

    def save(tensors: dict[str, torch.Tensor], path: Path, **_: Any) -> None:
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
            save_checkpoint(tmp_path, 9, groups(), {})
    assert names(tmp_path) == [".step-00000009.partial", "step-00000005"]
    assert facts_of(tmp_path) == {"step": 5, "older": True}
    save_checkpoint(tmp_path, 12, groups(), {})
    assert names(tmp_path) == ["step-00000005", "step-00000012"]


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "facts.json"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, name: str, damage: str) -> None:
    saved = save_checkpoint(tmp_path, 5, groups(), {})
    if damage == "cut":
        (saved / name).write_bytes((saved / name).read_bytes()[:9])
    else:
        (saved / name).unlink()
    with pytest.raises(DataError, match="step-00000005: is damaged"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("facts", ["[]", "null", '{"tensors": ["model"]}', '{"step": "5", "tensors": ["model"]}'])
def test_facts_of_something_else_are_damage(tmp_path: Path, facts: str) -> None:
    saved = save_checkpoint(tmp_path, 5, groups(), {})
    (saved / "facts.json").write_text(facts)
    with pytest.raises(DataError, match="step-00000005: is damaged"):
        load_checkpoint(tmp_path)


def test_no_pickle(tmp_path: Path) -> None:
    saved = save_checkpoint(tmp_path, 5, groups(), {})
    assert names(saved) == ["facts.json", "model.safetensors", "optimizer.safetensors"]
    for path in saved.iterdir():
        start = path.read_bytes()[:9]
        assert start[0:1] == b"{" or start[8:9] == b"{"  # JSON, or the length and then the JSON header of safetensors


def test_a_full_disk_is_named_and_takes_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, 5, groups(), {"older": True})

    def full(tensors: dict[str, torch.Tensor], path: Path, **_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("contrafake.train.checkpoint.save_file", full)
        with pytest.raises(DataError, match=r"step-00000009: cannot be written: .*No space left"):
            save_checkpoint(tmp_path, 9, groups(), {})
    assert names(tmp_path) == ["step-00000005"]
    assert facts_of(tmp_path) == {"step": 5, "older": True}
