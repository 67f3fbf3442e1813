"""`contrafake models export`: smaller graphs of a model with what each costs, or one graph for other programs."""

from __future__ import annotations

import json as encoder
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.extras import require
from contrafake.cli.progress import phase_bar
from contrafake.cli.reports import check_report
from contrafake.errors import UsageError
from contrafake.model.bundle import CONFIG
from contrafake.model.bundle_config import FP32

if TYPE_CHECKING:
    from contrafake.adapt.variants import Exported
    from contrafake.data.sample import Sample
    from contrafake.model.bundle import Bundle

DONE, SOME_FAILED = 0, 3


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help='"default", a folder, or OWNER/NAME from the cache.')],
    *,
    out: Annotated[Path | None, typer.Option(metavar="BUNDLE", help="Folder of the new version of the model.")] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="int8 or bf16; both unless told. Repeatable. With --onnx: the graph to write."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="SET", help="Labelled images that fix the scales and measure the variants.")
    ] = None,
    reals: Annotated[str | None, typer.Option(metavar="DIR", help="Or a folder of photographs ...")] = None,
    generated: Annotated[str | None, typer.Option(metavar="DIR", help="... and one of generated images.")] = None,
    default: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Variant to judge with; refused if it loses more than 0.002 AUC."),
    ] = None,
    calibration_images: Annotated[
        int, typer.Option(metavar="N", min=2, help="Images that fix the scales of int8; the others measure.")
    ] = 100,
    head: Annotated[
        str | None, typer.Option(metavar="NAME", help="Head whose scores are compared, or written.")
    ] = None,
    crops: Annotated[int | None, typer.Option(metavar="N", min=1, help="Crops per image.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another seed divides the images anew.")] = 0,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Images at the same time.")] = None,
    onnx: Annotated[
        str | None,
        typer.Option("--onnx", metavar="FILE", help="Instead: write one graph from crops to embeddings and scores."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> int:
    """Add int8 and bf16 graphs to a model, with their measured change in score and AUC, as a new version of it.

    int8 is static: its scales come from images, and a score does not depend on its companions. bf16 halves the file and
    computes in fp32. No image both fixes scales and measures.

    With --onnx, write a graph that other programs can run, which needs no images; --head and one --variant choose.

    Exit codes: 0 all images read, 3 some could not be, 2 wrong usage, or a default that loses too much.
    """
    require("exporting", "train", "onnx")
    from contrafake.adapt.variants import VARIANTS, add_variants  # noqa: PLC0415 - the help does not need it
    from contrafake.detect.load import load  # noqa: PLC0415

    check_report("--onnx", onnx, ".onnx")
    if onnx is not None:
        others = (out, data, reals, generated, default, crops)
        if any(given is not None for given in others) or len(variant or []) > 1:
            raise UsageError("--onnx", "goes with --head and one --variant alone")
        return _write_graph(load(model).bundle, onnx, head, variant[0] if variant else FP32, as_json=json)
    if out is None:
        raise UsageError("--out", "name a folder for the new version", "or give --onnx FILE")
    _check_out(out)
    samples = _samples(data, reals, generated)
    with phase_bar() as report:
        result = add_variants(
            load(model).bundle,
            out,
            samples,
            variant or VARIANTS,
            default=default,
            head=head,
            crops=crops,
            scaling_images=calibration_images,
            seed=seed,
            workers=workers,
            report=report,
        )
    if json:
        print(encoder.dumps(_as_dict(result), indent=1))
    else:
        _show(result)
    return SOME_FAILED if result.judged.broken else DONE


def _check_out(out: Path) -> None:
    """Minutes of work shall not end at a folder that is no bundle."""
    if out.exists() and not (out / CONFIG).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError("--out", f"{out} exists and is no bundle", "choose another folder")


def _samples(data: str | None, reals: str | None, generated: str | None) -> list[Sample]:
    from contrafake.adapt.own_images import find_own  # noqa: PLC0415

    if data is not None and reals is None and generated is None:
        return [*find_own(data, 0), *find_own(data, 1)]
    if data is None and reals is not None and generated is not None:
        return [*find_own(reals, 0), *find_own(generated, 1)]
    raise UsageError("images", "both classes are needed", "give --data SET, or --reals DIR and --generated DIR")


def _as_dict(result: Exported) -> dict[str, object]:
    config = result.bundle.config
    return {
        "model": {"name": config.name, "version": config.version, "hash": result.bundle.hash},
        "bundle": str(result.bundle.path),
        "default_variant": config.default_variant,
        "head": result.head,
        "crops": result.crops,
        "fp32": {"auc": result.auc},
        "variants": {name: asdict(one) for name, one in result.comparisons.items()},
        "scaling_images": list(result.scaling),
        "unreadable": result.judged.broken,
        "notes": list(result.notes),
    }


def _show(result: Exported) -> None:
    from rich import box  # noqa: PLC0415 - only for the table
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    sizes = {one.name: one.bytes for one in result.bundle.config.variants}
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for title in ("Variant", "MB", "AUC", "AUC lost (95 %)", "Score change", "Verdicts changed"):
        table.add_column(title, justify="left" if title == "Variant" else "right", overflow="fold")
    table.add_row("fp32", _megabytes(result.bundle.graph("fp32").stat().st_size), f"{result.auc:.4f}")
    for name, one in result.comparisons.items():
        low, high = one.auc_lost_interval
        flips = "-" if one.flips is None else f"{100 * one.flips:.1f} %"
        lost = f"{one.auc_lost:+.4f} ({low:+.4f} to {high:+.4f})"
        mean = f"{one.score_change[0] / one.score_spread:.3f} of the spread" if one.score_spread else "-"
        table.add_row(name, _megabytes(sizes[name] or 0), f"{one.auc:.4f}", lost, mean, flips)
    Console(highlight=False, emoji=False, markup=False).print(table)
    real, generated = next(iter(result.comparisons.values())).images
    print(f"\n{real} real and {generated} generated images measured, {result.head} head, {result.crops} crops")
    for name, cause in list(result.judged.broken.items())[:10]:
        print(for_terminal(f"not read: {name}: {cause}"))
    for note in result.notes:
        print(for_terminal(note))
    config = result.bundle.config
    print(for_terminal(f"Written: {config.name} {config.version} to {result.bundle.path}, {config.default_variant}"))


def _write_graph(bundle: Bundle, file: str, head: str | None, variant: str, *, as_json: bool) -> int:
    from contrafake.adapt.plain_graph import export_graph  # noqa: PLC0415 - the help does not need it

    facts = export_graph(bundle, file, head, variant)
    if as_json:
        print(encoder.dumps({"file": file, "metadata": facts}, indent=1))
        return DONE
    size = _megabytes(Path(file).stat().st_size)
    print(f"{for_terminal(file)}, {size} MB: crops (N, S, S, 3) uint8 -> embeddings (N, D), score (N)")
    for name, value in facts.items():
        print(f"  {name.removeprefix('contrafake.'):16}{for_terminal(value)}")
    return DONE


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"
