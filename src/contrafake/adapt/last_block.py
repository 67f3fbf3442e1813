"""The last block of an encoder, trained alone: what lies before it is computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from contrafake.errors import BundleError
from contrafake.model.encoder import Encoder, EncoderConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from contrafake.model.bundle import Bundle

BATCH = 64
TOLERANCE = 1e-3


@dataclass(frozen=True)
class BlockTraining:
    """How the last block is trained; the defaults were chosen on families that an encoder had not seen.

    Attributes:
        steps: Optimizer steps of 64 crops, at most.
        passes: How often every crop is seen on the average, at most: few images are learnt by heart otherwise.
        learning_rate: Of AdamW, falling to 0 along a cosine.
        keep: Weight of the term that holds the embeddings of old images where they were.
    """

    steps: int = 300
    passes: float = 6
    learning_rate: float = 1e-3
    keep: float = 0.3


def steps_for(rows: int, training: BlockTraining | None = None) -> int:
    """Optimizer steps on so many crops."""
    settings = training or BlockTraining()
    return max(1, min(settings.steps, int(settings.passes * rows / BATCH)))


def load_encoder(bundle: Bundle, weights: Path) -> Encoder:
    """The encoder of a bundle with its torch weights, in evaluation mode on the CPU.

    Raises:
        BundleError: The weights are no safetensors file, or of another encoder.
    """
    known = {key: value for key, value in bundle.config.architecture.items() if key in EncoderConfig.model_fields}
    try:
        encoder = Encoder(EncoderConfig(**known))
        encoder.load_state_dict(load_file(weights))
    except (ValidationError, RuntimeError) as error:
        raise BundleError(str(weights), "belongs to another encoder", "give the weights of this model") from error
    except (SafetensorError, OSError) as error:
        raise BundleError(str(weights), "is no readable safetensors file", "give model.safetensors") from error
    return encoder.eval()


class LastBlock:
    """An encoder in two parts: all but the last block (a transformer's layer, a convolutional stage), and the rest."""

    def __init__(self, encoder: Encoder) -> None:
        """Finds the block.

        Raises:
            BundleError: The architecture is none that is known here.
        """
        self.encoder = encoder
        backbone, settings = encoder.backbone, encoder.backbone.config
        self._transformer = hasattr(settings, "num_attention_heads")
        count = settings.num_hidden_layers if self._transformer else len(settings.hidden_sizes)
        lists = [one for one in backbone.modules() if isinstance(one, nn.ModuleList) and len(one) == count]
        if not lists:
            raise BundleError(settings.model_type, "its last block is not known here", "refit the heads alone")
        self.block: nn.Module = lists[0][-1]
        self._norm = backbone.layernorm if self._transformer else nn.Identity()

    def parameters(self) -> list[nn.Parameter]:
        """What is trained: the block and the norm after it."""
        return [*self.block.parameters(), *self._norm.parameters(), *self.encoder.norm.parameters()]

    @torch.inference_mode()
    def split(self, crops: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """(N, S, S, 3) uint8 -> what enters the block, (N, ...) float16, and (N, D) float32 embeddings.

        Raises:
            BundleError: The two parts do not make the whole.
        """
        caught: list[Tensor] = []
        hook = self.block.register_forward_pre_hook(lambda _module, given: caught.append(given[0].detach()))
        try:
            embeddings = self.encoder(torch.from_numpy(crops))
        finally:
            hook.remove()
        if len(caught) != 1 or float((self.embed(caught[0]) - embeddings).abs().max()) > TOLERANCE:
            name = self.encoder.backbone.config.model_type
            raise BundleError(name, "its last block cannot be run alone", "refit the heads alone")
        return caught[0].half(), embeddings

    def embed(self, hidden: Tensor) -> Tensor:
        """What enters the block, (N, ...) -> (N, D) float32 embeddings."""
        found: Any = self.block(hidden.float())
        found = found[0] if isinstance(found, tuple) else found
        pooled = self._norm(found)[:, 0] if self._transformer else found.mean(dim=(2, 3))
        embedded: Tensor = self.encoder.norm(pooled)
        return embedded

    @torch.inference_mode()
    def embed_all(self, hidden: Tensor) -> NDArray[np.float32]:
        """As `embed`, a few rows at a time."""
        parts = [self.embed(hidden[start : start + BATCH]).numpy() for start in range(0, len(hidden), BATCH)]
        return np.concatenate(parts)


def train_block(
    block: LastBlock,
    hidden: Tensor,
    labels: NDArray[np.uint8],
    weights: NDArray[np.float64],
    kept: NDArray[np.bool_],
    *,
    training: BlockTraining | None = None,
    seed: int = 0,
    step: Callable[[], None] = lambda: None,
) -> None:
    """Trains the block to tell the classes apart through a linear layer, and to leave old images where they are.

    The loss is binary cross-entropy plus `keep` times the squared distance of an old image's embedding from what it
    was, in units of the mean square of old embeddings about their mean. Statistics of batch norms stay.

    Args:
        block: The encoder; changed in place.
        hidden: (N, ...) what enters the block.
        labels: (N,) 0 = real, 1 = generated.
        weights: (N,) how often a row is drawn, relative to others.
        kept: (N,) which rows are old images.
        training: Settings; None takes the defaults.
        seed: Of the draws.
        step: Called after each step.
    """
    settings = training or BlockTraining()
    before = torch.from_numpy(block.embed_all(hidden))
    spread = float(before[torch.from_numpy(kept)].var(dim=0).sum()) or 1.0
    layer = nn.Linear(before.shape[1], 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    parameters = block.parameters()
    for parameter in block.encoder.parameters():
        parameter.requires_grad_(False)
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW([*parameters, *layer.parameters()], lr=settings.learning_rate, weight_decay=0.01)
    steps = steps_for(len(labels), settings)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rng = np.random.default_rng(seed)
    chances = weights / weights.sum()
    for _ in range(steps):
        rows = rng.choice(len(labels), min(BATCH, len(labels)), p=chances)
        embedded = block.embed(hidden[rows])
        truth = torch.from_numpy(labels[rows].astype(np.float32))
        loss = functional.binary_cross_entropy_with_logits(layer(embedded)[:, 0], truth)
        old = torch.from_numpy(kept[rows])
        if bool(old.any()):
            loss = loss + settings.keep * (embedded[old] - before[rows][old]).square().sum(dim=1).mean() / spread
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        step()
    block.encoder.eval()
