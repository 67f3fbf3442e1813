"""`contrafake generate train-tiny`: a small diffusion model of our own, from photographs to a pipeline on disk."""

from __future__ import annotations

import json as encoder
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.extras import require

if TYPE_CHECKING:
    from collections.abc import Mapping

NEEDED = ("diffusers", "onnxruntime", "PIL", "rich", "safetensors", "torch", "yaml")

Config = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="YAML file, for example configs/generate/tiny-generator.yaml.")
]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, for example steps=100. Repeatable."),
]
Run = Annotated[Path | None, typer.Option("--run", metavar="DIR", help="Folder of the run; runs/NAME unless told.")]


def train_tiny(
    config: Config,
    override: Override = None,
    run: Run = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Trains a small diffusion model on photographs and reports how far its images are from real ones.

    A training that was interrupted goes on where its last checkpoint left it: start the same command again. The
    pipeline lies in RUN/pipeline, for `model` in a configuration of `contrafake generate`.
    """
    require("generate train-tiny", "generate", *NEEDED)
    from contrafake.generate.tiny.config import TinyConfig  # noqa: PLC0415
    from contrafake.generate.tiny.report import write_report  # noqa: PLC0415
    from contrafake.generate.tiny.training import PIPELINE, train  # noqa: PLC0415
    from contrafake.generate.tiny.watching import Watching  # noqa: PLC0415
    from contrafake.settings import load_settings  # noqa: PLC0415

    settings = load_settings(TinyConfig, config, override)
    folder = run or Path("runs") / settings.name
    watching = Watching()
    report = write_report(settings, folder, train(settings, folder, watching), watching)
    if json:
        typer.echo(encoder.dumps(report, indent=1))
        return
    _print(report)
    typer.echo(f"pipeline: {for_terminal(str(folder / PIPELINE))}")


def _print(report: Mapping[str, Any]) -> None:
    for name, found in report["distances"].items():
        typer.echo(f"{name:34} Frechet {found['frechet']:9.4f}   kernel {found['kernel']:9.5f}")
