"""What `contrafake generate` says when a set is built."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from contrafake.cli.escape import as_text, for_terminal

if TYPE_CHECKING:
    from contrafake.generate.finish import Built

_UNBOUNDED = 1_000_000
_CAUSES = 5


def print_built(built: Built) -> None:
    """Prints a finished set for people: counts, what is missing and why, and whether files give the labels away."""
    summary = built.summary
    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("generator", "made", "failed", "filtered", "skipped", "s/image"):
        table.add_column(as_text(name), justify="left" if name == "generator" else "right", no_wrap=True)
    for name, counts in summary["counts"].items():
        seconds = summary["seconds"].get(name)
        numbers = [f"{counts[status]:,}" for status in ("made", "failed", "filtered", "skipped")]
        table.add_row(*map(as_text, [name, *numbers, "-" if seconds is None else f"{seconds:.3g}"]))
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip())
    _print_causes(summary)
    if built.audit is not None:
        auc = built.audit.without_content.auc
        between = "" if math.isnan(auc.low) or math.isnan(auc.high) else f" ({auc.low:.2f} to {auc.high:.2f})"
        print(f"audit: files and history give the label away at AUC {auc.value:.2f}{between}; 0.5 is chance")
    written = "shards, datasheet.md" if built.audit is None else "shards, datasheet.md, audit.html"
    print(f"digest {summary['digest'][:16]}; written to {for_terminal(built.address)}: {written}")


def _print_causes(summary: dict[str, Any]) -> None:
    for generator, statuses in summary["causes"].items():
        for status, causes in statuses.items():
            listed = sorted(causes.items(), key=lambda cause: -cause[1])
            for cause, count in listed[:_CAUSES]:
                line = f"{generator}: {count:,} {status}: {cause}"
                print(f"contrafake: {for_terminal(line)}", file=sys.stderr)
            if len(listed) > _CAUSES:
                print(f"contrafake: {for_terminal(generator)}: more in left-out.jsonl", file=sys.stderr)
