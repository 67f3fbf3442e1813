"""The model card: what a bundle was made from, what it was measured at, what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contrafake.model.bundle import BundleConfig

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
        lines += [
            "",
            f"A generated image gets the name of an origin where at least {rule.least_share:.0%} of its nearest "
            f"generated training images agree: {rule.given:.0%} of the {rule.images} generated validation images did, "
            f"and {rule.precision:.0%} of those names were right, on the images the rule was chosen on. An image of an "
            "origin that training never saw can only get a wrong name, or none.",
        ]
    lines += ["", "## Training images by origin", "", "| origin | images | times drawn |", "|---|---|---|"]
    images, draws = training.get("images", {}).get("train", {}), training.get("draws", {})
    lines += [f"| {name.replace('|', '/')} | {count} | {draws.get(name, 0)} |" for name, count in images.items()]
    return "\n".join(lines) + "\n"
