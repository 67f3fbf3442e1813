"""The plan: what is to be made for a record, as a function of the configuration, the record and one generator."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from contrafake.data.sources.built import image_key
from contrafake.generate.frame import size_to_make
from contrafake.generate.generators.identity import model_name
from contrafake.generate.generators.settings import (
    RESERVED,
    ImageToImage,
    Inpainting,
    PipelineSettings,
    Program,
    Reconstruction,
)
from contrafake.generate.job import Job, Skip, Treatment
from contrafake.generate.law import RecordLaw, draw_law, draws, final_encoding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contrafake.generate.config import GenerateConfig
    from contrafake.generate.generators.settings import AnyGenerator
    from contrafake.generate.record import BuildRecord, RealFacts

NO_CAPTION = "no caption"
TOO_SMALL = "its sizes are smaller than the record's frame"


@dataclass(frozen=True)
class Donors:
    """Encodings of the real images, as columns; the d3 law draws those of generated images from them.

    Attributes:
        formats: "JPEG", "WEBP" or "PNG", each encoding that occurs once.
        qualities: libjpeg quality, -1 where the file does not say it.
        subsamplings: Of JPEGs, "" for others.
        counts: How many real images have it.
    """

    formats: tuple[str, ...] = ()
    qualities: tuple[int, ...] = ()
    subsamplings: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()

    def pick(self, share: float) -> tuple[str, int, str]:
        """Format, quality and subsampling of a real image, each image as likely as the next.

        Args:
            share: 0 to below 1.

        Returns:
            A JPEG of unknown quality where there are no real images.
        """
        if not self.counts:
            return "JPEG", -1, "4:2:0"
        sums = list(accumulate(self.counts))
        place = bisect_right(sums, int(share * sums[-1]))
        return self.formats[place], self.qualities[place], self.subsamplings[place]


def donors_of(facts: Iterable[RealFacts]) -> Donors:
    """The encodings of some real images; their order does not matter."""
    found: Counter[tuple[str, int, str]] = Counter()
    for fact in facts:
        is_jpeg = fact.format == "JPEG"
        found[fact.format, fact.quality if is_jpeg else -1, fact.subsampling if is_jpeg else ""] += 1
    if not found:
        return Donors()
    encodings = sorted(found)
    formats, qualities, subsamplings = zip(*encodings, strict=True)
    return Donors(formats, qualities, subsamplings, tuple(found[encoding] for encoding in encodings))


class Planner:
    """Rows of the plan. The same arguments always give the same row, whatever else is in the build."""

    def __init__(self, config: GenerateConfig, donors: Donors) -> None:
        """Takes what all rows share.

        Args:
            config: Of the build; of its generators, `of` alone takes note.
            donors: Encodings that the d3 law draws from; the matched law needs none.
        """
        self.config, self.donors = config, donors

    def real(self, record: BuildRecord) -> Job | Skip:
        """What becomes of the real image itself."""
        law = self._law(record)
        if isinstance(law, str):
            return Skip(record.key, RESERVED, law)
        left, top, right, bottom = law.frame
        whole = law.final is None
        return Job(
            key=image_key(record.key, RESERVED),
            record=record.key,
            generator=RESERVED,
            kind="real",
            model="",
            revision="",
            prompt="",
            negative_prompt="",
            frame=law.frame,
            width=record.facts.width if whole else right - left,
            height=record.facts.height if whole else bottom - top,
            steps=None,
            guidance=None,
            strength=None,
            scheduler="",
            seed=0,
            treatment=Treatment(None, None, law.factor, law.final),
        )

    def job(self, record: BuildRecord, generator: AnyGenerator) -> Job | Skip:
        """What a generator is to make for a record.

        It is skipped where its real image is: no record stands there without one.
        """
        law = self._law(record)
        if isinstance(law, str):
            return Skip(record.key, generator.name, law)
        caption = plain_caption(record.real.caption)
        if generator.reads_caption and not caption:
            return Skip(record.key, generator.name, NO_CAPTION)
        frame = law.frame[2] - law.frame[0], law.frame[3] - law.frame[1]
        size = size_to_make(generator.sizes, frame, cover=law.final is not None)
        if size is None:
            return Skip(record.key, generator.name, TOO_SMALL)
        return Job(
            key=image_key(record.key, generator.name),
            record=record.key,
            generator=generator.name,
            kind=generator.kind,
            prompt=fill_template(generator.prompt, caption),
            negative_prompt=fill_template(generator.negative_prompt, caption),
            frame=law.frame,
            width=size[0],
            height=size[1],
            seed=int(draws(self.config.seed, record.key, generator.name)("seed") * 2**32),
            treatment=self._treatment(record, generator.name, law, None if size == frame else frame),
            **_asked(generator),
        )

    def of(self, record: BuildRecord) -> list[Job | Skip]:
        """All rows of a record: the real image, then the generators in the order of the configuration."""
        return [self.real(record), *(self.job(record, generator) for generator in self.config.generators)]

    def _law(self, record: BuildRecord) -> RecordLaw | str:
        return draw_law(self.config.law, record.facts, draws(self.config.seed, record.key))

    def _treatment(
        self, record: BuildRecord, generator: str, law: RecordLaw, crop: tuple[int, int] | None
    ) -> Treatment:
        if law.final is not None:
            return Treatment(crop, law.earlier, law.factor, law.final)
        draw = draws(self.config.seed, record.key, generator)
        return Treatment(None, None, 1.0, final_encoding(self.config.law, *self.donors.pick(draw("encoding")), draw))


def seed_of_attempt(seed: int, attempt: int) -> int:
    """The seed of another attempt at a job.

    Args:
        seed: The job's, 0 to 2**32 - 1.
        attempt: 0 for the first, which has the job's own.

    Returns:
        0 to 2**32 - 1.
    """
    if attempt == 0:
        return seed
    return int.from_bytes(blake2b(f"{seed} {attempt}".encode(), digest_size=4).digest(), "big")


def plain_caption(caption: str) -> str:
    """The first line of a caption that is not blank, white space collapsed, control characters taken for white space.

    A prompt is one line, and may become an argument of a program, which holds no zero character.
    """
    lines = ("".join(" " if unicodedata.category(c) == "Cc" else c for c in line) for line in caption.splitlines())
    return next((" ".join(line.split()) for line in lines if line.strip()), "")


def fill_template(template: str, caption: str) -> str:
    """A template with each ``{caption}`` replaced; all other braces stay, also those of the caption.

    Args:
        template: Of the settings.
        caption: As `plain_caption` gives it.

    Returns:
        One line without white space at its ends or twice in a row.
    """
    return " ".join(template.replace("{caption}", caption).split())


def _asked(settings: AnyGenerator) -> dict[str, Any]:
    """What the plan says of a generator beside prompts and sizes."""
    asked: dict[str, Any] = {"steps": None, "guidance": None, "strength": None, "scheduler": ""}
    if isinstance(settings, PipelineSettings):
        asked |= {"model": model_name(settings.model), "revision": settings.revision or ""}
        asked |= {"scheduler": settings.scheduler or ""}
        asked |= {"steps": settings.steps, "guidance": settings.guidance}
        if isinstance(settings, ImageToImage | Inpainting):
            asked["strength"] = settings.strength
    elif isinstance(settings, Reconstruction):
        asked |= {"model": model_name(settings.model), "revision": settings.revision or "", "strength": settings.noise}
    elif isinstance(settings, Program):
        asked |= {"model": PurePath(settings.command[0]).name, "revision": settings.version}
    else:
        asked |= {"model": _address(settings.url), "revision": settings.version}
    return asked


def _address(url: str) -> str:
    """An address without the names, passwords and queries that may let somebody in."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
