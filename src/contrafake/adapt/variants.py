"""Adds int8 and bf16 graphs to a bundle, each with what it measurably costs."""

from __future__ import annotations

import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.adapt.half_weights import store_bf16
from contrafake.adapt.quantizing import quantize_int8
from contrafake.adapt.variant_comparing import MOST_LOST, Comparison, compare
from contrafake.adapt.variant_images import Judged, Scaling, divide, judge, read_scaling
from contrafake.detect.plan import make_plan
from contrafake.errors import BundleError, UsageError
from contrafake.model.bundle_config import FP32, Variant
from contrafake.model.bundle_writing import read_texts, rewrite_bundle
from contrafake.model.lineage import changed

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from contrafake.data.sample import Sample
    from contrafake.model.bundle import Bundle
    from contrafake.model.bundle_config import BundleConfig
    from contrafake.model.calibration import OperatingPoint

VARIANTS = ("int8", "bf16")
SCALING_IMAGES = 100
_SECTION = re.compile(r"\n*^## Variants\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Exported:
    """A bundle with new variants, and what was measured.

    Attributes:
        bundle: The new bundle.
        comparisons: By the variant's name, in the order asked for.
        head: Head whose scores were compared.
        crops: Crops of each image.
        auc: AUC of the fp32 graph on the images that measured.
        scaling: Images that fixed the scales of int8, (real, generated).
        judged: The scores behind the comparisons.
        notes: What a reader has to know, each a sentence without its full stop.
    """

    bundle: Bundle
    comparisons: dict[str, Comparison]
    head: str
    crops: int
    auc: float
    scaling: tuple[int, int]
    judged: Judged
    notes: tuple[str, ...]


def add_variants(
    bundle: Bundle,
    out: str | os.PathLike[str],
    samples: Sequence[Sample],
    names: Sequence[str] = VARIANTS,
    *,
    default: str | None = None,
    head: str | None = None,
    crops: int | None = None,
    scaling_images: int = SCALING_IMAGES,
    seed: int = 0,
    workers: int | None = None,
    report: Callable[[str, int, int | None], None] = lambda doing, done, total: None,
) -> Exported:
    """Makes variants, measures them on images that had no part in making them, and writes a new version of a bundle.

    Thresholds and probabilities stay those of the fp32 graph.

    Args:
        bundle: The model.
        out: Folder of the new version; may be the bundle's own.
        samples: Images of both classes.
        names: Of `VARIANTS`; those of the same name that the bundle has are replaced.
        default: Variant, or "fp32", that the new version judges with; None keeps what it has, and goes back to fp32
            where that one is made anew and loses too much.
        head: Head whose scores are compared; None takes the bundle's default.
        crops: Crops of each image; None takes the bundle's default.
        scaling_images: Images that fix the scales of int8, half of them real; at most a third of each class.
        seed: Draws them.
        workers: Images at a time; None takes one for each core. The result does not depend on it.
        report: Called with what is being done, the steps done since the last call, and the number of all steps.

    Raises:
        UsageError: An unknown variant, or an impossible number.
        DataError: The images cannot be read, or are too few.
        BundleError: A variant cannot be made, loaded or run, or its scores are not finite; or the wanted default loses
            more than 0.002 AUC. Nothing is written then.
    """
    names = tuple(dict.fromkeys(names))
    known = {variant.name for variant in bundle.config.variants}
    _check(names, default, scaling_images, known)
    plan = make_plan(bundle, crops=crops, head=head)
    facts = bundle.config.preprocessing
    wanted_int8 = "int8" in names
    first, rest = divide(samples, scaling_images if wanted_int8 else 0, seed)
    with tempfile.TemporaryDirectory() as folder:
        graphs = {name: Path(folder) / _file(name) for name in names}
        scaling = None
        if wanted_int8:
            report("fixing scales", 0, None)
            scaling = read_scaling(first, facts, plan.crops, seed)
            quantize_int8(bundle.graph(FP32), graphs["int8"], scaling.crops)
        if "bf16" in names:
            store_bf16(bundle.graph(FP32), graphs["bf16"])
        judged = judge(
            rest,
            {FP32: bundle.graph(FP32), **graphs},
            bundle.head(plan.head),
            facts,
            plan.crops,
            apart_from=scaling.hashes if scaling else frozenset(),
            workers=workers,
            report=report,
        )
        found = _compared(judged, names, plan.point)
        chosen, notes = _default(bundle.config, found, default)
        made = [_variant(name, found[name], plan.head, plan.crops, graphs[name].stat().st_size) for name in names]
        config = _config(bundle, made, chosen, scaling, found)
        card = _card(read_texts(bundle).get("README.md", ""), config)
        new = rewrite_bundle(
            bundle, out, config, texts={"README.md": card}, variants={path.name: path for path in graphs.values()}
        )
    fp32 = found[names[0]].auc + found[names[0]].auc_lost
    counts = scaling.images if scaling else (0, 0)
    return Exported(new, found, plan.head, plan.crops, fp32, counts, judged, notes)


def _check(names: Sequence[str], default: str | None, scaling_images: int, known: set[str]) -> None:
    if not names:
        raise UsageError("variant", "none was named", f"one of {', '.join(VARIANTS)}")
    for name in names:
        if name not in VARIANTS:
            raise UsageError("variant", f"there is no {name!r}", f"one of {', '.join(VARIANTS)}")
    if default is not None and default not in {FP32, *names, *known}:
        raise UsageError("default", f"there will be no variant {default!r}", f"one of {', '.join([FP32, *names])}")
    if "int8" in names and scaling_images < 2:
        raise UsageError("calibration images", f"{scaling_images} is below 2", "one real and one generated at least")


def _file(name: str) -> str:
    return f"model.{name}.onnx"


def _compared(judged: Judged, names: Sequence[str], point: OperatingPoint | None) -> dict[str, Comparison]:
    fp32 = judged.scores[FP32]
    return {name: compare(fp32, judged.scores[name], judged.labels, judged.sources, point) for name in names}


def _default(config: BundleConfig, found: dict[str, Comparison], wanted: str | None) -> tuple[str, tuple[str, ...]]:
    """The new default and what is to be said.

    Raises:
        BundleError: The wanted one loses too much.
    """
    chosen = config.default_variant if wanted is None else wanted
    old = {variant.name: variant.auc_lost for variant in config.variants}
    lost = found[chosen].auc_lost if chosen in found else old.get(chosen, 0.0)
    notes = []
    if lost > MOST_LOST:
        cause = f"loses {lost:.4f} AUC{_interval(found.get(chosen))}, and a default may lose {MOST_LOST}"
        if wanted is not None:
            raise BundleError(f"variant {chosen}", cause, "leave fp32 the default")
        notes.append(f"{chosen} {cause}: fp32 is the default again")
        chosen = FP32
    for name, one in found.items():
        if one.undecided:
            real, generated = one.images
            notes.append(
                f"{real} real and {generated} generated images cannot tell whether {name} loses more than {MOST_LOST} "
                f"AUC{_interval(one)}"
            )
    if chosen != FP32:
        notes.append(
            f"{chosen} is the default, its thresholds and probabilities are fp32's: calibrate with your own "
            "photographs where a false-alarm rate has to hold"
        )
    return chosen, tuple(notes)


def _interval(one: Comparison | None) -> str:
    return "" if one is None else " (95 %: {:.4f} to {:.4f})".format(*one.auc_lost_interval)


def _variant(name: str, one: Comparison, head: str, crops: int, size: int) -> Variant:
    return Variant(name=name, file=_file(name), head=head, crops=crops, bytes=size, **asdict(one))


def _config(
    bundle: Bundle, made: list[Variant], chosen: str, scaling: Scaling | None, found: dict[str, Comparison]
) -> BundleConfig:
    import onnxruntime  # noqa: PLC0415 - slow to import

    config = bundle.config
    names = {variant.name for variant in made}
    facts: dict[str, Any] = {
        "variants": {name: {"auc_lost": one.auc_lost, "images": list(one.images)} for name, one in found.items()},
        "default_variant": chosen,
        "onnxruntime": onnxruntime.__version__,
    }
    if scaling is not None:
        facts["scaling_images"] = list(scaling.images)
    kept = [variant for variant in config.variants if variant.name not in names]
    update = {"variants": [*kept, *made], "default_variant": chosen, **changed(bundle, "export", facts)}
    return config.model_copy(update=update)


def _card(text: str, config: BundleConfig) -> str:
    """The model card with its section on variants written anew, at the end."""
    lines = [
        "## Variants",
        "",
        f"The model judges with {config.default_variant} unless told otherwise. Every figure compares a variant with "
        "fp32 on the same crops of images that had no part in making it; thresholds and probabilities are those of "
        "fp32.",
        "",
        "| variant | MB | AUC | AUC lost (95 %) | score change, mean (largest) | verdicts changed | images |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in config.variants:
        low, high = one.auc_lost_interval
        mean, most = one.score_change
        flips = "" if one.flips is None else f"{100 * one.flips:.1f} %"
        size = "" if one.bytes is None else f"{one.bytes / 1e6:.1f}"
        cells = [one.name, size, f"{one.auc:.4f}", f"{one.auc_lost:.4f} ({low:.4f} to {high:.4f})"]
        cells += [f"{mean:.3f} ({most:.2f})", flips, f"{one.images[0]} + {one.images[1]}"]
        lines.append(f"| {' | '.join(cells)} |")
    kept = _SECTION.sub("\n", text).rstrip()
    return f"{kept}\n\n" * bool(kept) + "\n".join(lines) + "\n"
