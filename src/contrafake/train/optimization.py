"""How the weights are stepped: schedule, parameter groups, and their moving average."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

if TYPE_CHECKING:
    from torch import nn

    from contrafake.model.encoder import Encoder
    from contrafake.train.config import OptimizerConfig

_NEVER_DECAYED = ("cls_token", "mask_token", "position_embeddings")


def learning_rate(step: int, steps: int, warmup: int, peak: float) -> float:
    """Linear warm-up from peak / 2000, then a cosine to zero at `steps`.

    Args:
        step: Number of the step, from 0.
        steps: Steps of the run.
        warmup: Steps of the warm-up among them; 0 begins at the peak.
        peak: Largest rate.
    """
    if step < warmup:
        return peak / 2000 + (peak - peak / 2000) * step / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def make_optimizer(encoder: Encoder, config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW over what is trained; without `decay_all`, biases, norms, tokens and positions are not decayed.

    A group's "share" is its part of the step's rate.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            decays = config.decay_all or (parameter.ndim > 1 and not name.endswith(_NEVER_DECAYED))
            groups.setdefault((not decays, name.startswith("backbone.")), []).append(parameter)
    merged: list[dict[str, Any]] = []
    for (kept, of_backbone), parameters in sorted(groups.items(), key=lambda item: item[0]):
        share = config.backbone_rate if of_backbone else 1.0
        decay = {"weight_decay": 0.0} if kept else {}
        merged.append({"params": parameters, "share": share, **decay})
    # With a frozen backbone and nothing learned on it, only running statistics are left to gather.
    merged = merged or [{"params": [], "share": 1.0}]
    return torch.optim.AdamW(merged, lr=config.learning_rate, weight_decay=config.weight_decay)


def make_average(encoder: Encoder, decay: float) -> AveragedModel:
    """An exponential moving average of an encoder's weights and buffers, starting from the encoder as it is."""
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(encoder, multi_avg_fn=average, use_buffers=True)


def freeze_unreached(encoder: Encoder, size: int) -> list[str]:
    """Stops training what the embedding does not depend on (a mask token, a pooler), and names it.

    Such parameters would never get a gradient, and several processes would wait for it.
    """
    was_training = encoder.training
    device = next(encoder.parameters()).device
    crops = torch.arange(2 * size * size * 3, device=device).remainder(251).to(torch.uint8).reshape(2, size, size, 3)
    made = encoder.eval()(crops).sum()  # evaluation leaves running statistics alone
    if made.requires_grad:
        made.backward()
    unreached = [
        name for name, parameter in encoder.named_parameters() if parameter.requires_grad and parameter.grad is None
    ]
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and name not in unreached)
    encoder.zero_grad(set_to_none=True)
    encoder.train(was_training)
    return unreached
