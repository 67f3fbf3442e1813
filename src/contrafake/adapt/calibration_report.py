"""What a calibration means, in sentences and on the model card."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from contrafake.data.html_page import as_markdown
from contrafake.model.calibration import least_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.adapt.calibration_result import CalibrationResult, Comparison
    from contrafake.adapt.held_back import Counted
    from contrafake.model.bundle_config import BundleConfig

FEW_GENERATED = 20
"""Below this many generated images a probability is coarse enough to say so."""
NOTICEABLE = 0.05
"""Smallest change of the share of fakes found that counts as a gain or a loss."""


def remarks(result: CalibrationResult, fitted_on: int, kept: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """What the photographs cannot support, what changed, and what it cost.

    Args:
        result: Before and after.
        fitted_on: Fewest photographs that a held-back check fitted on.
        kept: Head and crops of the calibrations that were not touched.

    Returns:
        Sentences without a full stop.
    """
    lines = [
        f"{percent(one.rate)} false alarms need {one.least} photographs; you gave {result.photographs}: left out"
        for one in result.unsupported
    ]
    shown = result.comparisons[0]
    for one in result.comparisons:
        if (one.head, one.crops) == (shown.head, shown.crops):
            lines += _on_rule(one, result, fitted_on)
    lines += _on_probability(result)
    if kept:
        names = ", ".join(f"{head} at {crops} crop{'s' * (crops != 1)}" for head, crops in kept)
        lines.append(f"not touched: {names}")
    return tuple(lines)


def calibrated_card(card: str, result: CalibrationResult, config: BundleConfig) -> str:
    """The model card with a section on the new calibration after its title.

    Args:
        card: Markdown of the older version's card; may be empty.
        result: Before and after; its `bundle` is the older version.
        config: Description of the new version.
    """
    old, new = as_markdown(result.bundle.config.version), as_markdown(config.version)
    title, _, rest = card.partition("\n") if card.startswith("# ") else (f"# {as_markdown(config.name)}", "", card)
    title = f"{title.removesuffix(f' {result.bundle.config.version}').removesuffix(f' {old}')} {new}"
    rest = re.sub(r"^## Validation$", f"## Validation of version {old}", rest, flags=re.MULTILINE)
    return "\n".join([title, "", *_section(result, old, new), "", rest.lstrip("\n")])


def percent(share: float) -> str:
    """0.05 -> "5 %", 0.125 -> "12.5 %"."""
    return f"{100 * share:.3g} %"


def counted(count: Counted | None) -> str:
    """Count, share and 95 % interval: "3 of 50, 6 % (1.3 to 16.5)"; "-" for none."""
    if count is None:
        return "-"
    low, high = (f"{100 * bound:.1f}" for bound in count.interval)
    return f"{count.count} of {count.images}, {100 * count.share:.1f} % ({low} to {high})"


def threshold_change(one: Comparison) -> str:
    """Threshold before and after: "1.62 -> 2.11"."""
    return f"{'-' if one.before is None else f'{one.before.threshold:.4g}'} -> {one.after.threshold:.4g}"


def _on_rule(one: Comparison, result: CalibrationResult, fitted_on: int) -> list[str]:
    at, n = f"at {percent(one.rate)}", result.photographs
    low, high = (f"{100 * bound:.1f}" for bound in one.after.interval)
    lines = [f"{at}, {n} photographs say that {low} to {high} % of such photographs will be flagged (95 %)"]
    if one.alarms_after is None:
        lines.append(f"{at}, no rule could be tried on photographs held back: {fitted_on} are left to make it from, "
                     f"it needs {least_images(one.rate)}")  # fmt: skip
    elif one.told_apart is False:
        lines.append(f"{at}, false alarms before and after cannot be told apart on these photographs")
    if _agrees(one, n):
        lines.append(
            f"{at}, the old threshold already agrees with your photographs and rests on "
            f"{one.before.real_images if one.before else 0}: there is little to gain"
        )
    if one.found_before is not None and one.found_after is not None:
        whose = "your" if result.found_on == "own" else "the model's validation"
        change = f"{100 * one.found_after.share:.0f} % are flagged, {100 * one.found_before.share:.0f} % before"
        if one.found_after.count < one.found_before.count:
            lines.append(f"{at}, sparing photographs costs fakes: of {whose} generated images, {change}")
        elif one.found_after.count > one.found_before.count:
            lines.append(f"{at}, a lower threshold finds more fakes: of {whose} generated images, {change}")
    if one.others_after is not None:
        low, high = (f"{100 * bound:.1f}" for bound in one.others_after.interval)
        lines.append(
            f"{at}, of other photographs, those of the model's validation, {100 * one.others_after.share:.1f} % "
            f"({low} to {high}) are flagged now"
        )
    return lines


def _agrees(one: Comparison, photographs: int) -> bool:
    """Whether the old rule fits the photographs, rests on more, and the new one finds no other share of fakes."""
    if one.before is None or one.alarms_before is None or photographs >= one.before.real_images:
        return False
    low, high = one.alarms_before.interval
    found = one.found_before, one.found_after
    moved = 0.0 if found[0] is None or found[1] is None else abs(found[0].share - found[1].share)
    return low <= one.rate <= high and moved < NOTICEABLE


def _on_probability(result: CalibrationResult) -> list[str]:
    if result.found_on == "none":
        return ["without generated images there are thresholds and no calibrated probability (--generated DIR)"]
    if result.found_on == "stored":
        return ["the probability weighs your photographs against the generated images of the model's validation"]
    m = min(result.generated, result.photographs)
    lines = []
    if m < FEW_GENERATED:
        top = (1 + m) / (2 + m)
        what = "generated images" if m == result.generated else "photographs"
        lines.append(f"{m} {what} cannot tell more than a probability of {1 - top:.2f} to {top:.2f}")
    if result.generated < FEW_GENERATED:
        lines.append(f"the share of fakes that is found rests on {result.generated} images")
    return lines


def _section(result: CalibrationResult, old: str, new: str) -> list[str]:
    whose = {
        "own": f"{result.generated} generated images given with them",
        "stored": f"the generated validation images of version {old}",
        "none": "no generated image, so that there is no calibrated probability",
    }[result.found_on]
    lines = [
        "## Calibrated anew",
        "",
        f"Version {new} has the encoder and the heads of version {old}. Its thresholds were set by "
        f"{result.photographs} photographs of its user's own from {result.sources} "
        f"source{'s' * (result.sources != 1)}, with {whose}. They hold for photographs like those. Before: what "
        f"version {old} flagged of them. After: what was flagged by rules made from the others, in {result.folds} "
        f"parts divided by {result.held_back_by}.",
        "",
        "| head | crops | aim | threshold | false alarms before, 95 % | after | generated flagged before | after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in result.comparisons:
        cells = [one.head, str(one.crops), percent(one.rate), threshold_change(one)]
        cells += map(counted, (one.alarms_before, one.alarms_after, one.found_before, one.found_after))
        lines.append("| " + " | ".join(as_markdown(cell).replace("-\\>", "->") for cell in cells) + " |")
    known = [one for one in result.quality if one.after is not None]
    if known:
        lines += ["", "Cost of the likelihood ratios in bits (0 perfect, 1 says nothing), before and after: "
                  + "; ".join(f"{one.head} at {one.crops}: {_bits(one.before)}, {_bits(one.after)}" for one in known)
                  + "."]  # fmt: skip
    lines += ["", *(f"- {as_markdown(note)}." for note in result.notes)]
    return lines


def _bits(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"
