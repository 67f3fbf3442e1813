"""One change that all images of an evaluation undergo alike, both classes, before they are judged."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.images.transforms import EVERY, POOLS, apply_chain, describe, from_description, sample_chain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

    from contrafake.images.transforms import Operation


@dataclass(frozen=True)
class Draw:
    """Operations drawn for each image from a seed and its key, whatever else is evaluated.

    Attributes:
        pool: Name in `POOLS`.
        most: Largest number of operations, drawn uniformly from 0 to this many, as in training.
        seed: The same seed and key draw the same.
        operation: Name of the one operation that every image gets, with drawn parameters; "" for a chain.
        fixed: Parameters of that operation, by name, that are the same for all images; only the others are drawn.
    """

    pool: str = "official"
    most: int = 2
    seed: int = 7
    operation: str = ""
    fixed: tuple[tuple[str, int | float | bool | str], ...] = ()

    def chain(self, key: str) -> tuple[Operation, ...]:
        """The operations for an image."""
        # Names in a tar need not be UTF-8; their odd bytes are surrogates here.
        rng = np.random.default_rng([self.seed, zlib.crc32(key.encode("utf-8", "surrogatepass"))])
        pool = POOLS[self.pool]
        if self.operation:
            [kind] = [kind for kind in pool if kind.name == self.operation]
            return (replace(kind.sample(rng), **dict(self.fixed)),)
        return sample_chain(rng, self.most, pool)

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON holds."""
        return {**vars(self), "fixed": dict(self.fixed)}


@dataclass(frozen=True)
class Variant:
    """A change with a name.

    Attributes:
        name: Short and unique, fit for a column and a folder: "jpeg-75".
        title: For people: "JPEG 75".
        group: Variants that make one curve share it: "jpeg"; "" for none.
        value: Where on the curve it lies, None for none.
        chain: The operations that every image gets.
        draw: Instead: operations drawn for each image.
        delivered: The data set has the changed images itself; nothing is applied to them.
    """

    name: str
    title: str
    group: str = ""
    value: float | None = None
    chain: tuple[Operation, ...] = ()
    draw: Draw | None = None
    delivered: bool = False

    def chain_for(self, key: str) -> tuple[Operation, ...]:
        """The operations that an image gets.

        Args:
            key: The image's key.
        """
        return self.chain if self.draw is None else self.draw.chain(key)

    def __call__(self, image: Image.Image, key: str) -> Image.Image:
        """The changed image; the very same where nothing is to do.

        Args:
            image: RGB, at least 1 x 1 pixel.
            key: The image's key.
        """
        return apply_chain(image, self.chain_for(key))

    @property
    def changes_nothing(self) -> bool:
        """Whether pixels stay as they were read."""
        return not self.chain and self.draw is None

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON holds; `from_dict` is the inverse."""
        return {
            "name": self.name,
            "title": self.title,
            "group": self.group,
            "value": self.value,
            "chain": describe(self.chain),
            "draw": None if self.draw is None else self.draw.to_dict(),
            "delivered": self.delivered,
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Variant:
        """Restores a variant.

        Raises:
            ConfigError: An operation is unknown or misses its parameters.
            KeyError, TypeError: The facts are those of something else.
        """
        draw = facts["draw"]
        rest = {name: facts[name] for name in ("name", "title", "group", "value", "delivered")}
        return cls(
            **rest,
            chain=from_description(facts["chain"], EVERY),
            draw=None if draw is None else Draw(**{**draw, "fixed": tuple(dict(draw["fixed"]).items())}),
        )


UNTOUCHED = Variant("untouched", "Untouched bytes")
