"""Measures how far to trust the generator that a verdict names.

    python benchmarks/attribution.py [--model BUNDLE] [--unseen flux BUNDLE --unseen pixart BUNDLE]

writes results/attribution.json. `known` and `left out` need only what the bundle keeps of its validation images;
`unseen` takes bundles whose encoder and heads never saw a family, and embeds that family's validation images from
${CONTRAFAKE_DATA}/corpus. No test image is read. `--page` writes the tables of docs/attribution.md from the result
alone, `--check` compares them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import RESULTS, write_result

import contrafake
from contrafake.measure import auc, bootstrap_interval, wilson
from contrafake.model.heads import NearestHead
from contrafake.train.attribution import NEIGHBOURS, KnownImages, choose_rule, limit_of
from contrafake.train.embedded import Embedded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from contrafake.detect.detector import Detector
    from contrafake.model.bundle_config import AttributionRule

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]

NAME = "attribution"
PAGE = Path(__file__).parent.parent / "docs" / "attribution.md"
BLOCK = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
LEAST = 20
"""Images of a family that get a row of their own here; the rule itself pools more."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--unseen", action="append", default=[], nargs=2, metavar=("FAMILY", "BUNDLE"))
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--check", action="store_true")
    told = parser.parse_args()
    if told.page or told.check:
        figures = json.loads((RESULTS / f"{NAME}.json").read_text(encoding="utf-8"))
        sys.exit(page(figures, write=told.page))
    detector = contrafake.load(told.model)
    figures = {"model": f"{detector.model.name} {detector.model.version}", **measured(detector)}
    figures["unseen"] = {family: unseen(contrafake.load(path), family) for family, path in told.unseen}
    print(write_result(NAME, figures))


def measured(detector: Detector) -> dict[str, Any]:
    """Everything that the bundle's validation memory gives."""
    rule, names = _rule(detector), detector.bundle.config.origins
    images = _known(detector)
    winner, share, distance = images.stand().first()
    right = winner == images.codes
    within = distance <= _limit(rule)
    named = within & (share >= rule.least_share)
    flagged = _flagged(detector, images.vectors, images.owner)
    families: dict[str, dict[str, Any]] = {}
    for code in np.unique(images.codes):
        own = images.codes == code
        families[names[code]] = {
            "images": int(own.sum()),
            "winner_right": _share(right[own]),
            "named": _share(named[own]),
            "named_right": _share(right[own & named]),
            "unknown": _share(~within[own]),
            "confused": {names[other]: int((own & (winner == other)).sum()) for other in np.unique(winner[own])},
        }
    counts = np.bincount(images.codes, minlength=len(names)) / len(images.codes)
    return {
        "rule": rule.model_dump(),
        "known": {
            "images": len(right),
            "accuracy": _share(right),
            "accuracy_mean_over_families": float(np.mean([row["winner_right"]["value"] for row in families.values()])),
            "majority": float(counts.max()),
            "chance_by_counts": float(np.square(counts).sum()),
            "one_of": len(np.unique(images.codes)),
            "flagged": _flagged_figures(right, named, flagged),
            "families": families,
        },
        "left_out": _left_out(images, rule, names, flagged),
        "statistics": _statistics(detector, images),
    }


def unseen(detector: Detector, family: str) -> dict[str, Any]:
    """Images of a family that neither encoder nor references ever saw, against those of known families."""
    images = _known(detector)
    vectors, owner = _embedded(detector, family)
    winner, votes, known = images.stand().first()
    right = winner == images.codes
    least, limit = choose_rule(votes, known, right)
    _, share, distance = images.space.stand(vectors, owner, NEIGHBOURS).first()
    flagged = _flagged(detector, vectors, owner)
    return {
        "model": f"{detector.model.name} {detector.model.version}",
        "detector_auc": next(
            facts.auc
            for facts in detector.bundle.config.calibrations
            if (facts.head, facts.crops) == (detector.default_head, detector.default_crops)
        ),
        "accuracy_among_known": float(right.mean()),
        "images": len(distance),
        "called_generated": int(flagged.sum()),
        **_novelty(known, distance, share, limit, least),
    }


def _left_out(
    images: KnownImages, rule: AttributionRule, names: Sequence[str], flagged: Flags
) -> dict[str, dict[str, Any]]:
    rows = {}
    for code in np.unique(images.codes):
        out = images.codes == code
        if out.sum() < LEAST:
            continue
        _, share, distance = images.stand(without=int(code)).first()
        limit = limit_of(distance[~out])
        rows[names[code]] = {
            "images": int(out.sum()),
            **_novelty(distance[~out], distance[out], share[out], limit, rule.least_share),
            "called_generated": int((out & flagged).sum()),
            "auc_called_generated": auc(distance[~out & flagged], distance[out & flagged])
            if (out & flagged).sum() >= LEAST
            else None,
        }
    return rows


def _novelty(known: Numbers, unknown: Numbers, share: Numbers, limit: float, least: float) -> dict[str, Any]:
    low, high = bootstrap_interval(auc, known, unknown)
    return {
        "rejected": _share(unknown > limit),
        "named": _share((unknown <= limit) & (share >= least)),
        "auc": {"value": auc(known, unknown), "low": low, "high": high},
    }


def _statistics(detector: Detector, images: KnownImages) -> dict[str, dict[str, float]]:
    """AUC of other distances, mean over the families left out."""
    head = _nearest(detector)
    distances, of_origin = head.generated_distances(images.vectors)
    real = head.distances(images.vectors)[:, head.labels == 0].min(axis=1)
    found: dict[str, dict[str, float]] = {}
    for code in np.unique(images.codes):
        out = images.codes == code
        if out.sum() < LEAST:
            continue
        near = np.sort(np.partition(distances[:, of_origin != code], 49, axis=1)[:, :50], axis=1)
        _, share, distance = images.stand(without=int(code)).first()
        crops = {
            "cosine, nearest reference": near[:, 0],
            "cosine, mean of the nearest 15": near[:, :15].mean(axis=1),
            "cosine, mean of the nearest 50": near.mean(axis=1),
            "cosine, mean of the nearest 50, less that to the nearest real one": near.mean(axis=1) - real,
        }
        by_image = {
            name: np.bincount(images.owner, values) / np.bincount(images.owner) for name, values in crops.items()
        }
        by_image |= {"votes: one minus the winner's share": 1 - share, "Mahalanobis, to the winner (in use)": distance}
        for name, values in by_image.items():
            found.setdefault(name, {})[detector.bundle.config.origins[code]] = auc(values[~out], values[out])
    return found


def _flagged_figures(right: Flags, named: Flags, flagged: Flags) -> dict[str, Any]:
    return {
        "images": int(flagged.sum()),
        "accuracy": _share(right[flagged]),
        "named": _share(named[flagged]),
        "named_right": _share(right[flagged & named]),
    }


def _known(detector: Detector) -> KnownImages:
    memory, names = detector.bundle.validation_memory(), detector.bundle.config.validation
    if memory is None or names is None:
        raise SystemExit(f"{detector.name} keeps no validation images")
    origins = np.array(names.origins, object)[memory.origins]
    sources = np.array(names.sources, object)[memory.sources]
    embedded = Embedded(memory.vectors, memory.owner, memory.labels, origins, sources, {})
    families = dict(zip(names.origins, names.families, strict=True))
    return KnownImages.of(_nearest(detector), embedded, detector.bundle.config.origins, families)


def _embedded(detector: Detector, family: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    from contrafake.adapt.own_images import embed_own, find_own
    from contrafake.train.attribution import read_families

    corpus = Path(os.environ["CONTRAFAKE_DATA"]) / "corpus"
    families = read_families(str(corpus / "origins.csv"))
    samples = [one for one in find_own(corpus / "val-0000.tar", 1) if families.get(one.origin) == family]
    embedded = embed_own(detector, samples, [detector.default_crops]).by_crops[detector.default_crops]
    return embedded.vectors, embedded.owner


def _flagged(detector: Detector, vectors: NDArray[np.float32], owner: NDArray[np.int64]) -> Flags:
    """(N,) whether an image's verdict is "generated"."""
    scores = detector.bundle.head(detector.default_head).score(vectors)
    return np.asarray(np.bincount(owner, scores) / np.bincount(owner) > detector.operating_point().threshold)


def _nearest(detector: Detector) -> NearestHead:
    head = detector.bundle.head("nearest")
    if not isinstance(head, NearestHead):
        raise SystemExit(f"{detector.name} has no references")
    return head


def _rule(detector: Detector) -> AttributionRule:
    if detector.bundle.config.attribution is None:
        raise SystemExit(f"{detector.name} has no rule")
    return detector.bundle.config.attribution


def _limit(rule: AttributionRule) -> float:
    return float("inf") if rule.limit is None else rule.limit


def _share(flags: Flags) -> dict[str, float | int | None]:
    count, of = int(flags.sum()), len(flags)
    low, high = wilson(count, of) if of else (None, None)
    return {"value": count / of if of else None, "low": low, "high": high, "of": of}


def page(figures: dict[str, Any], *, write: bool) -> int:
    """Puts the tables into their places on the page; returns 1 if others stood there and nothing is written."""
    tables = {
        "summary": _summary(figures),
        "families": _family_table(figures),
        "confusion": _confusion(figures),
        "left-out": _left_out_table(figures["left_out"]),
        "unseen": _unseen_table(figures["unseen"]),
        "statistics": _statistics_table(figures["statistics"]),
    }
    text = PAGE.read_text(encoding="utf-8")
    done = BLOCK.sub(lambda place: f"{place[1]}\n{tables[place[2]]}\n\n{place[3]}", text)
    if done != text and write:
        PAGE.write_text(done, encoding="utf-8")
    print("nothing differs" if done == text else f"{PAGE.name}: {'written anew' if write else 'not what was measured'}")
    return int(done != text and not write)


def _summary(figures: dict[str, Any]) -> str:
    known, rule = figures["known"], figures["rule"]
    flagged = known["flagged"]
    rows = [
        ("images of known families", f"{known['images']:,}"),
        ("first in votes is right, whatever its share", _percent(known["accuracy"])),
        ("the same, mean over families", f"{known['accuracy_mean_over_families']:.0%}"),
        ("always naming one family, mean over families", f"{1 / known['one_of']:.0%}"),
        ("always naming the most frequent family would be right in", f"{known['majority']:.0%}"),
        ("guessing by the families' frequency", f"{known['chance_by_counts']:.0%}"),
        (f"get a name (share of votes from {rule['least_share']:g}, distance to {rule['limit']:.3g})*",
         f"{rule['given']:.0%}"),
        ("of these names are right*", f"{rule['precision']:.0%}"),
        ("within the limit*", f"{rule['known_kept']:.0%}"),
        ("unknown families beyond the limit*, mean (those under 50 images as one)", f"{rule['unknown_rejected']:.0%}"),
        ("AUC of the distance*, mean of the same", f"{rule['auc']:.2f}"),
        (f"of the {flagged['images']} that the detector calls generated: get a name", _percent(flagged["named"])),
        ("of these names are right", _percent(flagged["named_right"])),
    ]  # fmt: skip
    return "\n".join(["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)])


def _family_table(figures: dict[str, Any]) -> str:
    lines = [
        "| family | images | first in votes is right | get a name | of these right | called unknown |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, row in _by_size(figures["known"]["families"]):
        cells = [_percent(row[key]) for key in ("winner_right", "named", "named_right", "unknown")]
        lines.append(f"| {name} | {row['images']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _confusion(figures: dict[str, Any]) -> str:
    rows = _by_size(figures["known"]["families"])
    heads = [name for name, _ in rows]
    other = sorted({name for _, row in rows for name in row["confused"]} - set(heads))
    heads += other
    lines = ["| family \\ first in votes | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    lines += [
        f"| {name} | " + " | ".join(str(row["confused"].get(head, 0)) for head in heads) + " |" for name, row in rows
    ]
    return "\n".join(lines)


def _left_out_table(rows: dict[str, Any]) -> str:
    lines = [
        "| family left out | images | called unknown | wrong name | AUC of the distance | AUC, called generated |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, row in _by_size(rows):
        among = row["auc_called_generated"]
        lines.append(
            f"| {name} | {row['images']} | {_percent(row['rejected'])} | {_percent(row['named'])} | "
            f"{_interval(row['auc'])} | {'' if among is None else f'{among:.2f}'} |"
        )
    return "\n".join(lines)


def _unseen_table(rows: dict[str, Any]) -> str:
    lines = [
        "| family never seen | images | called generated | called unknown | wrong name | AUC of the distance | "
        "right among known | detector's AUC |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {row['images']} | {row['called_generated']} | {_percent(row['rejected'])} | "
        f"{_percent(row['named'])} | {_interval(row['auc'])} | {row['accuracy_among_known']:.0%} | "
        f"{row['detector_auc']:.2f} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def _statistics_table(rows: dict[str, dict[str, float]]) -> str:
    families = sorted(next(iter(rows.values())))
    lines = ["| distance | mean | " + " | ".join(families) + " |", "|---|---:|" + "---:|" * len(families)]
    means = {name: sum(row.values()) / len(row) for name, row in rows.items()}
    lines += [
        f"| {name} | {means[name]:.2f} | " + " | ".join(f"{rows[name][family]:.2f}" for family in families) + " |"
        for name in sorted(rows, key=means.__getitem__, reverse=True)
    ]
    return "\n".join(lines)


def _by_size(rows: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(rows.items(), key=lambda pair: -pair[1]["images"])


def _percent(found: dict[str, float | None]) -> str:
    value, low, high = found["value"], found["low"], found["high"]
    return "" if value is None or low is None or high is None else f"{value:.0%} ({low:.0%} to {high:.0%})"


def _interval(found: dict[str, float]) -> str:
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


if __name__ == "__main__":
    main()
