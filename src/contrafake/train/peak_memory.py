"""How much memory tensors take at most while something is computed, on a processor as on a GPU."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

if TYPE_CHECKING:
    from collections.abc import Callable


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """Runs something and measures how much more memory its tensors took at once than there was in use before.

    On a GPU the allocator knows. On a processor every operation's results are counted until they are freed; what an
    operation takes for itself and frees before it returns is not seen. Nothing is compiled there meanwhile.

    Args:
        work: What to run.
        device: Where its tensors lie.

    Returns:
        The peak in bytes.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    watch = _Watch()
    with torch.compiler.set_stance("force_eager"), watch:
        work()
    return watch.peak


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the memory behind every tensor that an operation returns and that was not there before."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._live = 0
        self._sizes: dict[int, int] = {}  # by address; what was there before counts nothing

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        for given in tree_leaves((args, kwargs)):
            self._meet(given, new=False)
        result = func(*args, **(kwargs or {}))
        for made in tree_leaves(result):
            self._meet(made, new=True)
        self.peak = max(self.peak, self._live)
        return result

    def _meet(self, value: Any, *, new: bool) -> None:
        if not isinstance(value, torch.Tensor):
            return
        storage = value.untyped_storage()
        address = storage._cdata
        if address not in self._sizes:
            self._sizes[address] = storage.nbytes() if new else 0
            self._live += self._sizes[address]
            weakref.finalize(storage, self._leave, address)

    def _leave(self, address: int) -> None:
        self._live -= self._sizes.pop(address)
