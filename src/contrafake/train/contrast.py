"""Contrasts on the unit sphere: a query is drawn to its positives and pushed from its negatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(query: Tensor, positive: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """InfoNCE with one positive per query and negatives shared by all queries.

    ``l = -1/n sum_i log( e^{q_i.p_i/t} / ( e^{q_i.p_i/t} + sum_j e^{q_i.n_j/t} ) )`` on L2-normalised vectors.

    Args:
        query: (n, D).
        positive: (n, D), row i belongs to query i.
        negatives: (M, D).
        temperature: tau > 0.

    Returns:
        Scalar mean over the queries.
    """
    query, positive, negatives = (functional.normalize(x, dim=-1) for x in (query, positive, negatives))
    attraction = (query * positive).sum(dim=-1, keepdim=True)  # (n, 1)
    repulsion = query @ negatives.T  # (n, M)
    logits = torch.cat([attraction, repulsion], dim=1) / temperature
    return -functional.log_softmax(logits, dim=1)[:, 0].mean()


def supervised_contrast(
    query: Tensor, keys: Tensor, origins: Tensor, negatives: Tensor, temperature: float, *, first: int = 0
) -> Tensor:
    """Supervised contrast with several positives per query (Khosla et al., NeurIPS 2020, equation 2, L_out).

    ``l_i = -1/|P(i)| sum_{p in P(i)} log( e^{q_i.k_p/t} / ( sum_{a != i} e^{q_i.k_a/t} + sum_j e^{q_i.n_j/t} ) )`` on
    L2-normalised vectors. P(i) holds the keys of the query's origin without its own image's key. As in that paper, all
    positives stand in the denominator, and so do keys of other origins; the own image's key stands nowhere.

    Args:
        query: (n, D), queries of the images first to first + n - 1.
        keys: (N, D), one of each image of the joint batch.
        origins: (N,) int64, what the joint images are told apart by; all equal for a contrast of labels.
        negatives: (M, D).
        temperature: tau > 0.
        first: Where the queries' images stand among the keys: rank * n, where N / n processes share the keys.

    Returns:
        Scalar mean over the queries that have a positive, zero where none has. Among several processes their number in
        the joint batch is divided evenly, so that the mean over processes is the mean over all queries even where
        processes hold different numbers of them.
    """
    query, keys, negatives = (functional.normalize(x, dim=-1) for x in (query, keys, negatives))
    images = torch.arange(first, first + len(query), device=query.device)
    own = images[:, None] == torch.arange(len(keys), device=query.device)  # (n, N)
    positives = (origins[images][:, None] == origins) & ~own
    similar = query @ keys.T / temperature
    others = torch.cat([similar.masked_fill(own, -torch.inf), query @ negatives.T / temperature], dim=1)
    number = positives.sum(dim=1)
    attraction = torch.where(positives, similar, 0).sum(dim=1) / number.clamp(min=1)
    losses = torch.where(number > 0, others.logsumexp(dim=1) - attraction, 0)
    processes = len(keys) / len(query)
    return losses.sum() * processes / _with_company(origins).clamp(min=1)


def _with_company(origins: Tensor) -> Tensor:
    """Number of rows whose origin another row has too, as a scalar on the device (`unique` would wait for it)."""
    ordered = origins.sort().values
    alike = ordered[1:] == ordered[:-1]
    no = alike.new_zeros(1)
    return (torch.cat([no, alike]) | torch.cat([alike, no])).sum()
