"""What a build is made from: one pydantic model is at once the YAML file, the overrides and the Python argument."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from contrafake.generate.generators.settings import AnyGenerator, Size
from contrafake.settings import Section

Quality = tuple[int, int]


class CaptionerSettings(Section):
    """A model that writes captions for images that have none.

    Attributes:
        model: Folder or name on a model hub, of a kind that `transformers` knows for images to text.
        revision: Commit of the model on the hub.
        prompt: Words the caption begins with, or a question, as the model expects them.
        batch: Images at once.
        most_tokens: Length of a caption at most.
        device: "auto" takes a GPU where there is one.
    """

    model: str
    revision: str | None = None
    prompt: str = ""
    batch: int = Field(default=8, ge=1, le=1024)
    most_tokens: int = Field(default=40, ge=1, le=1000)
    device: Literal["auto", "cpu", "cuda"] = "auto"


class RealsSettings(Section):
    """Which real images, and their captions. Paths may hold ``${CONTRAFAKE_DATA}``.

    Attributes:
        data: A folder of images with captions beside them, COCO, Parquet files or a folder of them (CC3M, LAION),
            shards of images with captions, or any set that `contrafake data info` knows, whose real images are taken.
        layout: "auto" recognises it; else "captioned-folder", "coco", "captioned-parquet", "captioned-shards", or any
            layout of `contrafake data info`.
        columns: Names of columns (Parquet) or fields (JSON) where they are not recognised: "image", "caption", "url",
            "key".
        captioner: Writes the captions that are missing; None leaves them empty.
        keep: Only images whose metadata has one of the values, by name: {"content": ["real-photo"]}.
        drop: No images whose metadata has one of the values: {"NSFW": ["NSFW", "UNSURE"]}.
        blocked_words: Captions that hold one of these words, in any case, are left out with their images.
        blocked_words_file: A text file of such words, one a line.
        least_side: Shorter side of an image at least, in pixels.
        limit: Number of records at most, chosen by a hash of their keys; None takes all.
        split: Split of all records; None keeps that of the data.
    """

    data: list[str] = Field(min_length=1)
    layout: str = "auto"
    columns: dict[Literal["image", "caption", "url", "key"], str] = Field(default={})
    captioner: CaptionerSettings | None = None
    keep: dict[str, list[Any]] = Field(default={})
    drop: dict[str, list[Any]] = Field(default={})
    blocked_words: list[str] = Field(default=[])
    blocked_words_file: str | None = None
    least_side: int = Field(default=128, ge=16)
    limit: int | None = Field(default=None, ge=1)
    split: Literal["train", "val", "test"] | None = None


class LawSettings(Section):
    """What all images of a record share, so that their files do not tell which is real.

    Attributes:
        kind: "matched": every sibling shows the record's frame, is scaled by the same factor, has as many compressions
            as the real image on the same grid, and the same final encoding. "d3": as the paper's set: the real file
            stays as it is, each generated image has the size its generator made and an encoding drawn from those of
            the real images.
        sizes: Of the frame, the part of the real image that a record is about: "real" (as much of it as `longest`
            allows), "paper" (one of the paper's four, drawn among those that fit), or a list of (width, height).
        longest: Longest side of a frame in pixels, under "real".
        multiple: Sides of a frame are multiples of this; 8 or 16 suits most generators.
        factor: Smallest and largest factor by which all siblings of a record are scaled after making; (1, 1) scales
            none. Only under "matched".
        format: Final format: "real" (the real image's own) or one for all.
        quality: Smallest and largest final quality, drawn for each record; None takes the real image's own. What does
            not say its quality (WebP, AVIF) draws from 75 to 95.
    """

    kind: Literal["matched", "d3"] = "matched"
    sizes: Literal["real", "paper"] | list[Size] = "real"
    longest: int = Field(default=768, ge=64, le=8192)
    multiple: int = Field(default=16, ge=1, le=256)
    factor: tuple[float, float] = (1.0, 1.0)
    format: Literal["real", "jpeg", "webp", "png"] = "real"
    quality: Quality | None = None

    @field_validator("factor")
    @classmethod
    def _shrinks(cls, factor: tuple[float, float]) -> tuple[float, float]:
        if not 0.1 <= factor[0] <= factor[1] <= 1:
            raise ValueError("factors lie between 0.1 and 1, the smaller one first")
        return factor

    @field_validator("quality")
    @classmethod
    def _in_range(cls, quality: Quality | None) -> Quality | None:
        if quality is not None and not 1 <= quality[0] <= quality[1] <= 100:
            raise ValueError("qualities lie between 1 and 100, the smaller one first")
        return quality

    @model_validator(mode="after")
    def _possible(self) -> LawSettings:
        if self.longest < -(-64 // self.multiple) * self.multiple:
            raise ValueError("longest holds no multiple that is at least 64 pixels")
        return self


class FilterSettings(Section):
    """Which made images are not used. What is filtered is written down with its cause.

    Attributes:
        blank_deviation: An image whose grey values deviate less than this (standard deviation, 0 to 255) is blank.
        flagged: Whether images that the generator's own safety checker flagged are left out.
        duplicates: Whether of images with equal pixels from one generator only the first is kept.
        attempts: An image that is blank or flagged is made anew with another seed, so often in all; one that failed
            with an error is tried again with the same seed.
    """

    blank_deviation: float = Field(default=2.0, ge=0)
    flagged: bool = True
    duplicates: bool = True
    attempts: int = Field(default=2, ge=1, le=20)


class OutputSettings(Section):
    """How the set is written.

    Attributes:
        records_per_shard: Records whose images of one generator share a shard.
        chunk: Records whose images of one generator are finished together; a killed run loses at most one chunk.
        audit_records: Records that the final audit looks at; 0 audits nothing.
    """

    records_per_shard: int = Field(default=500, ge=1)
    chunk: int = Field(default=16, ge=1)
    audit_records: int = Field(default=2000, ge=0)


class GenerateConfig(Section):
    """Everything that decides a built set; saved, resolved, with it."""

    name: str
    seed: int = Field(default=42, ge=0, lt=2**32)
    reals: RealsSettings
    generators: list[AnyGenerator] = Field(min_length=1)
    law: LawSettings = LawSettings()
    filters: FilterSettings = FilterSettings()
    output: OutputSettings = OutputSettings()

    @field_validator("generators")
    @classmethod
    def _named_apart(cls, generators: list[AnyGenerator]) -> list[AnyGenerator]:
        names = [generator.name.lower() for generator in generators]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two generators are called {twice[0]}")
        return generators
