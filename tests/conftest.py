"""Fixtures: small labelled shards made here, and a bundle truly trained on them by the package's own commands."""

from __future__ import annotations

import io
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from contrafake.data import ShardWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Listings of the tests' shards do not belong into the user's cache; fonts that were found once may stay there.
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))
_CACHE = tempfile.TemporaryDirectory()
os.environ["XDG_CACHE_HOME"] = _CACHE.name
if "CI" not in os.environ:  # there hypothesis chooses a patient profile by itself
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")

TINY_VIT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "patch_size": 8,
}


def picture(rng: np.random.Generator, *, generated: bool, side: int = 72) -> NDArray[np.uint8]:
    """A smooth random scene; "generated" ones carry the checkerboard that careless upsampling leaves."""
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC), np.int16)
    pixels = pixels + rng.normal(0, 4, pixels.shape).astype(np.int16)
    if generated:
        pixels = pixels + 24 * (np.indices((side, side)).sum(axis=0) % 2)[..., None].astype(np.int16)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8], quality: int = 92) -> bytes:
    """JPEG bytes without chroma subsampling."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def write_lone_shard(path: Path, count: int, seed: int) -> Path:
    """A shard of `count` real and `count` generated images from several origins and sources."""
    rng = np.random.default_rng(seed)
    with ShardWriter(path) as shard:
        for i in range(count):
            for generated in (False, True):
                origin = ("gan", "sd")[i % 4 == 0] if generated else ("phone", "film")[i % 3 == 0]
                facts = {"label": "fake" if generated else "real", "origin": origin, "source": f"source-{i % 5}"}
                data = jpeg(picture(rng, generated=generated))
                shard.write(f"{origin}-{seed}-{i}", {"jpg": data, "json": json.dumps(facts).encode()})
    return path


def write_paired_shard(path: Path, count: int, seed: int) -> Path:
    """A shard of records as the official code writes them: one real image, two generated siblings, a caption."""
    rng = np.random.default_rng(seed)
    with ShardWriter(path) as shard:
        for i in range(count):
            members = {f"gen_{k}.jpg": jpeg(picture(rng, generated=True)) for k in range(2)}
            members["real.jpg"] = jpeg(picture(rng, generated=False))
            members["caption.txt"] = f"scene {i}".encode()
            shard.write(f"tiny__train__{i:04d}", members)
    return path


def tiny_settings(folder: Path, **changes: Any) -> dict[str, Any]:
    """A configuration that trains in seconds on the shards under `folder`."""
    settings: dict[str, Any] = {
        "name": "tiny",
        "data": {"train": [str(folder / "train-*.tar")], "validation": [str(folder / "val-*.tar")]},
        "encoder": {"backbone": "vit-tiny-16", "image_size": 32, "options": TINY_VIT},
        "optimizer": {"steps": 30, "records": 8, "learning_rate": 2e-3, "warmup_steps": 3},
        # One thread: on a busy machine, two wait for each other most of the time.
        "runtime": {"device": "cpu", "workers": 0, "threads": 1, "checkpoint_every": 10},
        "validation": {"every": 10, "fit_images": 20},
        "fit": {"false_alarm_rates": [0.1, 0.05]},
    }
    for section, values in changes.items():
        settings[section] = {**settings.get(section, {}), **values} if isinstance(values, dict) else values
    return settings


@pytest.fixture(scope="session")
def tiny_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with train-0000.tar and val-0000.tar of lone samples."""
    folder = tmp_path_factory.mktemp("shards")
    write_lone_shard(folder / "train-0000.tar", 24, 1)
    write_lone_shard(folder / "val-0000.tar", 30, 2)
    return folder


@pytest.fixture(scope="session")
def tiny_run(tiny_shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished training run with its bundle in `bundle/`."""
    pytest.importorskip("torch")
    import yaml

    from contrafake.cli import run

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    config = folder.with_suffix(".yaml")
    config.write_text(yaml.safe_dump(tiny_settings(tiny_shards)))
    assert run(["train", str(config), "--run", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tiny_run: Path) -> Path:
    """A bundle trained, fitted and calibrated on the tiny shards."""
    return tiny_run / "bundle"
