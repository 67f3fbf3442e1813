"""An audit's figures for documents: bars of single features, distributions of the leaders, before against after."""

from __future__ import annotations

import io
import math
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.data.audit.shown import auc_in_words, in_short, shown
from contrafake.data.whole_file import write_whole
from contrafake.errors import MissingExtraError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from contrafake.data.audit.result import AuditReport, FeatureResult

REAL, GENERATED, INK, DIM, RAIL = "#2c6cb3", "#d4641c", "#1d1f22", "#6a6e75", "#e2e0db"
BARS_SHOWN, LEADERS_SHOWN = 16, 6
_LABEL = 28

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # it comes with matplotlib, so every machine draws the same
    "font.size": 9,
    "text.parse_math": False,  # a dollar sign in a file name is no formula
    "svg.hashsalt": "contrafake",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": RAIL,
    "xtick.color": DIM,
    "ytick.color": INK,
    "text.color": INK,
}


def save_plots(report: AuditReport, folder: str | os.PathLike[str]) -> list[Path]:
    """Draws the AUC of single features, and both classes side by side for those that tell the most.

    Content features are left out. The same report gives the same bytes; no pixel of the data is in them.

    Args:
        report: What the audit found.
        folder: Where to write; made if it is not there.

    Returns:
        The files: `features.svg` and `distributions.svg`.

    Raises:
        DataError: A file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    features = [feature for feature in report.features if feature.room != "content"]
    files = [target / "features.svg", target / "distributions.svg"]
    with _drawing():
        _save(_bars(report, features[:BARS_SHOWN]), files[0])
        _save(_distributions(features[:LEADERS_SHOWN]), files[1])
    return files


def save_comparison(before: AuditReport, after: AuditReport, path: str | os.PathLike[str]) -> None:
    """Draws how far each feature and both joint models told the classes apart, before and after.

    Args:
        before: The audit of the set as it was; its features of highest AUC are shown.
        after: The audit of the set after something was done to it.
        path: An `.svg` or `.png` file; one that stands there is replaced.

    Raises:
        DataError: The file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    later = {feature.name: feature.auc for feature in after.features}
    rows = [
        (model.name, model.auc.value, end.auc.value)
        for model, end in ((before.without_content, after.without_content), (before.content_only, after.content_only))
    ]
    rows = [(name[0].upper() + name[1:], start, end) for name, start, end in rows]
    features = [feature for feature in before.features if feature.room != "content" and feature.name in later]
    rows += [(feature.title, feature.auc, later[feature.name]) for feature in features[:BARS_SHOWN]]
    with _drawing():
        _save(_dumbbells(rows), Path(path))


def _bars(report: AuditReport, features: list[FeatureResult]) -> Figure:
    figure, axes = _canvas(1.0 + 0.27 * max(len(features), 1))
    places = range(len(features))
    axes.barh(places, [max(_number(f.auc) - 0.5, 0) for f in features], left=0.5, height=0.62, color=REAL)
    same = [min(max(_number(f.auc_same_sources), 0.5), 1) for f in features]
    axes.plot(same, places, "|", color=INK, markersize=9, clip_on=False)
    for place, feature in zip(places, features, strict=True):
        axes.text(1.015, place, auc_in_words(feature.auc), va="center", color=INK)
    _rows(axes, [feature.title for feature in features])
    joint = auc_in_words(report.without_content.auc.value)
    axes.set_xlabel(f"AUC with folds by source (line: by image); all together {joint}", color=DIM)
    return figure


def _dumbbells(rows: list[tuple[str, float, float]]) -> Figure:
    figure, axes = _canvas(1.2 + 0.27 * len(rows))
    for place, (_, start, end) in enumerate(rows):
        ends = [min(max(_number(value), 0.5), 1) for value in (start, end)]
        axes.plot(ends, [place, place], color=RAIL, linewidth=3, solid_capstyle="round", zorder=1)
        axes.text(1.03, place, f"{auc_in_words(start)} → {auc_in_words(end)}", va="center", color=INK)
        for value, x, colour in ((start, ends[0], GENERATED), (end, ends[1], REAL)):
            if math.isfinite(value):
                axes.plot([x], [place], "o", color=colour, markersize=6.5, clip_on=False, zorder=2)
    for name, colour in (("before", GENERATED), ("after", REAL)):
        axes.plot([], [], "o", color=colour, label=name)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2)
    if len(rows) > 2:
        axes.axhline(1.5, color=RAIL, linewidth=0.8)
    _rows(axes, [name for name, _, _ in rows])
    axes.set_xlabel("AUC with folds by source; below 0.5 drawn at 0.5", color=DIM)
    return figure


def _distributions(features: list[FeatureResult]) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415

    count = max(len(features), 1)
    figure = Figure(figsize=(7.2, 1.9 * math.ceil(count / 2) + 0.3), layout="constrained")
    for place, feature in enumerate(features):
        axes: Axes = figure.add_subplot(math.ceil(count / 2), 2, place + 1)
        spread = feature.distribution
        slots = range(len(spread.labels))
        for shares, side, colour, name in (
            (spread.real, -0.2, REAL, "real"),
            (spread.generated, 0.2, GENERATED, "generated"),
        ):
            axes.bar([slot + side for slot in slots], [100 * s for s in shares], width=0.4, color=colour, label=name)
        named = list(slots) if len(spread.labels) <= 4 else [0, len(spread.labels) // 2, len(spread.labels) - 1]
        axes.set_xticks(named, [_tick(feature, slot) for slot in named], fontsize=7.5)
        axes.set_title(f"{_cut(feature.title)}, AUC {auc_in_words(feature.auc)}", fontsize=9, loc="left")
        axes.yaxis.set_major_formatter("{x:.0f} %")
        axes.tick_params(length=0, labelsize=7.5)
    if features:
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    return figure


def _tick(feature: FeatureResult, slot: int) -> str:
    edges = feature.distribution.edges
    if slot < len(edges) - 1 and " to " in feature.distribution.labels[slot]:
        return f"{in_short(edges[slot])} to {in_short(edges[slot + 1])}"
    return _cut(feature.distribution.labels[slot], 14)


def _canvas(height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(7.2, height), layout="constrained")
    axes: Axes = figure.add_subplot()
    axes.set_xlim(0.5, 1)
    axes.grid(axis="x", color=RAIL, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), [_cut(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(length=0, pad=8)
    axes.spines["left"].set_visible(False)


def _cut(text: str, width: int = _LABEL) -> str:
    text = shown(text)
    return text if len(text) <= width else text[: width - 1] + "…"


def _number(value: float) -> float:
    return value if math.isfinite(value) else 0.5


def _save(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    kind = path.suffix.lower().removeprefix(".") or "svg"
    # Neither the date nor the version of matplotlib may change the bytes.
    nothing: dict[str, Any] = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    figure.savefig(buffer, format=kind, metadata=nothing, dpi=160)
    write_whole(path, buffer.getvalue())


@contextmanager
def _drawing() -> Iterator[None]:
    try:
        import matplotlib as mpl  # noqa: PLC0415 - only figures need it
    except ImportError as error:
        raise MissingExtraError("figures", "not installed: matplotlib", 'pip install "contrafake[data]"') from error
    import warnings  # noqa: PLC0415

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # what the user has set for other figures does not change these
        mpl.rcParams.update(_STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield
