"""The datasheet of a built set: what it holds, where that comes from, how it was made, and what it cannot do.

Its questions are those of Gebru et al., "Datasheets for Datasets", Communications of the ACM 64(12), 2021, shortened to
what a user of a built set needs.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from contrafake.data.audit.shown import auc_in_words, share_in_words
from contrafake.data.html_page import as_markdown, environment
from contrafake.data.sample import GENERATED, REAL
from contrafake.data.whole_file import write_whole
from contrafake.generate.datasheet_audit import audit_built
from contrafake.generate.datasheet_facts import composition
from contrafake.generate.datasheet_generators import (
    STATUSES,
    generator_rows,
    in_words,
    libraries,
    side_in_words,
    table,
    without_folders,
)
from contrafake.generate.datasheet_law import filters_in_words, law_in_words, limits

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.audit.result import AuditReport, Distribution, Interval

__all__ = ["DATASHEET_NAME", "audit_built", "render_datasheet", "write_datasheet"]

DATASHEET_NAME = "datasheet.md"
_HISTORIES = ("earlier_compressions", "format")
"""Features of the audit that the datasheet shows whole."""


def write_datasheet(
    folder: Path, build: dict[str, Any], audit: AuditReport | None, before: AuditReport | None = None
) -> None:
    """Writes `datasheet.md` into a built set, whole or not at all.

    Args:
        folder: The set, with `index.parquet` and `records.parquet`.
        build: Content of its `build.json`; every key may be missing.
        audit: What the audit found, None where there was none.
        before: An audit of the same images before the law, where there is one.

    Raises:
        DataError: The index cannot be read, or the file cannot be written.
        MissingExtraError: pyarrow or jinja2 is not installed.
    """
    text = render_datasheet(folder, build, audit, before)
    write_whole(folder / DATASHEET_NAME, text.encode("utf-8", "backslashreplace"))


def render_datasheet(
    folder: Path, build: dict[str, Any], audit: AuditReport | None, before: AuditReport | None = None
) -> str:
    """The datasheet as Markdown; all texts are escaped.

    Args:
        folder: As in `write_datasheet`.
        build: As in `write_datasheet`.
        audit: As in `write_datasheet`.
        before: As in `write_datasheet`.

    Raises:
        DataError: The index cannot be read.
        MissingExtraError: pyarrow or jinja2 is not installed.
    """
    templates = environment("contrafake.generate", as_markdown, subject="the datasheet", extra="data")
    templates.filters |= {
        "thousands": "{:,}".format,
        "auc": auc_in_words,
        "share": share_in_words,
        "interval": _interval,
    }
    found, rows = composition(folder), generator_rows(build)
    config, reals, shards = table(build.get("config")), table(build.get("reals")), table(build.get("shards"))
    made = [row.made for row in rows]
    real, generated = found.count(label=REAL), found.count(label=GENERATED)
    # An object store's set is looked at in part: then the summary knows of more images than the index at hand.
    records, others = max(made[0] or 0, real), max(sum(n or 0 for n in made[1:]), generated)
    text = templates.get_template(DATASHEET_NAME).render(
        name=str(build.get("name") or folder.name),
        records=records,
        generated=others,
        partial=real + generated if real + generated < records + others else 0,
        found=found,
        rows=rows,
        generators=rows[1:],
        titles=[title for title, _ in rows[-1].settings],
        statuses=STATUSES,
        real_files=side_in_words(found.sides[REAL]),
        generated_files=side_in_words(found.sides[GENERATED]),
        by_origin={origin: side_in_words(side) for origin, side in found.by_origin.items()},
        data=_data(config),
        choice=_choice(config),
        listed=reals.get("listed") if isinstance(reals.get("listed"), int) else None,
        used=reals["used"] if isinstance(reals.get("used"), int) else records,
        reals_skipped=sorted(table(reals.get("skipped")).items(), key=lambda one: (-one[1], one[0])),
        licences=found.licences.most_common() if any(found.licences) else [],
        law=law_in_words(config),
        filters=filters_in_words(config),
        limits=limits(config),
        audit=audit,
        before=before,
        histories=_histories(audit),
        version=str(build.get("contrafake") or "of an unknown version"),
        libraries=libraries(build),
        shards=len(shards),
        bytes=sum(number for shard in shards.values() if isinstance(number := table(shard).get("bytes"), int)),
        digest=str(build.get("digest") or "unknown"),
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _interval(interval: Interval) -> str:
    known = math.isfinite(interval.low) and math.isfinite(interval.high)
    return f"{interval.low:.2f} to {interval.high:.2f}" if known else "unknown"


def _histories(audit: AuditReport | None) -> list[tuple[str, Distribution]]:
    by_name = {feature.name: feature for feature in audit.features} if audit else {}
    return [(by_name[name].title, by_name[name].distribution) for name in _HISTORIES if name in by_name]


def _data(config: dict[str, Any]) -> list[str]:
    data = table(config.get("reals")).get("data")
    return [without_folders(path) for path in data] if isinstance(data, list) else []


def _choice(config: dict[str, Any]) -> list[str]:
    """Which of the real images were taken, as far as the configuration says."""
    reals = table(config.get("reals"))
    lines = [f"{name} is {in_words(values)}" for name, values in table(reals.get("keep")).items()]
    lines += [f"{name} is not {in_words(values)}" for name, values in table(reals.get("drop")).items()]
    if words := reals.get("blocked_words"):
        lines.append(f"no caption with a word of {len(words)} blocked ones")
    if reals.get("blocked_words_file"):
        lines.append("no caption with a word of a list")
    if side := reals.get("least_side"):
        lines.append(f"shorter side of {side} pixels at least")
    if limit := reals.get("limit"):
        lines.append(f"{limit} records at most, by a hash of their keys")
    if model := table(reals.get("captioner")).get("model"):
        lines.append(f"missing captions written by {without_folders(model)}")
    return lines
