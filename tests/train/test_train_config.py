"""One model is file, flags and argument: what it takes, what it refuses and in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from contrafake.errors import ConfigError
from contrafake.train.config import LeaveOutConfig, TrainConfig
from contrafake.train.config_file import changed_settings, load_config, parse_config

CONFIGS = Path(__file__).parents[2] / "configs"
LEAST: dict[str, Any] = {
    "name": "x",
    "data": {"train": ["a.tar"], "validation": ["b.tar"]},
    "optimizer": {"steps": 10},
}


def written(path: Path, values: Any = LEAST) -> Path:
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values), encoding="utf-8")
    return path


def nested(key: str, value: Any) -> dict[str, Any]:
    """LEAST with one more value, `key` like "optimizer.steps"."""
    values = json.loads(json.dumps(LEAST))
    *sections, last = key.split(".")
    target = values
    for section in sections:
        target = target.setdefault(section, {})
    target[last] = value
    return values  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_of_the_repository_is_valid(path: Path) -> None:
    config = load_config(path)
    assert config.name == path.stem
    assert all(pattern.startswith("${CONTRAFAKE_DATA}/") for pattern in (*config.data.train, *config.data.validation))


def test_defaults_are_the_paper_s() -> None:
    config = parse_config(LEAST)
    assert (config.loss.temperature, config.loss.generated_term, config.views.max_operations) == (0.1, True, 2)
    assert (config.encoder.backbone, config.encoder.image_size) == ("vit-tiny-16", 224)


def test_a_saved_configuration_comes_back(tmp_path: Path) -> None:
    config = parse_config(nested("views.local_area", [0.1, 0.3]))
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config
    saved = tmp_path / "config.json"
    saved.write_text(config.model_dump_json(indent=2))
    assert load_config(saved) == config


# --- overrides ------------------------------------------------------------------------------------------------------


def test_overrides(tmp_path: Path) -> None:
    overrides = ["optimizer.steps=5", "loss.generated_term=false", "views.global_area=[0.5, 0.9]", "name=a=b"]
    config = load_config(written(tmp_path / "x.yaml"), [*overrides, "optimizer.learning_rate=1e-4"])
    assert config.optimizer.steps == 5
    assert config.loss.generated_term is False
    assert config.views.global_area == (0.5, 0.9)
    assert config.name == "a=b"
    assert config.optimizer.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.steps", "not of the form key=value"),
        ("=3", "not of the form key=value"),
        ("name.first=1", "name is a value, not a section"),
        ("optimizer.steps=[1", "no valid YAML"),
        ("optimizer.steps=many", "optimizer.steps: Input should be a valid integer"),
        ("optimizer.stepz=1", "nearest known one is optimizer.steps"),
        ("optimiser.steps=1", "nearest known one is optimizer"),
    ],
)
def test_overrides_that_make_no_sense(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path / "x.yaml"), [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("optimizer.learning_rat", "optimizer.learning_rate"),
        ("loss.tau", "loss.temperature"),
        ("view", "views"),
        ("seeds", "seed"),
        ("encoder.imagesize", "encoder.image_size"),
        ("data.validate", "data.validation"),
        ("fit.crop", "fit.crops"),
    ],
)
def test_an_unknown_key_names_the_nearest_known(key: str, nearest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(nested(key, {}), "x.yaml")
    assert str(caught.value).startswith(f"x.yaml: {key}: unknown key")
    assert caught.value.remedy == f"the nearest known one is {nearest}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("optimizer.steps", 0),
        ("optimizer.records", 1),
        ("optimizer.learning_rate", 0),
        ("optimizer.learning_rate", float("inf")),
        ("optimizer.learning_rate", float("nan")),
        ("loss.temperature", 0),
        ("views.geometry", "squash"),
        ("views.crop_pct", 1.1),
        ("views.max_operations", 26),
        ("views.global_area", [0.9, 0.4]),
        ("views.local_area", [0.0, 0.4]),
        ("views.local_area", [0.1, 1.4]),
        ("views.local_area", [0.1]),
        ("runtime.device", "tpu"),
        ("fit.crop_size", 0),
        ("fit.crops", [1, 0]),
        ("fit.false_alarm_rates", []),
        ("fit.false_alarm_rates", [0.05, 0.0]),
        ("fit.false_alarm_rates", [0.6]),
        ("fit.svm_nu", 0),
        ("fit.svm_nu", 1),
        ("runtime.threads", 100_000),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(nested(key, value))
    assert key in caught.value.subject
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.steps: Field required"):
        parse_config({**LEAST, "optimizer": {}})


def test_a_misspelt_key_is_named_rather_than_the_missing_one() -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.step: unknown key .*optimizer\.steps"):
        parse_config({**LEAST, "optimizer": {"step": 10}})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: [", "is no valid YAML"),
        ("name: !!python/object/apply:os.mkdir [evil]", "is no valid YAML"),
        ("just text", "holds no settings"),
        ("", "holds no settings"),
        ("- a\n- b", "holds no settings"),
        ("1: 2", "name: Field required"),
    ],
)
def test_what_is_no_configuration(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path / "x.yaml", content))
    assert message in str(caught.value)
    assert str(tmp_path / "x.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(ConfigError, match="no text in UTF-8"):
        load_config(tmp_path / "x.yaml")


# --- the environment ------------------------------------------------------------------------------------------------


def test_variables_are_filled_in_late_and_kept_in_what_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"train": ["${HERE}/a-*.tar", "b.tar"], "validation": ["${HERE}/${THERE}.tar"], "origins": "${HERE}/o.csv"}
    config = parse_config({**LEAST, "data": data})
    monkeypatch.setenv("HERE", "/some/where")
    monkeypatch.setenv("THERE", "val")
    expanded = config.data.expanded()
    assert expanded.train == ["/some/where/a-*.tar", "b.tar"]
    assert expanded.validation == ["/some/where/val.tar"]
    assert expanded.origins == "/some/where/o.csv"
    assert "/some/where" not in config.model_dump_json()


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    config = parse_config(nested("data.train", ["${NOT_SET_ANYWHERE}/a.tar"]))
    with pytest.raises(ConfigError, match="environment variable is not set") as caught:
        config.data.expanded()
    assert caught.value.subject == "${NOT_SET_ANYWHERE}"
    assert "export NOT_SET_ANYWHERE" in caught.value.remedy


def test_a_setting_that_came_later_is_no_change() -> None:
    config = parse_config(LEAST)
    before = config.model_dump(mode="json")
    del before["data"]["leave_out"], before["seed"]
    assert changed_settings(before, config) == []
    left_out = config.model_copy(
        update={"data": config.data.model_copy(update={"leave_out": LeaveOutConfig(families=["flux"])})}
    )
    assert changed_settings(before, left_out) == ["data.leave_out.families None -> ['flux']"]
