"""The views of a batch of images: what `contrafake.train.views.cut_view` gives for each, by a few kernels for all."""

from __future__ import annotations

import math
from itertools import chain as chained
from typing import TYPE_CHECKING

import numpy as np
import torch

from contrafake.train.batched.canvas import buckets, cut, pack, sizes_of, storage, upload
from contrafake.train.batched.chains import apply_chains
from contrafake.train.batched.resample import resample, vertical_first
from contrafake.train.views import final_origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from contrafake.train.config import ViewConfig
    from contrafake.train.views import ViewPlan

_TOGETHER = 2**28  # Pixels of the images that are worked on at once; their transformed copies take memory, too.
_SUPPORT = 2  # of the bicubic filter


def cut_views(images: Sequence[Tensor], plans: Sequence[tuple[ViewPlan, ...]], config: ViewConfig) -> list[Tensor]:
    """Carries out the plans of a batch.

    Equal to `cut_view` but for what the operations' own docstrings state; resize and crop of an image is never refused
    for its size, as only the crop is computed. Nothing waits for the device unless a chain holds an operation without
    a batched version.

    Args:
        images: N images, each (H, W, 3) uint8 RGB, all on one device; best as views of one buffer, see `pack`.
        plans: For each image its plans, as many for each, of the same sizes.
        config: Decides the final step's geometry.

    Returns:
        For each place in the plans (N, size, size, 3) uint8, in memory channels first.
    """
    parts = [_cut_together(images[some], plans[some], config) for some in _portions(images)]
    return [views[0] if len(views) == 1 else torch.cat(views) for views in zip(*parts, strict=True)]


def _portions(images: Sequence[Tensor]) -> Iterator[slice]:
    start, total = 0, 0
    for place, image in enumerate(images):
        pixels = image.shape[0] * image.shape[1]
        if place > start and total + pixels > _TOGETHER:
            yield slice(start, place)
            start, total = place, 0
        total += pixels
    yield slice(start, len(images))


def _cut_together(images: Sequence[Tensor], plans: Sequence[tuple[ViewPlan, ...]], config: ViewConfig) -> list[Tensor]:
    places = len(plans[0])
    todo = list(chained.from_iterable(zip(*plans, strict=True)))
    views = [image.permute(2, 0, 1) for image in pack(images)] * places
    # What a view shows of its image starts here; only the last cut applies it, where nothing else has to be done.
    starts = np.zeros((len(views), 2), np.int64)
    _resize_boxes(views, todo)
    _cut_boxes(views, starts, todo)
    changed = [index for index, plan in enumerate(todo) if plan.chain]
    results = apply_chains([views[index] for index in changed], [todo[index].chain for index in changed])
    for index, image in zip(changed, results, strict=True):
        views[index] = image
    _finish(views, starts, todo, config)
    return _gather(views, starts, [plan.size for plan in plans[0]])


def _resize_boxes(views: list[Tensor], plans: Sequence[ViewPlan]) -> None:
    """Resizes the boxes of global and local views, in place in the list."""
    chosen = [(index, plan) for index, plan in enumerate(plans) if plan.box is not None and plan.resized]
    if chosen:
        boxes = np.array([plan.box for _, plan in chosen], np.float64)
        targets = np.array([(plan.size, plan.size) for _, plan in chosen], np.int64)
        _resize(views, [index for index, _ in chosen], boxes, targets)


def _cut_boxes(views: list[Tensor], starts: NDArray[np.int64], plans: Sequence[ViewPlan]) -> None:
    """Cuts the boxes of native views: now where something follows, otherwise it is left to the last cut."""
    now: list[int] = []
    sides: list[tuple[int, int]] = []
    for index, plan in enumerate(plans):
        if plan.box is None or plan.resized:
            continue
        left, top, right, bottom = plan.box
        starts[index] = _shifted(views[index], top, left, plan.size)
        if not _only_cut(plan):
            now.append(index)
            sides.append((bottom - top, right - left))
    sizes = np.array(sides, np.int64).reshape(-1, 2)
    for bucket in buckets(sizes, sizes):
        members = [now[place] for place in bucket]
        canvas = cut([views[index] for index in members], starts[members], sizes[bucket])
        for index, image in zip(members, canvas.images(), strict=True):
            views[index] = image
    starts[now] = 0


def _only_cut(plan: ViewPlan) -> bool:
    """Whether a view is nothing but a window of its image."""
    if plan.box is None or plan.resized or plan.chain:
        return False
    left, top, right, bottom = plan.box
    return (bottom - top, right - left) == (plan.size, plan.size)


def _finish(views: list[Tensor], starts: NDArray[np.int64], plans: Sequence[ViewPlan], config: ViewConfig) -> None:
    """The final step of whole images and of what a transformation has resized."""
    scaled: list[int] = []
    for index, (view, plan) in enumerate(zip(views, plans, strict=True)):
        height, width = view.shape[1:]
        if _only_cut(plan) or (plan.box is not None and (height, width) == (plan.size, plan.size)):
            continue
        if config.geometry == "resize-crop" and plan.name != "native":
            scaled.append(index)
        else:
            left, top = final_origin(max(height, plan.size), max(width, plan.size), plan)
            starts[index] = _shifted(view, top, left, plan.size)
    if not scaled:
        return
    before = sizes_of([views[index] for index in scaled])
    sides = np.array([plans[index].size for index in scaled])
    # As `contrafake.images.crops.resize_crop`: shorter side to floor(size / pct), then the centre.
    short = [math.floor(side / config.crop_pct) for side in sides.tolist()]
    pairs = zip(short, before.tolist(), strict=True)
    after = np.array([(max(s, int(s * h / w)), max(s, int(s * w / h))) for s, (h, w) in pairs], np.int64)
    corner = np.round((after - sides[:, None]) / 2.0)
    unit = before / after
    boxes = np.concatenate([(corner * unit)[:, ::-1], ((corner + sides[:, None]) * unit)[:, ::-1]], axis=1)
    _resize(views, scaled, boxes, np.stack([sides, sides], axis=1), after)


def _resize(
    views: list[Tensor],
    chosen: Sequence[int],
    boxes: NDArray[np.float64],
    targets: NDArray[np.int64],
    whole: NDArray[np.int64] | None = None,
) -> None:
    """Resizes, bicubic, boxes of some views, in place in the list; reads no more of an image than the filter sees.

    Args:
        views: Images, each (3, H, W) uint8.
        chosen: Places of N of them.
        boxes: (N, 4) left, top, right, bottom in pixels.
        targets: (N, 2) height and width of each result.
        whole: (N, 2) size to which Pillow resizes before it crops; None where it resizes to the targets.
    """
    images = [views[index] for index in chosen]
    sizes = sizes_of(images)
    tall = vertical_first(sizes, targets if whole is None else whole)
    low, high = boxes[:, 1::-1], boxes[:, :1:-1]
    margin = np.ceil(_SUPPORT * np.maximum((high - low) / targets, 1)) + 1
    starts = np.maximum(np.floor(low - margin), 0).astype(np.int64)
    read = np.minimum(np.ceil(high + margin), sizes).astype(np.int64) - starts
    boxes = boxes - np.concatenate([starts[:, ::-1], starts[:, ::-1]], axis=1)
    for bucket in buckets(read, targets):
        bucket.sort(key=lambda place: storage(images[place]))
        canvas = cut([images[place] for place in bucket], starts[bucket], read[bucket])
        canvas = resample(canvas, targets[bucket], boxes=boxes[bucket], tall=tall[bucket])
        for place, image in zip(bucket, canvas.images(), strict=True):
            views[chosen[place]] = image


def _shifted(image: Tensor, top: int, left: int, size: int) -> tuple[int, int]:
    """Row and column in an image of a place in its extension by mirroring to a size."""
    height, width = image.shape[1:]
    return top - max(size - height, 0) // 2, left - max(size - width, 0) // 2


def _gather(views: list[Tensor], starts: NDArray[np.int64], sizes: Sequence[int]) -> list[Tensor]:
    """The views as one tensor for each place in the plans, (N, size, size, 3)."""
    count = len(views) // len(sizes)
    results: dict[int, Tensor] = {}
    for size in dict.fromkeys(sizes):
        places = [place for place, other in enumerate(sizes) if other == size]
        members = [place * count + index for place in places for index in range(count)]
        order = sorted(range(len(members)), key=lambda index: storage(views[members[index]]))
        chosen = [members[index] for index in order]
        square = np.full((len(chosen), 2), size, np.int64)
        pixels = cut([views[index] for index in chosen], starts[chosen], square).pixels
        back = upload(np.argsort(order), pixels.device)
        for place, index in zip(places, torch.split(back, count), strict=True):
            results[place] = pixels.index_select(0, index).permute(0, 2, 3, 1)
    return [results[place] for place in range(len(sizes))]
