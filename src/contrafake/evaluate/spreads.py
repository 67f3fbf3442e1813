"""How far generators differ: their mean, the worst of them, and their spread, each generator weighing the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.evaluate.figures import PARTS, Spread
from contrafake.evaluate.resampling import estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from contrafake.evaluate.figures import Part
    from contrafake.evaluate.rows import MeasuredRow

SPREAD_METRICS = ("auc", "accuracy_generated", "balanced_accuracy")


def spreads(measured: Sequence[MeasuredRow], pooled: Mapping[Part, tuple[str, ...]]) -> Iterator[Spread]:
    """The spreads of one detector on one variant, by part and metric.

    The interval of a mean is that of the mean in every resample: the part's real images are drawn once for all
    generators, and each generator's images on their own. The generators themselves are not drawn, so that it speaks of
    other images of these generators and not of other generators.

    Args:
        measured: Rows of one detector and variant, resampled with the same draws of real images.
        pooled: Generators with too few images, by part.
    """
    for part in PARTS:
        for metric in SPREAD_METRICS:
            rows = [
                one
                for one in measured
                if one.row.part == part and one.row.level == "origin" and metric in one.row.metrics
            ]
            if not rows:
                continue
            values = {one.row.name: one.row.metrics[metric].value for one in rows}
            worst = min(values, key=lambda name: (values[name], name))
            drawn = [one.resampled[metric] for one in rows if metric in one.resampled]
            first = rows[0].row
            yield Spread(
                detector=first.detector,
                variant=first.variant,
                part=part,
                metric=metric,
                generators=len(rows),
                mean=estimate(float(np.mean(list(values.values()))), np.mean(drawn, axis=0) if drawn else None),
                worst=values[worst],
                worst_name=worst,
                spread=float(np.std(list(values.values()), ddof=1)) if len(values) > 1 else None,
                pooled=pooled.get(part, ()),
            )
