"""Scores a folder of images with the package `sahu65`, for `contrafake evaluate`; runs in an environment of its own.

    python3 -m venv peer && peer/bin/pip install sahu65==1.1.0
    contrafake evaluate images DATA --variants standard --out images/
    ORT_INTRA_THREADS=1 peer/bin/python benchmarks/peers/sahu65_scores.py images/ sahu65.csv

Needs nothing but `sahu65` (a linear probe on CLIP ViT-B/16, int8 on ONNX Runtime, weights in its wheel). Its own
function `detect_bytes` judges each file; the CSV has its calibrated probability, the processor seconds of the call
(all threads; reading the file included, loading the model not) and the error where there was one. Its own thresholds,
generated above T_hi and real below T_lo, are printed as `--threshold` wants them. Without ORT_INTRA_THREADS it starts
eight threads, whatever the machine; scores are the same.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("SAHU65_LOG_LEVEL", "WARNING")


def main() -> None:
    """Scores every image that the folder's manifest names."""
    if len(sys.argv) != 3:
        sys.exit("usage: sahu65_scores.py FOLDER SCORES.csv")
    import sahu65
    from sahu65.config import get_settings, load_thresholds

    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    sahu65.warm()
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "probability", "seconds", "error"])
        for number, path in enumerate(paths, 1):
            began = time.process_time()
            try:
                cells = [sahu65.detect_bytes((folder / path).read_bytes()).ai_probability, "", ""]
            except Exception as error:  # noqa: BLE001 - whatever it raises, the others are still scored
                cells = ["", "", f"{type(error).__name__}: {error}"]
            cells[1] = f"{time.process_time() - began:.4f}"
            writer.writerow([path, *cells])
            if number % 50 == 0:
                print(f"{number} of {len(paths)}", file=sys.stderr)
    thresholds = load_thresholds(get_settings().config_dir)
    print(f"--threshold sahu65={thresholds['T_hi']:.6f},{thresholds['T_lo']:.6f}")


if __name__ == "__main__":
    main()
