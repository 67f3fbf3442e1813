"""`contrafake train` and `contrafake fit`: from shards to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.extras import require

if TYPE_CHECKING:
    from contrafake.model.bundle import Bundle
    from contrafake.train.config import TrainConfig

NEEDED = ("accelerate", "onnx", "safetensors", "sklearn", "tensorboard", "torch", "transformers", "yaml")

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, for example configs/embedded.yaml.")]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, for example optimizer.steps=100. Repeatable."),
]
Run = Annotated[Path | None, typer.Option("--run", metavar="DIR", help="Folder of the run; runs/NAME unless told.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder of the bundle; RUN/bundle unless told.")]


def train(
    config: Config,
    override: Override = None,
    run: Run = None,
    out: Out = None,
    fit: Annotated[bool, typer.Option("--fit/--no-fit", help="Make the bundle when training ends.")] = True,
) -> None:
    """Trains an encoder by contrast and makes a bundle of it.

    A run that was interrupted goes on where its last checkpoint left it; start the same command again.
    """
    settings, folder = _prepare(config, override, run)
    from contrafake.train.loop import train_encoder  # noqa: PLC0415
    from contrafake.train.progress import Progress  # noqa: PLC0415

    train_encoder(settings, folder, Progress())
    if fit:
        _fit(settings, folder, out)


def fit(config: Config, override: Override = None, run: Run = None, out: Out = None) -> None:
    """Fits heads, calibration and operating points on the best weights of a run, and writes the bundle."""
    settings, folder = _prepare(config, override, run)
    _fit(settings, folder, out)


def _prepare(config: Path, override: list[str] | None, run: Path | None) -> tuple[TrainConfig, Path]:
    require("training", "train", *NEEDED)
    from contrafake.train.config import load_config  # noqa: PLC0415

    settings = load_config(config, override)
    return settings, run or Path("runs") / settings.name


def _fit(settings: TrainConfig, run: Path, out: Path | None) -> Bundle:
    from contrafake.train.fit import fit_bundle  # noqa: PLC0415

    bundle = fit_bundle(settings, run, out or run / "bundle", lambda line: typer.echo(line, err=True))
    for facts in bundle.config.calibrations:
        typer.echo(f"{facts.head:8} {facts.crops:2} crops  validation AUC {facts.auc:.3f}")
    typer.echo(f"default head: {bundle.config.default_head}; bundle: {bundle.path}")
    return bundle
