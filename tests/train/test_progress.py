"""What a person or a log file is told."""

from __future__ import annotations

from collections import Counter
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from contrafake.train.config_file import parse_config
from contrafake.train.progress import Progress
from contrafake.train.state import RunState
from contrafake.train.views import views_per_record

if TYPE_CHECKING:
    from contrafake.train.config import TrainConfig


def configuration(name: str = "tiny") -> TrainConfig:
    return parse_config(
        {
            "name": name,
            "data": {"train": ["a"], "validation": ["b"]},
            "optimizer": {"steps": 100, "records": 10},
        }
    )


def logging() -> tuple[Progress, StringIO]:
    """A progress that writes to a file, as in a log."""
    out = StringIO()
    return Progress(Console(file=out, width=60)), out


def test_a_log_gets_whole_lines_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: clock)
    progress, out = logging()
    state = RunState()
    progress.start(configuration(), state)
    for state.step in range(1, 9):
        clock += 10
        state.seconds += 2
        state.loss = 1.0
        progress.step(state)
    lines = out.getvalue().splitlines()
    assert lines[0] == "tiny: vit-tiny-16, 100 steps"
    # Two seconds for a step of 10 records of 8 views: 5 records and 40 views a second; 99 steps take 3.3 minutes.
    assert lines[1] == (
        "step 1/100  loss 1.000  5.0 records/s  40 views/s  waiting for data 0%  "
        "processor time outside the model 0%  3 min left"
    )
    assert [line.split()[1] for line in lines[1:]] == ["1/100", "5/100"]


def test_shares_of_time() -> None:
    progress, out = logging()
    state = RunState()
    progress.start(configuration(), state)
    state.step, state.seconds, state.waited, state.feed_cpu, state.model_cpu = 50, 100.0, 25.0, 30.0, 90.0
    progress.step(state)
    assert "5.0 records/s" in out.getvalue()
    assert "waiting for data 25%" in out.getvalue()
    assert "processor time outside the model 25%" in out.getvalue()
    assert "2 min left" in out.getvalue()


def test_a_resumed_run_counts_from_where_it_went_on() -> None:
    progress, out = logging()
    state = RunState(step=90, seconds=5000.0, waited=4000.0)
    progress.start(configuration(), state)
    state.step, state.seconds = 91, 5002.0
    state.loss = 3.0
    progress.step(state)
    assert "going on at step 90" in out.getvalue()
    assert "loss 3.000  5.0 records/s" in out.getvalue()
    assert "waiting for data 0%" in out.getvalue()


def test_validations_and_the_end() -> None:
    progress, out = logging()
    state = RunState(step=40, best=0.75, best_step=40, broken=Counter({"a: cut": 3, "b: cut": 1}))
    progress.start(configuration(), state)
    found = {"step": 40, "untransformed/auc": 0.8, "transformed/auc": 0.7, "balanced_accuracy": 0.65}
    state.validations.append(found)
    progress.validated(state)
    state.step = 60
    progress.validated(state)
    progress.finish(state)
    text = " ".join(out.getvalue().split())
    assert "step 40: validation AUC 0.800 untransformed, 0.700 transformed; balanced accuracy 0.650 (best)" in text
    assert "step 60: validation AUC 0.800 untransformed, 0.700 transformed; balanced accuracy 0.650 " in text
    assert "60 steps (stopped early), best balanced_accuracy 0.750 at step 40" in text
    assert "2 unreadable images were replaced" in text


@pytest.mark.parametrize("name", ["[red]tiny", "[/]", "a [link=x]b"])
def test_markup_in_a_name_is_shown_as_it_is(name: str) -> None:
    progress, out = logging()
    progress.start(configuration(name), RunState())
    assert out.getvalue().startswith(f"{name}: ")


def test_a_terminal_gets_a_live_line_and_its_cursor_back() -> None:
    out = StringIO()
    progress = Progress(Console(file=out, force_terminal=True, width=200))
    state = RunState()
    progress.start(configuration(), state)
    hide, show = "\x1b[?25l", "\x1b[?25h"
    assert hide in out.getvalue()
    state.step = 1
    state.loss = 1.25
    progress.step(state)
    progress.close()
    progress.close()
    assert "loss 1.250" in out.getvalue()
    assert out.getvalue().count(hide) == out.getvalue().count(show) == 1


def test_what_was_left_out_is_named_and_counted() -> None:
    progress, out = logging()
    damage = {f"train-0000.tar: key{i}": "empty \x1b[31m image" for i in range(13)}
    progress.start(configuration(), RunState(damage=damage, processes=4))
    lines = out.getvalue().splitlines()
    assert lines[0] == "tiny: vit-tiny-16, 100 steps, 4 processes"
    assert lines[1] == "left out: train-0000.tar: key0: empty \\x1b[31m image"
    assert len(lines) == 12
    assert lines[-1] == "left out: 3 more; state.json names all"


def test_views_of_native_size_and_further_images_count() -> None:
    config = configuration()
    views = config.views.model_copy(update={"native_locals": 2})
    data = config.data.model_copy(update={"generated_per_record": 3})
    assert views_per_record(config) == 8
    assert views_per_record(config.model_copy(update={"views": views, "data": data})) == 24
