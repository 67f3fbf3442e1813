"""What a model is, in words and tables for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table as Sheet

from contrafake.cli.escape import as_text
from contrafake.cli.evaluate_cells import NONE, Table, count
from contrafake.cli.model_history import history_lines
from contrafake.cli.models_list import size
from contrafake.model.bundle import TENSORS, WEIGHTS
from contrafake.model.bundle_config import FP32

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from contrafake.model.bundle_config import BundleConfig
    from contrafake.model.calibration import OperatingPoint

_RULES = ("AUC", "Rule", "False alarms (95 %)", "Real", "Missed", "Generated")
_VARIANTS = ("AUC lost (95 %)", "Score change: mean", "largest", "Verdicts changed", "Images", "Head", "Crops")


def facts_of(
    config: BundleConfig, folder: Path, digest: str, sizes: Mapping[str, int | None]
) -> list[tuple[str, list[str]]]:
    """Pairs (subject, lines) that say what a model is.

    Args:
        config: Its description.
        folder: Where it is.
        digest: Its hash.
        sizes: Bytes by file, None for a missing one.
    """
    whole = size(sum(filter(None, sizes.values())))
    facts = [
        ("model", [f"{config.name} {config.version}, method {config.method}"]),
        ("score", [config.label_convention]),
        ("hash", [digest]),
        ("folder", [f"{folder} ({whole})"]),
        ("encoder", [_encoder(config)]),
        ("images", [_preprocessing(config)]),
        ("heads", [", ".join(f"{name} (default)" if name == config.default_head else name for name in config.heads)]),
        ("calibrated", [_calibrated(config)]),
        ("attribution", [_attribution(config)]),
        ("origins", [", ".join(config.origins) or "none known"]),
        ("validation", [_validation(config, folder)]),
        ("variants", [_variants(config)]),
        ("torch weights", ["kept" if WEIGHTS in config.files else "not kept: training on needs the run it came from"]),
        ("history", history_lines(config.history)),
    ]
    missing = [name for name, found in sizes.items() if found is None]
    return [*facts, ("missing", missing)] if missing else facts


def print_facts(console: Console, facts: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Prints pairs (subject, lines); all may hold outside text."""
    sheet = Sheet.grid(padding=(0, 2, 0, 0))
    sheet.add_column(no_wrap=True)
    sheet.add_column(overflow="fold")
    for subject, lines in facts:
        for number, line in enumerate(lines):
            sheet.add_row(as_text("" if number else subject, "bold"), as_text(line))
    console.print(sheet)


def print_rules(console: Console, config: BundleConfig) -> None:
    """Prints the operating points of every calibrated head, where there are any."""
    if not config.calibrations:
        return
    table = Table(("Head", "Crops"), _RULES, words=(1,))
    for facts in config.calibrations:
        points: Sequence[OperatingPoint | None] = facts.operating_points or [None]
        for point in points:
            table.add((facts.head, str(facts.crops)), (f"{facts.auc:.3f}", *_rule(point)))
    console.print()
    console.print("On validation images, which also set these thresholds", style="bold")
    table.print(console, keep=True)
    console.print("Real, Generated: images behind the shares. Missed: generated images called real.", style="dim")


def print_variants(console: Console, config: BundleConfig) -> None:
    """Prints what each variant changes, where there are any."""
    if not config.variants:
        return
    table = Table(("", "Variant"), _VARIANTS, words=(5,))
    for one in config.variants:
        low, high = one.auc_lost_interval
        mean, largest = one.score_change
        cells = (
            f"{one.auc_lost:+.4f} ({low:+.4f} to {high:+.4f})",
            f"{mean:.4f}",
            f"{largest:.4f}",
            NONE if one.flips is None else f"{100 * one.flips:.2f} %",
            f"{one.images[0]:,} + {one.images[1]:,}",
            one.head,
            str(one.crops),
        )
        table.add(("", one.name), cells)
    console.print()
    console.print("Variants against fp32, on real + generated images", style="bold")
    table.print(console)


def _encoder(config: BundleConfig) -> str:
    facts = config.architecture
    parts = [str(facts.get("backbone", "unknown backbone"))]
    if "dimension" in facts:
        parts.append(f"{facts['dimension']} numbers an embedding")
    if "image_size" in facts:
        parts.append(f"trained at {facts['image_size']} pixels")
    return ", ".join(parts)


def _preprocessing(config: BundleConfig) -> str:
    facts = config.preprocessing
    side = f"{facts.crop_size} x {facts.crop_size}"
    if facts.geometry == "resize-crop":
        resized = round(facts.crop_size / facts.crop_pct)
        how = f"shorter side scaled to {resized} pixels, then the centre of {side}"
    else:
        several = f"up to {facts.default_crops} crops of {side} native pixels, {facts.aggregation}"
        how = several if facts.default_crops > 1 else f"the centre crop of {side} native pixels"
    small = {"mirror": "smaller images are mirrored outwards", "black": "smaller images are padded with black"}
    return how if facts.geometry == "resize-crop" else f"{how}; {small[facts.small_images]}"


def _calibrated(config: BundleConfig) -> str:
    by_head: dict[str, list[int]] = {}
    for facts in config.calibrations:
        by_head.setdefault(facts.head, []).append(facts.crops)
    said = "; ".join(f"{head} at {' and '.join(map(str, sorted(at)))} crops" for head, at in by_head.items())
    wanted = config.preprocessing.default_crops
    if wanted in by_head.get(config.default_head, []):
        return f"yes: {said}"
    native = config.native_threshold
    decides = (
        "gives no decision" if native is None else f'decides by its authors\' threshold, "generated" above {native:g}'
    )
    remedy = "contrafake calibrate makes it known"
    if config.default_head in by_head:
        return f"not at the default {count(wanted, 'crop')}, only {said} ({remedy})"
    return f"NO: it {decides}, and how often it errs is unknown ({remedy}){f'; {said}' if said else ''}"


def _attribution(config: BundleConfig) -> str:
    rule = config.attribution
    if rule is None:
        return "none: no generator is named"
    words = (
        f"names the origin that at least {rule.least_share:.0%} of the {rule.neighbours} nearest generated references "
        f"share; on {count(rule.images, 'validation image')} it named {rule.given:.0%}, {rule.precision:.0%} of these "
        "rightly"
    )
    if rule.limit is None:
        return f"{words}; it knows no distance at which a generator is unknown"
    shown = rule.unknown_rejected
    rejected = "" if shown is None else f" ({shown:.0%} of images of generators left out were)"
    return f"{words}; farther than {rule.limit:.3g} from all of them, the generator counts as unknown{rejected}"


def _validation(config: BundleConfig, folder: Path) -> str:
    names = config.validation
    if names is None:
        return "no embeddings kept"
    counted = _remembered(folder / TENSORS)
    images = (
        "embeddings kept" if counted is None else "embeddings of {:,} real and {:,} generated images".format(*counted)
    )
    within = "" if counted is None else f", {size(counted[2])}"
    return (
        f"{images}, up to {count(names.crops, 'crop')} each, "
        f"of {count(len(names.origins), 'origin')} and {count(len(names.sources), 'source')}{within}"
    )


def _remembered(path: Path) -> tuple[int, int, int] | None:
    """Real images, generated images and bytes of the validation memory; None where it cannot be read."""
    import numpy as np  # noqa: PLC0415 - safetensors needs it, too
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    try:
        with safe_open(path, framework="numpy") as file:
            labels = np.asarray(file.get_tensor("validation.labels"))
            names = [name for name in file.keys() if name.startswith("validation.")]  # noqa: SIM118 - not iterable
            whole = sum(file.get_tensor(name).nbytes for name in names)
    except (SafetensorError, OSError):
        return None
    return int((labels == 0).sum()), int((labels == 1).sum()), whole


def _variants(config: BundleConfig) -> str:
    names = [FP32, *(variant.name for variant in config.variants)]
    return ", ".join(f"{name} (default)" if name == config.default_variant else name for name in names)


def _rule(point: OperatingPoint | None) -> tuple[str, str, str, str, str]:
    if point is None:
        return (NONE, NONE, NONE, NONE, NONE)
    rate = NONE
    if not math.isnan(point.false_alarm_rate):
        low, high = (100 * bound for bound in point.interval)
        rate = f"{100 * point.false_alarm_rate:.1f} % ({low:.1f} to {high:.1f})"
    missed = NONE if math.isnan(point.missed_rate) else f"{100 * point.missed_rate:.1f} %"
    return (point.name, rate, f"{point.real_images:,}", missed, f"{point.generated_images:,}")
