"""What a bundle's config.json says: everything about a model except its tensors."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from contrafake.model.calibration import Measured, OperatingPoint

SCHEMA_VERSION = 1
FP32 = "fp32"
"""The variant that every bundle has: the graph as it was exported."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Preprocessing(_Part):
    """How an image becomes crops; the pixels' normalisation is inside the graph.

    Attributes:
        geometry: "crop" cuts native pixels; "resize-crop" scales the shorter side to crop_size / crop_pct first.
        crop_size: Side of the crops in pixels.
        crop_pct: Share of the resized side that is kept; of "resize-crop" only.
        default_crops: Crops whose scores are averaged when the user names no number.
        aggregation: How the crops' scores become the image's.
        small_images: What happens to images smaller than a crop: "mirror" them outwards, or pad them with "black" as
            the published CoDE preprocessing does.
    """

    geometry: Literal["crop", "resize-crop"] = "crop"
    crop_size: int = Field(default=224, gt=0)
    crop_pct: float = Field(default=0.9, gt=0, le=1)
    default_crops: int = Field(default=5, gt=0)
    aggregation: Literal["mean score"] = "mean score"
    small_images: Literal["mirror", "black"] = "mirror"


class CalibrationFacts(_Part):
    """One head at one number of crops; its scores are in the tensors ``calibration.HEAD.CROPS.*``.

    Where only photographs were measured, `slope`, `intercept` and `bound` are 0 and `auc` is NaN, null in JSON.
    """

    head: str
    crops: int
    slope: float
    intercept: float
    bound: float
    auc: Measured
    operating_points: list[OperatingPoint]


class LeftOutFamily(_Part):
    """What became of a family's validation images when its references were taken away.

    Attributes:
        family: Its name; of families with few images, "smaller families".
        images: Its images.
        rejected: Share of them beyond the limit, as should be.
        named: Share of them that still got a name, a wrong one.
        auc: AUC of the distance, these images against those of all other families.
    """

    family: str
    images: int
    rejected: float
    named: float
    auc: float


class AttributionRule(_Part):
    """When the nearest origin is worth naming; measured on validation images, each by what other ones chose.

    Attributes:
        neighbours: Nearest generated references that vote, per crop.
        least_share: Share of the votes that the winner needs.
        limit: Distance to the winner beyond which the generator is unknown; None in older bundles, which know no limit.
        precision: Share of right names among those given.
        given: Share of the images that got a name.
        images: Generated images of known origins behind the rule.
        accuracy: Share of them whose winner is right, whatever its share and distance.
        known_kept: Share of them within the limit.
        unknown_rejected: Share of images beyond the limit, mean over `left_out`.
        auc: AUC of the distance, unknown against known, mean over `left_out`.
        left_out: Families whose references were taken away; the encoder saw them, which flatters.
    """

    neighbours: int
    least_share: float
    limit: float | None = None
    precision: float
    given: float
    images: int
    accuracy: float | None = None
    known_kept: float | None = None
    unknown_rejected: float | None = None
    auc: float | None = None
    left_out: list[LeftOutFamily] = []


class Variant(_Part):
    """The same encoder in other numbers, and what that changes.

    Attributes:
        name: "int8" or "bf16".
        file: The graph, in the bundle's folder.
        head: Head whose scores were compared.
        crops: Crops per image they were compared at.
        images: Images they were compared on, (real, generated).
        auc: AUC of the variant on these images.
        auc_lost: AUC of the fp32 graph minus that of the variant.
        auc_lost_interval: 95 % interval of that.
        score_change: Mean and largest absolute change of an image's score.
        score_spread: Standard deviation of the fp32 scores, the unit in which a change is large or small.
        flips: Share of the images whose verdict changed at the default operating point; None without one.
        bytes: Size of the file.
    """

    name: str
    file: str
    head: str
    crops: int
    images: tuple[int, int]
    auc: float
    auc_lost: float
    auc_lost_interval: tuple[float, float]
    score_change: tuple[float, float]
    score_spread: float | None = None
    flips: float | None = None
    bytes: int | None = None


class ValidationNames(_Part):
    """What the codes of the validation memory mean (`model.validation_memory`).

    Attributes:
        crops: Most crops of an image; an image's first is the centre.
        origins: Names by code.
        families: Family of each of `origins`, itself where it has none.
        sources: Names by code.
    """

    crops: int
    origins: list[str]
    families: list[str]
    sources: list[str]


class BundleConfig(_Part):
    """Everything about a bundle except its tensors.

    Attributes:
        native_threshold: Score above which the model's authors say "generated"; the decision where nothing is
            calibrated. None where they say nothing.
        history: What was done to the model since it was first written, oldest first (`model.lineage`).
    """

    schema_version: int = SCHEMA_VERSION
    method: str
    name: str
    version: str
    architecture: dict[str, Any]
    preprocessing: Preprocessing
    label_convention: str = "0 = real, 1 = generated; a higher score is more likely generated"
    heads: list[str]
    default_head: str
    native_threshold: float | None = None
    origins: list[str] = []
    calibrations: list[CalibrationFacts] = []
    attribution: AttributionRule | None = None
    validation: ValidationNames | None = None
    variants: list[Variant] = []
    default_variant: str = FP32
    training: dict[str, Any] = {}
    history: list[dict[str, Any]] = []
    files: dict[str, str] = {}
