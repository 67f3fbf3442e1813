"""Contrasts written from the papers' formulas, one similarity at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contrafake.train.losses import Views


def slow_cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / (math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b)))


def slow_info_nce(q: list[list[float]], p: list[list[float]], n: list[list[float]], tau: float) -> float:
    logs = 0.0
    for i in range(len(q)):
        attraction = math.exp(slow_cosine(q[i], p[i]) / tau)
        repulsion = 0.0
        for j in range(len(n)):
            repulsion += math.exp(slow_cosine(q[i], n[j]) / tau)
        logs += math.log(attraction / (attraction + repulsion))
    return -logs / len(q)


def slow_supervised_losses(
    q: list[list[float]], k: list[list[float]], origins: list[int], n: list[list[float]], tau: float
) -> list[float]:
    """One loss for each query that has a positive."""
    losses = []
    for i in range(len(q)):
        others = [a for a in range(len(k)) if a != i]
        positives = [a for a in others if origins[a] == origins[i]]
        if not positives:
            continue
        denominator = sum(math.exp(slow_cosine(q[i], k[a]) / tau) for a in others)
        denominator += sum(math.exp(slow_cosine(q[i], row) / tau) for row in n)
        logs = [math.log(math.exp(slow_cosine(q[i], k[p]) / tau) / denominator) for p in positives]
        losses.append(-sum(logs) / len(positives))
    return losses


Rows = list[list[float]]


def slow_class(own: dict[str, Any], other: dict[str, Any], case: dict[str, Any], label: int) -> tuple[float, ...]:
    """The four terms of a class; `case` holds what varies."""
    tau, past = case["tau"], case["past"][1 - label]
    negatives = other["transformed"] + past["transformed"]
    if case["positives"] == "one":
        positive = [own["transformed"][k] for k in case["permutations"][label]]
        whole = slow_info_nce(own["clean"], positive, negatives, tau)
    else:
        origins = case["origins"] if case["positives"] == "origin" and label == 1 else [0] * len(own["clean"])
        found = slow_supervised_losses(own["clean"], own["transformed"], origins, negatives, tau)
        whole = sum(found) / len(found) if found else 0.0
    kinds = [own["local"], *(own["native"] or [])]
    scales = [slow_info_nce(kind, own["wide"], other["wide"] + past["wide"], tau) for kind in kinds]
    mean, native = sum(scales) / len(scales), sum(scales[1:]) / max(len(scales) - 1, 1)
    return (whole + mean) / 2, whole, mean, native


def slow_code_loss(real: Views, fake: Views, **case: Any) -> dict[str, float]:
    nothing: dict[str, Rows] = {"transformed": [], "wide": []}
    case = {"positives": "one", "past": (nothing, nothing), **case}
    r, f = (
        {name: None if value is None else value.tolist() for name, value in vars(views).items()}
        for views in (real, fake)
    )
    found = slow_class(r, f, case, 0), slow_class(f, r, case, 1)
    names = (None, "global", "multi_scale", "native")
    terms = {
        f"{name}_{side}" if name else side: found[label][index]
        for index, name in enumerate(names)
        for label, side in enumerate(("real", "generated"))
    }
    return terms | {"total": terms["real"] + terms["generated"]}
