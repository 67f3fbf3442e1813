"""What the figures say, in plain sentences."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from contrafake.data.audit.distribution import NONE, OTHER, as_text
from contrafake.data.audit.shown import auc_in_words, share_in_words, strength

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.data.audit.feature import Feature
    from contrafake.data.audit.result import Distribution, FeatureResult, JointResult

SLIGHT: Final = 0.05
"""Difference of two shares below which a feature hardly differs."""

PLAINER: Final = 0.8
"""How much of the largest difference a claim on one value must reach to be preferred to one on a range."""

BETTER: Final = 0.02
"""By how much a single feature's AUC must exceed the joint model's to be worth a word."""

_GENERATED, _REAL = "generated", "real"


@dataclass(frozen=True)
class _Claim:
    """Something true of a share of each class."""

    says: str
    real: float
    generated: float
    plain: bool

    @property
    def gap(self) -> float:
        return abs(self.generated - self.real)


def sentence(feature: Feature, distribution: Distribution) -> str:
    """What a feature's distribution says, as one clause: the difference between the classes that is the largest.

    "94 % of generated images are PNG, 2 % of real ones", or of a number "88 % of real images have a width of 640 px or
    more, 3 % of generated ones (medians 1024 and 512 px)". Every share is that of one bin, or of all bins up to an edge
    or from it on.

    Args:
        feature: What it is called.
        distribution: Both classes side by side.
    """
    claims = list(_claims(feature, distribution))
    medians = _medians(feature, distribution)
    if not claims or max(claim.gap for claim in claims) < SLIGHT:
        return f"{_title(feature)} hardly differs{medians}"
    largest = max(claim.gap for claim in claims)
    claim = max(claims, key=lambda c: (c.plain and c.gap >= PLAINER * largest, c.gap, c.generated))
    shares = {_GENERATED: claim.generated, _REAL: claim.real}
    more, less = (_GENERATED, _REAL) if claim.generated >= claim.real else (_REAL, _GENERATED)
    first, second = share_in_words(shares[more]), share_in_words(shares[less])
    return f"{first} of {more} images {claim.says}, {second} of {less} ones{medians}"


def verdict(joint: JointResult, features: list[FeatureResult]) -> str:
    """The one sentence that matters: how well the labels can be predicted without the content, and by what.

    Args:
        joint: The model on everything but content and name.
        features: Single features, the highest AUC first.
    """
    auc = auc_in_words(joint.auc.value)
    strongest = next((f for f in features if f.name in joint.features and strength(f.auc) != "little"), None)
    how = strength(joint.auc.value)
    if how in {"little", "unknown"}:
        opening = f"Little separates the classes besides the content (AUC {auc})"
        if strength(joint.auc_same_sources) in {"strong", "clear"} and joint.grouped_by == "source":
            same = auc_in_words(joint.auc_same_sources)
            return f"{opening}; but a split by image would let a model recognise the sources (AUC {same})."
        if strongest and _beats(strongest, joint):
            return f"{opening}, yet {_alone(strongest)}."
        return f"{opening}."
    openings = {
        "strong": f"Your labels can be predicted at AUC {auc} without looking at the content",
        "clear": f"Your labels can in part be predicted without looking at the content, at AUC {auc}",
        "some": f"Your labels can be predicted a little without looking at the content, at AUC {auc}",
    }
    reason = strongest.sentence if strongest else "no single feature does it, but several together do"
    # Features that do not carry over to new sources can mislead the joint model: then its figure says too little.
    alone = f"; that alone reaches AUC {auc_in_words(strongest.auc)}" if strongest and _beats(strongest, joint) else ""
    return f"{openings[how]}: {reason}{alone}."


def _beats(feature: FeatureResult, joint: JointResult) -> bool:
    return feature.auc > joint.auc.value + BETTER


def _alone(feature: FeatureResult) -> str:
    return f"{feature.title} alone reaches AUC {auc_in_words(feature.auc)}: {feature.sentence}"


def _claims(feature: Feature, distribution: Distribution) -> Iterator[_Claim]:
    bins = len(distribution.edges) - 1 if distribution.edges else 0
    shares = list(zip(distribution.labels, distribution.real, distribution.generated, strict=True))
    for place, (label, real, generated) in enumerate(shares):
        last = place == len(shares) - 1
        if last and label == NONE and place >= bins:
            yield _Claim(feature.absent or f"have no {_title(feature)}", real, generated, plain=True)
        elif feature.kind == "category":
            if not (label == OTHER and place >= len(shares) - 2):
                says = feature.phrase.replace("{value}", label) if feature.phrase else f"have {_title(feature)} {label}"
                yield _Claim(says, real, generated, plain=True)
        elif _single(label) and place < bins:
            yield _Claim(f"have {_noun(feature)} of {_measure(feature, label)}", real, generated, plain=True)
    yield from _ranges(feature, distribution, bins)


def _ranges(feature: Feature, distribution: Distribution, bins: int) -> Iterator[_Claim]:
    """The bins up to each edge, and those from it on."""
    below = zip(accumulate(distribution.real[:bins]), accumulate(distribution.generated[:bins]), strict=True)
    whole = sum(distribution.real[:bins]), sum(distribution.generated[:bins])
    for place, (real, generated) in enumerate(below):
        if place == bins - 1:
            return
        here, following = distribution.labels[place], distribution.labels[place + 1]
        edge = as_text(distribution.edges[place + 1])
        low = f"of {_measure(feature, here)} or less" if _single(here) else f"below {_measure(feature, edge)}"
        high = f"of {_measure(feature, following if _single(following) else edge)} or more"
        yield _Claim(f"have {_noun(feature)} {low}", real, generated, plain=False)
        yield _Claim(f"have {_noun(feature)} {high}", whole[0] - real, whole[1] - generated, plain=False)


def _medians(feature: Feature, distribution: Distribution) -> str:
    real, generated = distribution.real_median, distribution.generated_median
    if real is None or generated is None:
        return ""
    if as_text(real) == as_text(generated):
        return f" (both medians {_measure(feature, as_text(real))})"
    return f" (medians: generated {as_text(generated)}, real {_measure(feature, as_text(real))})"


def _single(label: str) -> bool:
    return " to " not in label


def _measure(feature: Feature, number: str) -> str:
    return f"{number} {feature.unit}".rstrip()


def _noun(feature: Feature) -> str:
    title = _title(feature)
    return feature.phrase or f"{'an' if title[:1].lower() in set('aeio') else 'a'} {title}"


def _title(feature: Feature) -> str:
    return feature.title or feature.name
