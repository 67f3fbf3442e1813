"""Plots of robustness: figures against the strength of a change, and what each step or way of delivery costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contrafake.evaluate.drop_bars import bar_figure
from contrafake.evaluate.plot_series import WIDTH, empty_figure, find_series, finish
from contrafake.evaluate.robustness import drops
from contrafake.train.drawing import DIM, RAIL, png, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from contrafake.evaluate.evaluation import Evaluation
    from contrafake.evaluate.figures import Figures
    from contrafake.evaluate.plot_series import Series
    from contrafake.evaluate.robustness import Drop
    from contrafake.evaluate.variant import Variant


@dataclass(frozen=True)
class _Panel:
    title: str
    # Where on the axis untouched images lie; None where they lie beside it.
    neutral: float | None
    # The strongest change stands at the left, as it does with a low quality.
    falling: bool = False


_PANELS: dict[str, _Panel] = {
    "jpeg": _Panel("JPEG quality", None),
    "webp": _Panel("WebP quality", None),
    "avif": _Panel("AVIF quality", None),
    "resize": _Panel("size: times each side", 1.0),
    "crop": _Panel("crop: % of each side kept", 100.0),
    "blur": _Panel("blur: radius in pixels", 0.0, falling=True),
    "noise": _Panel("noise: sigma of 255", 0.0, falling=True),
}
_BESIDE = 112.0
"""Where untouched images stand beside an axis of qualities."""
_FILTERS = {"nearest": "v", "box": "s", "bilinear": "^", "lanczos": "D"}
"""Filters other than bicubic, whose points are joined."""

_LISTS: dict[str, tuple[str, str]] = {
    "operations": ("robustness-operations.png", "The official operations one by one"),
    "delivery": ("robustness-delivery.png", "Ways of delivery"),
    "double": ("robustness-steps.png", "Two generations of JPEG, and screenshots"),
    "screenshot": ("robustness-steps.png", "Two generations of JPEG, and screenshots"),
}
_QUANTITIES = {
    "auc": ("robustness-auc.png", "AUC"),
    "found": ("robustness-found.png", "Generated images found at the default threshold"),
    "false_alarms": ("robustness-false-alarms.png", "False alarms at the default threshold"),
}


def draw_curves(
    evaluation: Evaluation,
    detectors: Sequence[str] | None = None,
    figures: Figures | None = None,
    *,
    found: Mapping[str, Sequence[Drop]] | None = None,
) -> dict[str, bytes]:
    """Draws all plots that the evaluation's variants allow.

    Curves: AUC, share of generated images found, and share of false alarms at the default threshold, against the
    quality of each codec, the size, the crop, blur and noise. Bars: the drop in AUC of single steps and of ways of
    delivery with its 95 % interval. Colours are detectors; seen and unseen origins are lines, or bars, of their own.

    Args:
        evaluation: The scores.
        detectors: Names of the detectors to draw; None takes all.
        figures: As for `drops`.
        found: What `drops` gave, by detector, where that is there already.

    Returns:
        PNG bytes by file name; the same arguments give the same. Empty without a variant of these kinds.

    Raises:
        KeyError: A detector is unknown.
        MissingExtraError: matplotlib is not installed.
    """
    names = [detector.name for detector in evaluation.detectors] if detectors is None else list(detectors)
    variants = {variant.name: variant for variant in evaluation.variants[1:]}
    panels = [group for group in _PANELS if any(v.group == group and v.value is not None for v in variants.values())]
    lists: dict[str, str] = {}
    for group, (file, title) in _LISTS.items():
        if any(variant.group == group for variant in variants.values()):
            lists[file] = title
    if not panels and not lists:
        return {}
    known = {name: (found or {}).get(name) or drops(evaluation, name, figures) for name in names}
    series = find_series(names, known)
    plots: dict[str, bytes] = {}
    with style():
        for quantity, (file, title) in _QUANTITIES.items():
            shown_ones = [one for one in series if any(getattr(d, quantity) is not None for d in one.drops.values())]
            if panels and shown_ones:
                plots[file] = png(_curves(quantity, title, panels, variants, shown_ones))
        for file, title in lists.items():
            groups = [group for group, (own, _) in _LISTS.items() if own == file]
            rows = [variant for variant in variants.values() if variant.group in groups]
            rows = [variant for variant in rows if any(variant.name in one.drops for one in series)]
            if rows:
                plots[file] = png(bar_figure(title, rows, series))
    return plots


def _curves(
    quantity: str, title: str, panels: Sequence[str], variants: Mapping[str, Variant], series: Sequence[Series]
) -> Figure:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = empty_figure(WIDTH, 1.45 * rows + 0.35 + 0.2 * len(series))
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel().tolist()
    for axes, group in zip(grid, panels, strict=False):
        _panel(axes, quantity, group, [v for v in variants.values() if v.group == group], series)
    for axes in grid[len(panels) :]:
        axes.remove()
    inside = {variant.name for variant in variants.values() if variant.group in panels}
    drawn = [drop for one in series for drop in one.drops.values() if drop.variant in inside]
    values = [getattr(drop, name) for drop in drawn for name in (quantity, f"{quantity}_before")]
    if quantity == "auc":
        grid[0].set_ylim(min(0.45, min(values) - 0.03), 1.02)
        # Above the line and at its end, where curves seldom come as low.
        grid[0].text(1, 0.505, "chance", fontsize=7, color=DIM, ha="right", transform=grid[0].get_yaxis_transform())
    else:
        top = 1.0 if quantity == "found" else min(1.0, max(0.2, 1.1 * max(values)))
        grid[0].set_ylim(-0.03 * top, 1.03 * top)
    look: dict[str, Any] = {"marker": "o", "markersize": 2.6, "linewidth": 1.3}
    handles = [Line2D([], [], color=one.colour, linestyle=one.dashes, label=one.name, **look) for one in series]
    return finish(figure, title, handles)


def _panel(axes: Axes, quantity: str, group: str, variants: Sequence[Variant], series: Sequence[Series]) -> None:
    panel = _PANELS[group]
    joined = [variant for variant in variants if variant.value is not None and _kernel(variant) == "bicubic"]
    others = [variant for variant in variants if variant.value is not None and _kernel(variant) != "bicubic"]
    if quantity == "auc":
        axes.axhline(0.5, color=RAIL, linewidth=1.2, zorder=0)
    for one in series:
        points = [(v.value or 0.0, getattr(one.drops[v.name], quantity)) for v in joined if v.name in one.drops]
        before = next((getattr(one.drops[v.name], f"{quantity}_before") for v in variants if v.name in one.drops), None)
        if panel.neutral is not None and before is not None:
            points.append((panel.neutral, before))
        points.sort()
        if points:
            look: dict[str, Any] = {"color": one.colour, "marker": "o", "markersize": 2.6, "linewidth": 1.3}
            axes.plot([x for x, _ in points], [y for _, y in points], linestyle=one.dashes, **look)
        if panel.neutral is None and before is not None:
            full = "full" if one.dashes == "-" else "none"
            axes.plot([_BESIDE], [before], "D", fillstyle=full, color=one.colour, markersize=3.4)
        for variant in others:
            if variant.name in one.drops and variant.value is not None:
                y, marker = getattr(one.drops[variant.name], quantity), _FILTERS[_kernel(variant)]
                hollow: dict[str, Any] = {"fillstyle": "none", "markersize": 3.6, "markeredgewidth": 0.8}
                axes.plot([variant.value], [y], marker, color=one.colour, **hollow)
    axes.set_title(panel.title, fontsize=8.5, color=DIM, loc="left", pad=3)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color=RAIL, linewidth=0.5)
    _ticks(axes, group, panel, [variant.value for variant in variants if variant.value is not None])
    if others:
        _name_filters(axes, {_kernel(variant) for variant in others})


def _ticks(axes: Axes, group: str, panel: _Panel, values: Sequence[float]) -> None:
    from matplotlib.ticker import NullLocator  # noqa: PLC0415

    if group == "resize":
        axes.set_xscale("log", base=2)
        ticks = [tick for tick in (0.125, 0.25, 0.5, 1, 2, 4) if min(*values, 1) <= tick <= max(*values, 1)]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    elif panel.neutral is None:
        first = 10 * int(min(values) // 10)
        ticks = [tick for tick in (0, 10, 30, 50, 70, 90) if tick >= first]
        axes.set_xticks([*ticks, _BESIDE], [*map(str, ticks), "none"])
        axes.set_xlim(first - 4, _BESIDE + 6)
    else:
        axes.set_xticks(sorted({panel.neutral, *values}), [f"{tick:g}" for tick in sorted({panel.neutral, *values})])
    if panel.falling:
        axes.invert_xaxis()


def _kernel(variant: Variant) -> str:
    """The filter of a change of size; "bicubic" for whatever else, whose points are joined as well."""
    return str(getattr(variant.chain[0], "filter", "bicubic")) if variant.chain else "bicubic"


def _name_filters(axes: Axes, kernels: set[str]) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    handles = [
        Line2D([], [], linestyle="", marker=marker, fillstyle="none", color=DIM, markersize=3.6, label=name)
        for name, marker in _FILTERS.items()
        if name in kernels
    ]
    axes.legend(
        handles=handles, loc="best", ncols=2,
        fontsize=6.5, frameon=False, handletextpad=0, columnspacing=0.4,
    )  # fmt: skip
