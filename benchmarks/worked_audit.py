"""The worked example of docs/auditing.md: audit, match, audit again, on a leaky set of stand-ins and on the corpus.

The leaky set is made here from free photographs (`leaky_set.py`) and needs nothing else; it is matched a second time
with lower scale factors. The corpus is audited split by split where `${CONTRAFAKE_DATA}/corpus` is; none of its
pictures enters a result or a figure.

    python benchmarks/worked_audit.py [--work DIR] [--only leaky train val test] [--check]

Writes results/worked_audit.json and docs/images/audit-*.svg; `--only` replaces the named sets and keeps the others.
`--check` only compares the tables of the document with the committed result.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaky_set import COUNT, leaky_set
from machine import RESULTS, write_result

if TYPE_CHECKING:
    from contrafake.data.audit.result import AuditReport, JointResult

NAME = "worked_audit"
DOCS = Path(__file__).parent.parent / "docs"
CORPUS_SPLITS = ("train", "val", "test")
DRAWN = ("leaky", "test")
LOWER = (0.35, 0.65)
"""Scale factors of the second matching of the leaky set: below one by its strongest enlargement."""

SINGLE = 6
"""Single features in a table of the document."""


def main() -> None:
    """Runs all that can be run, prints the tables, writes the result and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="folder for sets and measurements; a temporary one by default")
    parser.add_argument("--only", nargs="*", choices=["leaky", *CORPUS_SPLITS], help="all by default")
    parser.add_argument("--check", action="store_true", help="compare the document with the result and leave")
    options = parser.parse_args()
    committed = RESULTS / f"{NAME}.json"
    before = json.loads(committed.read_text(encoding="utf-8"))["sets"] if committed.exists() else {}
    if options.check:
        raise SystemExit(check(before))
    with tempfile.TemporaryDirectory() as temporary:
        found = run(options.work or Path(temporary), options.only or ["leaky", *CORPUS_SPLITS])
    sets = {name: {**before, **found}[name] for name in ("leaky", *CORPUS_SPLITS) if name in {**before, **found}}
    write_result(NAME, {"sets": sets})
    print(page(sets))


def run(work: Path, wanted: list[str]) -> dict[str, Any]:
    """Audits, matches and audits each set."""
    from contrafake.data.audit.plots import save_comparison

    sets: dict[str, Any] = {}
    for name, address in addresses(work, wanted).items():
        before = audited(name, address, work / f"{name}-audit")
        after, left_out = matched(name, address, work / f"{name}-matched")
        if name in DRAWN:
            save_comparison(before, after, DOCS / "images" / f"audit-{name}.svg")
        sets[name] = {"before": figures(before), "after": figures(after), "left_out": left_out}
        if name == "leaky":
            lower, _ = matched(name, address, work / f"{name}-lower", factor=LOWER)
            sets[name]["lower_factors"] = figures(lower)
        print(f"{name}: {before.verdict} After: {after.verdict}", flush=True)
    return sets


def addresses(work: Path, wanted: list[str]) -> dict[str, str]:
    """Where each wanted set lies; the leaky one is made, splits of a corpus that is not there are left out."""
    found: dict[str, str] = {}
    if "leaky" in wanted:
        folder = work / "leaky"
        if not (folder / "manifest.csv").exists():
            leaky_set(folder, COUNT)
        found["leaky"] = str(folder)
    corpus = Path(os.environ.get("CONTRAFAKE_DATA", "")) / "corpus"
    for split in CORPUS_SPLITS:
        if split in wanted:
            if any(corpus.glob(f"{split}-*.tar")):
                found[split] = str(corpus / f"{split}-*.tar")
            else:
                print(f"{split}: not audited, there is no corpus in ${{CONTRAFAKE_DATA}}")
    return found


def audited(name: str, address: str, folder: Path) -> AuditReport:
    """The audit of one set; measurements stay in the folder."""
    from contrafake.data.audit.audit import audit
    from contrafake.data.sources import open_data

    return audit(open_data([address]), name=name, folder=folder)


def matched(name: str, address: str, out: Path, **settings: Any) -> tuple[AuditReport, dict[str, int]]:
    """The audit of the matched copy, and how many images were left out by class and reason."""
    from contrafake.data.matching.match import match
    from contrafake.data.matching.settings import MatchSettings
    from contrafake.data.parallel import default_workers
    from contrafake.data.sources import open_data

    report = match(open_data([address]), out, MatchSettings(**settings), workers=default_workers())
    left_out: dict[str, int] = {}
    for label, _, reason, count in report.lost:
        left_out[f"{label}: {reason}"] = left_out.get(f"{label}: {reason}", 0) + count
    return audited(f"{name}, matched", str(out), out.with_name(f"{out.name}-audit")), left_out


def figures(report: AuditReport) -> dict[str, Any]:
    """What the documents quote: no key, no path."""
    shown = [feature for feature in report.features if feature.room != "content"]
    return {
        "images": report.images,
        "sources": report.sources,
        "verdict": report.verdict,
        "without_content": joint(report.without_content),
        "content_only": joint(report.content_only),
        "features": {f.name: {"title": f.title, "auc": f.auc, "by_image": f.auc_same_sources} for f in shown},
        "sentences": {feature.name: feature.sentence for feature in shown[: 2 * SINGLE]},
        "duplicates": {name: count for name, count in asdict(report.duplicates).items() if name != "examples"},
        "notes": report.notes,
    }


def joint(result: JointResult) -> dict[str, Any]:
    """One joint model."""
    return {
        "auc": result.auc.value,
        "interval": [result.auc.low, result.auc.high],
        "by_image": result.auc_same_sources,
        "leaders": result.leaders,
        "folds": result.folds,
        "grouped_by": result.grouped_by,
    }


def page(sets: dict[str, Any]) -> str:
    """The tables of the document: all sets, then the single features of those that are drawn."""
    lines = ["| set | images | without the content, by source | by image | content only, by source | by image |"]
    lines.append("|---|---|---|---|---|---|")
    for name, found in sets.items():
        lines += [_row(name, found["before"]), _row(f"{name}, matched", found["after"])]
        if "lower_factors" in found:
            lines.append(_row(f"{name}, matched by {LOWER[0]}-{LOWER[1]}", found["lower_factors"]))
    for name, found in [(name, sets[name]) for name in DRAWN if name in sets]:
        lines += ["", f"| {name} | what it says | AUC before | after |", "|---|---|---|---|"]
        features = found["before"]["features"]
        leading = [key for key in features if key != "name_pattern"][:SINGLE]
        for key in leading:
            after = found["after"]["features"][key]["auc"]
            says = found["before"]["sentences"][key]
            lines.append(f"| {features[key]['title']} | {says} | {features[key]['auc']:.2f} | {after:.2f} |")
    return "\n".join(lines)


def _row(name: str, found: dict[str, Any]) -> str:
    images = sum(count for classes in found["images"].values() for count in classes.values())
    cells = [f"{images:,}"]
    for model in (found["without_content"], found["content_only"]):
        low, high = model["interval"]
        cells += [f"{model['auc']:.2f} ({low:.2f} to {high:.2f})", f"{model['by_image']:.2f}"]
    return f"| {name} | {' | '.join(cells)} |"


def check(sets: dict[str, Any]) -> int:
    """Whether every line of the tables stands in the document."""
    text = (DOCS / "auditing.md").read_text(encoding="utf-8").splitlines()
    missing = [line for line in page(sets).splitlines() if line not in text]
    print(
        "\n".join([f"not in docs/auditing.md: {line}" for line in missing]) or "docs/auditing.md says what was measured"
    )
    return 1 if missing else 0


if __name__ == "__main__":
    main()
