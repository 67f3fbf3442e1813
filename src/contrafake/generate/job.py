"""One row of the plan: one image that is to be made, and what is done to it until it lies in a shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from contrafake.images.encode import Format, Subsampling

Kind: TypeAlias = Literal[
    "real", "text-to-image", "image-to-image", "inpainting", "reconstruction", "program", "service"
]


@dataclass(frozen=True)
class Compression:
    """One encoding and decoding.

    Attributes:
        format: "JPEG", "WEBP" or "PNG".
        quality: 1 to 100; None for PNG.
        subsampling: Of a JPEG, None for others.
        phase: (x, y), each 0 to 15: a block begins so many pixels left of and above the image's corner.
    """

    format: Format
    quality: int | None = None
    subsampling: Subsampling | None = None
    phase: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Treatment:
    """What happens to an image between its maker and the shard.

    Attributes:
        crop: (width, height) that is cut out of a made image, in its middle, where it is larger; None cuts nothing.
        earlier: Compression that it is given because its real sibling had one.
        factor: Factor by which it is scaled, 1 for none.
        final: How it is stored; None keeps the bytes of the real file.
    """

    crop: tuple[int, int] | None
    earlier: Compression | None
    factor: float
    final: Compression | None


@dataclass(frozen=True)
class Job:
    """One image to be made.

    Attributes:
        key: Key of the image in the set: tells neither its class nor its generator.
        record: Key of its record.
        generator: Name of the generator, "real" for the real image itself.
        kind: What is done.
        model: Model, program or address; "" for real images.
        revision: Of the model, "" where none is named.
        prompt: What is asked for, after the template.
        negative_prompt: What is not wanted.
        frame: (left, top, right, bottom) of the part of the upright real image that the record is about.
        width: Width that the generator is asked for.
        height: Height that it is asked for.
        steps: Denoising steps, None for the model's own number.
        guidance: Guidance scale, None for the model's own.
        strength: Strength of an image-to-image or inpainting step, noise of a reconstruction; None for others.
        scheduler: Class of the scheduler, "" for the model's own.
        seed: Seed of the first attempt, 0 to 2**32 - 1.
        treatment: What happens to it afterwards.
    """

    key: str
    record: str
    generator: str
    kind: Kind
    model: str
    revision: str
    prompt: str
    negative_prompt: str
    frame: tuple[int, int, int, int]
    width: int
    height: int
    steps: int | None
    guidance: float | None
    strength: float | None
    scheduler: str
    seed: int
    treatment: Treatment


@dataclass(frozen=True)
class Skip:
    """A record that a generator makes no image for.

    Attributes:
        record: Key of the record.
        generator: Name of the generator.
        reason: Why, as one clause that many records share.
    """

    record: str
    generator: str
    reason: str
