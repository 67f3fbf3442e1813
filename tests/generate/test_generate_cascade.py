"""Cascades of tiny pipelines: DeepFloyd IF's two stages, and an upscaler after them."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("diffusers")
import torch
from pipeline_requests import ask, generator_of, kept
from tiny_pipelines import diffusers, save_tiny_if, save_tiny_unconditional, save_tiny_upscaler

from contrafake.errors import ConfigError
from contrafake.generate.generators.generator import GenerationError
from contrafake.generate.generators.identity import fingerprint

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.generate.generators.generator import Generator


pytest_plugins = ["model_fixtures"]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_tiny_if(folder / "first", folder / "second")
    save_tiny_upscaler(folder / "third")
    return folder


def cascade(models: Path, *, third: bool = False, **changes: Any) -> Generator:
    then: list[dict[str, Any]] = [{"model": str(models / "second"), "steps": 2, "guidance": 4.0}]
    if third:
        then.append({"model": str(models / "third"), "steps": 2, "arguments": {"noise_level": 100}})
    return generator_of(models / "first", first_size=(16, 16), then=then, **changes)


@pytest.fixture(scope="module")
def three(models: Path) -> Generator:
    return cascade(models, third=True)


def test_two_stages_are_what_the_published_recipe_makes(models: Path) -> None:
    [made] = kept(cascade(models).make([ask(32, 32, seed=5, prompt="a red cat", negative="dog", guidance=7.0)]))
    first = diffusers.IFPipeline.from_pretrained(models / "first")
    second = diffusers.IFSuperResolutionPipeline.from_pretrained(models / "second", text_encoder=None)
    positive, negative = first.encode_prompt("a red cat", negative_prompt="dog")
    texts = {"prompt_embeds": positive, "negative_prompt_embeds": negative}
    noise = torch.Generator().manual_seed(5)
    small = first(
        **texts, height=16, width=16, num_inference_steps=3, guidance_scale=7.0, generator=noise, output_type="pt"
    ).images
    large = second(
        **texts, image=small, height=32, width=32, num_inference_steps=2, guidance_scale=4.0, generator=noise
    ).images[0]
    difference = np.abs(made.pixels.astype(int) - np.asarray(large).astype(int))
    assert difference.max() <= 1


def test_an_image_of_a_cascade_depends_on_its_own_request_alone(three: Generator) -> None:
    asked = [ask(64, 64, seed=seed, prompt=text) for seed, text in ((1, "a cat"), (2, "the dog"), (3, "blue"))]
    together = kept(three.make(asked))
    [alone] = kept(three.make(asked[1:2]))
    assert [made.pixels.shape for made in together] == [(64, 64, 3)] * 3
    assert np.abs(together[1].pixels.astype(int) - alone.pixels).max() <= 1
    assert np.abs(together[1].pixels.astype(int) - together[0].pixels).max() > 1
    assert three.batch == 4  # type: ignore[attr-defined]


def test_later_stages_have_no_text_encoder_and_are_in_the_facts(models: Path, three: Any) -> None:
    assert three._pipes[1].text_encoder is None
    assert three._pipes[2].text_encoder is not None
    facts = deepcopy(three.facts)
    [made] = kept(three.make([ask(64, 64)]))
    # All but the fingerprints is in each image's facts too, and no folder of this machine is in either.
    assert [stage["model"] for stage in made.facts["then"]] == ["second", "third"]
    for stage, folder in zip([facts, *facts["then"]], ("first", "second", "third"), strict=True):
        assert stage.pop("fingerprint") == fingerprint(models / folder)
    assert made.facts == {key: value for key, value in facts.items() if key != "device"}
    assert facts["pipeline"] == "IFPipeline"
    assert [stage["pipeline"] for stage in facts["then"]] == [
        "IFSuperResolutionPipeline",
        "StableDiffusionUpscalePipeline",
    ]
    assert facts["then"][0]["guidance"] == 4.0
    assert facts["then"][1]["arguments"] == {"noise_level": 100}


def test_a_size_that_the_last_stage_cannot_give_fails(three: Generator) -> None:
    [failed] = three.make([ask(96, 96)])
    assert isinstance(failed, GenerationError)
    assert failed.cause == "the model made 64x64 instead of 96x96"


def test_a_stage_that_takes_no_image_is_refused(models: Path, tmp_path: Path) -> None:
    save_tiny_unconditional(tmp_path / "none")
    with pytest.raises(ConfigError, match="then: DDIMPipeline takes no image to enlarge"):
        generator_of(models / "first", then=[{"model": str(tmp_path / "none")}])
