"""The names of single variants: "jpeg-75" and its like, each a form with values in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contrafake.errors import UsageError
from contrafake.evaluate.recipes import RECIPES
from contrafake.evaluate.variant import Draw, Variant
from contrafake.images.transforms import (
    EXTENDED,
    POOL,
    POOLS,
    AvifQuality,
    Blur,
    CentreCrop,
    DoubleJpeg,
    GaussianNoise,
    JpegQuality,
    Rescale,
    Screenshot,
    WebpQuality,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

SEED = 7
"""Seed of everything that variants draw, unless their name has another."""

# No more digits than the canonical name shows, so that two variants never share one.
_NUMBER = r"(\d{1,3}(?:\.\d{1,3})?)"
_QUALITY = r"(\d{1,3})"
_SEED = r"(?:-seed(\d{1,9}))?"


@dataclass(frozen=True)
class Form:
    """What the names of one kind of variant look like.

    Attributes:
        form: With what is to be filled in as capitals, and what may be left out in brackets.
        about: What it does.
        pattern: Regular expression of the whole name, digits in ASCII.
        build: From a match to the variant, under its canonical name ("jpeg-075" is "jpeg-75").
    """

    form: str
    about: str
    pattern: str
    build: Callable[[re.Match[str]], Variant]


def _jpeg(match: re.Match[str]) -> Variant:
    quality = int(match[1])
    return Variant(f"jpeg-{quality}", f"JPEG {quality}", "jpeg", quality, (JpegQuality(quality),))


def _webp(match: re.Match[str]) -> Variant:
    quality = int(match[1])
    return Variant(f"webp-{quality}", f"WebP {quality}", "webp", quality, (WebpQuality(quality),))


def _avif(match: re.Match[str]) -> Variant:
    quality = int(match[1])
    return Variant(f"avif-{quality}", f"AVIF {quality}", "avif", quality, (AvifQuality(quality),))


def _resize(match: re.Match[str]) -> Variant:
    factor, kernel = float(match[1]), match[2] or "bicubic"
    name = f"resize-{factor:g}" if kernel == "bicubic" else f"resize-{factor:g}-{kernel}"
    return Variant(name, f"{factor:g} times the size, {kernel}", "resize", factor, (Rescale(factor, kernel),))


def _crop(match: re.Match[str]) -> Variant:
    kept = float(match[1])
    title = f"The middle {kept:g} % of each side"
    return Variant(f"crop-{kept:g}", title, "crop", kept, (CentreCrop(kept / 100),))


def _blur(match: re.Match[str]) -> Variant:
    radius = float(match[1])
    return Variant(f"blur-{radius:g}", f"Blur, radius {radius:g}", "blur", radius, (Blur(radius),))


def _noise(match: re.Match[str]) -> Variant:
    sigma = float(match[1])
    GaussianNoise(sigma, True, 0)  # refuses here what it would refuse at the first image
    # The seed of the noise is drawn for each image: one pattern on all of them would be a mark of its own.
    draw = Draw("extended", seed=SEED, operation=GaussianNoise.name, fixed=(("sigma", sigma), ("per_channel", True)))
    return Variant(f"noise-{sigma:g}", f"Noise, sigma {sigma:g} of 255", "noise", sigma, draw=draw)


def _double(match: re.Match[str]) -> Variant:
    first, second, how = int(match[1]), int(match[2]), match[3]
    name = f"double-jpeg-{first}-{second}"
    title = f"JPEG {first}, then {second}"
    if how is None:
        return Variant(name, f"{title}, on the same grid", "double", chain=(JpegQuality(first), JpegQuality(second)))
    left, top, factor = (3, 5, 1.0) if how == "shifted" else (0, 0, 0.75)
    between = "cut between" if how == "shifted" else "scaled between"
    chain = (DoubleJpeg(first, "4:2:0", left, top, factor, second, "4:2:0"),)
    return Variant(f"{name}-{how}", f"{title}, {between}", "double", chain=chain)


def _screenshot(match: re.Match[str]) -> Variant:
    factor, quality = float(match[1]), match[2]
    name, title = f"screenshot-{factor:g}", f"Screenshot at {factor:g}"
    if quality is not None:
        name, title = f"{name}-jpeg-{int(quality)}", f"{title}, JPEG {int(quality)}"
    # Quality 0 is PNG there.
    return Variant(name, title, "screenshot", chain=(Screenshot(factor, 2, 255, int(quality or 0)),))


def _operation(match: re.Match[str]) -> Variant:
    name, seed = match[1].replace("-", "_"), int(match[2] or SEED)
    pool = "official" if name in {kind.name for kind in POOL} else "extended"
    words = match[1].replace("-", " ")
    for acronym, spelled in (("jpeg", "JPEG"), ("webp", "WebP"), ("avif", "AVIF")):
        words = words.replace(acronym, spelled)
    title = f"{words[0].upper()}{words[1:]}, drawn" + (f" with seed {seed}" if seed != SEED else "")
    draw = Draw(pool, seed=seed, operation=name)
    return Variant(f"operation-{match[1]}{_suffix(seed)}", title, "operations", draw=draw)


def _transformed(match: re.Match[str]) -> Variant:
    pool, most, seed = ("extended" if match[1] else "official"), int(match[2] or 2), int(match[3] or SEED)
    if most > len(POOLS[pool]):
        raise UsageError("operations", f"{most} of a pool of {len(POOLS[pool])}", f"choose 0 to {len(POOLS[pool])}")
    name = "transformed" + ("-extended" if match[1] else "") + (f"-k{most}" if most != 2 else "") + _suffix(seed)
    title = f"Transformed: up to {most} {pool} operations" + (f", seed {seed}" if seed != SEED else "")
    return Variant(name, title, draw=Draw(pool, most, seed))


def _recipe(match: re.Match[str]) -> Variant:
    [recipe] = [recipe for recipe in RECIPES if recipe.name == match[0]]
    return Variant(recipe.name, recipe.title, "delivery", chain=recipe.chain)


def _suffix(seed: int) -> str:
    return "" if seed == SEED else f"-seed{seed}"


_OPERATIONS = "|".join(kind.name.replace("_", "-") for kind in EXTENDED)

FORMS: tuple[Form, ...] = (
    Form("jpeg-QUALITY", "JPEG at that quality, chroma at half resolution", f"jpeg-{_QUALITY}", _jpeg),
    Form("webp-QUALITY", "lossy WebP at that quality", f"webp-{_QUALITY}", _webp),
    Form("avif-QUALITY", "AVIF at that quality, where Pillow has its codec", f"avif-{_QUALITY}", _avif),
    Form(
        "resize-FACTOR[-FILTER]",
        "both sides times the factor; nearest, box, bilinear, bicubic (unless told) or lanczos",
        rf"resize-{_NUMBER}(?:-(nearest|box|bilinear|bicubic|lanczos))?",
        _resize,
    ),
    Form("crop-PERCENT", "keeps the middle PERCENT of each side", f"crop-{_NUMBER}", _crop),
    Form("blur-RADIUS", "Gaussian blur, radius in pixels", f"blur-{_NUMBER}", _blur),
    Form(
        "noise-SIGMA", "Gaussian noise, sigma in levels of 0 to 255, another for each image", f"noise-{_NUMBER}", _noise
    ),
    Form(
        "double-jpeg-FIRST-SECOND[-shifted|-resized]",
        "JPEG twice: on the same grid; after a cut of 3 columns and 5 rows; after 0.75 times the size",
        rf"double-jpeg-{_QUALITY}-{_QUALITY}(?:-(shifted|resized))?",
        _double,
    ),
    Form(
        "screenshot-FACTOR[-jpeg-QUALITY]",
        "shown at FACTOR times the size, captured with a white frame of 2 pixels, saved as PNG or JPEG",
        rf"screenshot-{_NUMBER}(?:-jpeg-([1-9]\d{{0,2}}))?",
        _screenshot,
    ),
    Form(
        "operation-NAME[-seedSEED]",
        f"one operation of the pools, parameters drawn for each image; seed {SEED} unless told",
        rf"operation-({_OPERATIONS}){_SEED}",
        _operation,
    ),
    Form(
        "transformed[-extended][-kMOST][-seedSEED]",
        f"0 to MOST operations of a pool, drawn for each image as in training; 2 of the official ones, seed {SEED}",
        rf"transformed(-extended)?(?:-k(\d{{1,2}}))?{_SEED}",
        _transformed,
    ),
    *(Form(recipe.name, recipe.steps, recipe.name, _recipe) for recipe in RECIPES),
)
