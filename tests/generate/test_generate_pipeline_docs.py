"""The settings that the page on generators shows are settings that the code takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

pytest.importorskip("diffusers")
from tiny_pipelines import diffusers

from contrafake.generate.generators.pipeline_calls import Signature
from contrafake.generate.generators.settings import AnyGenerator, TextToImage

PAGE = Path(__file__).parents[2] / "docs" / "generation" / "generators.md"

CLASSES = {
    "sd14": "StableDiffusionPipeline",
    "sd21": "StableDiffusionPipeline",
    "sdxl": "StableDiffusionXLPipeline",
    "if": "IFPipeline",
    "sd35": "StableDiffusion3Pipeline",
    "flux1-schnell": "FluxPipeline",
    "flux1-dev": "FluxPipeline",
    "flux2": "Flux2Pipeline",
    "pixart": "PixArtAlphaPipeline",
    "sana": "SanaPipeline",
    "qwen-image": "QwenImagePipeline",
    "z-image-turbo": "ZImagePipeline",
}


def shown() -> list[AnyGenerator]:
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    entries = [entry for block in blocks for entry in (block["generators"] if isinstance(block, dict) else block)]
    return [TypeAdapter(AnyGenerator).validate_python(entry) for entry in entries]


def test_every_setting_shown_has_a_parameter_in_the_models_class() -> None:
    named = {each.name: each for each in shown() if isinstance(each, TextToImage)}
    assert set(named) == set(CLASSES)
    for name, settings in named.items():
        if not hasattr(diffusers, CLASSES[name]):  # an older release
            continue
        kind = getattr(diffusers, CLASSES[name])
        signature = Signature(object.__new__(kind), settings.arguments)
        signature.check(steps=settings.steps, guidance=settings.guidance, negative="", strength=None)
        assert signature.takes("prompt")
        assert signature.takes("height")
