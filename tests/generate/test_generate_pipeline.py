"""Pipelines of true classes with tiny random weights, called through the interface of all generators."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("diffusers")
import torch
from pipeline_requests import ask, generator_of, kept, photo
from tiny_pipelines import (
    diffusers,
    save_tiny_checked,
    save_tiny_inpainting,
    save_tiny_pixart,
    save_tiny_sd3,
    save_tiny_stable_diffusion,
    save_tiny_unconditional,
)

from contrafake.errors import ConfigError, ContrafakeError
from contrafake.generate.generators.batches import Batches
from contrafake.generate.generators.generator import GenerationError, Made, open_generator
from contrafake.generate.generators.identity import fingerprint
from contrafake.generate.generators.mask import draw_mask
from contrafake.generate.generators.pipeline_calls import Signature

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.generate.generators.generator import Request


pytest_plugins = ["model_fixtures"]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, save in {
        "sd": save_tiny_stable_diffusion,
        "inpainting": save_tiny_inpainting,
        "unconditional": save_tiny_unconditional,
        "pixart": save_tiny_pixart,
        "sd3": save_tiny_sd3,
    }.items():
        save(folder / name)
    save_tiny_checked(folder / "flagging", flags=True)
    save_tiny_checked(folder / "passing", flags=False)
    return folder


@pytest.fixture(scope="module")
def stable_diffusion(models: Path) -> Any:
    return generator_of(models / "sd", guidance=3)


def furthest(one: Made, other: Made) -> int:
    return int(np.abs(one.pixels.astype(int) - other.pixels.astype(int)).max())


def test_an_image_is_what_the_pipeline_itself_makes(models: Path, stable_diffusion: Any) -> None:
    [made] = kept(stable_diffusion.make([ask(40, 32, seed=7, prompt="a red cat", negative="dog", guidance=3.0)]))
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(models / "sd")
    pipe.set_progress_bar_config(disable=True)
    noise = torch.Generator().manual_seed(7)
    image = pipe(
        "a red cat", negative_prompt="dog", width=40, height=32, num_inference_steps=3, guidance_scale=3.0,
        generator=noise,
    ).images[0]  # fmt: skip
    assert image.size == (40, 32)
    np.testing.assert_array_equal(made.pixels, np.asarray(image))


def test_an_image_depends_on_its_own_request_alone(stable_diffusion: Any) -> None:
    asked = [
        ask(32, 32, seed=1, prompt="a cat", guidance=3.0),
        ask(40, 32, seed=2, prompt="the dog of the house", guidance=3.0, negative="red"),
        ask(32, 32, seed=3, prompt="blue", guidance=3.0, negative="x"),
    ]
    together = kept(stable_diffusion.make(asked))
    assert stable_diffusion.batch == 4
    for request, beside in zip(asked, together, strict=True):
        [alone] = kept(stable_diffusion.make([request]))
        assert beside.pixels.shape == (request.job.height, request.job.width, 3)
        assert furthest(alone, beside) <= 1
    [again] = kept(stable_diffusion.make(asked[:1]))
    np.testing.assert_array_equal(again.pixels, kept(stable_diffusion.make(asked[:1]))[0].pixels)
    [other] = kept(stable_diffusion.make([ask(32, 32, seed=4, prompt="a cat", guidance=3.0)]))
    assert furthest(together[0], other) > 1


def test_prompts_act(stable_diffusion: Any) -> None:
    words = [("a cat", ""), ("the blue house", ""), ("a cat", "the blue house")]
    asked = [ask(32, 32, seed=1, prompt=prompt, negative=negative, guidance=90.0) for prompt, negative in words]
    plain, other, pushed = kept(stable_diffusion.make(asked))
    assert min(furthest(plain, other), furthest(plain, pushed), furthest(other, pushed)) > 1


def test_making_leaves_the_callers_noise_alone(stable_diffusion: Any) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    stable_diffusion.make([ask(32, 32)])
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("name", ["pixart", "sd3"])
def test_transformer_pipelines_are_called_by_their_own_signature(models: Path, name: str) -> None:
    generator = generator_of(models / name)
    asked = [ask(48, 32, seed=1, prompt="a cat"), ask(48, 32, seed=2, prompt="a dog")]
    together = kept(generator.make(asked))
    [alone] = kept(generator.make(asked[1:]))
    assert [made.pixels.shape for made in together] == [(32, 48, 3)] * 2
    assert furthest(together[1], alone) <= 1
    assert generator.batch == 4  # type: ignore[attr-defined]


def test_an_unconditional_model_makes_its_one_size_only(models: Path) -> None:
    generator = generator_of(models / "unconditional")
    first, wide, second = generator.make([ask(16, 16, seed=1), ask(32, 16), ask(16, 16, seed=2)])
    assert isinstance(first, Made)
    assert isinstance(second, Made)
    assert furthest(first, second) > 1
    assert isinstance(wide, GenerationError)
    assert wide.cause == "the model makes 16x16 only, not 32x16"
    assert wide.remedy == "sizes: [[16, 16]]"


def test_a_size_that_a_model_cannot_make_fails_alone(stable_diffusion: Any) -> None:
    odd, even = stable_diffusion.make([ask(36, 32), ask(40, 32)])
    assert isinstance(odd, GenerationError)
    assert "divisible by 8" in odd.cause
    assert isinstance(even, Made)


def test_image_to_image_begins_with_the_real_one_and_strength_leads_away(models: Path) -> None:
    near = generator_of(models / "sd", "image-to-image", strength=0.1)
    real = photo(48, 40)
    made = kept(near.make([ask(40, 48, steps=10, strength=s, image=real, seed=3) for s in (0.1, 0.9)]))
    assert [each.pixels.shape for each in made] == [(48, 40, 3)] * 2
    other = kept(near.make([ask(40, 48, steps=10, strength=0.1, image=255 - real, seed=3)]))
    assert furthest(made[0], other[0]) > 1
    again = kept(near.make([ask(40, 48, steps=10, strength=0.1, image=real, seed=s) for s in (3, 4)]))
    assert furthest(made[0], again[0]) <= 1
    assert furthest(again[0], again[1]) > 1


def test_one_image_that_fails_leaves_the_others(models: Path) -> None:
    generator = generator_of(models / "sd", "image-to-image", strength=0.5)
    real = photo(32, 32)
    asked = [ask(32, 32, strength=0.5, image=image, record=name) for name, image in (("a", real), ("b", None))]
    first, missing = generator.make(asked)
    assert isinstance(first, Made)
    assert isinstance(missing, GenerationError)
    assert str(missing) == "b: the real image is missing"


@pytest.mark.parametrize("name", ["sd", "inpainting"])
def test_inpainting_fills_the_mask_and_keeps_the_rest(models: Path, name: str) -> None:
    real = photo(40, 48)
    asked = [ask(48, 40, strength=1.0, image=real, seed=seed) for seed in (1, 2)]
    pasted = kept(generator_of(models / name, "inpainting", area=(0.1, 0.3)).make(asked))
    whole = kept(generator_of(models / name, "inpainting", area=(0.1, 0.3), paste=False).make(asked))
    for request, made, unpasted in zip(asked, pasted, whole, strict=True):
        assert made.mask is not None
        np.testing.assert_array_equal(made.mask, draw_mask(40, 48, (0.1, 0.3), request.seed))
        np.testing.assert_array_equal(made.pixels[~made.mask], real[~made.mask])
        np.testing.assert_array_equal(made.pixels[made.mask], unpasted.pixels[made.mask])
        assert (made.pixels[made.mask] != real[made.mask]).any(axis=1).mean() > 0.9
        assert (unpasted.pixels[~made.mask] != real[~made.mask]).any()
    assert furthest(pasted[0], pasted[1]) > 1


def test_what_the_models_own_checker_says_is_kept(models: Path) -> None:
    asked = [ask(32, 32, seed=1), ask(32, 32, seed=2)]
    flagged, passed = (generator_of(models / name).make(asked) for name in ("flagging", "passing"))
    assert [made.flagged for made in kept(flagged)] == [True, True]
    assert [made.flagged for made in kept(passed)] == [False, False]
    unchecked = generator_of(models / "flagging", safety_checker=False).make(asked)
    assert [made.flagged for made in kept(unchecked)] == [None, None]
    np.testing.assert_array_equal(kept(unchecked)[0].pixels, kept(passed)[0].pixels)


def test_facts_name_classes_and_versions_and_no_paths(models: Path) -> None:
    generator = generator_of(models / "sd", precision="bf16", scheduler="DPMSolverMultistepScheduler")
    [made] = kept(generator.make([ask(32, 32)]))
    unlike = {"arguments": {}, "commit": "", "defaults": {"num_inference_steps": 50, "guidance_scale": 7.5}}
    assert made.facts == {
        **unlike,
        "pipeline": "StableDiffusionPipeline",
        "scheduler_class": "DPMSolverMultistepScheduler",
        "precision": "bf16",
        "parameters": made.facts["parameters"],
        **{name: __import__(name).__version__ for name in ("diffusers", "torch", "transformers")},
    }
    assert 50_000 < made.facts["parameters"] < 200_000
    assert str(models) not in str(generator.facts)
    assert generator.facts["device"] == ("cuda" if torch.cuda.is_available() else "cpu")
    assert generator.facts["fingerprint"] == fingerprint(models / "sd")


def test_another_scheduler_makes_another_image(models: Path, stable_diffusion: Any) -> None:
    request = ask(32, 32, seed=1)
    [usual] = kept(stable_diffusion.make([request]))
    [other] = kept(generator_of(models / "sd", scheduler="DDIMScheduler").make([request]))
    assert furthest(usual, other) > 1


def test_compiling_is_asked_of_the_network_alone(models: Path) -> None:
    generator: Any = generator_of(models / "sd", compile=True)
    assert generator._pipe.unet._compiled_call_impl is not None
    assert generator._pipe.vae._compiled_call_impl is None


def test_nothing_is_printed(models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    generator = generator_of(models / "passing")
    generator.make([ask(32, 32, prompt="word " * 100)])
    generator.close()
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_the_batch_is_halved_when_memory_runs_out(models: Path) -> None:
    generator: Any = generator_of(models / "sd", batch=8)
    sizes = []

    class Greedy(type(generator._pipe)):  # type: ignore[misc]
        def __call__(self, **arguments: Any) -> Any:
            sizes.append(len(prompts) if isinstance(prompts := arguments["prompt"], list) else 1)
            if sizes[-1] > 2:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return super().__call__(**arguments)

    generator._pipe.__class__ = Greedy
    asked = [ask(32, 32, seed=seed) for seed in range(7)]
    made = kept(generator.make(asked))
    assert sizes == [7, 3, *[1] * 7]
    assert len({each.pixels.tobytes() for each in made}) == 7
    assert generator.batch == 1


def test_a_broken_gpu_ends_the_run_and_a_full_one_only_the_image() -> None:
    def broken(requests: list[Request]) -> list[Made]:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def full(requests: list[Request]) -> list[Made]:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ContrafakeError, match="the GPU: stopped working"):
        Batches(4, broken).make([ask(8, 8), ask(8, 8)])
    failed = Batches(4, full).make([ask(8, 8, record=record) for record in "abc"])
    assert [each.subject for each in failed if isinstance(each, GenerationError)] == ["a", "b", "c"]
    assert {each.cause for each in failed if isinstance(each, GenerationError)} == {
        "is too large for the device's memory"
    }


def test_a_pipeline_with_noise_of_its_own_is_called_for_one_image_at_a_time(models: Path) -> None:
    generator: Any = generator_of(models / "unconditional")

    class Noisy(type(generator._pipe)):  # type: ignore[misc]
        def __call__(self, **arguments: Any) -> Any:
            output = super().__call__(**arguments)
            output.images = output.images * 0.5 + torch.rand(output.images.shape).numpy() * 0.5
            return output

    generator._pipe.__class__ = Noisy
    asked = [ask(16, 16, seed=seed) for seed in range(3)]
    together = kept(generator.make(asked))
    assert generator.batch == 1
    [alone] = kept(generator.make(asked[2:]))
    np.testing.assert_array_equal(together[2].pixels, alone.pixels)


@pytest.mark.parametrize(
    ("model", "kind", "changes", "said"),
    [
        ("sd", "text-to-image", {"scheduler": "DDIMSheduler"}, "the nearest known one is DDIMScheduler"),
        ("sd", "text-to-image", {"arguments": {"guidance_rescal": 1}}, "the nearest known one is guidance_rescale"),
        ("sd", "text-to-image", {"arguments": {"height": 64}}, "arguments.height: is decided by the plan"),
        ("sd", "text-to-image", {"pipeline": "StableDifusionPipeline"}, "nearest known one is StableDiffusionPipeline"),
        ("sd", "text-to-image", {"pipeline": "os:system"}, "is not of this package"),
        ("sd", "text-to-image", {"pipeline": "contrafake.errors:Nothing"}, "does not exist"),
        ("unconditional", "text-to-image", {"guidance": 2}, "guidance: DDIMPipeline has no such parameter"),
        ("unconditional", "text-to-image", {"negative_prompt": "x"}, "negative_prompt: DDIMPipeline has no such"),
        ("unconditional", "image-to-image", {"strength": 0.5}, "kind: DDIMPipeline takes no image"),
        ("sd", "image-to-image", {"strength": 0.1, "steps": 9}, "strength: 0.1 of 9 steps is none"),
        ("sd", "inpainting", {"pipeline": "StableDiffusionImg2ImgPipeline"}, "takes no mask (kind: image-to-image)"),
    ],
)
def test_settings_that_cannot_act_are_refused(
    models: Path, model: str, kind: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        generator_of(models / model, kind, **changes)
    assert said in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
@pytest.mark.parametrize("changes", [{"offload": "model"}, {"offload": "sequential"}, {"device": "cuda"}])
def test_what_needs_a_gpu_says_so(models: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="GPU"):
        generator_of(models / "sd", **changes)


def test_the_guidance_that_acts_is_the_one_that_is_set() -> None:
    def of(pipe: Any, **asked: Any) -> dict[str, Any]:
        return Signature(pipe, {}).arguments([ask(32, 32, prompt="a cat", **asked)])

    nothing = dict.fromkeys(("scheduler", "vae", "text_encoder", "tokenizer", "transformer"))
    qwen = of(diffusers.QwenImagePipeline(**nothing), guidance=4.0)
    assert qwen["true_cfg_scale"] == 4.0
    assert qwen["negative_prompt"] == " "
    assert "guidance_scale" not in qwen
    assert "negative_prompt" not in of(diffusers.QwenImagePipeline(**nothing), guidance=1.0)
    for distilled in (True, False):
        network = diffusers.FluxTransformer2DModel(
            num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=1, joint_attention_dim=8,
            pooled_projection_dim=8, in_channels=4, axes_dims_rope=(2, 2, 4), guidance_embeds=distilled,
        )  # fmt: skip
        parts = {**nothing, "text_encoder_2": None, "tokenizer_2": None, "transformer": network}
        arguments = of(diffusers.FluxPipeline(**parts), guidance=3.5)
        assert ("guidance_scale" in arguments, "true_cfg_scale" in arguments) == (distilled, not distilled)


def test_open_generator_takes_a_template_of_settings(models: Path) -> None:
    from contrafake.generate.generators.settings import ImageToImage

    found = open_generator(ImageToImage(name="i", kind="image-to-image", model=str(models / "sd"), strength=1.0))
    assert {"make", "close"} <= {name for name, _ in inspect.getmembers(found)}
