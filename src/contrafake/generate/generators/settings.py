"""What a configuration says of each generator, by kind."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

from pydantic import Field, field_validator

from contrafake.settings import Section

Size = tuple[Annotated[int, Field(ge=8, le=8192)], Annotated[int, Field(ge=8, le=8192)]]
"""(width, height) in pixels."""

PAPER_SIZES: tuple[Size, ...] = ((256, 256), (512, 512), (640, 480), (640, 360))
"""The sizes of D3 (CoDE, section 4)."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_SECRET = re.compile(
    r"(?:^|[^a-z])(?:authorization|auth|(?:api|access)?key|token|secret|password|cookie|credential|signature|sig)"
    r"(?:$|[^a-z])",
    re.IGNORECASE,
)
RESERVED = "real"


class GeneratorSettings(Section):
    """What all generators share.

    Attributes:
        name: Its name in this set: in shard names and as the images' origin; letters, digits and ``._+-``.
        family: Family for the table of origins; its name unless told.
        base_model: Model that it descends from, for the same table.
        licence: Terms of the model, for the datasheet; only passed on.
        apart: Whether evaluations report its images apart, in no figure of the others: for a generator of the set's own
            makers.
        prompt: Template of the prompt; ``{caption}`` is filled in. Without ``{caption}``, all images share it.
        negative_prompt: The same for what is not wanted.
        sizes: What it is asked to make: "frame" (the record's frame, see `LawSettings`), "paper" (of the paper's four,
            the one nearest in aspect to the frame), or a list of (width, height) of which the nearest in aspect and
            then in area is taken.
        batch: Images made at once, at most.
    """

    name: str
    family: str = ""
    base_model: str = ""
    licence: str = ""
    apart: bool = False
    prompt: str = "{caption}"
    negative_prompt: str = ""
    sizes: Literal["frame", "paper"] | list[Size] = "frame"
    batch: int = Field(default=4, ge=1, le=1024)

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not _NAME.fullmatch(name) or name.lower() == RESERVED:
            raise ValueError(f"{name!r} is no name for a generator: letters, digits and ._+-, but not {RESERVED!r}")
        return name

    @field_validator("prompt", "negative_prompt")
    @classmethod
    def _fills_in(cls, text: str) -> str:
        if unknown := [word for word in re.findall(r"\{(\w+)\}", text) if word != "caption"]:
            raise ValueError(f"{{{unknown[0]}}} is not filled in, only {{caption}} is")
        return text

    @property
    def reads_real(self) -> bool:
        """Whether it begins with the real image."""
        return False

    @property
    def reads_caption(self) -> bool:
        """Whether a record without a caption is none for it."""
        return "{caption}" in self.prompt


class _Torch(GeneratorSettings):
    """What runs on torch here.

    Attributes:
        model: Folder or name on a model hub.
        revision: Commit of the model on the hub; name one, so that the same command makes the same images.
        device: "auto" takes a GPU where there is one.
        precision: Of the weights; "auto" is bf16 on a GPU that has it, else fp16, and fp32 on a CPU.
        compile: Whether `torch.compile` compiles the network that is called in each step.
    """

    model: str
    revision: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: bool = False


class PipelineSettings(_Torch):
    """A `diffusers` pipeline.

    Attributes:
        pipeline: Name of the pipeline's class, where the automatic choice by the model does not fit.
        variant: Variant of the weights' files, for example "fp16".
        scheduler: Class of another scheduler, for example "DPMSolverMultistepScheduler".
        steps: Denoising steps; None leaves the pipeline's own number.
        guidance: Guidance scale; None leaves the pipeline's own.
        offload: "model" or "sequential" keeps parts of the pipeline in main memory until they are needed.
        safety_checker: Whether the model's own safety checker, where it has one, is used; what it says is kept.
        arguments: Further arguments of the pipeline's call.
    """

    pipeline: str | None = None
    variant: str | None = None
    scheduler: str | None = None
    steps: int | None = Field(default=None, ge=1, le=1000)
    guidance: float | None = Field(default=None, ge=0, le=100)
    offload: Literal["none", "model", "sequential"] = "none"
    safety_checker: bool = True
    arguments: dict[str, Any] = Field(default={})


class StageSettings(Section):
    """A further stage of a cascade, which enlarges what the stage before made.

    Attributes:
        model: As for the first stage.
        revision: As for the first stage.
        pipeline: As for the first stage.
        variant: As for the first stage.
        steps: As for the first stage.
        guidance: As for the first stage.
        arguments: As for the first stage.
    """

    model: str
    revision: str | None = None
    pipeline: str | None = None
    variant: str | None = None
    steps: int | None = Field(default=None, ge=1, le=1000)
    guidance: float | None = Field(default=None, ge=0, le=100)
    arguments: dict[str, Any] = Field(default={})


class TextToImage(PipelineSettings):
    """Images from captions; unconditional models make them from nothing.

    Attributes:
        then: Further stages of a cascade such as DeepFloyd IF. `sizes` is what the last one gives; the first is asked
            for `first_size`.
        first_size: (width, height) of the first stage of a cascade.
    """

    kind: Literal["text-to-image"]
    then: list[StageSettings] = Field(default=[])
    first_size: Size = (64, 64)


class ImageToImage(PipelineSettings):
    """The real image, noised by a share of the way and denoised again; small strengths are reconstructions.

    Attributes:
        strength: Share of the noise schedule, 0 to 1.
    """

    kind: Literal["image-to-image"]
    strength: float = Field(gt=0, le=1)

    @property
    def reads_real(self) -> bool:
        """Always."""
        return True


class Inpainting(PipelineSettings):
    """A generated region inside the real image; the mask is saved beside it.

    Attributes:
        strength: Share of the noise schedule within the region, 0 to 1.
        area: Smallest and largest share of the image that the region takes.
        paste: Whether everything outside of the region is put back from the real image, pixel by pixel.
    """

    kind: Literal["inpainting"]
    strength: float = Field(default=1.0, gt=0, le=1)
    area: tuple[float, float] = (0.05, 0.4)
    paste: bool = True

    @property
    def reads_real(self) -> bool:
        """Always."""
        return True

    @field_validator("area")
    @classmethod
    def _ordered(cls, area: tuple[float, float]) -> tuple[float, float]:
        if not 0 < area[0] <= area[1] < 1:
            raise ValueError("an area is two shares of the image, 0 < smallest <= largest < 1")
        return area


class Reconstruction(_Torch):
    """The real image through a latent autoencoder, there and back: the same content with a decoder's traces.

    Attributes:
        subfolder: Folder of the autoencoder within the model, for example "vae".
        noise: Gaussian noise added to the latent, as a share of the latent's own standard deviation.
        levels: Values that each number of the latent is rounded to between its least and greatest; None rounds none.
    """

    kind: Literal["reconstruction"]
    subfolder: str | None = None
    noise: float = Field(default=0.0, ge=0, le=10)
    levels: int | None = Field(default=None, ge=2, le=65536)

    @property
    def reads_real(self) -> bool:
        """Always."""
        return True

    @property
    def reads_caption(self) -> bool:
        """Never."""
        return False


class Program(GeneratorSettings):
    """A program on this machine: called with a list of arguments, never through a shell.

    Attributes:
        command: The program and its arguments. ``{prompt}``, ``{negative_prompt}``, ``{width}``, ``{height}``,
            ``{seed}``, ``{input}`` (the real image as a PNG), ``{output}`` (where the image is expected) and, with
            `batch` above 1, ``{jobs}`` (a JSON file that lists them) are filled in.
        seconds: Time after which a call is ended, for each image of it.
        environment: Names of environment variables passed on, beside PATH, HOME, LANG and TMPDIR.
        version: Of the program, for the record.
    """

    kind: Literal["program"]
    command: list[str] = Field(min_length=1)
    seconds: float = Field(default=300, gt=0)
    environment: list[str] = Field(default=[])
    version: str = ""
    batch: int = Field(default=1, ge=1, le=1024)

    @property
    def reads_real(self) -> bool:
        """If the program is given it."""
        return any("{input}" in word or "{jobs}" in word for word in self.command)


class Service(GeneratorSettings):
    """An image service over HTTP that answers with JSON or with the image itself.

    Attributes:
        url: Address that is asked by POST; it is written down, so it must hold no key.
        body: JSON that is sent; within its texts ``{prompt}``, ``{negative_prompt}``, ``{width}``, ``{height}``,
            ``{seed}`` and ``{image}`` (the real image as base64 PNG) are filled in; a text that is one of width,
            height or seed alone becomes a number.
        headers: Headers that are sent; ``${NAME}`` is filled in from the environment when a request is made, so that
            a key is written down nowhere. One that is called like a key must hold such a name.
        answer: Dotted path to the image in a JSON answer (base64 or an address), for example "data.0.b64_json"; ""
            where the answer is the image.
        flagged: Dotted path to a statement that the service refused or blurred the image.
        seconds: Time after which a request is given up.
        pause: Seconds between two requests, at least.
        version: Of the model behind it, for the record.
    """

    kind: Literal["service"]
    url: str
    body: dict[str, Any] = Field(default={})
    headers: dict[str, str] = Field(default={})
    answer: str = ""
    flagged: str = ""
    seconds: float = Field(default=120, gt=0)
    pause: float = Field(default=0.0, ge=0)
    version: str = ""
    batch: int = Field(default=1, ge=1, le=1)

    @field_validator("headers")
    @classmethod
    def _names_keys(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if _SECRET.search(name) and not re.search(r"\$\{\w+\}", value):
                raise ValueError(f"{name} holds a key itself, which would be written down with the set: use ${{NAME}}")
        return headers

    @field_validator("url")
    @classmethod
    def _without_keys(cls, url: str) -> str:
        _, _, query = url.partition("?")
        if named := [name for name, _ in parse_qsl(query, keep_blank_values=True) if _SECRET.search(name)]:
            raise ValueError(f"{named[0]} holds a key, which would be written down with the set: send it as a header")
        return url

    @property
    def reads_real(self) -> bool:
        """If the request holds it."""
        return "{image}" in str(self.body)


AnyGenerator = Annotated[
    TextToImage | ImageToImage | Inpainting | Reconstruction | Program | Service, Field(discriminator="kind")
]
