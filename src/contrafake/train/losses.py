"""The CoDE objective: class-level contrast of whole images, and contrast of local with global views.

Reference: Baraldi et al., Contrasting Deepfakes Diffusion via Contrastive Learning and Global-Local Similarities, ECCV
2024, section 3; symbols as in its figure 2 (r real, f generated; ' transformed; glob, loc crops).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Views:
    """Embeddings of the four views of one class, each (B, D), row i from image i.

    Attributes:
        clean: r or f.
        transformed: r' or f'.
        wide: r^glob or f^glob.
        local: r^loc or f^loc.
    """

    clean: Tensor
    transformed: Tensor
    wide: Tensor
    local: Tensor


@dataclass(frozen=True)
class LossTerms:
    """The loss to minimise and what it is made of; every term is a scalar.

    Attributes:
        total: What is back-propagated.
        real: Mean of the real class's terms.
        generated: Mean of the generated class's terms.
        global_real: Contrast of whole real images.
        global_generated: Contrast of whole generated images.
        multi_scale_real: Contrast of local with global views of real images; zero when switched off.
        multi_scale_generated: The same for generated images.
    """

    total: Tensor
    real: Tensor
    generated: Tensor
    global_real: Tensor
    global_generated: Tensor
    multi_scale_real: Tensor
    multi_scale_generated: Tensor


def info_nce(query: Tensor, positive: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """InfoNCE with one positive per query and negatives shared by all queries.

    ``l = -1/B sum_i log( e^{q_i.p_i/t} / ( e^{q_i.p_i/t} + sum_j e^{q_i.n_j/t} ) )`` on L2-normalised vectors.

    Args:
        query: (B, D).
        positive: (B, D), row i belongs to query i.
        negatives: (M, D).
        temperature: tau > 0.

    Returns:
        Scalar mean over the queries.
    """
    query, positive, negatives = (functional.normalize(x, dim=-1) for x in (query, positive, negatives))
    attraction = (query * positive).sum(dim=-1, keepdim=True)  # (B, 1)
    repulsion = query @ negatives.T  # (B, M)
    logits = torch.cat([attraction, repulsion], dim=1) / temperature
    return -functional.log_softmax(logits, dim=1)[:, 0].mean()


def code_loss(
    real: Views,
    generated: Views,
    permutation: Tensor,
    *,
    temperature: float = 0.1,
    generated_term: bool = True,
    multi_scale: bool = True,
) -> LossTerms:
    """The CoDE loss of one batch.

    A whole image is drawn to the transformed view of *another* image of its class and pushed from all transformed
    images of the other class; a local view is drawn to its *own* image's global view and pushed from the other class's
    global views. Images of one class are never each other's negatives.

    Args:
        real: Views of B real images.
        generated: Views of B generated images.
        permutation: (B,) indices; the positive of image i is the transformed view of image permutation[i]. Use
            `derangement`, so that no image is its own positive.
        temperature: tau.
        generated_term: True gives L_real + L_generated; False gives 2 L_real, which the published code optimises.
        multi_scale: Whether the local-global term is part of the loss (then each class is the mean of two terms).

    Returns:
        The terms; `total` is differentiable in every view that it involves.
    """

    def of_class(own: Views, other: Views) -> tuple[Tensor, Tensor, Tensor]:
        whole = info_nce(own.clean, own.transformed[permutation], other.transformed, temperature)
        if not multi_scale:
            return whole, whole, torch.zeros_like(whole)
        scales = info_nce(own.local, own.wide, other.wide, temperature)
        return (whole + scales) / 2, whole, scales

    loss_real, global_real, scales_real = of_class(real, generated)
    loss_generated, global_generated, scales_generated = of_class(generated, real)
    total = loss_real + loss_generated if generated_term else 2 * loss_real
    return LossTerms(total, loss_real, loss_generated, global_real, global_generated, scales_real, scales_generated)


def derangement(size: int, generator: torch.Generator) -> Tensor:
    """A permutation without fixed point, drawn as the official code does.

    A uniform permutation; where it leaves any element in place (63 % of the time), a shift by one instead.

    Args:
        size: B >= 2.
        generator: CPU generator.

    Returns:
        (B,) int64.

    Raises:
        ValueError: If `size` is below 2, where no such permutation exists.
    """
    if size < 2:
        raise ValueError("a batch needs at least two records: the positive is another image of the class")
    drawn = torch.randperm(size, generator=generator)
    identity = torch.arange(size)
    return identity.roll(1) if bool((drawn == identity).any()) else drawn
