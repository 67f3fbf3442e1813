"""Random views for tests of the loss, and short ways to call it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from contrafake.train.config import LossConfig
from contrafake.train.losses import LossTerms, Views, code_loss

NAMES = ("clean", "transformed", "wide", "local")


def random_views(size: int, dimension: int, seed: int, *, generated: int = 1, native: int = 0) -> tuple[Views, Views]:
    """Double precision leaves that ask for gradients: `size` real images, `generated` times as many generated ones."""
    generator = torch.Generator().manual_seed(seed)

    def leaf(*shape: int) -> Tensor:
        return torch.randn(*shape, dimension, generator=generator, dtype=torch.float64).requires_grad_()

    real, fake = ([leaf(rows) for _ in NAMES] for rows in (size, size * generated))
    if native:
        real.append(leaf(native, size))
        fake.append(leaf(native, size * generated))
    return Views(*real), Views(*fake)


def constant(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def loss(real: Views, fake: Views, permutation: Tensor, **options: Any) -> LossTerms:
    """The loss of as many generated as real images, with one permutation for both."""
    return code_loss(real, fake, (permutation, permutation), LossConfig(**options))


def values(terms: LossTerms) -> dict[str, float]:
    return {name: value.item() for name, value in vars(terms).items()}


def has_gradient(gradient: Tensor | None) -> bool:
    """Whether every row moves; a gradient that is zero everywhere counts as none."""
    if gradient is None or not gradient.any():
        return False
    return bool(gradient.any(dim=-1).all())
