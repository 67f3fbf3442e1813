"""Variants by name, and the suites of them that an evaluation runs.

All treat both classes alike: what an image goes through depends on the name of the variant and the image's key alone.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contrafake.errors import UsageError
from contrafake.evaluate.recipes import RECIPES
from contrafake.evaluate.variant import UNTOUCHED
from contrafake.evaluate.variant_names import FORMS
from contrafake.images.transforms import POOL, AvifQuality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.evaluate.variant import Variant

LISTING = "contrafake evaluate --list-variants lists them all"


@dataclass(frozen=True)
class Suite:
    """Variants that are run together.

    Attributes:
        about: What it is for, in one line.
        names: Names of its variants besides `untouched`, which every evaluation has.
    """

    about: str
    names: tuple[str, ...]


def _each(form: str, *values: object) -> tuple[str, ...]:
    return tuple(form.format(value) for value in values)


SUITES: dict[str, Suite] = {
    "standard": Suite("untouched bytes, and JPEG 90 of everything so that the file format tells nothing", ("jpeg-90",)),
    "paper": Suite("untouched, and transformed as the paper does", ("transformed",)),
    "robustness": Suite(
        "codecs, sizes, filters, crops, blur, noise, two generations of JPEG, screenshots",
        (
            *_each("jpeg-{}", 30, 40, 50, 60, 70, 75, 80, 90, 95, 100),
            *_each("webp-{}", 30, 50, 70, 80, 90, 95),
            *(_each("avif-{}", 30, 50, 70, 90) if AvifQuality.available() else ()),
            *_each("resize-{}", 0.25, 0.5, 0.75, 1.25, 1.5, 2),
            *_each("resize-0.5-{}", "nearest", "box", "bilinear", "lanczos"),
            *_each("resize-1.5-{}", "nearest", "bilinear", "lanczos"),
            *_each("crop-{}", 90, 75, 50),
            *_each("blur-{}", 0.5, 1, 2),
            *_each("noise-{}", 2, 5, 10),
            *_each("double-jpeg-75-90{}", "", "-shifted"),
            *_each("double-jpeg-90-75{}", "", "-shifted", "-resized"),
            *_each("screenshot-{}", 0.75, 1.5, "0.75-jpeg-75", "1.5-jpeg-75"),
        ),
    ),
    "operations": Suite(
        "the nineteen official operations one by one, parameters drawn for each image",
        tuple(f"operation-{kind.name.replace('_', '-')}" for kind in POOL),
    ),
    "delivery": Suite("recipes: messengers, social networks, news sites", tuple(recipe.name for recipe in RECIPES)),
}
"""Suites by name."""


def parse_variants(names: Sequence[str]) -> tuple[Variant, ...]:
    """Variants by the names of suites and of single ones.

    Args:
        names: Each a suite ("robustness"), a variant ("jpeg-75", "resize-0.5-lanczos", "messenger"), or several of them
            joined by commas; `describe_variants` says which there are.

    Returns:
        The variants in the order given, each once, `untouched` always first.

    Raises:
        UsageError: A name is unknown, with the nearest known one; or a value is out of range.
    """
    found = {UNTOUCHED.name: UNTOUCHED}
    for name in (part.strip() for text in names for part in text.split(",")):
        for single in SUITES[name].names if name in SUITES else (name,):
            variant = _variant(single)
            found.setdefault(variant.name, variant)
    return tuple(found.values())


def describe_variants() -> tuple[tuple[str, str], ...]:
    """What `parse_variants` understands: pairs of a name, or of a form such as "jpeg-QUALITY", and what it does."""
    return (
        *((name, suite.about) for name, suite in SUITES.items()),
        (UNTOUCHED.name, "nothing; always there, and first"),
        *((form.form, form.about) for form in FORMS),
    )


def _variant(name: str) -> Variant:
    if name == UNTOUCHED.name:
        return UNTOUCHED
    for form in FORMS:
        if match := re.fullmatch(form.pattern, name, re.ASCII):
            try:
                return form.build(match)
            except UsageError as error:
                raise UsageError(name, error.cause, error.remedy) from error
    known = [UNTOUCHED.name, *SUITES, *(single for suite in SUITES.values() for single in suite.names)]
    [nearest] = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    raise UsageError(name or "variant", "no such variant or suite", f"the nearest is {nearest}; {LISTING}")
