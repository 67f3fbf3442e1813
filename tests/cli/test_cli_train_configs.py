"""The configurations of the repository: what each says of itself, and that the one for laptops runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from contrafake.cli import run
from contrafake.model.encoder import BACKBONES, LITE
from contrafake.train.config_file import load_config

CONFIGS = Path(__file__).parents[2] / "configs"
ALL = sorted(CONFIGS.glob("*.yaml"))


def settings(name: str) -> dict[str, Any]:
    return load_config(CONFIGS / f"{name}.yaml").model_dump()


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_each_names_its_batch_rate_and_cost(path: Path) -> None:
    comments = "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    config = load_config(path)
    assert config.encoder.backbone in {*BACKBONES, LITE}
    [batch] = re.findall(r"^# Batch: ([\d,]+) records a step, ([\d,]+) views", comments, re.MULTILINE)
    per_record = (1 + config.data.generated_per_record) * (4 + config.views.native_locals)
    records = config.optimizer.records
    assert [int(number.replace(",", "")) for number in batch] == [records, records * per_record]
    [peak] = re.findall(r"^# Rate: (\S+) at the peak", comments, re.MULTILINE)
    assert float(peak) == config.optimizer.learning_rate
    assert f"{config.optimizer.warmup_steps:,} steps" in comments
    assert re.search(r"^# Cost: ", comments, re.MULTILINE)


def test_the_published_launch() -> None:
    official = settings("code-official")
    rates = official["optimizer"]
    assert (rates["records"], rates["accumulate"]) == (4 * 256, 4)
    assert (rates["steps"], rates["warmup_steps"]) == (150 * 1700, 5 * 1700)
    assert (rates["learning_rate"], rates["weight_decay"], rates["decay_all"]) == (2e-3, 2e-5, True)
    assert (rates["clip"], rates["ema"]) == (None, 0)
    assert official["runtime"]["precision"] == "fp16"
    assert (official["validation"]["every"], official["validation"]["patience"]) == (1700, 6)
    views = official["views"]
    assert (views["geometry"], views["crop_pct"], views["max_operations"]) == ("resize-crop", 0.9, 2)
    assert (views["global_area"], views["local_area"]) == ((0.4, 1.0), (0.05, 0.4))
    assert (views["pool"], views["native_locals"]) == ("official", 0)
    loss = official["loss"]
    assert (loss["temperature"], loss["positives"], loss["negatives"], loss["queue"]) == (0.1, "one", "local", 0)
    assert official["data"]["order"] == "resampled"


def test_the_paper_s_loss_differs_from_the_published_launch_by_the_slip_alone() -> None:
    official, paper = settings("code-official"), settings("code-paper")
    assert official["loss"].pop("generated_term") is False
    assert paper["loss"].pop("generated_term") is True
    assert (official.pop("name"), paper.pop("name")) == ("code-official", "code-paper")
    assert official == paper


def test_the_recipe_of_the_first_embedded_model() -> None:
    embedded = settings("code-resnet-mini")
    assert embedded["views"]["pool"] == "official"
    assert (embedded["views"]["native_locals"], embedded["views"]["max_operations"]) == (0, 2)
    assert embedded["data"]["order"] == "resampled"
    assert embedded["data"]["generated_per_record"] == 1
    assert embedded["loss"] == {
        "temperature": 0.1,
        "generated_term": True,
        "multi_scale": True,
        "positives": "one",
        "negatives": "local",
        "queue": 0,
    }
    rates = embedded["optimizer"]
    assert (rates["accumulate"], rates["decay_all"], rates["clip"], rates["ema"]) == (1, True, None, 0)
    assert embedded["validation"]["metric"] == "auc"


def test_the_embedded_model_learns_nothing_by_gradient_and_is_calibrated_on_strangers() -> None:
    embedded = settings("embedded")
    encoder = embedded["encoder"]
    assert (encoder["start"], encoder["pooling"], encoder["projection"]) == ("imagenet", "stages", None)
    assert embedded["optimizer"]["backbone_rate"] == 0
    fit = embedded["fit"]
    assert fit["as_strangers"] is True
    assert [list(group) for group in fit["together"]] == [["sd", "sdxl"]]
    assert fit["default_head"] in fit["heads"]
    assert fit["default_crops"] in fit["crops"]
    probe = settings("probe")
    assert embedded["encoder"] == probe["encoder"], "the lab book's trunk"


def test_the_one_for_laptops_trains(tiny_shards: Path, tmp_path: Path) -> None:
    changes = {
        "data.train": f"['{tiny_shards}/train-*.tar']",
        "data.validation": f"['{tiny_shards}/val-*.tar']",
        "data.origins": "null",
        "optimizer.steps": "2",
        "optimizer.records": "4",
        "optimizer.warmup_steps": "1",
        "runtime.threads": "1",
        "runtime.workers": "0",
        "validation.heads": "[linear]",
        "validation.fit_images": "20",
    }
    flags = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    call = ["train", str(CONFIGS / "cpu-small.yaml"), *flags, "--run", str(tmp_path / "run"), "--no-fit", "--strict"]
    assert run(call) == 0
    state = json.loads((tmp_path / "run" / "state.json").read_text(encoding="utf-8"))
    assert state["step"] == 2
    assert len(state["validations"]) == 1
    assert json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["data"]["strict"] is True
