"""The training loop: resumed runs equal uninterrupted ones, the schedule, early stopping, what is left on disk."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
import torch
import yaml
from conftest import TINY_VIT, jpeg, picture, tiny_settings, write_paired_shard
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from contrafake.data import Listing, ShardWriter
from contrafake.errors import ConfigError, DataError
from contrafake.model.encoder import Encoder
from contrafake.train import learner, loop
from contrafake.train.checkpoint import holds_weights
from contrafake.train.config_file import parse_config
from contrafake.train.loop import train_encoder
from contrafake.train.losses import LossTerms, code_loss
from contrafake.train.progress import Progress
from contrafake.train.state import RunState
from contrafake.train.watch import Watch

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.train.config import TrainConfig

STEPS = 30
SHOWN = ("untransformed/auc", "transformed/auc")
NOW = {"checkpoint_every": 1}


class Recorder(Progress):
    """Collects the losses instead of printing; stops the run by an exception after `stop_after` steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__()
        self.losses: dict[int, float] = {}
        self.closed = 0
        self._stop_after = stop_after

    def start(self, config: TrainConfig, state: RunState) -> None:
        self.first = state.step

    def step(self, state: RunState) -> None:
        self.losses[state.step] = state.loss
        if state.step == self._stop_after:
            raise KeyboardInterrupt

    def validated(self, state: RunState) -> None:
        pass

    def close(self) -> None:
        self.closed += 1

    def finish(self, state: RunState) -> None:
        pass


def configuration(shards: Path, **changes: Any) -> TrainConfig:
    # Dropout, so that a resumed run must also repeat what the encoder draws.
    dropout = {**TINY_VIT, "hidden_dropout_prob": 0.1}
    return parse_config(tiny_settings(shards, **{"encoder": {"options": dropout}, **changes}))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / f"step-{STEPS:08d}" / "model.safetensors")


def logged(run: Path) -> dict[int, set[float]]:
    """Every loss that any TensorBoard file of the run holds, by step."""
    found: dict[int, set[float]] = {}
    for path in sorted((run / "tensorboard").iterdir()):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.tag == "loss/total":
                    found.setdefault(event.step, set()).add(value.tensor.float_val[0])
    return found


@pytest.fixture(scope="module")
def straight(tiny_shards: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recorder, RunState]:
    """An uninterrupted run of 30 steps."""
    run, recorder = tmp_path_factory.mktemp("straight"), Recorder()
    return run, recorder, train_encoder(configuration(tiny_shards), run, recorder)


# --- resuming -------------------------------------------------------------------------------------------------------


def test_a_resumed_run_equals_an_uninterrupted_one(
    tiny_shards: Path, straight: tuple[Path, Recorder, RunState], tmp_path: Path
) -> None:
    run, expected, state = straight
    stopped = Recorder(stop_after=13)
    with pytest.raises(KeyboardInterrupt):
        train_encoder(configuration(tiny_shards), tmp_path, stopped)
    assert stopped.closed == 1
    resumed = Recorder()
    # Another number of workers, too: batches do not depend on it.
    final = train_encoder(configuration(tiny_shards, runtime={"workers": 1}), tmp_path, resumed)
    assert resumed.first == 10
    assert sorted(resumed.losses) == list(range(11, STEPS + 1))
    assert {**stopped.losses, **resumed.losses} == expected.losses
    ours, theirs = weights(tmp_path), weights(run)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    assert final.draws == state.draws
    assert final.validations == state.validations
    assert (final.best, final.best_step) == (state.best, state.best_step)
    assert all(len(losses) == 1 for losses in logged(tmp_path).values())
    assert sorted(logged(tmp_path)) == list(range(1, STEPS + 1))


def test_a_finished_run_is_left_as_it_is(tiny_shards: Path, straight: tuple[Path, Recorder, RunState]) -> None:
    run, _, state = straight
    before = {path: path.stat().st_mtime_ns for path in (run / "checkpoints").rglob("*")}
    again = Recorder()
    assert train_encoder(configuration(tiny_shards), run, again).validations == state.validations
    assert not again.losses
    assert {path: path.stat().st_mtime_ns for path in (run / "checkpoints").rglob("*")} == before


def test_another_encoder_does_not_go_on_with_the_run(
    tiny_shards: Path, straight: tuple[Path, Recorder, RunState]
) -> None:
    run, _, _ = straight
    saved = (run / "config.json").read_text()
    other = configuration(tiny_shards, encoder={"options": {**TINY_VIT, "intermediate_size": 48}})
    with pytest.raises(DataError, match="belongs to another model"):
        train_encoder(other, run, Recorder())
    assert (run / "config.json").read_text() == saved


# --- what a run leaves ----------------------------------------------------------------------------------------------


def test_the_folder_of_a_run(tiny_shards: Path, straight: tuple[Path, Recorder, RunState]) -> None:
    run, recorder, state = straight
    assert sorted(path.name for path in run.iterdir()) == [
        "best.safetensors",
        "checkpoints",
        "config.json",
        "cross_table.json",
        "figures",
        "report.html",
        "report.md",
        "state.json",
        "tensorboard",
    ]
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["step-00000020", "step-00000030"]
    assert parse_config(json.loads((run / "config.json").read_text())) == configuration(tiny_shards)
    assert RunState.from_dict(json.loads((run / "state.json").read_text())) == state
    assert recorder.closed == 1
    for step, losses in logged(run).items():
        assert list(losses) == pytest.approx([recorder.losses[step]])


def test_realised_draws_are_recorded(straight: tuple[Path, Recorder, RunState]) -> None:
    _, _, state = straight
    assert sum(count for name, count in state.draws.items() if name.startswith("real/")) == STEPS * 8
    assert sum(count for name, count in state.draws.items() if name.startswith("generated/")) == STEPS * 8
    assert set(state.draws) == {"real/phone", "real/film", "generated/gan", "generated/sd"}


def test_the_kept_weights_are_those_of_the_best_validation(
    tiny_shards: Path, straight: tuple[Path, Recorder, RunState]
) -> None:
    run, _, state = straight
    config = configuration(tiny_shards)
    assert [found["step"] for found in state.validations] == [10, 20, 30]
    values = {found["step"]: found["balanced_accuracy"] for found in state.validations}
    assert state.best == max(values.values())
    assert values[state.best_step] == state.best
    assert state.best_step == min(step for step, value in values.items() if value == state.best)
    encoder = Encoder(config.encoder)
    encoder.load_state_dict(load_file(run / "best.safetensors"))
    data = config.data
    watch = Watch(config, Listing.of(data.train), Listing.of(data.validation), None)
    measured = watch.measure(encoder)
    best = next(found for found in state.validations if found["step"] == state.best_step)
    assert measured == pytest.approx({name: value for name, value in best.items() if name != "step"})
    for metric in ("auc", "balanced_accuracy"):
        mean = (measured[f"untransformed/{metric}"] + measured[f"transformed/{metric}"]) / 2
        assert measured[metric] == pytest.approx(mean)


def test_time_is_accounted_for(straight: tuple[Path, Recorder, RunState]) -> None:
    _, _, state = straight
    assert 0 < state.waited < state.seconds
    # No workers: the views are cut while the model waits, and their processor time is not the model's as well.
    assert 0 < state.feed_cpu <= state.waited * 1.05
    assert state.model_cpu > 0


def test_broken_training_images_are_counted_by_name(tiny_shards: Path, tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "train-0000.tar") as shard:
        for key, label in (("real1", "real"), ("fake1", "fake"), ("torn", "real")):
            data = b"no image" if key == "torn" else picture_bytes()
            shard.write(key, {"jpg": data, "json": json.dumps({"label": label, "origin": label}).encode()})
    config = configuration(
        tiny_shards,
        data={"train": [str(tmp_path / "train-0000.tar")]},
        optimizer={"steps": 2, "records": 3},
        runtime={"workers": 0},
    )
    state = train_encoder(config, tmp_path / "run", Recorder())
    [cause] = state.broken
    assert cause.startswith(f"{tmp_path}/train-0000.tar: torn.jpg: ")
    assert json.loads((tmp_path / "run" / "state.json").read_text())["broken"] == {cause: state.broken[cause]}


def picture_bytes() -> bytes:
    return jpeg(picture(np.random.default_rng(0), generated=False))


def test_paired_records_can_be_trained_and_watched_on(tmp_path: Path) -> None:
    write_paired_shard(tmp_path / "train-0.tar", 6, 1)
    write_paired_shard(tmp_path / "val-0.tar", 6, 2)
    config = configuration(tmp_path, optimizer={"steps": 2, "records": 2})
    state = train_encoder(config, tmp_path / "run", Recorder())
    assert state.draws["real/tiny"] == 4
    assert state.draws["generated/gen_0"] + state.draws["generated/gen_1"] == 4
    assert len(state.validations) == 1


# --- stopping -------------------------------------------------------------------------------------------------------


class Scripted:
    """A watch whose values are known; each also marks the weights it saw."""

    def __init__(self, values: list[float]) -> None:
        self._values = iter(values)
        self.seen: list[torch.Tensor] = []

    def __call__(self, *_: Any) -> Scripted:
        return self

    def measure(self, encoder: Encoder) -> dict[str, float]:
        self.seen.append(next(iter(encoder.state_dict().values())).clone())
        return {"balanced_accuracy": next(self._values)}

    def conclude(self, *_: Any) -> None:
        pass

    broken: ClassVar[dict[str, str]] = {}


def test_early_stopping_waits_as_long_as_it_is_told(
    tiny_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Scripted([0.5, 0.7, 0.7, 0.6, 0.9])
    monkeypatch.setattr(loop, "Watch", watch)
    config = configuration(tiny_shards, validation={"every": 2, "patience": 2}, optimizer={"records": 2})
    state = train_encoder(config, tmp_path, Recorder())
    # Best at step 4; 0.7 again is no better (stale 1), 0.6 neither (stale 2): stop at step 8, before the 0.9.
    assert (state.step, state.best, state.best_step, state.stale) == (8, 0.7, 4, 2)
    best = load_file(tmp_path / "best.safetensors")
    first_name = next(iter(Encoder(config.encoder).state_dict()))
    assert torch.equal(best[first_name], watch.seen[1])
    again = Recorder()
    assert train_encoder(config, tmp_path, again).step == 8
    assert not again.losses


def test_patience_zero_never_stops(tiny_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "Watch", Scripted([0.9, 0.8, 0.7, 0.6]))
    config = configuration(tiny_shards, validation={"every": 2, "patience": 0}, optimizer={"steps": 7, "records": 2})
    state = train_encoder(config, tmp_path, Recorder())
    assert [found["step"] for found in state.validations] == [2, 4, 6, 7]
    assert state.best_step == 2


def test_a_loss_that_is_no_number_stops_the_run(
    tiny_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def spoiled(*args: Any, **options: Any) -> LossTerms:
        calls.append(1)
        terms = code_loss(*args, **options)
        return LossTerms(**{**vars(terms), "total": terms.total * (math.nan if len(calls) == 4 else 1)})

    monkeypatch.setattr(learner, "code_loss", spoiled)
    config = configuration(tiny_shards, optimizer={"records": 2}, runtime={"checkpoint_every": 2})
    recorder = Recorder()
    with pytest.raises(ConfigError, match="the loss is nan at step 3"):
        train_encoder(config, tmp_path, recorder)
    assert sorted(recorder.losses) == [1, 2, 3]
    assert recorder.closed == 1
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000002"]


def test_data_problems_show_before_the_first_step(tiny_shards: Path, tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "val-0000.tar") as shard:
        shard.write("a", {"jpg": picture_bytes(), "json": b'{"label": "real"}'})
    recorder = Recorder()
    one_class = configuration(tiny_shards, data={"validation": [str(tmp_path / "val-0000.tar")]})
    with pytest.raises(DataError, match="validation data: there is no generated image"):
        train_encoder(one_class, tmp_path / "run", recorder)
    missing = configuration(tiny_shards, data={"train": [str(tmp_path / "none-*.tar")]})
    with pytest.raises(DataError, match="no shard matches"):
        train_encoder(missing, tmp_path / "run", recorder)
    assert not recorder.losses


def test_precision_can_change_within_a_process(
    tiny_shards: Path, straight: tuple[Path, Recorder, RunState], tmp_path: Path
) -> None:
    recorder = Recorder(stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        train_encoder(configuration(tiny_shards, runtime={"precision": "bf16"}), tmp_path, recorder)
    exact = straight[1].losses
    assert recorder.losses[1] != exact[1]
    assert recorder.losses == pytest.approx({1: exact[1], 2: exact[2]}, rel=0.05)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_not_silently_replaced(tiny_shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"runtime\.device: there is no CUDA GPU"):
        train_encoder(configuration(tiny_shards, runtime={"device": "cuda"}), tmp_path, Recorder())


# --- really killed --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_command_goes_on_to_the_same_losses(tiny_shards: Path, tmp_path: Path) -> None:
    settings = tiny_settings(
        tiny_shards,
        optimizer={"steps": 60},
        runtime={"checkpoint_every": 7, "workers": 1},
        validation={"every": 25},
    )
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(settings))

    def command(run: Path) -> list[str]:
        program = "import sys; from contrafake.cli import run; sys.exit(run(sys.argv[1:]))"
        return [sys.executable, "-c", program, "train", str(config), "--run", str(run), "--no-fit"]

    subprocess.run(command(tmp_path / "straight"), check=True, timeout=300)
    killed = tmp_path / "killed"
    process = subprocess.Popen(command(killed), start_new_session=True)
    deadline = time.monotonic() + 300
    while not (killed / "checkpoints" / "step-00000014").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "state.json").exists()
    subprocess.run(command(killed), check=True, timeout=300)

    expected, found = logged(tmp_path / "straight"), logged(killed)
    assert sorted(expected) == sorted(found) == list(range(1, 61))
    assert found == expected
    final = [
        load_file(tmp_path / run / "checkpoints" / "step-00000060" / "model.safetensors")
        for run in ("straight", "killed")
    ]
    assert all(torch.equal(final[1][name], tensor) for name, tensor in final[0].items())
    states = [json.loads((tmp_path / run / "state.json").read_text()) for run in ("straight", "killed")]
    assert states[0]["draws"] == states[1]["draws"]
    assert states[0]["validations"] == states[1]["validations"]


def test_a_setting_changed_between_starts_is_recorded(tiny_shards: Path, tmp_path: Path) -> None:
    before = parse_config(tiny_settings(tiny_shards, optimizer={"steps": 2}))
    after = parse_config(tiny_settings(tiny_shards, optimizer={"steps": 4, "learning_rate": 1e-4}))
    assert train_encoder(before, tmp_path / "run", Progress()).changes == []
    changes = train_encoder(after, tmp_path / "run", Progress()).changes
    assert changes == ["step 2: optimizer.learning_rate 0.002 -> 0.0001", "step 2: optimizer.steps 2 -> 4"]


def test_a_change_is_recorded_though_the_next_start_was_killed(tiny_shards: Path, tmp_path: Path) -> None:
    changed = {"steps": 4, "learning_rate": 1e-4}
    train_encoder(parse_config(tiny_settings(tiny_shards, optimizer={"steps": 2})), tmp_path, Progress())
    after = parse_config(tiny_settings(tiny_shards, optimizer=changed))
    with pytest.raises(KeyboardInterrupt):
        train_encoder(after, tmp_path, Recorder(stop_after=3))
    changes = train_encoder(after, tmp_path, Progress()).changes
    assert changes == ["step 2: optimizer.learning_rate 0.002 -> 0.0001", "step 2: optimizer.steps 2 -> 4"]


# --- between what is written and what is saved ----------------------------------------------------------------------


def test_weights_of_steps_taken_again_are_not_kept(
    tiny_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best weights are newer than the checkpoint; after it, other settings lead elsewhere."""
    values = iter([0.6, 0.9, 0.5, 0.55])
    monkeypatch.setattr(
        Watch, "measure", lambda *_: {"balanced_accuracy": next(values), "auc": 0.5, **dict.fromkeys(SHOWN, 0.5)}
    )
    monkeypatch.setattr(Watch, "conclude", lambda *_: None)
    runtime, watching = {"checkpoint_every": 3}, {"every": 2}
    config = configuration(tiny_shards, optimizer={"steps": 6}, runtime=runtime, validation=watching)
    with pytest.raises(KeyboardInterrupt):
        train_encoder(config, tmp_path, Recorder(stop_after=5))  # validated at 2 and 4, saved at 3
    slower = configuration(
        tiny_shards, optimizer={"steps": 6, "learning_rate": 1e-5}, runtime=runtime, validation=watching
    )
    state = train_encoder(slower, tmp_path, Recorder())
    assert (state.best, state.best_step) == (0.55, 6)
    assert holds_weights(tmp_path / "best.safetensors", 6)
    assert not holds_weights(tmp_path / "best.safetensors", 4)
    assert [entry["balanced_accuracy"] for entry in state.validations] == [0.6, 0.5, 0.55]


def test_a_run_cut_short_at_its_checkpoint_keeps_its_own_weights(tiny_shards: Path, tmp_path: Path) -> None:
    runtime, watching = {"checkpoint_every": 3}, {"every": 4}
    config = configuration(tiny_shards, optimizer={"steps": 9}, runtime=runtime, validation=watching)
    with pytest.raises(KeyboardInterrupt):
        train_encoder(config, tmp_path, Recorder(stop_after=5))
    shorter = configuration(tiny_shards, optimizer={"steps": 3}, runtime=runtime, validation=watching)
    state = train_encoder(shorter, tmp_path, Recorder())
    assert state.best_step == 3
    kept, last = load_file(tmp_path / "best.safetensors"), tmp_path / "checkpoints" / "step-00000003"
    assert all(torch.equal(kept[name], tensor) for name, tensor in load_file(last / "model.safetensors").items())


def test_an_end_that_was_interrupted_is_made_again(
    tiny_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    concluded: list[int] = []

    def conclude(_: Watch, __: Encoder, run: Path, ___: Any, step: int) -> None:
        (run / "figures").mkdir(exist_ok=True)
        concluded.append(step)
        if len(concluded) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Watch, "conclude", conclude)
    short, long = (configuration(tiny_shards, optimizer={"steps": steps}, runtime=NOW) for steps in (2, 4))
    train_encoder(short, tmp_path, Recorder())
    with pytest.raises(KeyboardInterrupt):
        train_encoder(long, tmp_path, Recorder())
    train_encoder(long, tmp_path, Recorder())
    train_encoder(long, tmp_path, Recorder())
    assert len(concluded) == 3


def test_the_best_value_is_of_the_metric_and_head_that_decide_now(tiny_shards: Path, tmp_path: Path) -> None:
    first = {"every": 2, "heads": ["linear", "nearest"]}
    before = train_encoder(
        configuration(tiny_shards, optimizer={"steps": 2}, validation={**first, "metric": "auc"}), tmp_path, Recorder()
    )
    [found] = before.validations
    again = {**first, "heads": ["nearest"], "metric": "balanced_accuracy"}
    after = train_encoder(configuration(tiny_shards, optimizer={"steps": 2}, validation=again), tmp_path, Recorder())
    expected = [found[f"nearest/{condition}/balanced_accuracy"] for condition in ("untransformed", "transformed")]
    assert before.best == found["auc"] != after.best == sum(expected) / 2
    assert len(after.validations) == 1
    unknown = {**first, "heads": ["svm"]}
    other = train_encoder(configuration(tiny_shards, optimizer={"steps": 2}, validation=unknown), tmp_path, Recorder())
    assert other.best == other.validations[-1]["balanced_accuracy"]  # measured now, with this head


@pytest.mark.parametrize("lost", ["removed", "cut"])
def test_best_weights_that_are_lost_are_chosen_anew(tiny_shards: Path, tmp_path: Path, lost: str) -> None:
    watching = {"every": 1, "heads": ["linear"], "per_generator": False}
    two, three = (configuration(tiny_shards, optimizer={"steps": steps}, validation=watching) for steps in (2, 3))
    train_encoder(two, tmp_path, Recorder())
    best = tmp_path / "best.safetensors"
    if lost == "removed":
        best.unlink()
    else:
        best.write_bytes(best.read_bytes()[:1000])
    state = train_encoder(three, tmp_path, Recorder())
    assert (state.best, state.best_step) == (state.validations[-1]["balanced_accuracy"], 3)
    assert holds_weights(best, 3)


def test_a_shard_on_both_sides_is_named(tiny_shards: Path, tmp_path: Path) -> None:
    class Warned(Recorder):
        warnings: ClassVar[list[str]] = []

        def warn(self, line: str) -> None:
            self.warnings.append(line)

    shard = str(tiny_shards / "val-0000.tar")
    config = configuration(tiny_shards, data={"train": [str(tiny_shards / "*.tar")]}, optimizer={"steps": 1})
    warned = Warned()
    train_encoder(config, tmp_path, warned)
    [line] = warned.warnings
    assert line.startswith(f"{shard}: trained and validated on")
