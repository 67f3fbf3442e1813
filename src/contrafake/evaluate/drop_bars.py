"""What single steps and ways of delivery cost, as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrafake.data.audit.shown import shown
from contrafake.evaluate.plot_series import WIDTH, empty_figure, finish
from contrafake.train.drawing import INK, RAIL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from contrafake.evaluate.plot_series import Series
    from contrafake.evaluate.variant import Variant


def bar_figure(title: str, variants: Sequence[Variant], series: Sequence[Series]) -> Figure:
    """Draws the drop in AUC of each variant with its interval, the dearest first.

    Args:
        title: The figure's title.
        variants: The rows, each in one of the series at least.
        series: Bars of each row, in order.
    """
    from matplotlib.patches import Patch  # noqa: PLC0415 - slow to import

    order = sorted(variants, key=lambda v: -max(o.drops[v.name].auc_drop.value for o in series if v.name in o.drops))
    thick = 0.8 / len(series)
    figure = empty_figure(WIDTH, 0.8 + len(order) * (0.2 + 0.08 * len(series)) + 0.2 * len(series))
    axes = figure.add_subplot()
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, one in enumerate(series):
        for row, variant in enumerate(order):
            if variant.name not in one.drops:
                continue
            drop = one.drops[variant.name].auc_drop
            y = row - 0.4 + (place + 0.5) * thick
            axes.barh(y, drop.value, 0.82 * thick, **_look(one))
            if drop.low is not None and drop.high is not None:
                axes.plot([drop.low, drop.high], [y, y], color=INK, linewidth=0.8)
    axes.set_yticks(range(len(order)), [shown(variant.title.removesuffix(", drawn")) for variant in order])
    axes.set_ylim(len(order) - 0.45, -0.55)
    axes.tick_params(labelsize=8)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(axis="x", color=RAIL, linewidth=0.5)
    axes.set_axisbelow(True)
    drawn = any(drop.auc_drop.low is not None for one in series for drop in one.drops.values())
    axes.set_xlabel("AUC lost, with 95 % intervals" if drawn else "AUC lost", fontsize=8.5)
    return finish(figure, title, [Patch(label=one.name, **_look(one)) for one in series])


def _look(one: Series) -> dict[str, Any]:
    if one.dashes == "-":
        return {"color": one.colour, "linewidth": 0.9}
    hatch = {"--": "", ":": "////"}.get(one.dashes, "....")
    return {"facecolor": "none", "edgecolor": one.colour, "hatch": hatch, "linewidth": 0.9}
