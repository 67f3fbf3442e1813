"""A tiny model learns a third kind of generated picture from a folder, keeps the others, and says so."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture
from PIL import Image

from contrafake.adapt.refit_figures import ALL_OLD
from contrafake.adapt.refit_memory import OWN
from contrafake.adapt.refitting import RefitResult, refit
from contrafake.cli import run
from contrafake.detect.load import load
from contrafake.errors import ContrafakeError, UsageError
from contrafake.model.bundle import read_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

COUNT = 30


def striped(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A scene with fine vertical stripes, which no image of the tiny shards has."""
    side = int(rng.integers(64, 80))
    pixels = picture(rng, generated=False, side=side).astype(np.int16)
    pixels += 40 * (np.arange(side) // 2 % 2)[None, :, None].astype(np.int16)
    found: NDArray[np.uint8] = np.clip(pixels, 0, 255).astype(np.uint8)
    return found


def write_stripes(folder: Path, count: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (folder / f"private-{seed}-{i}.jpg").write_bytes(jpeg(striped(rng)))
    return folder


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_stripes(tmp_path_factory.mktemp("refit") / "stripes", COUNT, 5)
    (folder / "private-broken.jpg").write_bytes((folder / "private-5-0.jpg").read_bytes()[:300])
    shutil.copy(folder / "private-5-1.jpg", folder / "private-copy.jpg")
    return folder


@pytest.fixture(scope="module")
def learnt(tiny_bundle: Path, stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> RefitResult:
    return refit(tiny_bundle, {"stripes": stripes}, out=tmp_path_factory.mktemp("refitted") / "bundle", workers=1)


def test_the_new_generator_is_learnt_and_the_old_ones_are_kept(learnt: RefitResult) -> None:
    new, old = (learnt.figures.row("linear", name, new=name == "stripes") for name in ("stripes", ALL_OLD))
    assert new.images == learnt.found["stripes"].held_back
    assert new.auc.after > new.auc.before
    assert new.auc.after > 0.8
    assert old.auc.after > old.auc.before - 0.05
    assert old.auc.change_interval[0] <= old.auc.after - old.auc.before <= old.auc.change_interval[1]


def test_figures_are_those_of_the_written_bundle_on_images_it_never_saw(
    learnt: RefitResult, tiny_bundle: Path, tmp_path: Path
) -> None:
    others = sorted(write_stripes(tmp_path / "others", 20, 77).iterdir())
    before, after = load(tiny_bundle).detect(others), load(learnt.bundle.path).detect(others)
    assert np.mean([one.score > two.score for one, two in zip(after, before, strict=True) if one.score and two.score])
    caught = [np.mean([one.label == "generated" for one in found]) for found in (before, after)]
    assert caught[1] > caught[0]


def test_a_new_origin_gets_its_name(learnt: RefitResult) -> None:
    [naming] = [one for one in learnt.names if one.new]
    assert "stripes" in learnt.bundle.config.origins
    assert "stripes" not in naming.before
    assert naming.after["stripes"] > 0
    assert sum(naming.after.values()) == naming.images


def test_what_is_held_back_is_never_fitted_on(learnt: RefitResult, tiny_bundle: Path) -> None:
    found = learnt.found["stripes"]
    assert (found.fitted + found.held_back, found.repeated, list(found.broken)) == (COUNT, 1, ["private-broken.jpg"])
    head, names = learnt.bundle.head("nearest"), learnt.bundle.config
    references = head.tensors()
    mine = references["references"][references["origins"] == names.origins.index("stripes")]
    assert len(mine) == 2 * found.fitted  # each with a transformed copy
    memory, old = learnt.bundle.validation_memory(), read_bundle(tiny_bundle).validation_memory()
    assert memory is not None
    assert old is not None
    assert len(memory.labels) == len(old.labels) + found.held_back
    assert np.array_equal(memory.centres()[: len(old.labels)], old.centres())
    held = memory.centres()[len(old.labels) :]
    assert np.linalg.norm(mine[:, None] - held[None], axis=2).min() > 0.01


def test_the_old_bundle_and_old_knowledge_stay(learnt: RefitResult, tiny_bundle: Path) -> None:
    before, after = read_bundle(tiny_bundle), learnt.bundle  # reading verifies every hash
    assert (before.config.history, "stripes" in before.config.origins) == ([], False)
    assert after.config.version != before.config.version
    old, new = before.head("nearest").tensors(), after.head("nearest").tensors()
    assert np.array_equal(new["references"][: len(old["references"])], old["references"])
    assert np.array_equal(after.head("svm").tensors()["vectors"], before.head("svm").tensors()["vectors"])
    assert {(facts.head, facts.crops) for facts in after.config.calibrations} == {
        (head, crops) for head in after.config.heads for crops in (1, after.config.preprocessing.default_crops)
    }
    assert after.graph().read_bytes() == before.graph().read_bytes()


def test_nothing_private_is_written(learnt: RefitResult) -> None:
    for path in learnt.bundle.path.iterdir():
        assert b"private-" not in path.read_bytes(), path.name
    card = (learnt.bundle.path / "README.md").read_text(encoding="utf-8")
    assert card.index("## Refitted") < card.index("## What it is")
    assert learnt.bundle.config.version in card.splitlines()[0]


def test_thresholds_come_from_the_photographs_remembered(learnt: RefitResult, tiny_bundle: Path) -> None:
    memory = read_bundle(tiny_bundle).validation_memory()
    assert memory is not None
    scores = np.sort(memory.mean_scores(learnt.bundle.head("linear").score(memory.vectors))[memory.labels == 0])
    crops = learnt.bundle.config.preprocessing.default_crops
    point = learnt.bundle.stored_point("linear", crops, 0.1)
    assert point is not None
    assert point.threshold == pytest.approx(scores[len(scores) - int(0.1 * (len(scores) + 1))])


def test_again_with_own_photographs_on_the_command_line(
    learnt: RefitResult, stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reals = tmp_path / "reals" / "my-album"
    reals.mkdir(parents=True)
    rng = np.random.default_rng(9)
    for i in range(12):
        Image.fromarray(picture(rng, generated=False)).save(reals / f"{i}.png")
    arguments = ["refit", str(learnt.bundle.path), "--add", f"stripes={stripes}", "--out", str(tmp_path / "twice")]
    assert run([*arguments, "--reals", str(reals.parent), "--workers", "1"]) == 3
    output = capsys.readouterr()
    assert "private-broken.jpg" in output.err
    for told in ("note: stripes is known already", "stripes (new)", "caught at 5 %", "your photographs held back"):
        assert told in output.out
    twice = read_bundle(tmp_path / "twice")
    assert [entry["step"] for entry in twice.config.history] == ["refit", "refit"]
    assert twice.config.version == learnt.bundle.config.version.replace("+1", "+2")
    names = twice.config.validation
    assert names is not None
    assert OWN in names.origins
    assert names.origins.count("stripes") == 1
    assert b"my-album" not in (tmp_path / "twice" / "config.json").read_bytes()
    old, new = learnt.bundle.head("nearest").tensors(), twice.head("nearest").tensors()
    assert (new["labels"] == 0).sum() > (old["labels"] == 0).sum()


def test_a_result_is_plain_json(learnt: RefitResult) -> None:
    found = json.loads(json.dumps(learnt.to_dict()))
    assert found["images"]["stripes"]["repeated"] == 1
    assert {row["head"] for row in found["figures"]["rows"]} == set(learnt.bundle.config.heads)
    assert set(found["figures"]["rows"][0]["auc"]) >= {"before", "after", "change_interval"}


@pytest.mark.parametrize(
    ("name", "cause"), [("real", "means photographs"), ("", "cannot name"), ("a\nb", "cannot name"), (OWN, "photogr")]
)
def test_names_that_mean_something_else_are_refused(tiny_bundle: Path, tmp_path: Path, name: str, cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        refit(tiny_bundle, {name: tmp_path}, out=tmp_path / "out")


@pytest.mark.parametrize("given", ["stripes", "=dir", "stripes="])
def test_an_option_without_name_or_folder_is_refused(
    given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["refit", "default", "--add", given, "--out", str(tmp_path / "out")]) == 2
    assert "is not NAME=DIR" in capsys.readouterr().err


def test_unusable_folders_are_named(tiny_bundle: Path, stripes: Path, tmp_path: Path) -> None:
    def refused(**add: Path) -> str:
        with pytest.raises(ContrafakeError) as refusal:
            refit(tiny_bundle, add, out=tmp_path / "out", workers=1)
        assert not (tmp_path / "out").exists()
        return str(refusal.value)

    few = tmp_path / "few"
    few.mkdir()
    (few / "text.jpg").write_text("no image")
    assert "has 0 images that can be used; 1 cannot be read, the first: text.jpg" in refused(few=few)
    for i in range(5):
        shutil.copy(stripes / "private-5-0.jpg", few / f"{i}.jpg")
    assert "has 1 image that can be used" in refused(few=few)
    assert "stands under" in refused(one=stripes, two=stripes)
    assert "no such file" in refused(gone=tmp_path / "gone")


def test_a_bundle_without_memory_is_refused_before_any_image_is_read(tiny_bundle: Path, tmp_path: Path) -> None:
    from contrafake.model.bundle_writing import rewrite_bundle

    bundle = read_bundle(tiny_bundle)
    bare = rewrite_bundle(bundle, tmp_path / "bare", bundle.config.model_copy(update={"validation": None}))
    with pytest.raises(UsageError, match="keeps no validation images"):
        refit(bare.path, {"stripes": tmp_path / "gone"}, out=tmp_path / "out")


def test_a_model_is_not_overwritten(tiny_bundle: Path, stripes: Path) -> None:
    with pytest.raises(UsageError, match="is the model itself"):
        refit(tiny_bundle, {"stripes": stripes}, out=tiny_bundle)


def test_files_of_one_kind_are_warned_of(tiny_bundle: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for i in range(8):
        Image.fromarray(picture(rng, generated=True)).save(tmp_path / f"{i}.png")
    result = refit(tiny_bundle, {"gan2": tmp_path}, out=tmp_path / "out", copies=0, workers=1)
    [note] = [note for note in result.notes if "PNG, 72 x 72" in note]
    assert "may learn the files" in note
