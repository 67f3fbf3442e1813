"""Images are made in batches of like ones; a batch that fails is made in smaller ones, down to single images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from contrafake.errors import ContrafakeError
from contrafake.generate.generators.generator import GenerationError, Made, Request
from contrafake.generate.generators.quiet import quiet_libraries
from contrafake.generate.generators.said import said, without_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class MakeAloneError(Exception):
    """Raised by a maker: its images depend on each other when they are made together."""


class Batches:
    """Splits requests into batches, and learns how large they may be.

    Args:
        most: Images at once, at most.
        make: Makes one image for each of some requests that share size, steps, guidance and strength.
        what: Makes them, as messages have it.
    """

    def __init__(
        self, most: int, make: Callable[[list[Request]], Sequence[Made | GenerationError]], what: str = "the pipeline"
    ) -> None:
        self._most = most
        self._make = make
        self._what = what

    @property
    def most(self) -> int:
        """Images at once, at most; less than asked for once larger batches have failed."""
        return self._most

    def make(self, requests: Sequence[Request]) -> list[Made | GenerationError]:
        """Makes one image for each request, in order; what failed by itself too is an error in its place.

        Raises:
            ContrafakeError: The GPU is in a state in which nothing more can be made by this process.
        """
        results: dict[int, Made | GenerationError] = {}
        groups: dict[tuple[object, ...], list[int]] = {}
        for position, request in enumerate(requests):
            job = request.job
            kin = (job.width, job.height, job.steps, job.guidance, job.strength)
            groups.setdefault(kin, []).append(position)
        for waiting in groups.values():
            while waiting:
                taken = waiting[: self._most]
                made = self._tried([requests[position] for position in taken])
                if made is not None:
                    results.update(zip(taken, made, strict=True))
                    del waiting[: len(taken)]
        return [results[position] for position in range(len(requests))]

    def _tried(self, batch: list[Request]) -> Sequence[Made | GenerationError] | None:
        """What became of a batch; None where it must be split."""
        try:
            return self._make(batch)
        except Exception as error:  # a model's code may raise anything, and the other images shall not be lost
            if "CUDA error" in str(error) and not _is_memory(error):
                raise ContrafakeError(
                    "the GPU", f"stopped working: {said(error, 200)}", "start the build again"
                ) from error
            if len(batch) == 1:
                return [self._failure(batch[0], error)]
            too_many = _is_memory(error)
            most = 1 if isinstance(error, MakeAloneError) else len(batch) // 2 if too_many else 0
        # Outside of the handler, whose traceback keeps the failed batch in the device's memory.
        if too_many:
            _free_memory()
        if most:
            self._most = most
            return None
        single = [result for request in batch for result in self._tried([request]) or []]
        if not any(isinstance(result, GenerationError) for result in single):
            self._most = 1
        return single

    def _failure(self, request: Request, error: Exception) -> GenerationError:
        if isinstance(error, GenerationError):
            return error
        if isinstance(error, ContrafakeError):
            return GenerationError(request.job.record, error.cause, error.remedy)
        if _is_memory(error):
            remedy = "offload: model, or smaller"
            return GenerationError(request.job.record, "is too large for the device's memory", remedy)
        words = without_folders(f"{self._what} failed: {type(error).__name__}: {str(error) and said(error)}")
        return GenerationError(request.job.record, words.removesuffix(": "))


class BatchedGenerator(ABC):
    """What pipelines and cascades share as generators.

    Args:
        facts: What was loaded.
        batch: Images at once, at most.
    """

    def __init__(self, facts: dict[str, Any], batch: int) -> None:
        self._loaded = facts
        self._batches = Batches(batch, self._make)

    @property
    def facts(self) -> dict[str, Any]:
        """What was loaded; the same for all its images."""
        return self._loaded

    @property
    def batch(self) -> int:
        """Images at once, at most; less than the settings say once larger batches have failed."""
        return self._batches.most

    def make(self, requests: Sequence[Request]) -> list[Made | GenerationError]:
        """Makes one image for each request, in order; see `Generator.make`."""
        with quiet_libraries():
            return self._batches.make(requests)

    @abstractmethod
    def close(self) -> None:
        """Gives the memory of what was loaded back."""

    @abstractmethod
    def _make(self, requests: list[Request]) -> list[Made]:
        """Images for requests that share size, steps, guidance and strength."""


def _is_memory(error: BaseException) -> bool:
    import torch  # noqa: PLC0415 - only where a model is loaded

    return isinstance(error, torch.cuda.OutOfMemoryError)


def _free_memory() -> None:
    import torch  # noqa: PLC0415 - only where a model is loaded

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
