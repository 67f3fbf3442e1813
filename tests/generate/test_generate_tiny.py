"""The own diffusion model is truly trained, at the size of a toy: resumed, saved, opened, judged and called."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from contrafake.cli.generate_train_tiny import train_tiny
from contrafake.errors import ConfigError, DataError, UsageError
from contrafake.generate.generators.sequential_autoencoder import SequentialAutoencoder, save_sequential
from contrafake.generate.tiny.config import TinyConfig
from contrafake.generate.tiny.learner import learning_rate
from contrafake.generate.tiny.photographs import choose
from contrafake.generate.tiny.pipeline import TinyPipeline
from contrafake.generate.tiny.training import train
from contrafake.generate.tiny.watching import Watching
from contrafake.settings import parse_settings

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PHOTOGRAPHS, STEPS = 14, 6


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth pictures of real photographs' kind, with one that is damaged, one too small, one drawn, one generated."""
    path = tmp_path_factory.mktemp("photographs") / "train-0000.tar"
    draw = np.random.default_rng(0)
    with tarfile.open(path, "w") as tar:
        for number in range(PHOTOGRAPHS + 4):
            side = 20 if number == PHOTOGRAPHS + 1 else 36 + number % 3
            small = Image.fromarray(draw.integers(0, 256, (4, 4, 3)).astype(np.uint8))
            buffer = io.BytesIO()
            small.resize((side, side + 4), Image.Resampling.BICUBIC).save(buffer, "PNG")
            data = buffer.getvalue()[:90] if number == PHOTOGRAPHS else buffer.getvalue()
            facts = {"label": "fake" if number == PHOTOGRAPHS + 3 else "real", "origin": "tests", "source": "tests"}
            facts["content"] = "art" if number == PHOTOGRAPHS + 2 else "photo"
            for name, content in (("png", data), ("json", json.dumps(facts).encode())):
                member = tarfile.TarInfo(f"picture-{number:02d}.{name}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def settings(shard: Path, **changed: Any) -> TinyConfig:
    """A network of 30 thousand parameters on squares of 32 pixels."""
    values: dict[str, Any] = {
        "name": "toy", "data": [str(shard)], "keep": {"content": ["photo"]}, "held_out": 4, "image_size": 32,
        "shorter_side": 36, "channels": [8, 16], "layers": 1, "steps": STEPS, "batch": 3, "warmup": 2, "threads": 1,
        "device": "cpu", "checkpoint_every": 2, "sample_every": 1000, "sampler_steps": 4, "report_images": 4,
    }  # fmt: skip
    return parse_settings(TinyConfig, values | changed)


@pytest.fixture(scope="module")
def run(shard: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training on pixels, with its report, through the command."""
    folder = tmp_path_factory.mktemp("run")
    config = folder / "config.yaml"
    config.write_text(settings(shard).model_dump_json())
    train_tiny(config, ["sample_every=6"], folder / "toy")
    return folder / "toy"


@pytest.fixture(scope="module")
def pipeline(run: Path) -> TinyPipeline:
    """What the training saved, opened again."""
    opened = TinyPipeline.from_pretrained(run / "pipeline")
    opened.set_progress_bar_config(disable=True)
    return opened


def picture(seed: int, height: int = 32, width: int = 32) -> NDArray[np.uint8]:
    """A smooth picture."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 3, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def call(pipeline: TinyPipeline, seeds: list[int], **arguments: Any) -> NDArray[np.float32]:
    """Images of one call, each from its seed."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    made: NDArray[np.float32] = pipeline(
        batch_size=len(seeds), generator=generators, num_inference_steps=6, output_type="np", **arguments
    ).images
    return made


def losses(run: Path) -> list[float]:
    """Logged losses, by step."""
    rows = [json.loads(line) for line in (run / "loss.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(len(rows)))
    return [row["loss"] for row in rows]


class Interrupted(Watching):
    """Stops a training as Ctrl-C does, after a step that no checkpoint holds."""

    def step(self, done: int, steps: int, loss: float, seconds: float) -> None:
        """Stops after the third step."""
        if done == 3:
            raise KeyboardInterrupt


def test_an_interrupted_training_ends_as_one_that_was_not(run: Path, shard: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(settings(shard), tmp_path / "toy", Interrupted(quiet=True))
    assert len(losses(tmp_path / "toy")) == 3
    train(settings(shard), tmp_path / "toy", Watching(quiet=True))
    assert losses(tmp_path / "toy") == losses(run)
    weights = "pipeline/unet/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "toy" / weights).read_bytes() == (run / weights).read_bytes()


def test_steps_under_other_settings_are_refused_and_a_damaged_state_is_named(
    run: Path, shard: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "toy"
    shutil.copytree(run, copy)
    with pytest.raises(ConfigError, match="batch was 3"):
        train(settings(shard, batch=4), copy, Watching(quiet=True))
    with pytest.raises(ConfigError, match="filled from other photographs"):
        train(settings(shard, held_out=3), copy, Watching(quiet=True))
    (copy / "checkpoint.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(DataError, match="is damaged"):
        train(settings(shard), copy, Watching(quiet=True))


def test_a_training_learns(shard: Path, tmp_path: Path) -> None:
    config = settings(shard, steps=40, learning_rate=4e-3, batch=4, checkpoint_every=1000)
    train(config, tmp_path / "toy", Watching(quiet=True))
    found = losses(tmp_path / "toy")
    assert np.mean(found[-10:]) < 0.7 * np.mean(found[:5])


def test_what_cannot_be_used_is_named_and_only_real_photographs_are_trained_on(run: Path, shard: Path) -> None:
    report = json.loads((run / "report.json").read_text())
    left_out = " ".join(report["left_out"])
    assert "picture-15.png" in left_out or "picture-14.png" in left_out
    chosen = choose(settings(shard))
    names = {place.address[-6:-4] for place in (*chosen.training, *chosen.held_out)}
    assert names == {f"{number:02d}" for number in range(PHOTOGRAPHS + 2)}
    assert len(chosen.held_out) == 4
    assert not {place.address for place in chosen.training} & {place.address for place in chosen.held_out}
    assert report["photographs"] + len(report["left_out"]) == len(chosen.training)


def test_the_report_measures_the_model_beside_the_floor(run: Path) -> None:
    report = json.loads((run / "report.json").read_text())
    distances = report["distances"]
    assert list(distances) == [
        "photographs",
        *(f"image-to-image {strength}" for strength in (0.3, 0.5, 0.7)),
        "from nothing",
    ]
    assert distances["from nothing"]["frechet"] > distances["photographs"]["frechet"]
    card = (run / "pipeline" / "README.md").read_text()
    assert f"{report['parameters']:,} parameters" in card
    assert f"{distances['from nothing']['frechet']:.4f}" in card
    with Image.open(run / "samples-0000006.png") as sheet:
        assert sheet.size == (6 * 36 + 4, 5 * 36 + 4)


def test_only_tensors_and_text_are_written(run: Path) -> None:
    kinds = {file.suffix for file in run.rglob("*") if file.is_file()}
    assert kinds == {".safetensors", ".json", ".jsonl", ".png", ".md"}


def test_a_pipeline_is_the_same_after_saving(pipeline: TinyPipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path / "copy")
    again = TinyPipeline.from_pretrained(tmp_path / "copy")
    again.set_progress_bar_config(disable=True)
    assert np.array_equal(call(pipeline, [1, 2]), call(again, [1, 2]))
    assert again.config["latent_mean"] is None
    with pytest.raises(DataError, match="no such folder"):
        TinyPipeline.from_pretrained(tmp_path / "missing")


def test_an_image_depends_on_its_own_seed_alone(pipeline: TinyPipeline) -> None:
    three = call(pipeline, [1, 2, 3])
    assert np.abs(three[1] - call(pipeline, [2])[0]).max() < 1 / 255
    assert np.abs(three[0] - three[1]).max() > 0.1
    assert np.array_equal(three, call(pipeline, [1, 2, 3]))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 47), (17, 64), (5, 7)])
def test_any_size_will_do(pipeline: TinyPipeline, height: int, width: int) -> None:
    begun = call(pipeline, [5], image=picture(0, height, width), strength=0.5)
    assert begun.shape == (1, height, width, 3)
    assert 0 <= begun.min() <= begun.max() <= 1
    assert call(pipeline, [5], height=height, width=width).shape == (1, height, width, 3)


def test_the_strength_decides_how_much_of_the_image_is_left(pipeline: TinyPipeline) -> None:
    image = picture(3)
    distances = [
        float(np.square(call(pipeline, [7], image=image, strength=strength)[0] - image / 255).mean())
        for strength in (0.17, 0.5, 1.0)
    ]
    assert distances == sorted(distances)
    assert distances[0] < distances[2] / 3


def test_images_come_and_go_in_any_form(pipeline: TinyPipeline) -> None:
    image = picture(4)
    expected = call(pipeline, [9], image=image, strength=0.5)
    same = [Image.fromarray(image), [Image.fromarray(image)], image[None], image.astype(np.float32) / 255]
    same.append(torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255)
    for given in same:
        assert np.allclose(call(pipeline, [9], image=given, strength=0.5), expected, atol=1e-6)
    generator = torch.Generator().manual_seed(9)
    [made] = pipeline(image=image, strength=0.5, num_inference_steps=6, generator=generator).images
    assert np.array_equal(np.asarray(made), np.round(expected[0] * 255).astype(np.uint8))
    (tensor,) = pipeline(num_inference_steps=1, output_type="pt", return_dict=False)
    assert tensor.shape == (1, 3, 32, 32)


def test_calls_that_make_no_sense_are_refused(pipeline: TinyPipeline) -> None:
    for arguments in (
        {"image": picture(0), "strength": 0.1},
        {"image": picture(0), "strength": 0.0},
        {"image": picture(0), "height": 64},
        {"image": np.zeros((8, 8), np.uint8)},
        {"image": [picture(0), picture(0, 40, 40)]},
    ):
        with pytest.raises(UsageError):
            pipeline(num_inference_steps=5, **arguments)
    with pytest.raises(UsageError, match="1 for 2 images"):
        pipeline(batch_size=2, generator=[torch.Generator()])


def test_latents_are_normalised_and_the_autoencoder_travels_with_the_pipeline(shard: Path, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        autoencoder = SequentialAutoencoder(8, 4, 8)
    (tmp_path / "autoencoder").mkdir()
    save_sequential(autoencoder, tmp_path / "autoencoder")
    config = settings(shard, autoencoder=str(tmp_path / "autoencoder"), steps=1, batch=2)
    trained = train(config, tmp_path / "toy", Watching(quiet=True))
    whole = torch.cat([trained.cache[index].flatten(1) for index in range(trained.cache.count)], 1).double()
    assert trained.cache.mean == pytest.approx(whole.mean(1).tolist(), abs=1e-5)
    assert trained.cache.deviation == pytest.approx(whole.std(1, correction=0).tolist(), abs=1e-5)
    shutil.rmtree(tmp_path / "autoencoder")
    opened = TinyPipeline.from_pretrained(tmp_path / "toy" / "pipeline")
    opened.set_progress_bar_config(disable=True)
    assert opened.multiple == 16
    assert call(opened, [1], image=picture(1, 40, 50), strength=0.5).shape == (1, 40, 50, 3)
    image = torch.from_numpy(picture(1).copy()).permute(2, 0, 1)[None] / 255
    expected = autoencoder.decode(autoencoder.encode(image)).clamp(0, 1)
    assert torch.allclose(opened.decode(opened.encode(image)), expected, atol=1e-4)
    shutil.rmtree(tmp_path / "toy" / "pipeline" / "autoencoder")
    with pytest.raises(DataError, match="lacks the folder autoencoder"):
        TinyPipeline.from_pretrained(tmp_path / "toy" / "pipeline")


def test_a_prediction_of_noise_samples_too(shard: Path, tmp_path: Path) -> None:
    trained = train(settings(shard, prediction="epsilon", steps=1), tmp_path / "toy", Watching(quiet=True))
    trained.pipeline.set_progress_bar_config(disable=True)
    made = call(trained.pipeline, [1])
    assert np.isfinite(made).all()
    assert float(trained.pipeline.scheduler.alphas_cumprod[-1]) > 0


def test_the_rate_rises_to_its_peak_and_falls_to_a_tenth(shard: Path) -> None:
    config = settings(shard, steps=102, warmup=2, learning_rate=1.0)
    assert [learning_rate(config, step) for step in (0, 1, 2)] == [0.5, 1.0, 1.0]
    assert learning_rate(config, 52) == pytest.approx(0.55)
    assert learning_rate(config, 102) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "wrong", [{"shorter_side": 31}, {"attention": 3}, {"channels": [6]}, {"prediction": "noise"}, {"stepz": 3}]
)
def test_settings_that_do_not_fit_are_refused(shard: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        settings(shard, **wrong)


def test_nothing_to_train_on_is_an_error(shard: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no photograph is left"):
        train(settings(shard, keep={"content": ["x-ray"]}), tmp_path / "toy", Watching(quiet=True))
    with pytest.raises(DataError, match="can be used"):
        train(settings(shard, image_size=64, shorter_side=64), tmp_path / "toy2", Watching(quiet=True))
