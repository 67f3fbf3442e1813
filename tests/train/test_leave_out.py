"""Runs without some generators and sources: out of every listing, never drawn, not in the bundle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from conftest import jpeg, picture, tiny_settings, write_lone_shard, write_paired_shard

from contrafake.cli import run
from contrafake.data import Listing, ShardWriter
from contrafake.errors import ConfigError, DataError
from contrafake.model.bundle import read_bundle
from contrafake.train.config_file import load_config, parse_config
from contrafake.train.estimate import estimate
from contrafake.train.fit import check_fit
from contrafake.train.listings import list_images
from contrafake.train.loop import train_encoder
from contrafake.train.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.train.config import DataConfig

FAMILIES = "label,origin,family\nfake,flux-dev,flux\nfake,flux-schnell,flux\nfake,sdxl,sd\nreal,sdxl,flux\n"


def write_shard(path: Path, origins: tuple[str, ...], count: int = 12) -> Path:
    """A shard of `count` images of each generator and as many real ones, called sdxl too, from sources s0 to s3."""
    rng = np.random.default_rng(len(path.name))
    with ShardWriter(path) as shard:
        for i in range(count):
            for label, origin in (("real", "sdxl"), *(("fake", origin) for origin in origins)):
                facts = {"label": label, "origin": origin, "source": f"s{i % 4}" if label == "real" else "made"}
                data = jpeg(picture(rng, generated=label == "fake", side=40))
                shard.write(f"{path.stem}-{label}-{origin}-{i}", {"jpg": data, "json": json.dumps(facts).encode()})
    return path


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with shards of three generators, one of them for validation only, and the table of their families."""
    folder = tmp_path_factory.mktemp("families")
    write_shard(folder / "train-0000.tar", ("flux-dev", "sdxl"))
    write_shard(folder / "val-0000.tar", ("flux-dev", "flux-schnell", "sdxl"))
    (folder / "origins.csv").write_text(FAMILIES)
    return folder


def data(folder: Path, *, table: bool = True, **leave_out: list[str]) -> DataConfig:
    settings = {"leave_out": leave_out, "origins": str(folder / "origins.csv") if table else None}
    return parse_config(tiny_settings(folder, data=settings)).data


def counted(listing: Listing) -> dict[tuple[int, str], int]:
    counts: dict[tuple[int, str], int] = {}
    for sample in listing:
        counts[sample.label, sample.origin] = counts.get((sample.label, sample.origin), 0) + 1
    return counts


# --- listings -------------------------------------------------------------------------------------------------------


def test_a_family_is_out_of_every_listing(shards: Path) -> None:
    found = list_images(data(shards, families=["flux"]))
    assert list(found) == ["train", "validation"]
    # Real images stay, though the table has their name in the family too.
    assert {role: counted(listing) for role, listing in found.items()} == {
        "train": {(0, "sdxl"): 12, (1, "sdxl"): 12},
        "validation": {(0, "sdxl"): 12, (1, "sdxl"): 12},
    }


def test_without_a_table_a_generator_is_its_family(shards: Path) -> None:
    found = list_images(data(shards, table=False, families=["flux-schnell"]))
    assert (1, "flux-dev") in counted(found["validation"])
    assert (1, "flux-schnell") not in counted(found["validation"])


def test_generators_and_sources_by_name(shards: Path) -> None:
    found = list_images(data(shards, families=["sd"], origins=["flux-schnell"], sources=["s1", "s2"]))
    expected = {(0, "sdxl"): 6, (1, "flux-dev"): 12}
    assert [counted(listing) for listing in found.values()] == [expected, expected]
    assert {sample.source for sample in found["train"] if sample.label == 0} == {"s0", "s3"}


def test_fitting_shards_too(shards: Path) -> None:
    settings = data(shards, origins=["flux-dev"]).model_copy(update={"fitting": [str(shards / "val-*.tar")]})
    found = list_images(settings)
    assert counted(found["fitting"]) == {(0, "sdxl"): 12, (1, "sdxl"): 12, (1, "flux-schnell"): 12}


def test_nothing_left_out_is_all_there_is(shards: Path) -> None:
    settings = data(shards)
    for role, patterns in (("train", settings.train), ("validation", settings.validation)):
        whole = Listing.of(patterns)
        found = list_images(settings)[role]  # type: ignore[index]
        assert list(found) == list(whole)
    settings = settings.model_copy(update={"validation": ["none-*.tar"]})
    assert len(list_images(settings, "train")["train"]) == 36  # nothing else is listed


def test_records_lose_siblings(tmp_path: Path) -> None:
    write_paired_shard(tmp_path / "train-0000.tar", 4, 1)
    write_lone_shard(tmp_path / "val-0000.tar", 4, 1)
    found = list_images(data(tmp_path, table=False, origins=["gen_1"]))
    assert counted(found["train"]) == {(0, "tiny"): 4, (1, "gen_0"): 4}


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "name", "nearest"),
    [
        ("families", "fluxx", "flux"),
        ("families", "flux-dev", "flux"),  # a generator, and not its family's name
        ("origins", "flux", "flux-dev"),
        ("sources", "s9", "s3"),
        ("sources", "made", "s3"),  # of generated images only
    ],
)
def test_a_name_that_nothing_has_is_refused(shards: Path, setting: str, name: str, nearest: str) -> None:
    for roles in ((), ("train",), ("validation",)):
        with pytest.raises(ConfigError) as caught:
            list_images(data(shards, **{setting: [name]}), *roles)  # type: ignore[arg-type]
        assert caught.value.subject == f"data.leave_out.{setting}: {name}"
        assert caught.value.remedy == f"the nearest known one is {nearest}"


def test_a_name_that_other_shards_have_is_none_to_refuse(shards: Path) -> None:
    settings = data(shards, origins=["flux-schnell"])  # validation has it
    assert len(list_images(settings, "train")["train"]) == 36


def test_a_table_that_is_none_is_named(shards: Path) -> None:
    settings = data(shards, families=["flux"]).model_copy(update={"origins": str(shards / "none.csv")})
    with pytest.raises(DataError, match=r"none\.csv"):
        list_images(settings)


def test_a_run_refuses_an_unknown_family_before_its_first_step(shards: Path, tmp_path: Path) -> None:
    config = parse_config(tiny_settings(shards, data={"leave_out": {"families": ["gann"]}}))
    for begin in (lambda: check_fit(config), lambda: train_encoder(config, tmp_path / "run", Progress())):
        with pytest.raises(ConfigError, match=r"leave_out\.families: gann"):
            begin()
    assert any("leave_out.families: gann" in note for note in estimate(config).notes)


# --- a run ----------------------------------------------------------------------------------------------------------


def test_an_override_names_families(shards: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(tiny_settings(shards)))
    config = load_config(path, ["data.leave_out.families=[flux, sd-1.5]", 'data.leave_out.sources=["1"]'])
    assert config.data.leave_out.families == ["flux", "sd-1.5"]
    assert config.data.leave_out.sources == ["1"]
    with pytest.raises(ConfigError, match=r"nearest known one is data\.leave_out\.families"):
        load_config(path, ["data.leave_out.family=[flux]"])
    with pytest.raises(ConfigError, match=r"families: Input should be a valid list"):
        load_config(path, ["data.leave_out.families=flux"])


@pytest.fixture(scope="module")
def finished(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, started as a user does, without flux and without the source s2."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "origins.csv").write_text(FAMILIES.replace("real,sdxl,flux\n", ""))
    brief: dict[str, Any] = {
        "data": {"origins": str(folder / "origins.csv")},
        "optimizer": {"steps": 6, "records": 4, "warmup_steps": 1},
        "validation": {"every": 6, "fit_images": 8},
        "fit": {"false_alarm_rates": [0.2], "crops": [1], "default_crops": 1},
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_settings(shards, **brief)))
    override = ["--set", "data.leave_out.families=[flux]", "--set", "data.leave_out.sources=[s2]"]
    assert run(["train", str(path), "--run", str(folder / "run"), *override]) == 0
    return folder / "run"


def test_what_is_left_out_is_never_drawn(finished: Path) -> None:
    draws = json.loads((finished / "state.json").read_text())["draws"]
    assert draws == {"real/sdxl": 24, "generated/sdxl": 24}


def test_the_bundle_holds_only_what_was_used(finished: Path) -> None:
    bundle = read_bundle(finished / "bundle").config
    images = {"generated/sdxl": 12, "real/sdxl": 9}
    assert bundle.training["images"] == {"train": images, "validation": images}
    assert bundle.training["configuration"]["data"]["leave_out"] == {
        "families": ["flux"],
        "origins": [],
        "sources": ["s2"],
    }
    assert bundle.origins == ["sd"]
