"""The model card of the own model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contrafake.generate.tiny.config import TinyConfig


def card(config: TinyConfig, report: Mapping[str, Any]) -> str:
    """Markdown with what was trained, on how much, and how far its images are from photographs.

    Args:
        config: Settings of the run.
        report: From `write_report`.
    """
    from contrafake.data.html_page import as_markdown  # noqa: PLC0415

    space = "latents of an autoencoder that was not trained with it" if config.autoencoder else "pixels"
    lines = [
        f"# {as_markdown(config.name)}",
        "",
        "A small diffusion model trained by `contrafake generate train-tiny`, so that the project owns a generator "
        "whose images no detector was shown. It is made to change photographs (image-to-image) and makes rough images "
        "from nothing. It is no generator for pictures that anybody would want, and stays out of headline means.",
        "",
        f"- Network: U-Net of {report['parameters']:,} parameters over {space}, channels "
        f"{', '.join(map(str, config.channels))}; it predicts {config.prediction.removesuffix('_prediction')}",
        f"- Trained: {report['steps']:,} steps of {config.batch} crops of {config.image_size} px from "
        f"{report['photographs']:,} photographs; {len(report['left_out'])} were left out",
        f"- Mean squared error over the last hundred steps: {_number(report['loss'], 4)}",
        f"- Sampler: DDIM, {config.sampler_steps} steps, no noise added",
        *(f"- {name} {number}" for name, number in report["versions"].items()),
        "",
        "## Distances to photographs",
        "",
    ]
    if not report["distances"]:
        return "\n".join([*lines, "Not measured: too few photographs were set apart.", ""])
    lines += [
        f"Each set of {report['images']} images against as many photographs that were set apart from training. "
        f"Features: {as_markdown(report['encoder'])}, the encoder of the model inside the package, scaled to a mean "
        "square of 1; it looks for traces of generation rather than for content, and may have been trained on the "
        "same photographs.",
        "",
        "| Images | Frechet distance | kernel distance |",
        "|---|---|---|",
        *(
            f"| {_SHOWN.get(name, name)} | {found['frechet']:.4f} | {found['kernel']:.5f} |"
            for name, found in report["distances"].items()
        ),
        "",
        "Frechet: Heusel et al. 2017; it depends on the number of images. Kernel: Binkowski et al. 2018; it does "
        "not, and may fall below 0. Sets that begin with photographs begin with those of training, never with the "
        "reference.",
        "",
    ]
    return "\n".join(lines)


_SHOWN = {
    "photographs": "other photographs: the floor",
    "reconstructions": "photographs through the autoencoder alone",
    "from nothing": "made from nothing",
}


def _number(value: float | None, digits: int) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"
