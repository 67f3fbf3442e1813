"""The model card of imported weights: whose they are, what was kept, and what nobody knows about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.html_page import as_markdown

if TYPE_CHECKING:
    from contrafake.model.bundle_config import BundleConfig

NOTICE = """\
The weights and classifiers in this folder are the work of their authors; the Apache-2.0 licence of contrafake's code
does not cover them. The publication that this importer is for,

    Lorenzo Baraldi, Federico Cocchi, Marcella Cornia, Lorenzo Baraldi, Alessandro Nicolosi, Rita Cucchiara:
    Contrasting Deepfakes Diffusion via Contrastive Learning and Global-Local Similarities, ECCV 2024
    arXiv 2407.20337, https://huggingface.co/aimagelab/CoDE, https://github.com/aimagelab/CoDE

states the MIT licence for code and weights. If these files come from elsewhere, the terms stated there apply.

CoDE was trained on D3 (elsaEU/ELSA_D3): real images of LAION-400M, which keep their own rights, and images generated
from their captions. The nearest-neighbour head holds embeddings of such images, no images.
"""

_HEADS = {
    "linear": "linear: logistic regression, 0 = real, 1 = generated; its score is the logit",
    "nearest": "nearest: one nearest neighbour by cosine; its score is the distance to the nearest real reference "
    "minus that to the nearest generated one",
    "svm": "svm: one-class SVM on real images; its score is minus the decision function",
}


def imported_card(bundle: BundleConfig) -> str:
    """Markdown about an imported bundle, from what its configuration says.

    Args:
        bundle: Its configuration, with `training["imported"]` as `adapt.importing` writes it.
    """
    facts = bundle.training["imported"]
    commit = f", commit {facts['commit']}" if facts["commit"] else ""
    where = f"the Hub repository {as_markdown(facts['repo'])}{commit}" if facts["repo"] else "a local folder"
    crop = bundle.preprocessing.crop_size
    lines = [
        f"# {as_markdown(bundle.name)} {as_markdown(bundle.version)}",
        "",
        "Tells photographs from AI-generated images. Weights and classifiers in the layout in which CoDE was published "
        f"(Baraldi et al., ECCV 2024, arXiv 2407.20337), imported from {where} without running anything in them.",
        "",
        "## What was kept",
        "",
        f"- Preprocessing: the centre {crop} x {crop} pixels, padded with black where the image is smaller, never "
        "resized. The published preprocessor_config.json asks for resizing; the authors' inference code switches it "
        "off.",
        f"- Normalisation, inside the graph: mean {_numbers(bundle.architecture['mean'])}, deviation "
        f"{_numbers(bundle.architecture['std'])}.",
        f"- Embedding: the raw class token after the last norm, {bundle.architecture['dimension']} numbers.",
        "- Decision: score 0, which is that of the published classifiers.",
        *(f"- Head {_HEADS[name]}." for name in bundle.heads),
        *(f"- Missing, and so not imported: the {name} head." for name in facts["missing"]),
        "",
    ]
    if "svm" in bundle.heads:
        lines += [
            "The sign of the SVM: the published card says -1 = real, +1 = generated. It was fitted on real images, and "
            "scikit-learn returns +1 for what lies inside; the authors' training and validation code map -1 to "
            "generated. Here -1 = generated, +1 = real.",
            "",
        ]
    lines += [
        "## What is not known",
        "",
        "- Calibration: there is none. How often the decision errs on your images is unknown; the probability of the "
        "linear head is the one its classifier was fitted with, and is marked as uncalibrated. "
        "`contrafake calibrate BUNDLE PHOTOS --out CALIBRATED` makes thresholds from your own photographs.",
        f"- Whether it was trained with the layer\\_norm\\_eps that config.json states, {facts['layer_norm_eps']:g}.",
        "- Whether it was trained by the published code, which leaves the loss of the generated images out.",
        "- What it saw: the list of its training images is not part of the publication.",
        "",
        "## Files it was made from",
        "",
        "| file | SHA-256 |",
        "|---|---|",
        *(f"| {as_markdown(name)} | {digest} |" for name, digest in facts["files"].items()),
        "",
    ]
    if facts["unused"]:
        lines += [f"Stated there and without effect here: {as_markdown(', '.join(facts['unused']))}.", ""]
    lines += [
        "## Terms",
        "",
        "MIT for what aimagelab published; see NOTICE."
        + (f" The folder also had {as_markdown(', '.join(facts['terms']))}, not copied." if facts["terms"] else ""),
    ]
    return "\n".join(lines) + "\n"


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)
