"""One step of learning to denoise, and everything that changes with it."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from contrafake.generate.tiny.config import TinyConfig
    from contrafake.generate.tiny.photographs import Cache


class Learner:
    """The network of a pipeline with its optimiser and its averaged weights.

    Attributes:
        average: Averaged weights by name.
        optimizer: AdamW.
    """

    def __init__(self, config: TinyConfig, pipeline: Any, cache: Cache, dtype: torch.dtype) -> None:
        """Begins at step 0.

        Args:
            config: The settings.
            pipeline: A `TinyPipeline`; its network learns in place.
            cache: The photographs.
            dtype: Precision of the forward pass.
        """
        self._config, self._cache, self._dtype = config, cache, dtype
        self._network, self._scheduler = pipeline.unet, pipeline.scheduler
        self._size = int(pipeline.unet.config.sample_size)
        self.average: dict[str, Tensor] = {
            name: tensor.detach().clone() for name, tensor in self._network.named_parameters()
        }
        self.optimizer = torch.optim.AdamW(self._network.parameters(), weight_decay=config.weight_decay)

    def take(self, step: int) -> float:
        """Takes a step; what it draws follows from the seed and the step's number alone.

        Args:
            step: Number of the step, from 0.

        Returns:
            Mean squared error of the prediction, before the step.
        """
        config = self._config
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        draw = torch.Generator().manual_seed(config.seed << 31 | step)
        clean = crops(self._cache, self._size, config.batch, draw)
        times = torch.randint(0, int(self._scheduler.config.num_train_timesteps), (config.batch,), generator=draw)
        noise = torch.randn(clean.shape, generator=draw)
        wanted = noise
        if config.prediction == "v_prediction":
            wanted = self._scheduler.get_velocity(clean, noise, times)
        noisy = self._scheduler.add_noise(clean, noise, times)
        self._network.train()
        device = next(iter(self.average.values())).device
        with torch.autocast(device.type, self._dtype, enabled=self._dtype is not torch.float32):
            placed = noisy.to(device, memory_format=torch.channels_last)
            predicted = self._network(placed, times.to(device)).sample
        loss = torch.nn.functional.mse_loss(predicted.float(), wanted.to(device))
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        keep = min(config.ema, (1 + step) / (10 + step))
        own = [parameter.detach() for parameter in self._network.parameters()]
        torch._foreach_lerp_(list(self.average.values()), own, 1 - keep)
        return float(loss.detach())

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Lends the network its averaged weights."""
        own = {name: tensor.detach().clone() for name, tensor in self._network.named_parameters()}
        self._network.load_state_dict(self.average)
        self._network.eval()
        try:
            yield
        finally:
            self._network.load_state_dict(own)


def learning_rate(config: TinyConfig, step: int) -> float:
    """Linear over the warm-up, then along a cosine to a tenth of the peak at the last step."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    share = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.learning_rate * (0.55 + 0.45 * math.cos(math.pi * share))


def crops(cache: Cache, size: int, count: int, draw: torch.Generator) -> Tensor:
    """Random squares of random photographs.

    Pixels are mirrored at random; latents are not, since that of a mirrored image is no mirrored latent.

    Args:
        cache: The photographs.
        size: Side of a square, in pixels or steps of the latent.
        count: How many.
        draw: Source of chance.

    Returns:
        (count, C, size, size) float32: normalised latents, or pixels from -1 to 1.
    """
    cut = []
    for index in torch.randint(0, cache.count, (count,), generator=draw).tolist():
        whole = cache[index]
        top, left = (int(torch.randint(0, side - size + 1, (), generator=draw)) for side in whole.shape[1:])
        crop = whole[:, top : top + size, left : left + size].float()
        if cache.mean is None and torch.rand((), generator=draw) < 0.5:
            crop = crop.flip(2)
        cut.append(crop)
    batch = torch.stack(cut)
    if cache.mean is None:
        return batch / 127.5 - 1
    mean, deviation = (torch.tensor(law).view(1, -1, 1, 1) for law in (cache.mean, cache.deviation))
    return (batch - mean) / deviation
