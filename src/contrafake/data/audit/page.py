"""The audit as one HTML file that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake import __version__
from contrafake.data.audit import charts
from contrafake.data.audit.shown import auc_in_words, share_in_words, strength
from contrafake.data.html_page import data_uri, environment, style_and_policy
from contrafake.data.whole_file import write_whole

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment

    from contrafake.data.audit.result import AuditReport, Twin

PAIRS_SHOWN = 48
"""How many pairs of duplicates the page shows; with thumbnails, it stays below a megabyte."""

ROWS_OPEN, CHARTS_OPEN = 16, 12
LEAST_LOSS = 0.005
CLASS = {0: "real", 1: "generated"}


def shown_keys(report: AuditReport) -> list[str]:
    """Keys of the images of which the page shows thumbnails, each once."""
    pairs = report.duplicates.examples[:PAIRS_SHOWN]
    return list(dict.fromkeys(key for pair in pairs for key in (pair.first, pair.second)))


def render_page(report: AuditReport, thumbnails: Mapping[str, bytes] | None = None, command: str = "") -> str:
    """The page's HTML; the same arguments always give the same text.

    Args:
        report: What the audit found. All of its texts are taken as coming from outside.
        thumbnails: JPEG bytes by key for the pairs of duplicates; None for a page without a single pixel of the data.
        command: The command that made it, without the paths of this machine; "" for none.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    templates = _environment()
    style, policy = style_and_policy(templates, "audit.css")
    return templates.get_template("audit.html").render(
        report=report,
        style=style,
        policy=policy,
        version=__version__,
        command=command,
        pairs=report.duplicates.examples[:PAIRS_SHOWN],
        features=[feature for feature in report.features if feature.room != "content"],
        content=[feature for feature in report.features if feature.room == "content"],
        rows_open=ROWS_OPEN,
        charts_open=CHARTS_OPEN,
        titles={feature.name: feature.title for feature in report.features},
        images={key: data_uri(data, "jpeg") for key, data in (thumbnails or {}).items()},
        with_images=thumbnails is not None,
    )


def write_page(
    report: AuditReport,
    path: str | os.PathLike[str],
    thumbnails: Mapping[str, bytes] | None = None,
    command: str = "",
) -> None:
    """Writes the page, whole or not at all.

    Args:
        report: As in `render_page`.
        path: The HTML file; one that stands there is replaced.
        thumbnails: As in `render_page`.
        command: As in `render_page`.

    Raises:
        DataError: The file cannot be written.
        MissingExtraError: jinja2 is not installed.
    """
    write_whole(path, render_page(report, thumbnails, command).encode())


def pair_in_words(pair: Twin) -> str:
    """What is wrong with a pair: "under two labels", "in two splits", "siblings" or "in one split".

    Args:
        pair: Two images that are the same or nearly so.
    """
    wrong = []
    if pair.labels[0] != pair.labels[1]:
        wrong.append("siblings" if pair.siblings else "under two labels")
    if pair.splits[0] != pair.splits[1]:
        wrong.append("in two splits")
    return ", ".join(wrong) or "under one label, in one split"


def needed(leaders: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The leaders that a joint model loses something by: none where the others make up for each.

    Args:
        leaders: (feature, loss of AUC when it is shuffled).
    """
    return [(name, loss) for name, loss in leaders if loss >= LEAST_LOSS]


def _environment() -> Environment:
    found = environment("contrafake.data.audit", subject="the page", extra="data")
    found.filters |= {
        "auc": auc_in_words,
        "share": share_in_words,
        "strength": strength,
        "above_chance": charts.above_chance,
        "whisker": charts.whisker,
        "histogram": charts.histogram,
        "thousands": "{:,}".format,
        "needed": needed,
        "trouble": pair_in_words,
    }
    found.globals |= {"CLASS": CLASS, "WIDTH": charts.WIDTH, "HALF": charts.HALF, "TOP": charts.TOP}
    return found
