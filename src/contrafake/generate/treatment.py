"""What happens to an image between its maker and the shard: cuts, a missing compression, scaling, the final encoding.

The real image and those made for it go through the same code with the same numbers. The same arguments give the same
bytes.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from contrafake.data.matching.law import scaled_side
from contrafake.data.packing.entries import SUFFIXES
from contrafake.errors import DataError
from contrafake.images import encode, read
from contrafake.images.container import identify

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.generate.job import Compression, Job


@dataclass(frozen=True)
class Finished:
    """An image as a shard stores it.

    Attributes:
        data: The file's bytes.
        suffix: "jpg", "png" or "webp"; for a real image that is kept as it is, that of its true format.
        steps: What was done to it, in order, with all parameters.
        width: Width in pixels.
        height: Height in pixels.
        mask: A grey PNG, 255 where the image was generated and 0 elsewhere; None where there is none.
    """

    data: bytes
    suffix: str
    steps: list[dict[str, Any]]
    width: int
    height: int
    mask: bytes | None = None


def frame_pixels(pixels: NDArray[np.uint8], job: Job) -> NDArray[np.uint8]:
    """Cuts a job's frame out of its real image.

    Args:
        pixels: (H, W, 3) uint8 RGB, the whole upright image.
        job: Any of the record's.

    Returns:
        (h, w, 3) uint8, a view.

    Raises:
        DataError: The image is too small: it is not the one that was planned for.
    """
    left, top, right, bottom = job.frame
    height, width = pixels.shape[:2]
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        cause = f"the real image is {width} x {height}, too small for the frame {job.frame}"
        raise DataError(job.record, cause, "list the real images again")
    return pixels[top:bottom, left:right]


def request_image(frame: NDArray[np.uint8], job: Job) -> NDArray[np.uint8]:
    """The frame in the size that the generator is asked for.

    Args:
        frame: (h, w, 3) uint8, as `frame_pixels` gives it.
        job: The generator's.

    Returns:
        (job.height, job.width, 3) uint8, the frame itself where its size is right, else scaled (Lanczos).
    """
    if frame.shape[:2] == (job.height, job.width):
        return np.ascontiguousarray(frame)
    from PIL import Image  # noqa: PLC0415 - only where sizes differ

    scaled = Image.fromarray(frame).resize((job.width, job.height), Image.Resampling.LANCZOS)
    return np.asarray(scaled)


def treat_real(data: bytes, pixels: NDArray[np.uint8], job: Job) -> Finished:
    """Finishes a real image.

    Args:
        data: The bytes of its file; kept as they are, metadata included, where the job names no final encoding.
        pixels: (H, W, 3) uint8 RGB, the whole upright image.
        job: The real image's own.

    Raises:
        DataError: The image is too small for its frame, or kept bytes are no image.
    """
    if job.treatment.final is None:
        height, width = pixels.shape[:2]
        suffix = SUFFIXES.get(identify(data))
        if suffix is None:
            raise DataError(job.record, "the real image's bytes are of no known format")
        return Finished(data, suffix, [], width, height)
    steps = [{"step": "crop", "box": list(job.frame)}]
    return _stored(frame_pixels(pixels, job), None, job, steps)


def treat_made(pixels: NDArray[np.uint8], mask: NDArray[np.bool_] | None, job: Job) -> Finished:
    """Finishes a generated image.

    It is cut to the frame's size in its middle, gets the compression that its real sibling has behind it, on the same
    grid, and then, like the real image, is scaled and stored.

    Args:
        pixels: (job.height, job.width, 3) uint8 RGB, as it was made.
        mask: (job.height, job.width) bool, True where it was generated; None where there is no mask.
        job: The generator's.

    Raises:
        DataError: The image or its mask is not of the size that was asked for.
    """
    height, width = pixels.shape[:2]
    if pixels.dtype != np.uint8 or pixels.shape != (job.height, job.width, 3):
        cause = f"made {width} x {height} {pixels.dtype}, asked for {job.width} x {job.height}"
        raise DataError(f"{job.generator}: {job.record}", cause)
    if mask is not None and mask.shape != pixels.shape[:2]:
        cause = f"its mask is {' x '.join(map(str, mask.shape[::-1]))}, the image {width} x {height}"
        raise DataError(f"{job.generator}: {job.record}", cause)
    steps: list[dict[str, Any]] = []
    if job.treatment.crop is not None:
        across, down = job.treatment.crop
        left, top = (width - across) // 2, (height - down) // 2
        pixels = pixels[top : top + down, left : left + across]
        mask = mask if mask is None else mask[top : top + down, left : left + across]
        steps.append({"step": "crop", "box": [left, top, left + across, top + down]})
    if job.treatment.earlier is not None:
        pixels = _compressed(pixels, job.treatment.earlier)
        steps.append({"step": "compress", "phase": list(job.treatment.earlier.phase), **_of(job.treatment.earlier)})
    return _stored(pixels, mask, job, steps)


def _compressed(pixels: NDArray[np.uint8], how: Compression) -> NDArray[np.uint8]:
    """The image through an encoder whose first block begins left of and above it."""
    left, top = how.phase
    moved = np.pad(pixels, ((top, 0), (left, 0), (0, 0)), mode="edge")
    return read(encode(moved, **_of(how))).pixels[top:, left:]


def _stored(
    pixels: NDArray[np.uint8], mask: NDArray[np.bool_] | None, job: Job, steps: list[dict[str, Any]]
) -> Finished:
    """The last part of the way, which all siblings share."""
    from PIL import Image  # noqa: PLC0415

    factor, final = job.treatment.factor, cast("Compression", job.treatment.final)
    flat = None if mask is None else Image.fromarray(mask.astype(np.uint8) * 255)
    if factor != 1:
        across, down = pixels.shape[1], pixels.shape[0]
        size = int(scaled_side(across, factor)), int(scaled_side(down, factor))
        # The factor is exact: the last fraction of a pixel is cut off, not stretched.
        box = cast("Any", (0.0, 0.0, min(size[0] / factor, across), min(size[1] / factor, down)))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, box=box))
        flat = None if flat is None else flat.resize(size, Image.Resampling.NEAREST, box=box)
        steps.append({"step": "resize", "factor": factor, "filter": "lanczos", "size": list(size)})
    steps.append({"step": "encode", **_of(final)})
    height, width = pixels.shape[:2]
    stored = None
    if flat is not None:
        target = io.BytesIO()
        flat.save(target, format="PNG")
        stored = target.getvalue()
    return Finished(encode(pixels, **_of(final)), SUFFIXES[final.format], steps, width, height, stored)


def _of(how: Compression) -> dict[str, Any]:
    """The encoder's arguments."""
    settings = asdict(how)
    del settings["phase"]
    return {name: value for name, value in settings.items() if value is not None}
