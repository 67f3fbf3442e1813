"""Writes a bundle's model card from its configuration and the committed evaluations; measures nothing itself.

Run `python benchmarks/model_card.py` after `benchmarks/results/evaluation/` changed; with `--check` it compares instead
of writing, and leaves with exit code 1 where the card and its sources differ.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from evaluation_tables import OURS, Committed
from machine import RESULTS

from contrafake.detect.load import BUNDLES
from contrafake.model.bundle import read_bundle
from contrafake.train.card import model_card

LIMITS = """\
## What it cannot do

- Its filters learned from ImageNet and its heads from 7,311 small images, 343 of them reconstructed portraits: it is
  weak, and said to be so. Where it says "uncertain", believe it.
- Generators that are absent from training are recognised worse, some hardly at all: see the tables by family. The last
  generators tested are those of the test images; nothing is known about later ones.
- Thresholds were set on validation images of 232 to 312 pixels, each scored by heads that had not met its source. A
  large photograph gives separate crops instead of overlapping ones, and other cameras and other processing give other
  scores: false alarms on your own photographs can differ from the stated ones.
- A likelihood ratio is stated for images like those of validation, with as many generated as real ones.
- Contents differ between the classes in the training data (more portraits and styled art among generated images), so a
  part of what was learned can be style.
- It does not know edited photographs: retouching, inpainting and composites were not trained and not tested.
- It says nothing about who made an image or why.
"""


def card(bundle: Path, results: Path) -> str:
    """The model card as Markdown.

    Raises:
        SystemExit: If the results were measured on another model.
    """
    opened = read_bundle(bundle)
    committed = Committed.read(results)
    measured = {one["name"]: one["hash"] for one in committed.test["detectors"]}
    if measured[OURS] != opened.hash:
        sys.exit("the committed evaluation is of another model: evaluate this one first (docs/evaluation/results.md)")
    tested = [
        "## Test",
        "452 test images, none of which took part in training, fitting or calibration. Origins that training saw and "
        "never saw stand apart; intervals are 95 %, over sources and images. The docs of contrafake have all of it "
        "(docs/evaluation/results.md), and the scores.",
        committed.ranking(),
        "Decisions at the default threshold; a generated image found uncertain counts as missed.",
        committed.decisions(),
        "False alarms, stated and found (exact intervals for independent images).",
        committed.rules(),
        "### Families",
        committed.families(),
        "### Families left out",
        "This model's filters never saw any of them, so that fitting its heads without one is the whole recipe without "
        "it. Beside it, a small encoder trained by contrast without the family (configs/code-resnet-mini-short.yaml).",
        committed.left_out(),
        "### Sets of real images",
        committed.origins(),
        "### When images are saved again, scaled or changed",
        committed.robustness(),
        committed.stability(),
    ]
    return "\n".join([model_card(opened.config), LIMITS, *(f"{text.strip()}\n" for text in tested)])


def main() -> None:
    """Writes or checks the card of the bundle inside the package."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=BUNDLES / "default")
    parser.add_argument("--results", type=Path, default=RESULTS / "evaluation")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    text, path = card(options.bundle, options.results), options.bundle / "README.md"
    if not options.check:
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        sys.exit(f"{path.name} differs from what its sources give: run benchmarks/model_card.py")


if __name__ == "__main__":
    main()
