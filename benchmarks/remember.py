"""Gives a bundle what `contrafake fit` keeps now and did not keep when it was made; no score changes.

The embeddings of the validation images, and the rule of attribution fitted on them. Graph, heads, calibrations and
operating points stay byte for byte, so that what was measured of the older bundle holds for the new one:

    python benchmarks/remember.py src/contrafake/model/bundles/default --data "$CONTRAFAKE_DATA/corpus/val-*.tar" \
      --origins "$CONTRAFAKE_DATA/corpus/origins.csv"
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from contrafake.adapt.own_images import embed_own
from contrafake.data.sources import open_data, samples_of
from contrafake.detect.detector import Detector
from contrafake.model.bundle import read_bundle
from contrafake.model.bundle_writing import rewrite_bundle
from contrafake.model.lineage import changed
from contrafake.train.attribution import fit_attribution, read_families
from contrafake.train.remembering import remember

UNCHANGED = 1e-3  # of a stored score: embeddings in one engine and in the other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", required=True, help="the validation images that the bundle was calibrated on")
    parser.add_argument("--origins", help="table of families")
    parser.add_argument("--out", type=Path, help="folder of the new bundle; the old one's by default")
    arguments = parser.parse_args()
    bundle = read_bundle(arguments.bundle)
    crops = bundle.config.preprocessing.default_crops
    samples = [sample for item in open_data([arguments.data]) for sample in samples_of(item)]
    embedded = embed_own(Detector(bundle), samples, [crops]).by_crops[crops]
    for head in bundle.config.heads:
        stored = bundle.calibration(head, crops)
        scores = np.sort(embedded.image_scores(bundle.head(head).score(embedded.vectors))[embedded.labels == 0])
        if stored is None or len(scores) != len(stored.real_scores):
            sys.exit(f"{head}: the bundle was calibrated on other images than these")
        spread = float(stored.real_scores.std())
        if float(np.abs(scores - stored.real_scores).max()) > UNCHANGED * spread:
            sys.exit(f"{head}: the bundle gave these images other scores")
    families = read_families(arguments.origins)
    memory, names = remember(embedded, crops, families)
    rule = fit_attribution(bundle.head("nearest"), embedded, bundle.config.origins, families)
    facts = {"scores": "unchanged", "images": len(memory.labels)}
    update = {**changed(bundle, "remember", facts), "version": bundle.config.version}
    config = bundle.config.model_copy(update={**update, "validation": names, "attribution": rule})
    new = rewrite_bundle(bundle, arguments.out or bundle.path, config, memory=memory)
    print(new.path, new.hash)


if __name__ == "__main__":
    main()
