"""The worked example of docs/auditing.md: audit, match, audit again, on a leaky set of stand-ins and on the corpus.

The leaky set is made here from free photographs (`leaky_set.py`) and needs nothing else. The corpus is audited split by
split where `${CONTRAFAKE_DATA}/corpus` is; none of its pictures enters a result or a figure.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaky_set import COUNT, leaky_set
from machine import table, write_result

from contrafake.data.audit.audit import audit
from contrafake.data.audit.plots import save_comparison
from contrafake.data.matching.match import match
from contrafake.data.matching.settings import MatchSettings
from contrafake.data.parallel import default_workers
from contrafake.data.sources import open_data

if TYPE_CHECKING:
    from contrafake.data.audit.result import AuditReport, JointResult

FIGURES = Path(__file__).parent.parent / "docs" / "images"
CORPUS_SPLITS = ("train", "val", "test")


def main() -> None:
    """Runs all that can be run, prints the table, writes the result and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, help="folder for the sets, kept for another run; a temporary one by default"
    )
    parser.add_argument("--only", nargs="*", help="leaky, train, val, test; all by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        run(options.work or Path(temporary), options.only or ["leaky", *CORPUS_SPLITS])


def run(work: Path, wanted: list[str]) -> None:
    """Audits, matches and audits each set."""
    sets: dict[str, Any] = {}
    for name, address in addresses(work, wanted).items():
        before = audited(name, address, work / f"{name}-audit")
        matched = work / f"{name}-matched"
        report = match(open_data([address]), matched, MatchSettings(), workers=default_workers())
        after = audited(f"{name}, matched", str(matched), work / f"{name}-matched-audit")
        save_comparison(before, after, FIGURES / f"audit-{name}.svg")
        lost: dict[str, int] = {}
        for label, _, reason, count in report.lost:
            lost[f"{label}: {reason}"] = lost.get(f"{label}: {reason}", 0) + count
        sets[name] = {
            "before": figures(before),
            "after": figures(after),
            "left_out": lost,
        }
        print_set(name, before, after)
    write_result("worked_audit", {"sets": sets})


def addresses(work: Path, wanted: list[str]) -> dict[str, str]:
    """Where each wanted set lies; the leaky one is made, splits of a corpus that is not there are left out."""
    found: dict[str, str] = {}
    if "leaky" in wanted:
        folder = work / "leaky"
        if not (folder / "manifest.csv").exists():
            leaky_set(folder, COUNT)
        found["leaky"] = str(folder / "manifest.csv")
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
    return audit(open_data([address]), name=name, workers=default_workers(), folder=folder)


def figures(report: AuditReport) -> dict[str, Any]:
    """What the documents quote: no key, no path."""
    return {
        "images": report.images,
        "sources": report.sources,
        "verdict": report.verdict,
        "without_content": joint(report.without_content),
        "content_only": joint(report.content_only),
        "features": {
            f.name: {"title": f.title, "auc": f.auc, "same_sources": f.auc_same_sources} for f in report.features
        },
        "sentences": {feature.name: feature.sentence for feature in report.features[:12]},
        "duplicates": {name: count for name, count in asdict(report.duplicates).items() if name != "examples"},
        "notes": report.notes,
    }


def joint(result: JointResult) -> dict[str, Any]:
    """One joint model."""
    return {
        "auc": result.auc.value,
        "interval": [result.auc.low, result.auc.high],
        "same_sources": result.auc_same_sources,
        "leaders": result.leaders,
        "folds": result.folds,
        "grouped_by": result.grouped_by,
        "note": result.note,
    }


def print_set(name: str, before: AuditReport, after: AuditReport) -> None:
    """Before and after, the joint models first."""
    rows = [
        [model.name, *(f"{j.auc.value:.3f} ({j.auc.low:.2f}-{j.auc.high:.2f})" for j in (model, later))]
        for model, later in ((before.without_content, after.without_content), (before.content_only, after.content_only))
    ]
    later_auc = {feature.name: feature.auc for feature in after.features}
    rows += [[f.title, f"{f.auc:.3f}", f"{later_auc[f.name]:.3f}"] for f in before.features[:10]]
    print(f"\n{before.verdict}\n{after.verdict}\n{table([name, 'AUC before', 'after'], rows)}", flush=True)


if __name__ == "__main__":
    main()
