"""What a process computes on at once: views, or whole images with the plans of their views."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from contrafake.data.sample import REAL
from contrafake.train.views import VIEWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from contrafake.train.config import ViewConfig
    from contrafake.train.views import ViewPlan


class Layout:
    """Room for the views of a batch, as `Batch` orders them."""

    def __init__(self, records: int, generated: int, size: int, config: ViewConfig) -> None:
        """Makes room for the views, of side `size`, and the native ones of `generated` images for each real one."""
        self._images = (records, records * generated)
        total = sum(self._images)
        self._views = np.empty((len(VIEWS) * total, size, size, 3), np.uint8)
        self._native = np.empty((config.native_locals * total, config.native_size, config.native_size, 3), np.uint8)

    def put(self, label: int, image: int, views: Sequence[NDArray[np.uint8]]) -> None:
        """Puts the views of an image, the `image`-th of its class, native ones last, where they belong."""
        for flat, kinds in ((self._views, views[: len(VIEWS)]), (self._native, views[len(VIEWS) :])):
            first = 0 if label == REAL else len(kinds) * self._images[REAL]
            for kind, view in enumerate(kinds):
                flat[first + kind * self._images[label] + image] = view

    def tensors(self) -> tuple[Tensor, Tensor | None]:
        """`Batch.views` and `Batch.native`."""
        return torch.from_numpy(self._views), torch.from_numpy(self._native) if len(self._native) else None


@dataclass(frozen=True)
class Packed:
    """Whole images in one tensor, so that they reach the device in one transfer.

    Attributes:
        pixels: (P,) uint8, the (H, W, 3) pixels of all images, one after another.
        sizes: Height and width of each image.
        plans: The views of each image, see `draw_views`.
    """

    pixels: Tensor
    sizes: list[tuple[int, int]]
    plans: list[tuple[ViewPlan, ...]]

    def images(self) -> list[Tensor]:
        """The images, each (H, W, 3) uint8: parts of `pixels`, not copies."""
        parts = torch.split(self.pixels, [3 * height * width for height, width in self.sizes])
        return [part.view(height, width, 3) for part, (height, width) in zip(parts, self.sizes, strict=True)]


@dataclass(frozen=True)
class Batch:
    """One part of a step: B records, each a real image and its G generated ones.

    The images are in the order: B real, then B * G generated, those of a record side by side.

    Attributes:
        views: (4 * (1 + G) * B, S, S, 3) uint8: the four views of the real images, view by view, then those of the
            generated images; none of them, (0, S, S, 3), where `packed` holds the images.
        native: (m * (1 + G) * B, s, s, 3) uint8: in the same order the m views at native resolution; None if there
            are none.
        packed: The images instead, where the views are to be cut on the device.
        origin_codes: (B,) and (B * G,) int64: origins of the real and of the generated images, as `Listing.origin`
            codes them.
        origins: "class/origin" of every image drawn, for the record of realised draws.
        broken: Images that could not be read and were replaced by another draw, with the cause.
        cpu_seconds: Processor time that reading and cutting took.
    """

    views: Tensor
    native: Tensor | None
    packed: Packed | None
    origin_codes: tuple[Tensor, Tensor]
    origins: list[str]
    broken: list[str]
    cpu_seconds: float

    def cut(self, device: torch.device | str, config: ViewConfig) -> tuple[Tensor, Tensor | None]:
        """Moves the batch to the device and, where that has not been done, cuts its views there.

        Args:
            device: Where the model is.
            config: The one that the views were drawn with.

        Returns:
            `views` and `native`, as described above, on the device.
        """
        if self.packed is None:
            native = None if self.native is None else self.native.to(device, non_blocking=True)
            return self.views.to(device, non_blocking=True), native
        from contrafake.train.batched.cutting import cut_views  # noqa: PLC0415 - only where the device cuts

        on_device = replace(self.packed, pixels=self.packed.pixels.to(device, non_blocking=True))
        cut = cut_views(on_device.images(), on_device.plans, config)
        first, others = cut[: len(VIEWS)], cut[len(VIEWS) :]
        return self._by_class(first), self._by_class(others) if others else None

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory; torch's loader calls it."""
        native = None if self.native is None else self.native.pin_memory()
        packed = None if self.packed is None else replace(self.packed, pixels=self.packed.pixels.pin_memory())
        return replace(self, views=self.views.pin_memory(), native=native, packed=packed)

    def _by_class(self, kinds: list[Tensor]) -> Tensor:
        """View by view, (N, ...) each -> class by class, view by view, flat."""
        real = len(self.origin_codes[0])
        return torch.cat([views[:real] for views in kinds] + [views[real:] for views in kinds])
