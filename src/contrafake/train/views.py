"""The training views of one image: clean, transformed, global crop, local crop, and local crops at native resolution.

Reference: CoDE, section 3, and the official training code: a view's number of transformations is uniform on 0..K,
kinds are drawn without replacement and applied in the pool's fixed order; crops are cut first and transformed after.
Two things differ, so that no constant border can tell the class: images smaller than a crop are extended by mirroring
(officially white or black), and views that a transformation has resized pass the final step again. A third is a matter
of a few pixels: at the border of a global or local crop the bicubic kernel sees the image around it, where torchvision
cuts first and repeats the edge.

All chance is drawn first, into `ViewPlan`s, by one sampler; `cut_view` carries a plan out with Pillow, and
`contrafake.train.batched` a whole batch of plans with torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from contrafake.images.crops import extend, resize_crop
from contrafake.images.transforms import POOLS, apply_chain, sample_chain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.images.transforms import Operation
    from contrafake.train.config import TrainConfig, ViewConfig

VIEWS = ("clean", "transformed", "global", "local")
"""The views that every image gives, in order; views at native resolution come after them."""

ASPECT = (3 / 4, 4 / 3)  # of RandomResizedCrop, as in torchvision

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class ViewPlan:
    """How one view is cut from its image, all chance drawn.

    In order: the box is cut out of the image (extended by mirroring to at least `size` where the box is not resized)
    and, where `resized`, brought to (size, size); the chain is applied; what does not have `size` then passes the
    final step. Without a box the chain changes the whole image.

    Attributes:
        name: "clean", "transformed", "global", "local" or "native".
        size: Side of the view in pixels.
        box: Left, top, right, bottom of the crop in whole pixels, None for the whole image.
        resized: Whether the box is resized (bicubic) to the view's side; otherwise it has that side.
        chain: Transformations, in order.
        place: (x, y) in [0, 1): where the final step's crop lies, from leftmost and topmost.
    """

    name: str
    size: int
    box: Box | None
    resized: bool
    chain: tuple[Operation, ...]
    place: tuple[float, float]


def draw_views(
    config: ViewConfig, height: int, width: int, size: int, rng: np.random.Generator
) -> tuple[ViewPlan, ...]:
    """Draws the views of one image.

    Args:
        config: Geometry, areas, number of transformations and of native views.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        size: Side of the views in pixels; native ones have `config.native_size`.
        rng: Source of all chance.

    Returns:
        The plans of `VIEWS`, then of `config.native_locals` native ones.
    """

    def plan(name: str, side: int, box: Box | None, *, resized: bool = False, transformed: bool = True) -> ViewPlan:
        most = config.max_operations if transformed else 0
        chain = sample_chain(rng, most, POOLS[config.pool])
        return ViewPlan(name, side, box, resized, chain, (float(rng.random()), float(rng.random())))

    def crop(area: tuple[float, float]) -> Box:
        return random_resized_box(width, height, area, rng)

    side = config.native_size
    return (
        plan("clean", size, None, transformed=False),
        plan("transformed", size, None),
        plan("global", size, crop(config.global_area), resized=True),
        plan("local", size, crop(config.local_area), resized=True),
        *(plan("native", side, _native_box(width, height, side, rng)) for _ in range(config.native_locals)),
    )


def cut_view(pixels: NDArray[np.uint8], plan: ViewPlan, config: ViewConfig) -> NDArray[np.uint8]:
    """Carries a plan out with Pillow: the reference.

    Args:
        pixels: (H, W, 3) uint8 RGB, the image that the plan was drawn for.
        plan: See `draw_views`.
        config: Decides the final step's geometry.

    Returns:
        (size, size, 3) uint8.
    """
    if plan.box is None:
        image = Image.fromarray(pixels)
    elif plan.resized:
        box, side = plan.box, (plan.size, plan.size)
        image = Image.fromarray(pixels).resize(side, Image.Resampling.BICUBIC, box=box)
    else:
        left, top, right, bottom = plan.box
        image = Image.fromarray(extend(pixels, plan.size)[top:bottom, left:right])
    changed = np.asarray(apply_chain(image, plan.chain))
    if plan.box is not None and changed.shape[:2] == (plan.size, plan.size):
        return changed
    return final_step(changed, plan, config)


def cut_views(pixels: NDArray[np.uint8], plans: tuple[ViewPlan, ...], config: ViewConfig) -> list[NDArray[np.uint8]]:
    """The views of one image, decoded once, in the order of the plans."""
    return [cut_view(pixels, plan, config) for plan in plans]


def final_step(pixels: NDArray[np.uint8], plan: ViewPlan, config: ViewConfig) -> NDArray[np.uint8]:
    """Brings (H, W, 3) uint8 to (size, size, 3): a native crop at the plan's place, or resize and centre crop."""
    size = plan.size
    if config.geometry == "resize-crop" and plan.name != "native":
        return resize_crop(pixels, size, config.crop_pct)
    pixels = extend(pixels, size)
    left, top = final_origin(pixels.shape[0], pixels.shape[1], plan)
    return pixels[top : top + size, left : left + size]


def final_origin(height: int, width: int, plan: ViewPlan) -> tuple[int, int]:
    """Left and top of the final step's crop in an image of at least the view's side."""
    x, y = plan.place
    return int(x * (width - plan.size + 1)), int(y * (height - plan.size + 1))


def random_resized_box(width: int, height: int, area: tuple[float, float], rng: np.random.Generator) -> Box:
    """Left, top, right, bottom of a crop of random area and aspect, as torchvision's RandomResizedCrop draws it.

    Ten attempts; then the largest centred box within the aspect bounds.

    Args:
        width: Width of the image in pixels.
        height: Its height.
        area: Smallest and largest share of the image's area, within (0, 1].
        rng: Source of all chance.
    """
    for _ in range(10):
        target = width * height * rng.uniform(*area)
        aspect = np.exp(rng.uniform(np.log(ASPECT[0]), np.log(ASPECT[1])))
        w, h = round(np.sqrt(target * aspect)), round(np.sqrt(target / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    w = min(width, round(height * ASPECT[1]))
    h = min(height, round(width / ASPECT[0]))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _native_box(width: int, height: int, side: int, rng: np.random.Generator) -> Box:
    """A square of a side anywhere in the image, or in the image extended to that side."""
    left, top = (int(rng.integers(max(length, side) - side + 1)) for length in (width, height))
    return left, top, left + side, top + side


def views_per_record(config: TrainConfig) -> int:
    """Views of a record's real image and of the generated ones drawn with it."""
    return (1 + config.data.generated_per_record) * (len(VIEWS) + config.views.native_locals)
