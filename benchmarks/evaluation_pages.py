"""Writes the tables of the README and docs/evaluation/results.md from the committed evaluations.

Nothing is measured here and no image is needed: `results/evaluation/` holds the scores, and what follows from them.

    contrafake evaluate report benchmarks/results/evaluation/test      # figures from scores, once more
    python benchmarks/evaluation_pages.py                              # pages from figures
    python benchmarks/evaluation_pages.py --check                      # exit code 1 where a page differs

A page has its tables between `<!-- table: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation_tables import Committed
from machine import RESULTS

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "evaluation" / "results.md")
BLOCK = re.compile(r"(<!-- table: ([a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Writes or checks the pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--results", type=Path, default=RESULTS / "evaluation")
    options = parser.parse_args()
    tables = Committed.read(options.results).tables()
    different = []
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = filled(before, tables, page.name)
        if after != before:
            different.append(page.name)
            if not options.check:
                page.write_text(after, encoding="utf-8")
    if options.check and different:
        sys.exit(f"{', '.join(different)}: not what the results give: run benchmarks/evaluation_pages.py")
    print("nothing differs" if not different else f"written: {', '.join(different)}")


def filled(text: str, tables: dict[str, Callable[[], str]], name: str) -> str:
    """The page with its tables made anew."""

    def fill(match: re.Match[str]) -> str:
        if match[2] not in tables:
            sys.exit(f"{name}: there is no table {match[2]!r}")
        return f"{match[1]}\n{tables[match[2]]().strip()}\n\n{match[3]}"

    return BLOCK.sub(fill, text)


if __name__ == "__main__":
    main()
