"""What an audit finds: plain values, so that the terminal, the JSON file and the page all show the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Room = Literal["file", "history", "pixels", "name", "content"]
"""Where a feature is seen: the file's headers, traces of its history, simple pixel statistics, its name (which no
detector sees), or the content itself (tiny colour and layout features)."""

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval; NaN bounds where there are too few groups for one."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Distribution:
    """One feature in both classes, side by side.

    Attributes:
        labels: Names of the bins or of the most frequent values, "other" for the rest, "none" for missing.
        edges: (B + 1,) edges of the bins of a number; empty for a category.
        real: Share of real images in each bin; sums to 1.
        generated: Share of generated images in each bin; sums to 1.
        real_median: Median of a number, None for a category.
        generated_median: Likewise.
    """

    labels: list[str]
    edges: list[float]
    real: list[float]
    generated: list[float]
    real_median: float | None = None
    generated_median: float | None = None


@dataclass(frozen=True)
class FeatureResult:
    """How far one feature alone tells the classes apart.

    Attributes:
        name: The feature's name.
        title: Its name in words.
        room: Where it is seen.
        kind: "number" or "category".
        auc: Cross-validated AUC of a small tree on it, folds by source.
        auc_same_sources: The same with folds by image: what a split by image would let a model learn.
        distribution: Both classes side by side.
        sentence: What it says, as one clause ("94 % of generated images are PNG, 2 % of real ones").
    """

    name: str
    title: str
    room: Room
    kind: Literal["number", "category"]
    auc: float
    auc_same_sources: float
    distribution: Distribution
    sentence: str


@dataclass(frozen=True)
class JointResult:
    """How far a small model on several features tells the classes apart.

    Attributes:
        name: "without the content" or "content only".
        auc: Cross-validated AUC with its interval over sources, folds by source.
        auc_same_sources: The same with folds by image.
        features: Names of the features used.
        leaders: Up to five (feature, loss of AUC when it is shuffled), the largest first.
        folds: Number of folds by source.
        grouped_by: "source", or "image" where there were too few sources, with the reason in `note`.
        note: What else to know.
    """

    name: str
    auc: Interval
    auc_same_sources: float
    features: list[str]
    leaders: list[tuple[str, float]]
    folds: int
    grouped_by: Literal["source", "image"]
    note: str = ""


@dataclass(frozen=True)
class Twin:
    """Two images that are the same or nearly so.

    Attributes:
        first: Key of one.
        second: Key of the other.
        kind: "exact" (same bytes) or "near".
        distance: Differing bits of the perceptual hash, 0 to 64.
        labels: Their labels.
        splits: Their splits.
        siblings: Whether they belong to one group (a record's real image and its reconstruction).
    """

    first: str
    second: str
    kind: Literal["exact", "near"]
    distance: int
    labels: tuple[int, int]
    splits: tuple[str, str]
    siblings: bool


@dataclass(frozen=True)
class Duplicates:
    """What occurs more than once.

    Attributes:
        exact: Pairs of same bytes.
        near: Pairs that look the same.
        across_splits: Of both, pairs in two splits.
        across_labels: Of both, pairs under two labels that are no siblings.
        examples: The worst pairs: two labels first, then two splits, then the rest; at most 200.
        siblings: Of both, pairs of one group, which are meant to be alike.
    """

    exact: int
    near: int
    across_splits: int
    across_labels: int
    examples: list[Twin]
    siblings: int = 0


@dataclass(frozen=True)
class AuditReport:
    """The whole audit.

    Attributes:
        name: The data as the user named it, last path parts only.
        images: Number of images measured, by split ("" for none), then by "real" and "generated".
        sources: Number of sources, by "real" and "generated".
        unreadable: (key, cause) of images that could not be read; at most 200.
        unreadable_count: How many there were.
        skipped: The listing's lines on what it left out.
        features: Single features, the highest AUC first.
        without_content: Joint model on everything but content and name.
        content_only: Joint model on the content features.
        duplicates: What occurs more than once.
        verdict: The one sentence that matters.
        notes: Caveats: few sources, sampling ...
        sampled: Number of images that the models were fitted on, when it was less than all; else None.
    """

    name: str
    images: dict[str, dict[str, int]]
    sources: dict[str, int]
    unreadable: list[tuple[str, str]]
    unreadable_count: int
    skipped: list[str]
    features: list[FeatureResult]
    without_content: JointResult
    content_only: JointResult
    duplicates: Duplicates
    verdict: str
    notes: list[str] = field(default_factory=list)
    sampled: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-safe values, with `schema_version`; numbers that are not finite become None."""
        values: dict[str, Any] = _safe(asdict(self))
        return {"schema_version": SCHEMA_VERSION, **values}


def _safe(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _safe(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_safe(inner) for inner in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value
