"""Teaches models a family of generators that they do not know, and measures what that brings and costs.

    python benchmarks/refitting.py --models DIR [--full BUNDLE] [--only STEP ...]

DIR holds without-flux and without-pixart: bundles of encoders that never saw the family, by `contrafake train` with
`--set 'data.leave_out.families=[flux]'`. Steps, each into its own part of results/refitting.json:

    unseen  encoders that never saw the family: heads learn it from 30, 100 and all of its training images
    full    the encoder of --full, which did see it, with heads that did not: what a better encoder would allow
    block   encoders that never saw the family: heads and last block learn it from 100 images

Judged by the family's validation images and those of all others; no test image is read. Needs ${CONTRAFAKE_DATA}.
`--page` writes the tables of docs/models/refitting.md from the result alone, `--check` compares them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import RESULTS, write_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.adapt.refit_figures import Figures, Row
    from contrafake.adapt.refit_images import NewImages
    from contrafake.adapt.refit_names import Naming
    from contrafake.data.sample import Sample
    from contrafake.detect.detector import Detector

NAME = "refitting"
PAGE = Path(__file__).parent.parent / "docs" / "models" / "refitting.md"
BLOCK = re.compile(r"(<!-- table: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
STEPS = ("unseen", "full", "block")
FAMILIES = {"flux": ("flux.1-dev", "flux.1-dev-lora", "flux.1-schnell-lora"), "pixart": ("pixart-alpha-512",)}
COUNTS = (30, 100, 0)
BLOCK_COUNT = 100


def main() -> None:
    """Runs the steps that were asked for and keeps the results of the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, help="folder with without-flux and without-pixart")
    parser.add_argument("--full", default="default", help="a bundle whose encoder saw all families")
    parser.add_argument("--only", nargs="*", choices=STEPS, default=STEPS)
    parser.add_argument("--page", action="store_true", help="write the tables of the page and leave")
    parser.add_argument("--check", action="store_true", help="compare the tables of the page with the result and leave")
    options = parser.parse_args()
    if options.page or options.check:
        raise SystemExit(page(_steps(), write=options.page))
    for step in options.only:
        rows: list[dict[str, Any]] = []
        for name in FAMILIES:
            rows += globals()[step](options, name)
            print(json.dumps(rows[-1], indent=1), flush=True)
        steps = _steps() | {step: rows}
        write_result(NAME, {"steps": {name: steps[name] for name in STEPS if name in steps}})


def _steps() -> dict[str, Any]:
    """The steps that were measured so far."""
    committed = RESULTS / f"{NAME}.json"
    found: dict[str, Any] = json.loads(committed.read_text("utf-8"))["steps"] if committed.exists() else {}
    return found


def unseen(options: argparse.Namespace, name: str) -> list[dict[str, Any]]:
    """Heads on an encoder that never saw the family."""
    from contrafake.detect.load import load

    return _heads(load(options.models / f"without-{name}"), name)


def full(options: argparse.Namespace, name: str) -> list[dict[str, Any]]:
    """Heads on an encoder that saw it; the heads before are fitted without its references."""
    from contrafake.detect.load import load

    return _heads(load(options.full), name)


def _heads(detector: Detector, name: str) -> list[dict[str, Any]]:
    import numpy as np

    from contrafake.adapt.refit_calibration import named_anew
    from contrafake.adapt.refit_figures import measure
    from contrafake.adapt.refit_heads import References, refit_heads, remembered_references
    from contrafake.adapt.refit_memory import Judged
    from contrafake.adapt.refit_space import coded

    bundle = detector.bundle
    names, memory = bundle.config.validation, bundle.validation_memory()
    assert names is not None  # noqa: S101
    assert memory is not None  # noqa: S101
    memory = memory.take(np.array(names.families, object)[memory.origins] != name)
    old, origins = remembered_references(bundle)
    keep = np.array(origins, object)[old.origins] != name
    old = References(old.vectors[keep], old.labels[keep], old.origins[keep])
    heads = {head: bundle.head(head) for head in bundle.config.heads}
    if not keep.all():  # heads that know the family are of no use as "before"
        none = References(old.vectors[:0], old.labels[:0], old.origins[:0])
        heads = refit_heads(heads, old, none)
    rows = []
    for count in COUNTS:
        begun = time.perf_counter()
        new = _new_images(detector, name, count, names.crops)
        fresh, meant = coded(new.fitting, old, origins, {})
        after = refit_heads(heads, old, fresh)
        judged = Judged(names, (memory, memory), (new.held, new.held), {})
        figures = measure(heads, after, judged)
        _, named = named_anew(bundle, after, meant, judged)
        seconds = time.perf_counter() - begun
        row = _row(figures, bundle.config.default_head, name, len(new.to_fit), seconds)
        rows.append({**row, "names": _names(named, name)})
    return rows


def block(options: argparse.Namespace, name: str) -> list[dict[str, Any]]:
    """Heads and last block of an encoder that never saw the family."""
    from contrafake.adapt.refit_calibration import named_anew
    from contrafake.adapt.refit_figures import measure
    from contrafake.adapt.refit_heads import refit_heads
    from contrafake.adapt.refit_images import Copies
    from contrafake.adapt.refit_last_block import teach
    from contrafake.adapt.refit_space import coded, coded_old
    from contrafake.detect.load import load
    from contrafake.train.attribution import read_families

    detector = load(options.models / f"without-{name}")
    bundle = detector.bundle
    mine, kinds = FAMILIES[name], read_families(str(_corpus() / "origins.csv"))
    train, validation = ([one for one in _samples(part) if one.origin not in mine] for part in ("train", "val"))
    begun = time.perf_counter()
    new = _new_images(detector, name, BLOCK_COUNT, bundle.config.preprocessing.default_crops)
    with tempfile.TemporaryDirectory() as folder:
        taught = teach(
            detector,
            new,
            old=train,
            validation=validation,
            weights=None,
            copies=Copies(),
            kinds=kinds,
            folder=Path(folder),
        )
    old, origins = coded_old(taught.old_images, kinds)
    fresh, meant = coded(taught.fitting, old, origins, {})
    heads = {head: bundle.head(head) for head in bundle.config.heads}
    after = refit_heads(heads, old, fresh, moved=True)
    figures = measure(heads, after, taught.judged)
    _, named = named_anew(bundle, after, meant, taught.judged)
    row = _row(figures, bundle.config.default_head, name, len(new.to_fit), time.perf_counter() - begun)
    return [{**row, "names": _names(named, name)}]


def _corpus() -> Path:
    return Path(os.environ["CONTRAFAKE_DATA"]) / "corpus"


def _samples(split: str) -> list[Sample]:
    from contrafake.data.sources import open_source, samples_of

    paths = sorted(_corpus().glob(f"{split}-*.tar"))
    return [sample for path in paths for item in open_source(path) for sample in samples_of(item)]


def _new_images(detector: Detector, name: str, count: int, crops: int) -> NewImages:
    """Training images of a family to fit on, so many of them or all, and its validation images to judge by."""
    import numpy as np

    from contrafake.adapt.refit_images import (
        Copies,
        Found,
        NewImages,
        digest_of,
        embed_several,
        embed_versions,
        joined,
        picture_of,
    )

    train, held = ([one for one in _samples(part) if one.origin in FAMILIES[name]] for part in ("train", "val"))
    order = np.random.default_rng(0).permutation(len(train))[: count or None]
    chosen = [train[at] for at in sorted(order.tolist())]
    to_fit, to_hold = ([(one, digest_of(picture_of(one))) for one in part] for part in (chosen, held))
    return NewImages(
        joined(embed_versions(detector, to_fit, Copies(), 0, None, lambda: None), chosen, [name] * len(chosen)),
        joined(embed_several(detector, held, crops, None, lambda: None), held, [name] * len(held)),
        {name: Found(len(chosen), len(held))},
        to_fit,
        to_hold,
    )


def _row(figures: Figures, head: str, name: str, count: int, seconds: float) -> dict[str, Any]:
    from dataclasses import asdict

    from contrafake.adapt.refit_figures import ALL_OLD

    def told(row: Row) -> dict[str, Any]:
        return {"images": row.images, "auc": asdict(row.auc), "caught": asdict(row.caught)}

    [alarms] = [row for row in figures.alarms if row.head == head and row.of == "remembered"]
    return {
        "family": name,
        "fitted": count,
        "head": head,
        "new": told(figures.row(head, name, new=True)),
        "old": told(figures.row(head, ALL_OLD)),
        "old_families": {row.origin: told(row) for row in figures.rows if row.head == head and not row.new},
        "alarms": {"before": alarms.before.to_dict(), "after": alarms.after.to_dict()},
        "other_heads": {
            row.head: {"before": row.auc.before, "after": row.auc.after}
            for row in figures.rows
            if row.new and row.head != head
        },
        "seconds": seconds,
    }


def _names(named: Sequence[Naming], name: str) -> dict[str, Any]:
    """Names of the new images, and the share of right ones among old images."""
    from contrafake.adapt.refit_names import NO_NAME, UNKNOWN

    [new] = [one for one in named if one.origin == name and one.new]
    old = [one for one in named if not one.new]
    count = sum(one.images for one in old)
    right, unnamed = new.after.get(name, 0), new.after.get(NO_NAME, 0) + new.after.get(UNKNOWN, 0)
    return {
        "images": new.images,
        "right": right,
        "unnamed": unnamed,
        "wrong": sum(new.after.values()) - right - unnamed,
        "old_right_before": sum(one.before.get(one.origin, 0) for one in old) / count,
        "old_right_after": sum(one.after.get(one.origin, 0) for one in old) / count,
    }


def page(steps: dict[str, Any], *, write: bool) -> int:
    """Puts the tables into the page, or compares; 1 where they differ."""
    text = PAGE.read_text("utf-8")
    wanted = BLOCK.sub(lambda found: f"{found[1]}{_table(steps[found[2]])}\n{found[3]}", text)
    if write:
        PAGE.write_text(wanted, "utf-8")
    elif text != wanted:
        print(f"{PAGE.name}: its tables differ from the result; run with --page")
        return 1
    return 0


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| new family | images | its AUC | it is caught | AUC of all others | others caught | named right, wrong, not "
        "| seconds |",
        "|---|---:|---|---|---|---|---|---:|",
    ]
    for row in rows:
        names = row["names"]
        cells = [
            row["family"],
            str(row["fitted"]),
            *(_change(row[side][what]) for side in ("new", "old") for what in ("auc", "caught")),
            f"{names['right']}, {names['wrong']}, {names['unnamed']} of {names['images']}",
            f"{row['seconds']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _change(figure: dict[str, Any]) -> str:
    low, high = figure["change_interval"]
    return f"{figure['before']:.2f} → {figure['after']:.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    main()
