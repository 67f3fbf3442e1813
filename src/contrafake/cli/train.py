"""`contrafake train` and `contrafake fit`: from shards to a bundle."""

from __future__ import annotations

import json as encoder
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.extras import require
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from contrafake.model.bundle import Bundle
    from contrafake.train.config import TrainConfig

NEEDED = ("accelerate", "onnx", "safetensors", "sklearn", "tensorboard", "torch", "transformers", "yaml")

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, for example configs/embedded.yaml.")]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, for example optimizer.steps=100. Repeatable."),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Stop at the first damaged shard or image instead of naming it and going on: data.strict=true."
    ),
]
Run = Annotated[Path | None, typer.Option("--run", metavar="DIR", help="Folder of the run; runs/NAME unless told.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder of the bundle; RUN/bundle unless told.")]


def train(
    config: Config,
    override: Override = None,
    run: Run = None,
    out: Out = None,
    *,
    fit: Annotated[bool, typer.Option("--fit/--no-fit", help="Make the bundle when training ends.")] = True,
    strict: Strict = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Train nothing: say what the run would need, from a short trial.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what --dry-run found as JSON.")] = False,
) -> None:
    """Trains an encoder by contrast and makes a bundle of it.

    A run that was interrupted goes on where its last checkpoint left it, and gives what it would have given: start the
    same command again.

    `contrafake train views SHARD... --png FILE` draws what the encoder is shown.
    """
    if json and not dry_run:
        raise UsageError("--json", "there is nothing to print", "add --dry-run")
    settings, folder = _prepare(config, override, run, strict=strict)
    if dry_run:
        _estimate(settings, json=json)
        return
    from contrafake.train.loop import train_encoder  # noqa: PLC0415
    from contrafake.train.progress import Progress  # noqa: PLC0415

    if fit:
        from contrafake.train.fit import check_fit  # noqa: PLC0415

        check_fit(settings)
    train_encoder(settings, folder, Progress())
    if fit and _is_first():
        _fit(settings, folder, out)


def fit(config: Config, override: Override = None, run: Run = None, out: Out = None, *, strict: Strict = False) -> None:
    """Fits heads, calibration and operating points on the best weights of a run, and writes the bundle."""
    settings, folder = _prepare(config, override, run, strict=strict)
    _fit(settings, folder, out)


def _prepare(config: Path, override: list[str] | None, run: Path | None, *, strict: bool) -> tuple[TrainConfig, Path]:
    require("training", "train", *NEEDED)
    from contrafake.train.config_file import load_config  # noqa: PLC0415

    settings = load_config(config, [*(override or []), *(["data.strict=true"] if strict else [])])
    return settings, run or Path("runs") / settings.name


def _estimate(settings: TrainConfig, *, json: bool) -> None:
    from contrafake.cli.estimate_table import print_estimate  # noqa: PLC0415
    from contrafake.train.estimate import estimate  # noqa: PLC0415

    found = estimate(settings, lambda doing: typer.echo(f"{doing} ...", err=True) if _is_first() else None)
    if not _is_first():
        return
    if json:
        typer.echo(encoder.dumps(found.to_dict(), indent=1))
    else:
        print_estimate(found)


def _is_first() -> bool:
    """Whether this is the first of the processes that `torchrun` or `accelerate launch` started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def _fit(settings: TrainConfig, run: Path, out: Path | None) -> Bundle:
    from contrafake.train.fit import fit_bundle  # noqa: PLC0415

    bundle = fit_bundle(settings, run, out or run / "bundle", lambda line: typer.echo(line, err=True))
    for facts in bundle.config.calibrations:
        typer.echo(f"{facts.head:8} {facts.crops:2} crops  validation AUC {facts.auc:.3f}")
    typer.echo(f"default head: {bundle.config.default_head}; bundle: {bundle.path}")
    return bundle
