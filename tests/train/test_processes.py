"""Training in several real processes, as torchrun starts them, against one process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
import yaml
from conftest import tiny_settings
from safetensors.torch import load_file

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
STEPS = 6


def train(folder: Path, shards: Path, name: str, processes: int, *options: str, **changes: Any) -> Path:
    """Runs the command in so many processes; the run's folder."""
    settings = tiny_settings(
        shards,
        optimizer={"steps": STEPS, "records": 8, **changes.pop("optimizer", {})},
        runtime={"checkpoint_every": 3, **changes.pop("runtime", {})},
        validation={"every": STEPS, "fit_images": 10},
        **changes,
    )
    config = folder / f"{name}.yaml"
    config.write_text(yaml.safe_dump(settings))
    run = folder / name
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", "contrafake", "--", "train", str(config), "--run", str(run), *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return run


def curve(run: Path) -> list[float]:
    return [loss for _, loss in json.loads((run / "state.json").read_text())["curve"]]


def weights(run: Path) -> dict[str, torch.Tensor]:
    """All but the biases of keys: softmax takes no notice of them, so what moves them is rounding error alone."""
    found = load_file(run / "checkpoints" / f"step-{STEPS:08d}" / "model.safetensors")
    return {name: tensor for name, tensor in found.items() if not name.endswith("k_proj.bias")}


@pytest.fixture(scope="module")
def alone(tiny_shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process with the whole batch."""
    return train(tmp_path_factory.mktemp("alone"), tiny_shards, "alone", 1, "--no-fit")


def test_two_processes_with_gathered_negatives_are_one(tiny_shards: Path, tmp_path: Path, alone: Path) -> None:
    run = train(tmp_path, tiny_shards, "two", 2, loss={"negatives": "gathered"})
    expected, found = weights(alone), weights(run)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.allclose(found[name], tensor, atol=2e-5), name
    state, single = (json.loads((folder / "state.json").read_text()) for folder in (run, alone))
    assert state["processes"] == 2
    assert state["draws"] == single["draws"]  # of both processes together
    # The same batch, shared out: half of the queries each, the mean over both is the loss of one.
    assert curve(run)[0] == pytest.approx(curve(alone)[0], rel=1e-5)
    assert (run / "bundle" / "config.json").exists()  # made once, by the first process


def test_local_negatives_are_another_objective(tiny_shards: Path, tmp_path: Path, alone: Path) -> None:
    run = train(tmp_path, tiny_shards, "local", 2, "--no-fit")
    expected, found = weights(alone), weights(run)
    assert not all(torch.allclose(found[name], tensor, atol=2e-5) for name, tensor in expected.items())
    # It is the objective of one process that computes the step in two parts.
    parts = weights(train(tmp_path, tiny_shards, "parts", 1, "--no-fit", optimizer={"accumulate": 2}))
    assert all(torch.allclose(found[name], tensor, atol=2e-5) for name, tensor in parts.items())


def test_a_run_of_two_goes_on_as_a_run_of_one(tiny_shards: Path, tmp_path: Path, alone: Path) -> None:
    """Batches and gathered losses do not depend on the number of processes, so it may change at a checkpoint."""
    run = train(tmp_path, tiny_shards, "resized", 2, "--no-fit", loss={"negatives": "gathered"})
    newest = run / "checkpoints" / f"step-{STEPS:08d}"
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    (run / "state.json").unlink()
    train(tmp_path, tiny_shards, "resized", 1, "--no-fit", loss={"negatives": "gathered"})
    expected, found = weights(alone), weights(run)
    for name, tensor in expected.items():
        assert torch.allclose(found[name], tensor, atol=2e-5), name


def test_an_error_in_one_process_ends_all_in_a_line_each(tiny_shards: Path, tmp_path: Path) -> None:
    """The first process lists the data, and fails; the other waits for it."""
    config = tmp_path / "missing.yaml"
    config.write_text(yaml.safe_dump(tiny_settings(tiny_shards, data={"train": [str(tmp_path / "none-*.tar")]})))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "contrafake"]
    command += ["--", "train", str(config), "--run", str(tmp_path / "run")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode
    lines = [line for line in done.stderr.splitlines() if line.startswith("contrafake: ")]
    assert any("none-*.tar: no shard matches" in line for line in lines)
    assert "gloo" not in "".join(line for line in done.stderr.splitlines() if line not in lines)
