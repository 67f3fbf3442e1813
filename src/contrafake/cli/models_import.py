"""`contrafake models import`."""

from __future__ import annotations

import json as encoder
import shlex
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.extras import require

if TYPE_CHECKING:
    from contrafake.model.bundle import Bundle


def import_model(
    source: Annotated[
        str, typer.Argument(metavar="DIR|OWNER/NAME", help="Folder in the published layout, or a Hub repository.")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="Folder of the bundle.")],
    revision: Annotated[
        str | None,
        typer.Option(metavar="REV", help="Branch, tag or commit of the repository; OWNER/NAME@REV says the same."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was imported as JSON.")] = False,
) -> None:
    """Turn the published CoDE weights, such as aimagelab/CoDE, into a bundle.

    The classifiers are pickles: they are read as data, and nothing that they name is ever run. The published
    preprocessing is kept, and nothing is calibrated: `contrafake calibrate` does that with your own photographs.
    """
    require("models import", "train", "onnx", "torch", "transformers")
    from contrafake.adapt.importing import import_published  # noqa: PLC0415 - keeps --help fast

    bundle = import_published(
        source, out, revision=revision, report=lambda line: print(f"{for_terminal(line)} ...", file=sys.stderr)
    )
    if json:
        print(encoder.dumps(_facts(bundle), indent=1))
        return
    for line in _lines(bundle, out):
        print(for_terminal(line))


def _facts(bundle: Bundle) -> dict[str, Any]:
    config = bundle.config
    return {
        "path": str(bundle.path),
        "name": config.name,
        "version": config.version,
        "hash": bundle.hash,
        "heads": config.heads,
        "default_head": config.default_head,
        "calibrated": bool(config.calibrations),
        "imported": config.training["imported"],
    }


def _lines(bundle: Bundle, out: Path) -> list[str]:
    config, facts = bundle.config, bundle.config.training["imported"]
    crop, shape = config.preprocessing.crop_size, config.architecture
    where = f"{facts['repo']}@{facts['commit']}" if facts["repo"] else "a local folder"
    versions = ", ".join(facts["scikit-learn"])
    lines = [
        f"{config.name} {config.version}, hash {bundle.hash[:12]}, from {where}",
        f"encoder        {shape['backbone']}, {shape['dimension']} numbers, layer_norm_eps {facts['layer_norm_eps']:g}",
        f"preprocessing  as published: centre {crop} x {crop} pixels, black padding, never resized",
        *(f"{name:14} {facts['heads'][name]}" for name in config.heads),
        f"scikit-learn   {versions}; the classifiers were read, not run",
    ]
    if "svm" in config.heads:
        lines.append("svm's sign     -1 = generated, +1 = real, as the training code has it and not as the card")
    lines += [f"missing        no {name} classifier" for name in facts["missing"]]
    lines += [f"no effect      {name}" for name in facts["unused"]]
    return [
        *lines,
        f"Written to {out}",
        "Not calibrated: how often its decisions err is unknown; with your own photographs it becomes known:",
        f"  contrafake calibrate {shlex.quote(str(out))} PHOTOS --out CALIBRATED",
    ]
