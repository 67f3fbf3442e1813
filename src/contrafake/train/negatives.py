"""Embeddings of earlier steps as further negatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from contrafake.errors import ConfigError
from contrafake.train.gather import Gather

if TYPE_CHECKING:
    from torch import Tensor

    from contrafake.train.losses import Views

KINDS = ("transformed", "wide")
CLASSES = ("real", "generated")


class Queue:
    """The last embeddings of each class and kind of view, first in first out (He et al., MoCo, CVPR 2020).

    They are kept L2-normalised, in float32 and without gradient. Unlike in MoCo there is no slowly moving copy of the
    encoder: they come from the encoder as it was in those steps (Wang et al., Cross-Batch Memory, CVPR 2020).

    Args:
        size: Largest number of embeddings of each class and kind, at least 1.
        dimension: D of an embedding.
        device: Where they lie.

    Raises:
        ValueError: If `size` is below 1.
    """

    def __init__(self, size: int, dimension: int, device: torch.device | str = "cpu") -> None:
        if size < 1:
            raise ValueError("a queue holds at least one embedding")
        self.size = size
        self._rows = {
            f"{label}.{kind}": torch.zeros(size, dimension, device=device) for label in CLASSES for kind in KINDS
        }
        # Rows ever written, by class. On the host, so that no step waits for the device to say how full a queue is.
        self._written = dict.fromkeys(CLASSES, 0)

    def rows(self, label: str, kind: str) -> Tensor:
        """What is there by now, without the empty slots: (m, D) float32 unit vectors, 0 <= m <= size, in no order.

        Args:
            label: "real" or "generated".
            kind: "transformed" or "wide".
        """
        return self._rows[f"{label}.{kind}"][: min(self._written[label], self.size)]

    @torch.no_grad()
    def update(self, real: Views, generated: Views, gather: Gather | None = None) -> None:
        """Takes in a batch; call it after the batch's own loss, else the batch is its own past.

        Args:
            real: Views of the real images of this process; only transformed and wide ones are kept.
            generated: The same of the generated images.
            gather: Joins the batches of all processes, whatever the loss is contrasted with, so that all hold the same
                queue and one checkpoint serves all.
        """
        gather = gather or Gather()
        for label, views in zip(CLASSES, (real, generated), strict=True):
            joined = gather(torch.stack([getattr(views, kind).detach() for kind in KINDS], dim=1))  # (n, kinds, D)
            kept = functional.normalize(joined[-self.size :].float(), dim=-1)
            written = self._written[label] + len(joined)
            slots = torch.arange(written - len(kept), written, device=kept.device) % self.size
            for index, kind in enumerate(KINDS):
                self._rows[f"{label}.{kind}"][slots] = kept[:, index]
            self._written[label] = written

    def state_dict(self) -> dict[str, Tensor]:
        """Everything needed to go on: copies whose shapes do not depend on how full the queue is.

        Returns:
            "real.transformed", "real.wide", "generated.transformed" and "generated.wide", (size, D) float32 each, and
            "written", (2,) int64 on the CPU: embeddings ever taken in, real and generated.
        """
        written = torch.tensor([self._written[label] for label in CLASSES])
        return {name: rows.clone() for name, rows in self._rows.items()} | {"written": written}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restores what `state_dict` gave.

        Raises:
            ConfigError: If the state belongs to a queue of another shape.
        """
        for name, rows in self._rows.items():
            if name not in state or state[name].shape != rows.shape:
                found = "nothing" if name not in state else " x ".join(map(str, state[name].shape))
                cause = f"the saved queue of {name} holds {found}, this one {self.size} x {rows.shape[1]}"
                raise ConfigError("loss.queue", cause, "resume with the size that the run was started with")
        for name, rows in self._rows.items():
            rows.copy_(state[name])
        self._written = dict(zip(CLASSES, state["written"].tolist(), strict=True))
