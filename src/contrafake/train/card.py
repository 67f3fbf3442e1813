"""The model card: what a bundle was made from, what it was measured at, what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.html_page import as_markdown

if TYPE_CHECKING:
    from contrafake.model.bundle_config import AttributionRule, BundleConfig

NOTICE = """\
The weights in this folder carry their own terms; the Apache-2.0 licence of contrafake's code does not cover them.

They were trained on images from public sources of which many state no licence, or one for research only. No image is
contained in them. Whether they may be used beyond research depends on the law that applies to you.
"""


def model_card(bundle: BundleConfig) -> str:
    """Markdown with everything that is known at fitting time; test results are added by the command that measures."""
    training = bundle.training
    configuration = training.get("configuration", {})
    lines = [
        f"# {bundle.name} {bundle.version}",
        "",
        "Tells photographs from AI-generated images. Method: CoDE (Baraldi et al., ECCV 2024), trained by contrast "
        "with global-local views; heads and thresholds were fitted afterwards.",
        "",
        "## What it is",
        "",
        f"- Encoder: {bundle.architecture['backbone']}, {bundle.architecture['dimension']}-d embeddings, trained on "
        f"{bundle.architecture['image_size']} px views, judging {bundle.preprocessing.crop_size} px "
        f"{bundle.preprocessing.geometry} views.",
        f"- Default: {bundle.default_head} head, mean score over {bundle.preprocessing.default_crops} "
        f"{bundle.preprocessing.geometry} view(s).",
        f"- Training: {training.get('steps')} steps of {configuration.get('optimizer', {}).get('records')} pairs, "
        f"weights of step {training.get('best_step')} "
        f"(best validation {configuration.get('validation', {}).get('metric')}), "
        f"{(training.get('seconds') or 0) / 60:.0f} minutes on {training.get('hardware')}.",
        *(f"- Changed while it trained: {change}." for change in training.get("changes", [])),
        "",
        "## Validation",
        "",
        "Heads were fitted on training images; calibration and thresholds on these validation images, which also chose "
        "the weights, so that these figures flatter.",
        "",
        "| head | crops | AUC | rule | false alarms, 95 % | real images | generated called real |",
        "|---|---|---|---|---|---|---|",
    ]
    for facts in bundle.calibrations:
        for point in facts.operating_points:
            low, high = point.interval
            lines.append(
                f"| {facts.head} | {facts.crops} | {facts.auc:.3f} | {point.name} | "
                f"{point.false_alarm_rate:.1%} ({low:.1%} to {high:.1%}) | {point.real_images} | "
                f"{point.missed_rate:.1%} |"
            )
    if rule := bundle.attribution:
        lines += ["", *_attribution(rule)]
    lines += ["", "## Training images by origin", "", "| origin | images | times drawn |", "|---|---|---|"]
    images, draws = training.get("images", {}).get("train", {}), training.get("draws", {})
    lines += [f"| {name.replace('|', '/')} | {count} | {draws.get(name, 0)} |" for name, count in images.items()]
    return "\n".join(lines) + "\n"


def _attribution(rule: AttributionRule) -> list[str]:
    lines = [
        "## Names of generators",
        "",
        f"A generated image gets the name of an origin that at least {rule.least_share:.0%} of its nearest generated "
        f"training images ({rule.neighbours} a crop) agree on: {rule.given:.0%} of {rule.images} generated validation "
        f"images got a name, and {rule.precision:.0%} of these names were right.",
    ]
    if rule.limit is None:
        return [*lines, "An image of an origin that training never saw can only get a wrong name, or none."]
    lines += [
        f"Beyond a distance of {rule.limit:.3g} (1 is as far from an origin as its own training images are) the "
        f'answer is "unknown generator": {rule.known_kept or 0:.0%} of the images of known origins lie within it. '
        "Each figure was measured on images that did not choose the rule.",
        "",
        "What became of a family's images when its references were taken away; the encoder had seen them, which "
        "flatters:",
        "",
        "| family | images | called unknown | given a wrong name | AUC of the distance |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {as_markdown(row.family)} | {row.images} | {row.rejected:.0%} | {row.named:.0%} | {row.auc:.2f} |"
        for row in rule.left_out
    ]
    return lines
