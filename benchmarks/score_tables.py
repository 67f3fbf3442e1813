"""The tables of `embedded_model.py`: from scores, one row an image, condition and number of crops, to figures."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from contrafake.measure import accuracy_at, auc, bootstrap_interval, cllr, clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CONDITIONS = {"untouched": "untouched bytes", "jpeg90": "both classes re-encoded as JPEG 90"}
LABELS = ("real", "generated")
PHOTO = {"real": {"real-photo", "real-face"}, "generated": {"photo", "photo-people", "photo-face"}}
ART = {"real": {"real-art", "real-render"}, "generated": {"art"}}
REPEATS = 1000


@dataclass(frozen=True)
class Row:
    """One image under one condition at one number of crops, judged.

    Attributes:
        key: Name in the corpus.
        label: "real" or "generated".
        origin: Data set or generator.
        family: Its family by origins.csv.
        source: Where it was collected: what the bootstrap resamples.
        content: As noted in the corpus, "" where not.
        seen: Whether training saw the origin, "yes" or "no".
        source_seen: Whether training saw the source, "yes", "no", or "" where the corpus has no manifest.
        condition: One of `CONDITIONS`.
        crops: Crops asked for.
        score: The head's score, None on error.
        llr: Log-likelihood ratio, None on error or where the model is not calibrated.
        verdict: "real", "generated", "uncertain" or "error" at the default operating point.
    """

    key: str
    label: str
    origin: str
    family: str
    source: str
    content: str
    seen: str
    source_seen: str
    condition: str
    crops: int
    score: float | None
    llr: float | None
    verdict: str


def measure(rows: Sequence[Row], model: dict[str, Any]) -> dict[str, Any]:
    """All figures, from the scores and the stored thresholds alone."""
    groups: dict[str, Callable[[Row], bool]] = {
        "all": lambda row: True,
        "seen origins": lambda row: row.seen == "yes",
        "unseen origins": lambda row: row.seen == "no",
        "photographs": lambda row: row.content in PHOTO[row.label],
        "art": lambda row: row.content in ART[row.label],
    }
    found: list[dict[str, Any]] = []
    origins: list[dict[str, Any]] = []
    for condition in CONDITIONS:
        for crops in sorted({row.crops for row in rows}, reverse=True):
            chosen = [row for row in rows if (row.condition, row.crops) == (condition, crops)]
            points = model["operating_points"].get(str(crops), [])
            for name, belongs in groups.items():
                figures = group_figures([row for row in chosen if belongs(row)], points)
                found.append({"condition": condition, "crops": crops, "group": name, **figures})
            for label, origin in sorted({(row.label, row.origin) for row in chosen}, reverse=True):
                members = [row for row in chosen if (row.label, row.origin) == (label, origin)]
                origins.append({"condition": condition, "crops": crops, **origin_figures(members, points)})
    per_image = {row.key: row for row in rows}.values()
    hidden = sum(row.label == "real" and row.seen == "yes" and row.source_seen == "no" for row in per_image)
    return {
        "images": {label: sum(row.label == label for row in per_image) for label in LABELS},
        "real_images_of_seen_origins_but_unseen_sources": hidden,
        "groups": found,
        "origins": origins,
    }


def group_figures(rows: Sequence[Row], points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Figures of a group of images; those that need what the group lacks are left out."""
    judged = {label: [row for row in rows if row.label == label and row.score is not None] for label in LABELS}
    n = {label: len(members) for label, members in judged.items()}
    figures: dict[str, Any] = {
        "n": n,
        "sources": {label: len({row.source for row in members}) for label, members in judged.items()},
        "errors": sum(row.score is None for row in rows),
        "uncertain": {
            label: sum(row.verdict == "uncertain" for row in members) / n[label] if n[label] else None
            for label, members in judged.items()
        },
    }
    if not all(n.values()):
        return figures
    real, generated = (_column(judged[label], "score") for label in LABELS)
    sources = [np.array([row.source for row in judged[label]]) for label in LABELS]
    low, high = bootstrap_interval(auc, real, generated, groups=sources, repeats=REPEATS)
    figures |= {"auc": auc(real, generated), "auc_interval": [low, high], "points": []}
    if all(row.llr is not None for members in judged.values() for row in members):
        figures["cllr"] = cllr(*(_column(judged[label], "llr") for label in LABELS))
    for point in points:
        accuracy = accuracy_at(real, generated, point["threshold"])
        alarms = int((real > point["threshold"]).sum())
        figures["points"].append(
            {
                "name": point["name"],
                "threshold": point["threshold"],
                "accuracy_real": accuracy.real,
                "accuracy_generated": accuracy.generated,
                "balanced_accuracy": accuracy.balanced,
                "false_alarms": alarms / n["real"],
                "false_alarms_interval": list(clopper_pearson(alarms, n["real"])),
            }
        )
    return figures


def origin_figures(rows: Sequence[Row], points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Number, mean score, and share called generated at each stored point, of the images of one origin."""
    scores = _column([row for row in rows if row.score is not None], "score")
    return {
        **{name: getattr(rows[0], name) for name in ("label", "origin", "family", "seen")},
        "n": scores.size,
        "errors": len(rows) - scores.size,
        "mean_score": float(scores.mean()) if scores.size else None,
        "called_generated": {
            point["name"]: float((scores > point["threshold"]).mean()) if scores.size else None for point in points
        },
    }


def markdown(facts: dict[str, Any], figures: dict[str, Any]) -> str:
    """The tables as Markdown."""
    model = facts["model"]
    default = model["default_crops"]
    images = " and ".join(f"{count} {label}" for label, count in figures["images"].items())
    apart = "none of which took part in training, fitting or calibration"
    standing = apart if facts["split"] == "test" else "on which thresholds were set: figures flatter"
    lines = [
        f"# {model['name']} {model['version']} on the {facts['split']} images",
        "",
        f"{images} images, {standing}. {model['head'].capitalize()} head; {default} crops by default. Model hash "
        f"`{model['hash'][:12]}`, {facts['date']}. Made by `benchmarks/embedded_model.py` from "
        f"`{facts['benchmark']}_scores.csv`.",
        "",
        "An image is called generated when its score is above the stored threshold, so that a generated image found "
        "uncertain counts as missed. Intervals are 95 %: of the AUC by bootstrap over sources and images (rough where "
        "sources are few), of false alarms exact for independent images (too narrow where they share sources). Cllr: 0 "
        "is perfect, 1 is what knowing nothing costs.",
        "",
        "Seen: real sets and generators that training saw; unseen: real sets and generators that it did not, by "
        "`origins.csv`. Photographs: photographs and faces against photo-like generated images; art: drawings, "
        "paintings and renderings against generated art, where the corpus notes the content.",
    ]
    hidden = figures["real_images_of_seen_origins_but_unseen_sources"]
    if hidden:
        note = f"{hidden} real images count as seen by their origin although training saw none of their very source."
        lines += ["", note]
    for condition, words in CONDITIONS.items():
        for crops in sorted({group["crops"] for group in figures["groups"]}, reverse=True):
            title = f"{words[0].upper()}{words[1:]}, {crops} crop{'s' if crops > 1 else ''}"
            lines += ["", f"## {title}", ""]
            lines += _group_table([g for g in figures["groups"] if (g["condition"], g["crops"]) == (condition, crops)])
    lines += ["", f"## By origin, {default} crops", ""]
    lines += _origin_table([origin for origin in figures["origins"] if origin["crops"] == default])
    return "\n".join(lines) + "\n"


def _group_table(groups: Sequence[dict[str, Any]]) -> list[str]:
    lines = _markdown_header(["", "real", "generated", "AUC (95 %)", "Cllr", "real uncertain", "generated uncertain"])
    for group in groups:
        counts = [f"{group['n'][label]} ({group['sources'][label]} sources)" for label in LABELS]
        area = "-"
        if "auc" in group:
            low, high = group["auc_interval"]
            area = f"{group['auc']:.3f} ({low:.3f} to {high:.3f})"
        cost = f"{group['cllr']:.3f}" if "cllr" in group else "-"
        lines.append(_line([group["group"], *counts, area, cost, *(_percent(group["uncertain"][x]) for x in LABELS)]))
    header = ["", "threshold for", "right on real", "right on generated", "balanced accuracy", "false alarms (95 %)"]
    lines += ["", *_markdown_header(header)]
    for group in groups:
        for point in group.get("points", []):
            low, high = point["false_alarms_interval"]
            alarms = f"{_percent(point['false_alarms'])} ({100 * low:.1f} to {100 * high:.1f})"
            rates = [_percent(point[key]) for key in ("accuracy_real", "accuracy_generated", "balanced_accuracy")]
            lines.append(_line([group["group"], point["name"], *rates, alarms]))
    errors = sum(group["errors"] for group in groups if group["group"] == "all")
    return [*lines, "", f"{errors} images could not be read."] if errors else lines


def _origin_table(origins: Sequence[dict[str, Any]]) -> list[str]:
    by_name: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for origin in origins:
        by_name[origin["label"], origin["origin"]][origin["condition"]] = origin
    names = list(origins[0]["called_generated"]) if origins else []
    header = ["class", "origin", "family", "seen", "n"]
    for condition in CONDITIONS:
        header += [f"{condition}: mean score", *(f"called generated, {name}" for name in names)]
    lines = _markdown_header(header)
    # Real before generated, seen before unseen, then by name.
    first = {key: next(iter(found.values())) for key, found in by_name.items()}
    for label, name in sorted(first, key=lambda key: (key[0] != "real", first[key]["seen"] != "yes", key[1])):
        conditions = by_name[label, name]
        one = next(iter(conditions.values()))
        cells = [label, name, one["family"], one["seen"], str(one["n"])]
        for condition in CONDITIONS:
            found = conditions[condition]
            cells.append("-" if found["mean_score"] is None else f"{found['mean_score']:.2f}")
            cells += [_percent(found["called_generated"][point]) for point in names]
        lines.append(_line(cells))
    return lines


def write_scores(rows: Sequence[Row], path: Path) -> None:
    """One line an image, condition and number of crops; floats in full, so that the tables come out the same again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: "" if value is None else value for name, value in asdict(row).items()})
    partial.replace(path)


def read_scores(path: Path) -> list[Row]:
    """The inverse of `write_scores`."""
    rows: list[Row] = []
    with path.open(encoding="utf-8", newline="") as file:
        for cells in csv.DictReader(file):
            values: dict[str, Any] = dict(cells)
            values["crops"] = int(cells["crops"])
            values |= {name: float(cells[name]) if cells[name] else None for name in ("score", "llr")}
            rows.append(Row(**values))
    return rows


def _column(rows: Sequence[Row], name: Literal["score", "llr"]) -> NDArray[np.float64]:
    return np.array([getattr(row, name) for row in rows], np.float64)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _markdown_header(cells: Sequence[str]) -> list[str]:
    return [_line(cells), "|" + "---|" * len(cells)]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
