"""Writes a bundle's model card from its configuration and the committed test results; measures nothing itself.

Run `python benchmarks/model_card.py` after `benchmarks/embedded_model.py`; with `--check` it compares instead of
writing, and leaves with exit code 1 where the card and its sources differ.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from machine import RESULTS
from score_tables import markdown, measure, read_scores

from contrafake.detect.load import BUNDLES
from contrafake.model.bundle import read_bundle
from contrafake.train.card import model_card

LIMITS = """\
## What it cannot do

- It is a first model, trained in about an hour on two processor cores, which did other work at the same time, from
  6,968 small images: weak, and said to be so. Where it says "uncertain", believe it.
- Generators that are absent from training are recognised worse, some hardly at all: see the table by origin. The last
  generators tested are those of that table; nothing is known about later ones.
- Thresholds were set on validation images of 232 to 312 pixels, of which some sources were seen in training. A large
  photograph gives five separate crops instead of five overlapping ones, and other cameras and other processing give
  other scores: false alarms on your own photographs can differ from the stated ones.
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
    facts = json.loads((results / "embedded_model.json").read_text(encoding="utf-8"))
    if facts["model"]["hash"] != opened.hash:
        sys.exit(f"{results.name}/embedded_model.json belongs to another model: run benchmarks/embedded_model.py")
    figures = measure(read_scores(results / "embedded_model_scores.csv"), facts["model"])
    tested = markdown(facts, figures).replace("\n## ", "\n### ").replace("# ", "## Test: ", 1)
    return "\n".join([model_card(opened.config), LIMITS, tested])


def main() -> None:
    """Writes or checks the card of the bundle inside the package."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=BUNDLES / "default")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    text, path = card(options.bundle, options.results), options.bundle / "README.md"
    if not options.check:
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        sys.exit(f"{path.name} differs from what its sources give: run benchmarks/model_card.py")


if __name__ == "__main__":
    main()
