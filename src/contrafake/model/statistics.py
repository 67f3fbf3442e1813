"""An embedding from the statistics of every stage of a convolutional trunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

_SMALLEST = 1e-6
"""Added to a variance before its root, whose gradient at zero is infinite."""
_BOUND = 6.0
"""Deviations beyond which a standardised statistic is held: flat and broken images would otherwise rule the space."""


class StageStatistics(nn.Module):
    """Mean and deviation of each channel of each map, standardised; and what is learned from them.

    Deviations say how strongly a texture varies where the mean says how much of it there is; both are what detectors of
    resampling and of decoders' traces go by. Standardising over the training views (batch normalisation without a
    learned scale) lets the few channels of early maps count as much as the many of late ones.

    Args:
        channels: Of the maps, in order.
        width: Of the learned embedding; None embeds the standardised statistics themselves.
        inner: Width of the hidden layer.
        dropout: Share of the hidden units left out in training; of the statistics, half as many.
    """

    def __init__(self, channels: Sequence[int], width: int | None, *, inner: int = 512, dropout: float = 0.3) -> None:
        super().__init__()
        count = 2 * sum(channels)
        self.standard = nn.BatchNorm1d(count, eps=1e-5, affine=False)
        self.dimension = count if width is None else width
        self.project: nn.Module = nn.Identity()
        if width is not None:
            self.project = nn.Sequential(
                nn.Dropout(dropout / 2),
                nn.Linear(count, inner),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(inner, width),
            )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """(N, C, H, W) maps of every stage to (N, `dimension`) float32."""
        standardised = self.standard(self.measured(maps)).clamp(-_BOUND, _BOUND)
        return self.project(standardised)  # type: ignore[no-any-return]

    @staticmethod
    def measured(maps: Sequence[Tensor]) -> Tensor:
        """(N, C, H, W) maps to (N, D) float32, not standardised: means, then deviations, map by map."""
        parts = []
        for values in maps:
            exact = values.float()
            parts += [exact.mean(dim=(2, 3)), (exact.var(dim=(2, 3), correction=0) + _SMALLEST).sqrt()]
        return torch.cat(parts, dim=1)
