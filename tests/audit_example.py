"""An audit's report made by hand: what every test of its outputs shows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from contrafake.data.audit.result import (
    AuditReport,
    Distribution,
    Duplicates,
    FeatureResult,
    Interval,
    JointResult,
    Room,
    Twin,
)

NAN = float("nan")


def category(name: str, auc: float, shares: dict[str, tuple[float, float]], room: Room = "file") -> FeatureResult:
    real, generated = ([pair[side] for pair in shares.values()] for side in (0, 1))
    sentence = (
        f"{100 * generated[0]:.0f} % of generated images are {next(iter(shares))}, {100 * real[0]:.0f} % of real ones"
    )
    spread = Distribution(list(shares), [], real, generated)
    return FeatureResult(name, name.replace("_", " "), room, "category", auc, min(auc + 0.02, 1.0), spread, sentence)


def number(  # noqa: PLR0917
    name: str,
    auc: float,
    edges: list[float],
    real: list[float],
    generated: list[float],
    medians: tuple[float | None, float | None] = (None, None),
    room: Room = "file",
) -> FeatureResult:
    bins = max(len(edges) - 1, 0)
    labels = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    labels += ["none"] * (len(real) - bins)
    spread = Distribution(labels, edges, real, generated, *medians)
    sentence = f"half of the generated images have a {name} of {medians[1]}, half of the real ones of {medians[0]}"
    return FeatureResult(name, name.replace("_", " "), room, "number", auc, min(auc + 0.03, 1.0), spread, sentence)


def twin(
    first: str,
    second: str,
    *,
    labels: tuple[int, int] = (0, 1),
    splits: tuple[str, str] = ("train", "test"),
    distance: int = 0,
    siblings: bool = False,
) -> Twin:
    return Twin(first, second, "near" if distance else "exact", distance, labels, splits, siblings)


def example(**changes: Any) -> AuditReport:
    """A badly biased set: PNG against JPEG, one size against many."""
    features = [
        category("format", 0.97, {"PNG": (0.02, 0.94), "JPEG": (0.95, 0.06), "WEBP": (0.03, 0.0)}),
        number(
            "width", 0.91, [256, 512, 768, 1024, 2048], [0.1, 0.2, 0.3, 0.4], [0.0, 0.95, 0.05, 0.0], (900.0, 512.0)
        ),
        number(
            "JPEG_quality", 0.84, [60, 75, 90, 100], [0.35, 0.5, 0.1, 0.05], [0.0, 0.02, 0.04, 0.94], (82.0, 95.0),
        ),
        category("EXIF", 0.71, {"present": (0.45, 0.01), "absent": (0.55, 0.99)}),
        category("grid_offset", 0.66, {"aligned": (0.7, 0.4), "shifted": (0.1, 0.1), "none": (0.2, 0.5)}, "history"),
        number("mean_blue", 0.55, [0, 100, 255], [0.5, 0.5], [0.45, 0.55], (100.0, 108.0), "pixels"),
        category("file_name", 0.52, {"IMG_9.jpg": (0.6, 0.55), "other": (0.4, 0.45)}, "name"),
    ]  # fmt: skip
    report = AuditReport(
        name="train=photos val=more",
        images={"train": {"real": 1200, "generated": 1180}, "val": {"real": 300, "generated": 290}},
        sources={"real": 14, "generated": 9},
        unreadable=[("train/cat-7", "the data end early")],
        unreadable_count=1,
        skipped=["3 skipped: no image by its suffix (.txt) (a.txt, b.txt, c.txt)"],
        features=features,
        without_content=JointResult(
            "without the content", Interval(0.982, 0.951, 0.996), 0.997, [f.name for f in features[:6]],
            [("format", 0.21), ("width", 0.06)], 5, "source",
        ),
        content_only=JointResult(
            "content only", Interval(0.61, 0.52, 0.7), 0.78, [f"luma_{i}" for i in range(48)], [], 5, "source",
        ),
        duplicates=Duplicates(
            3, 2, 1, 1,
            [
                twin("train/cat-1", "test/cat-1"),
                twin("train/dog-1", "train/dog-2", labels=(0, 0), splits=("train", "train"), distance=3),
            ],
        ),
        verdict="Your labels can be predicted at AUC 0.98 without looking at the content: 94 % of generated images are "
        "PNG, 2 % of real ones.",
        notes=["Only 9 sources of generated images: the intervals are wide."],
    )  # fmt: skip
    return replace(report, **changes)
