"""How far the own model's images are from photographs, beside the distances that would be there without it."""

from __future__ import annotations

import json
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake import model
from contrafake.data.whole_file import write_whole
from contrafake.errors import ContrafakeError
from contrafake.generate.tiny.distance import feature_distance, kernel_distance
from contrafake.generate.tiny.photographs import middle, prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from contrafake.data.location import Location
    from contrafake.generate.tiny.config import TinyConfig
    from contrafake.generate.tiny.photographs import Chosen
    from contrafake.generate.tiny.training import Trained
    from contrafake.generate.tiny.watching import Watching

Images = list["NDArray[np.uint8]"]

STRENGTHS = (0.3, 0.5, 0.7)
AT_ONCE = 8
_FEWEST = 2


def write_report(config: TinyConfig, run: Path, trained: Trained, watching: Watching) -> dict[str, Any]:
    """Measures distances and writes ``report.json``, and a card beside it and in the pipeline's folder.

    Every distance is that of a set to the same reference: photographs set apart from training, at most
    `report_images`. The sets have the reference's size, since the Frechet distance depends on it. Those that begin
    with photographs begin with training photographs, so that no image is compared with its own copy.

    - "photographs": others of the same data, the floor that no generator can be expected below.
    - "reconstructions": these, through the autoencoder alone.
    - "image-to-image 0.5" and others: these, changed by the model at a strength.
    - "from nothing": made from noise.

    Args:
        config: Settings of the run.
        run: Its folder.
        trained: What `train` gave.
        watching: Is told how it goes.

    Returns:
        What ``report.json`` holds; "distances" is empty where fewer than two photographs were set apart.

    Raises:
        BundleError: The encoder at hand is damaged.
        DataError: A file cannot be written.
    """
    from contrafake.generate.tiny.card import card  # noqa: PLC0415

    report: dict[str, Any] = {
        "name": config.name,
        "steps": config.steps,
        "parameters": sum(parameter.numel() for parameter in trained.pipeline.unet.parameters()),
        "photographs": trained.cache.count,
        "left_out": trained.cache.left_out,
        "loss": _last_loss(run / "loss.jsonl"),
        "versions": {name: version(name) for name in ("contrafake", "diffusers", "torch")},
    }
    report |= _distances(config, trained.pipeline, trained.chosen, watching)
    write_whole(run / "report.json", json.dumps(report, indent=1).encode())
    text = card(config, report).encode()
    for folder in (run, run / "pipeline"):
        write_whole(folder / "README.md", text)
    return report


def _distances(config: TinyConfig, pipeline: Any, chosen: Chosen, watching: Watching) -> dict[str, Any]:
    reference = photographs(chosen.held_out, config)
    others = photographs(chosen.training, config, len(reference))
    count = min(len(reference), len(others))
    if count < _FEWEST:
        return {"images": count, "encoder": "", "distances": {}}
    reference, others = reference[:count], others[:count]
    embed, encoder = open_features()
    target = embed(reference)
    pipeline.set_progress_bar_config(disable=True)
    sets: dict[str, Callable[[], Images]] = {"photographs": lambda: others}
    if pipeline.autoencoder is not None:
        sets["reconstructions"] = lambda: _reconstructed(pipeline, others)
    for strength in STRENGTHS:
        sets[f"image-to-image {strength}"] = partial(made, pipeline, config, others, strength)
    sets["from nothing"] = lambda: made(pipeline, config, count, 1.0)
    distances = {}
    with watching.phase("measuring distances", len(sets)) as advance:
        for name, make in sets.items():
            features = embed(make())
            distances[name] = {
                "frechet": round(feature_distance(target, features), 5),
                "kernel": round(kernel_distance(target, features), 6),
            }
            advance(1)
    return {"images": count, "encoder": encoder, "distances": distances}


def photographs(locations: Sequence[Location], config: TinyConfig, most: int | None = None) -> Images:
    """The first photographs that can be used, at most `report_images` or `most`: their middles, (size, size, 3)."""
    found: Images = []
    for location in locations:
        if len(found) >= (config.report_images if most is None else most):
            break
        try:
            found.append(middle(prepared(location, config), config.image_size, config.image_size))
        except ContrafakeError:
            continue
    return found


def made(pipeline: Any, config: TinyConfig, images: Images | int, strength: float) -> Images:
    """Images by the model, each from its own seed.

    Args:
        pipeline: The model.
        config: For the seed, the size and the number of steps.
        images: Those to begin with, or how many to make from nothing.
        strength: Share of the noise schedule.
    """
    import torch  # noqa: PLC0415

    count = images if isinstance(images, int) else len(images)
    found: Images = []
    for start in range(0, count, AT_ONCE):
        part = range(start, min(start + AT_ONCE, count))
        given: dict[str, Any] = {"height": config.image_size, "width": config.image_size}
        if not isinstance(images, int):
            given = {"image": np.stack(images[part.start : part.stop])}
        array = pipeline(
            batch_size=len(part),
            strength=strength,
            num_inference_steps=max(config.sampler_steps, 4),
            generator=[torch.Generator().manual_seed(config.seed + 1000 + number) for number in part],
            output_type="np",
            **given,
        ).images
        found += list(np.round(array * 255).astype(np.uint8))
    return found


def open_features() -> tuple[Callable[[Images], NDArray[np.float32]], str]:
    """The encoder at hand: that of the model inside the package, on one crop of an image, as detection embeds it.

    Returns:
        A function from images to (N, D) float32 features with a mean square of 1 each, and the encoder's name.

    Raises:
        BundleError: It is damaged.
    """
    from contrafake.images import cut  # noqa: PLC0415
    from contrafake.model.bundle import read_bundle  # noqa: PLC0415
    from contrafake.model.runtime import OnnxEncoder  # noqa: PLC0415

    bundle = read_bundle(Path(model.__file__).parent / "bundles" / "default")
    runtime, size = OnnxEncoder(bundle.graph(), threads=1), bundle.config.preprocessing.crop_size

    def embed(images: Images) -> NDArray[np.float32]:
        features = runtime.embed(np.stack([cut(image, 1, size)[0] for image in images]))
        # Detection compares directions only; a mean square of 1 makes the kernel's product the cosine.
        scale: NDArray[np.float32] = np.sqrt(np.square(features).mean(axis=1, keepdims=True)).clip(1e-12)
        return features / scale

    return embed, f"{bundle.config.name} {bundle.config.version}"


def _reconstructed(pipeline: Any, images: Images) -> Images:
    import torch  # noqa: PLC0415

    found: Images = []
    factor = pipeline.autoencoder.factor
    with torch.no_grad():
        for image in images:
            height, width = (side // factor * factor for side in image.shape[:2])
            pixels = torch.from_numpy(middle(image, height, width)).permute(2, 0, 1)[None] / 255
            back = pipeline.decode(pipeline.encode(pixels.to(pipeline.unet.device)))[0]
            array = back.clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()
            found.append(np.round(array * 255).astype(np.uint8))
    return found


def _last_loss(path: Path) -> float | None:
    """Mean over the last hundred steps."""
    lines = path.read_text(encoding="utf-8").splitlines()[-100:]
    return round(sum(json.loads(line)["loss"] for line in lines) / len(lines), 5) if lines else None
