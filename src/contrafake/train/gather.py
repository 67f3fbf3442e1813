"""The rows of all training processes in one tensor, differentiable in every one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed
from torch.autograd import Function
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


class Gather:
    """Joins the rows of all processes; in a single process it returns what it is given.

    What a process makes of other processes' rows moves those rows: going backward, each process receives the *sum* of
    all processes' gradients of its own rows. `torch.distributed.all_gather` alone has no gradient.

    Every process must call it equally often, with tensors of one shape and type, and must then take part in the
    backward pass. Works with any backend that knows all-gather and all-reduce (gloo, NCCL).

    Args:
        group: Processes to join; None takes all.

    Attributes:
        size: Number of processes, 1 where torch.distributed is not initialised.
        rank: Number of this process among them; its rows stand at `rank * n` to `(rank + 1) * n`.
    """

    def __init__(self, group: ProcessGroup | None = None) -> None:
        started = distributed.is_available() and distributed.is_initialized()
        self.group = group
        self.size = distributed.get_world_size(group) if started else 1
        self.rank = distributed.get_rank(group) if started else 0

    def __call__(self, rows: Tensor) -> Tensor:
        """(n, ...) of any type -> (size * n, ...), the rows of process 0 first."""
        if self.size == 1:
            return rows
        joined: Tensor = _AllGather.apply(rows, self)  # type: ignore[no-untyped-call]
        return joined


class _AllGather(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, gather: Gather) -> Tensor:
        ctx.gather, ctx.own = gather, len(rows)
        joined = rows.new_empty((gather.size * len(rows), *rows.shape[1:]))
        distributed.all_gather(list(joined.chunk(gather.size)), rows.contiguous(), group=gather.group)
        return joined

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        summed = gradient.clone(memory_format=torch.contiguous_format)  # reduced in place; the given one is not ours
        distributed.all_reduce(summed, group=ctx.gather.group)
        return summed[ctx.gather.rank * ctx.own :][: ctx.own], None
