"""The audit as one HTML file that needs nothing else: no script, no font, no network."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from contrafake import __version__
from contrafake.data.audit import charts
from contrafake.data.audit.shown import auc_in_words, share_in_words, shown, strength
from contrafake.data.whole_file import write_whole
from contrafake.errors import MissingExtraError

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
    environment = _environment()
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    loader = environment.loader
    assert loader is not None  # noqa: S101 - for the type checker: set below
    # The policy allows this one style sheet by its hash, and nothing else but images inside the page.
    style = loader.get_source(environment, "audit.css")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(
        "audit.html"
    ).render(
        report=report,
        style=Markup(style),  # noqa: S704 - our own file
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'",
        version=__version__,
        command=command,
        pairs=report.duplicates.examples[:PAIRS_SHOWN],
        features=[feature for feature in report.features if feature.room != "content"],
        content=[feature for feature in report.features if feature.room == "content"],
        rows_open=ROWS_OPEN,
        charts_open=CHARTS_OPEN,
        titles={feature.name: feature.title for feature in report.features},
        images={key: _data_uri(data) for key, data in (thumbnails or {}).items()},
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
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only pages need it
    except ImportError as error:
        raise MissingExtraError("the page", "not installed: jinja2", 'pip install "contrafake[data]"') from error
    environment = Environment(
        loader=PackageLoader("contrafake.data.audit"),
        autoescape=True,
        undefined=StrictUndefined,
        # Every text passes here on its way into the page, so none can be forgotten.
        finalize=_final,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
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
    environment.globals |= {"CLASS": CLASS, "WIDTH": charts.WIDTH, "HALF": charts.HALF, "TOP": charts.TOP}
    return environment


def _final(value: Any) -> Any:
    # Markup is what the templates themselves have made and escaped.
    return value if not isinstance(value, str) or hasattr(value, "__html__") else shown(value)


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
