"""Autoencoders: scales, sizes, the sequential layout, and files that must not be trusted."""

from __future__ import annotations

import json
import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tiny_pipelines import save_tiny_autoencoder

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from contrafake.errors import ConfigError, DataError  # noqa: E402
from contrafake.generate.generators.autoencoder import Autoencoder, open_autoencoder  # noqa: E402
from contrafake.generate.generators.sequential_autoencoder import (  # noqa: E402
    load_sequential,
    save_sequential,
)

pytest_plugins = ["model_fixtures"]


def opened(model: Path | str, **options: Any) -> Autoencoder:
    return open_autoencoder(str(model), device="cpu", dtype=torch.float32, **options)


def some_images(side: int = 16, count: int = 1) -> Any:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def with_config(folder: Path, into: Path, **changes: Any) -> Path:
    into.mkdir()
    config = json.loads((folder / "config.json").read_text()) | changes
    (into / "config.json").write_text(json.dumps(config))
    name = "diffusion_pytorch_model.safetensors"
    (into / name).write_bytes((folder / name).read_bytes())
    return into


def test_kl_is_scaled_as_the_diffusion_model_expects(kl: Path, tmp_path: Path) -> None:
    folder = with_config(kl, tmp_path / "m", scaling_factor=0.25, shift_factor=0.5)
    found = opened(folder)
    assert (found.factor, found.channels) == (2, 4)
    assert found.facts["class"] == "AutoencoderKL"
    import diffusers

    kind: Any = diffusers.AutoencoderKL
    images = some_images()
    network = kind.from_pretrained(folder, use_safetensors=True)
    with torch.no_grad():
        mode = network.encode(images * 2 - 1).latent_dist.mean
        shown = network.decode(mode).sample / 2 + 0.5
    torch.testing.assert_close(found.encode(images), (mode - 0.5) * 0.25)
    torch.testing.assert_close(found.decode(found.encode(images)), shown.clamp(0, 1))


def test_latents_are_standardised_by_channel_where_the_configuration_says_so(kl: Path, tmp_path: Path) -> None:
    mean, deviation = [0.0, 1.0, -1.0, 2.0], [1.0, 2.0, 4.0, 0.5]
    folder = with_config(kl, tmp_path / "m", latents_mean=mean, latents_std=deviation, scaling_factor=2.0)
    plain = opened(with_config(kl, tmp_path / "p", scaling_factor=1.0)).encode(some_images())
    by_channel = (plain - torch.tensor(mean)[:, None, None]) * 2 / torch.tensor(deviation)[:, None, None]
    torch.testing.assert_close(opened(folder).encode(some_images()), by_channel)


@pytest.mark.parametrize("name", ["AutoencoderTiny", "VQModel", "AsymmetricAutoencoderKL", "AutoencoderKLFlux2"])
def test_other_autoencoders_take_images_there_and_back(name: str, tmp_path: Path) -> None:
    import diffusers

    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    sizes: dict[str, Any] = {
        "VQModel": {"block_out_channels": (8, 8), "norm_num_groups": 4, "latent_channels": 4, **blocks},
        "AsymmetricAutoencoderKL": {
            "down_block_out_channels": (8, 8),
            "up_block_out_channels": (8, 8),
            "norm_num_groups": 4,
            "layers_per_down_block": 1,
            "layers_per_up_block": 1,
            **blocks,
        },
        "AutoencoderKLFlux2": {"block_out_channels": (8, 8), "norm_num_groups": 4, "latent_channels": 4, **blocks},
    }
    if name == "AutoencoderTiny":
        save_tiny_autoencoder(tmp_path, name)
    else:
        getattr(diffusers, name)(**sizes[name]).save_pretrained(tmp_path)
    found = opened(tmp_path)
    side = found.factor * 3
    latents = found.encode(some_images(side, 2))
    assert latents.shape == (2, found.channels, 3, 3)
    images = found.decode(latents)
    assert images.shape == (2, 3, side, side)
    assert images.min() >= 0
    assert images.max() <= 1


def test_flux2_latents_are_those_of_its_pipeline(tmp_path: Path) -> None:
    import diffusers

    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    kind: Any = diffusers.AutoencoderKLFlux2
    network = kind(block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4, **blocks).eval()
    network.bn.running_mean += torch.linspace(-1, 1, 16)
    network.bn.running_var *= torch.linspace(0.5, 3, 16)
    network.save_pretrained(tmp_path)
    with torch.no_grad():
        patched = diffusers.Flux2Pipeline._patchify_latents(network.encode(some_images() * 2 - 1).latent_dist.mode())
    deviation = torch.sqrt(network.bn.running_var + network.config.batch_norm_eps)
    expected = (patched - network.bn.running_mean.view(1, -1, 1, 1)) / deviation.view(1, -1, 1, 1)
    torch.testing.assert_close(opened(tmp_path).encode(some_images()), expected)


def test_vae_of_a_pipeline_is_found(kl: Path, tmp_path: Path) -> None:
    with_config(kl, tmp_path / "vae")
    (tmp_path / "model_index.json").write_text("{}")
    assert opened(tmp_path).channels == 4
    assert opened(tmp_path, subfolder="vae").channels == 4


def test_sequential_layout_is_recognised_and_survives(sequential: Path, tmp_path: Path) -> None:
    found = opened(sequential)
    assert (found.factor, found.channels) == (8, 6)
    latents = found.encode(some_images(24))
    save_sequential(found.network, tmp_path)
    again = opened(tmp_path)
    torch.testing.assert_close(again.encode(some_images(24)), latents, rtol=0, atol=0)
    torch.testing.assert_close(again.decode(latents), found.decode(latents), rtol=0, atol=0)


def test_middle_block_worked_out_by_hand(sequential: Path) -> None:
    from torch.nn import functional

    network = load_sequential(sequential)
    tensors = network.encoder.state_dict()
    given = torch.rand(1, 8, 5, 5)
    pooled = functional.conv2d(given, tensors["12.pool.0.weight"])
    pooled = functional.group_norm(pooled, 4, tensors["12.pool.1.weight"], tensors["12.pool.1.bias"]).relu()
    values = given + functional.conv2d(pooled, tensors["12.pool.3.weight"])
    first, second, third = (
        (tensors[f"12.conv.{position}.weight"], tensors[f"12.conv.{position}.bias"]) for position in (0, 2, 4)
    )
    inner = functional.conv2d(values, *first, padding=1).relu()
    inner = functional.conv2d(inner, *second, padding=1).relu()
    inner = functional.conv2d(inner, *third, padding=1)
    with torch.no_grad():
        torch.testing.assert_close(network.encoder[12](given), (inner + values).relu())


def test_latents_beyond_three_are_bent_back(sequential: Path) -> None:
    network = load_sequential(sequential)
    bent = network.decoder[0](torch.tensor([-100.0, 0.0, 3.0, 100.0]))
    torch.testing.assert_close(bent, torch.tensor([-3.0, 0.0, 3 * float(np.tanh(1)), 3.0]))


@pytest.mark.parametrize(
    ("name", "shape", "cause"),
    [
        ("3.conv.0.weight", (8, 8, 1, 1), "3.conv.0.weight has shape"),
        ("14.bias", None, "holds no tensor 14.bias"),
        ("0.weight", None, "holds no tensor 0.weight"),
        ("15.weight", (3,), "15.weight that has no place"),
        ("11.pool.0.weight", (10, 8, 1, 1), "no multiple of 4"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    sequential: Path, tmp_path: Path, name: str, shape: tuple[int, ...] | None, cause: str
) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(sequential / "encoder.safetensors")
    tensors.pop(name, None)
    save_file(tensors | ({name: torch.zeros(shape)} if shape else {}), tmp_path / "encoder.safetensors")
    (tmp_path / "decoder.safetensors").write_bytes((sequential / "decoder.safetensors").read_bytes())
    with pytest.raises(DataError, match=cause):
        opened(tmp_path)


def test_a_cut_file_is_named(sequential: Path, tmp_path: Path) -> None:
    for name in ("encoder", "decoder"):
        data = (sequential / f"{name}.safetensors").read_bytes()
        (tmp_path / f"{name}.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"encoder\.safetensors: is no file of tensors"):
        opened(tmp_path)


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._trace),)


def test_pickled_weights_are_refused_unopened(kl: Path, tmp_path: Path) -> None:
    folder, trace = with_config(kl, tmp_path / "m"), tmp_path / "opened"
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps({"a": Bomb(trace)}))
    with pytest.raises(DataError, match="pickled ones, which are never opened"):
        opened(folder)
    index = {"metadata": {}, "weight_map": {"encoder.conv_in.weight": "diffusion_pytorch_model.bin"}}
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"names 'diffusion_pytorch_model\.bin'"):
        opened(folder)
    assert not trace.exists()


def test_weights_of_another_model_are_refused(kl: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="AutoencoderKL cannot be loaded"):
        opened(with_config(kl, tmp_path / "wider", block_out_channels=[8, 16]))
    with pytest.raises(DataError, match="its weights lack"):
        opened(with_config(kl, tmp_path / "deeper", layers_per_block=2))


@pytest.mark.parametrize("name", ["UNet2DModel", "os", "NoSuchAutoencoder", "AutoencoderMixin"])
def test_what_is_no_autoencoder_is_refused(kl: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no autoencoder of diffusers"):
        opened(with_config(kl, tmp_path / "m", _class_name=name))


def test_a_missing_model_says_how_to_get_it(kl: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        opened(tmp_path / "nowhere")
    with pytest.raises(DataError, match="hf download somebody/no-such-model"):
        opened("somebody/no-such-model")
    with pytest.raises(DataError, match="neither a config"):
        opened(tmp_path)
    with pytest.raises(DataError, match="leads out of it"):
        opened(tmp_path, subfolder=os.path.relpath(kl, tmp_path))


@pytest.mark.skipif("CONTRAFAKE_DATA" not in os.environ, reason="the published weights are not at hand")
def test_published_weights_give_a_photograph_back() -> None:
    from sklearn.datasets import load_sample_image

    found = opened("${CONTRAFAKE_DATA}/weights/taef2")
    pixels = load_sample_image("flower.jpg")[100:356, 150:470]
    images = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
    error = float(((found.decode(found.encode(images)) - images) ** 2).mean())
    assert -10 * np.log10(error) > 28
