"""Where pipelines are loaded from, and what is never loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("diffusers")
import torch
from pipeline_requests import ask, generator_of, kept, photo
from tiny_pipelines import diffusers, save_tiny_unconditional

from contrafake.errors import DataError
from contrafake.generate.generators.generator import GenerationError, Made
from contrafake.generate.generators.pipeline_loading import ModelPlace, load_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_unconditional(tmp_path_factory.mktemp("models") / "unconditional")


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def refusal(model: Path | str, **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        generator_of(model, **changes)
    return str(caught.value)


def change_index(model: Path, **changes: Any) -> None:
    index = json.loads((model / "model_index.json").read_text())
    (model / "model_index.json").write_text(json.dumps(index | changes))


def test_a_name_on_a_hub_comes_from_its_cache_with_the_commit(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    cache = tmp_path / "models--owner--tiny"
    shutil.copytree(saved, cache / "snapshots" / COMMIT)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TINY_OWNER", "owner")
    for name, revision in (("owner/tiny", None), ("${TINY_OWNER}/tiny", "main"), ("owner/tiny", COMMIT)):
        generator = generator_of(name, revision=revision)
        assert (generator.facts["commit"], generator.facts["fingerprint"]) == (COMMIT, "")
    [made] = kept(generator.make([ask(16, 16)]))
    [local] = kept(generator_of(saved).make([ask(16, 16)]))
    assert made.pixels.tobytes() == local.pixels.tobytes()


def test_a_name_that_cannot_be_fetched_says_how_to() -> None:
    said = refusal("owner/never-fetched", revision="abc")
    assert said.startswith("owner/never-fetched: neither a folder here, nor in the hub's cache at abc")
    assert "hf download owner/never-fetched --revision abc" in said
    assert "HF_HOME" in said


def test_a_folder_that_is_not_there_or_holds_no_pipeline(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "nowhere")
    assert "no such folder" in refusal("./nowhere")
    assert "holds no model_index.json" in refusal(tmp_path)


def test_folders_may_be_named_by_the_environment(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_MODELS", str(model.parent))
    assert len(kept(generator_of("${TINY_MODELS}/model").make([ask(16, 16)]))) == 1
    (model / "unet" / "config.json").unlink()
    said = refusal("${TINY_MODELS}/model")
    assert "cannot be loaded" in said
    assert "hub" not in said
    monkeypatch.setenv("TINY_OWNER", "owner/never")
    assert "neither a folder here, nor in the hub's cache" in refusal("${TINY_OWNER}-fetched")


def damage_class(model: Path) -> None:
    change_index(model, _class_name=["pipeline", "Evil"])


def damage_part(model: Path) -> None:
    change_index(model, unet=["evil", "UNet2DModel"])


def damage_standard_library(model: Path) -> None:
    change_index(model, scheduler=["subprocess", "Popen"])


def damage_weights(model: Path) -> None:
    (model / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"\x00" * 100)


def damage_shape(model: Path) -> None:
    config = json.loads((model / "unet" / "config.json").read_text())
    (model / "unet" / "config.json").write_text(json.dumps(config | {"block_out_channels": [8, 32]}))


def damage_json(model: Path) -> None:
    (model / "model_index.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_class, "names a pipeline that is code of its own"),
        (damage_part, "its part unet is code of 'evil'"),
        (damage_standard_library, "its part scheduler is code of 'subprocess'"),
        (damage_weights, "cannot be loaded"),
        (damage_shape, "cannot be loaded"),
        (damage_json, "its model_index.json cannot be read"),
    ],
)
def test_damaged_and_hostile_models_are_refused(model: Path, damage: Callable[[Path], None], said: str) -> None:
    (model / "evil.py").write_text("raise SystemExit('ran')")
    (model / "pipeline.py").write_text("raise SystemExit('ran')")
    damage(model)
    assert said in refusal(model)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("exploded"),))


def test_pickled_weights_are_never_read(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model)
    (model / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save(Bomb(), model / "unet" / "diffusion_pytorch_model.bin")
    assert "holds no weights as safetensors; pickled ones are never read" in refusal(model)
    assert not (model / "exploded").exists()


def test_a_class_of_this_package_is_loaded_by_its_place(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import contrafake.generate

    base: Any = diffusers.DDIMPipeline

    class Kept(base):  # type: ignore[misc]
        pass

    monkeypatch.setattr(contrafake.generate, "Kept", Kept, raising=False)
    place = ModelPlace(str(model), pipeline="contrafake.generate:Kept")
    assert type(load_pipeline(place, "text-to-image", torch.float32).pipe) is Kept


def test_the_projects_own_pipeline_is_known_by_its_name(saved: Path, tmp_path: Path) -> None:
    from contrafake.generate.tiny.pipeline import TinyPipeline

    TinyPipeline(**diffusers.DDIMPipeline.from_pretrained(saved).components).save_pretrained(tmp_path / "own")
    generator = generator_of(tmp_path / "own", "image-to-image", strength=0.5, steps=4)
    real = photo(24, 32)
    asked = [ask(32, 24, steps=4, strength=0.5, image=real, seed=1), ask(31, 24, steps=4, strength=0.5, image=real)]
    made, odd = generator.make(asked)
    assert generator.facts["pipeline"] == "TinyPipeline"
    assert isinstance(made, Made)
    assert made.pixels.shape == (24, 32, 3)
    assert isinstance(odd, GenerationError)
    assert isinstance(generator.make(asked[:1])[0], Made)
