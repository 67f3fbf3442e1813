"""Leave-one-family-out with an encoder trained for each fold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture, tiny_settings

from contrafake.data import ShardWriter
from contrafake.data.origins import OriginTable
from contrafake.data.sources import open_data, samples_of
from contrafake.errors import UsageError
from contrafake.evaluate.family_folds import Fold, plan_folds
from contrafake.evaluate.family_runs import run_name, train_families
from contrafake.evaluate.family_table import FamilyTable
from contrafake.model.bundle import read_bundle

if TYPE_CHECKING:
    from pathlib import Path


def write_shard(path: Path, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    with ShardWriter(path) as shard:
        for i in range(count):
            for origin in ("phone", "gan", "flux"):
                generated = origin != "phone"
                facts = {"label": "fake" if generated else "real", "origin": origin, "source": f"{origin}-{i % 4}"}
                data = jpeg(picture(rng, generated=generated, side=40))
                shard.write(f"{path.stem}-{origin}-{i}", {"jpg": data, "json": json.dumps(facts).encode()})


def test_names_of_runs_are_names_of_folders() -> None:
    assert run_name("tiny", Fold("a/b c", (), (), ())) == "tiny-without-a_b_c"
    assert run_name("tiny", Fold("sd+sdxl", (), (), ())) == "tiny-without-sd+sdxl"


@pytest.mark.slow
def test_each_fold_has_a_run_that_never_saw_its_family(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from contrafake.train.config_file import parse_config

    write_shard(tmp_path / "train-0000.tar", 1, 16)
    write_shard(tmp_path / "val-0000.tar", 2, 24)
    patterns = [f"{split}={tmp_path / split}-*.tar" for split in ("train", "val")]
    samples = [sample for item in open_data(patterns) for sample in samples_of(item)]
    config = parse_config(
        tiny_settings(tmp_path, optimizer={"steps": 4, "warmup_steps": 1}, validation={"per_generator": False},
                      fit={"crops": [1], "default_crops": 1, "default_head": "linear", "false_alarm_rates": [0.1]})
    )  # fmt: skip
    folds = plan_folds(samples, OriginTable(), least=10)

    def measure() -> tuple[FamilyTable, list[float]]:
        scores = train_families(config, samples, OriginTable(), folds, runs=tmp_path / "runs", rate=0.1, workers=1)
        bundles = [tmp_path / "runs" / run_name("tiny", fold) / "bundle" for fold in folds]
        for fold, path, facts in zip(folds, bundles, scores.folds, strict=True):
            training = read_bundle(path).config.training
            kept = {"flux", "gan"} - set(fold.origins)
            for role in ("train", "validation"):
                assert {name for name in training["images"][role] if "generated" in name} == {f"generated/{min(kept)}"}
            assert training["configuration"]["data"]["leave_out"]["sources"] == list(fold.sources)
            assert facts.fitting == (8, 16)
            assert facts.calibration == (12, 24)
            inside = scores.columns["fold"] == fold.name
            assert set(scores.columns["origin"][inside]) == {"phone", *fold.origins}
            assert {
                source
                for source, label in zip(scores.columns["source"][inside], scores.columns["label"][inside], strict=True)
                if not label
            } == set(fold.sources)
        return FamilyTable.from_scores(scores, repeats=20), [path.stat().st_mtime for path in bundles]

    with pytest.raises(UsageError, match="crops: 3 is not among"):
        train_families(config, samples, OriginTable(), folds, runs=tmp_path / "runs", rate=0.1, crops=3)
    with pytest.raises(UsageError, match=r"fold flux: .*0\.01 cannot be supported by 12 real images"):
        train_families(config, samples, OriginTable(), folds, runs=tmp_path / "runs", rate=0.01)
    assert not (tmp_path / "runs").exists()
    table, made = measure()
    assert table.mode == "train"
    assert "Only the heads" not in table.to_markdown()
    assert [(row.real, row.generated) for row in table.rows if row.subset == "all"] == [(20, 40)] * 4
    again, kept = measure()  # finished runs are taken as they are
    assert kept == made
    assert again == table
