"""Distributions side by side, and the sentences made of them."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data.audit.distribution import MOST_VALUES, as_text, category_distribution, number_distribution
from contrafake.data.audit.feature import Feature
from contrafake.data.audit.result import Distribution, FeatureResult, Interval, JointResult
from contrafake.data.audit.shown import share_in_words
from contrafake.data.audit.wording import sentence, verdict

FORMAT = Feature("format", "format", "file", "category", phrase="are {value}")
WIDTH = Feature("width", "width", "file", "number", "px", "a width")
QUALITY = Feature("quality", "JPEG quality", "file", "number", "", "a JPEG quality")
BARE = Feature("aspect", "aspect", "file", "number")


def of_numbers(real: list[float], generated: list[float]) -> Distribution:
    return number_distribution(np.array(real + generated), np.array([0] * len(real) + [1] * len(generated)))


def test_a_category_says_which_value_differs_most() -> None:
    distribution = Distribution(["JPEG", "PNG", "other"], [], [0.97, 0.02, 0.01], [0.05, 0.94, 0.01])
    assert sentence(FORMAT, distribution) == "94 % of generated images are PNG, 2 % of real ones"
    turned = Distribution(["JPEG", "PNG", "WebP"], [], [0.97, 0.03, 0.0], [0.3, 0.3, 0.4])
    assert sentence(FORMAT, turned) == "97 % of real images are JPEG, 30 % of generated ones"


def test_other_is_never_a_reason() -> None:
    distribution = Distribution(["A", "B", "other", "none"], [], [0.5, 0.5, 0.0, 0.0], [0.1, 0.1, 0.7, 0.1])
    assert sentence(FORMAT, distribution) == "50 % of real images are A, 10 % of generated ones"


def test_missing_values_are_said_in_words() -> None:
    distribution = of_numbers([90.0] * 97 + [np.nan] * 3, [90.0] * 38 + [np.nan] * 62)
    said = sentence(QUALITY, distribution)
    assert said == "62 % of generated images have no JPEG quality, 3 % of real ones (both medians 90)"


def test_one_value_is_named_and_so_are_ranges() -> None:
    rng = np.random.default_rng(0)
    said = sentence(WIDTH, of_numbers([640.0, 800.0, 1024.0, 900.0], [512.0, 512.0, 512.0, 640.0]))
    assert (
        said
        == "75 % of generated images have a width of 512 px, 0 % of real ones (medians: generated 512, real 850 px)"
    )
    said = sentence(WIDTH, of_numbers(list(range(1000, 2000)), list(range(100, 1100))))
    assert said.startswith("100 % of generated images have a width below 1,100 px, 10 % of real ones")
    said = sentence(BARE, of_numbers([*rng.normal(0, 1, 500)], [*rng.normal(0, 1, 500)]))
    assert said.startswith("aspect hardly differs (medians: generated ")
    said = sentence(BARE, of_numbers([1.0, 1.0], [2.0, 2.0]))
    assert said.startswith("100 % of generated images have an aspect of 2, 0 % of real ones")


def test_bins_are_single_values_or_round() -> None:
    few = of_numbers([1, 1, 2], [2, 4, np.nan])
    assert few.labels == ["1", "2", "4", "none"]
    assert few.edges == [0.5, 1.5, 3.0, 4.5]
    assert few.real == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert few.generated == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])
    assert (few.real_median, few.generated_median) == (1, 3)
    many = of_numbers(list(np.linspace(3, 97, 500)), list(np.linspace(3, 97, 500)))
    assert set(np.diff(many.edges[1:-1])) == {5.0}
    wide = of_numbers(list(np.geomspace(10, 1e6, 300)), list(np.geomspace(10, 1e6, 300)))
    assert {1000.0, 2000.0, 5000.0} <= set(wide.edges)


def test_rare_values_are_put_together() -> None:
    codes = np.append(np.repeat(np.arange(MOST_VALUES + 5), 2), [-1, -1])
    label = np.tile([0, 1], codes.size // 2)
    distribution = category_distribution(codes, [f"v{i:02}" for i in range(MOST_VALUES + 5)], label)
    assert distribution.labels == [*(f"v{i:02}" for i in range(MOST_VALUES)), "other", "none"]
    assert distribution.real[-2] == pytest.approx(5 / (codes.size / 2))


values = st.one_of(
    st.floats(-1e300, 1e300), st.integers(0, 5).map(float), st.floats(100, 2000).map(round).map(float), st.just(np.nan)
)


def claimable(distribution: Distribution, shares: list[float]) -> set[str]:
    bins = max(len(distribution.edges) - 1, 0)
    ranges = [sum(shares[a:b]) for a, b in itertools.combinations(range(bins + 1), 2) if a == 0 or b == bins]
    return {share_in_words(share) for share in [*shares, *ranges]} | {
        share_in_words(sum(shares[:bins]) - sum(shares[:place])) for place in range(bins)
    }


def check(said: str, distribution: Distribution) -> None:
    shares = re.findall(r"([<>]?\d+ %) of (real|generated)", said)
    for share, name in shares:
        assert share in claimable(distribution, distribution.real if name == "real" else distribution.generated)
    assert len(shares) == (0 if "hardly differs" in said else 2)
    assert "nan" not in said


@given(st.lists(values, min_size=1, max_size=80), st.lists(values, min_size=1, max_size=80))
def test_number_sentences_claim_only_what_was_counted(real: list[float], generated: list[float]) -> None:
    distribution = of_numbers(real, generated)
    assert sum(distribution.real) == pytest.approx(1)
    assert sum(distribution.generated) == pytest.approx(1)
    assert all(low < high for low, high in itertools.pairwise(distribution.edges))
    assert len(distribution.labels) == len(distribution.real) == len(distribution.generated)
    for feature in (WIDTH, BARE):
        said = sentence(feature, distribution)
        # A share of generated images comes second as "... of generated ones".
        check(re.sub(r"of (real|generated) ones", r"of \1 images", said), distribution)


@given(st.lists(st.tuples(st.integers(-1, 20), st.integers(0, 1)), min_size=2, max_size=80))
def test_category_sentences_claim_only_what_was_counted(rows: list[tuple[int, int]]) -> None:
    codes, label = (np.array(column) for column in zip(*rows, strict=True))
    label[:2] = [0, 1]
    distribution = category_distribution(codes, [f"{{{chr(97 + i)}}} %s" for i in range(21)], label)
    assert sum(distribution.real) == pytest.approx(1)
    check(sentence(FORMAT, distribution), distribution)


def joint(auc: float, same: float = 0.5, grouped: str = "source") -> JointResult:
    by = "source" if grouped == "source" else "image"
    return JointResult("x", Interval(auc, 0, 1), same, ["format"], [], 5, by)  # type: ignore[arg-type]


def single(name: str, auc: float) -> FeatureResult:
    return FeatureResult(name, name, "file", "category", auc, auc, Distribution([], [], [], []), "94 % are PNG")


@pytest.mark.parametrize(
    ("auc", "said"),
    [
        (0.97, "Your labels can be predicted at AUC 0.97 without looking at the content: 94 % are PNG."),
        (0.78, "Your labels can in part be predicted without looking at the content, at AUC 0.78: 94 % are PNG."),
        (0.63, "Your labels can be predicted a little without looking at the content, at AUC 0.63: 94 % are PNG."),
        (0.53, "Little separates the classes besides the content (AUC 0.53)."),
        (0.41, "Little separates the classes besides the content (AUC 0.41)."),
        (float("nan"), "Little separates the classes besides the content (AUC –)."),
    ],
)
def test_the_verdict_is_graded(auc: float, said: str) -> None:
    # The name's leak is larger, but no part of the model.
    assert verdict(joint(auc), [single("name", 1.0), single("format", auc)]) == said


def test_a_feature_that_beats_the_joint_model_is_named() -> None:
    said = verdict(joint(0.76), [single("format", 0.9)])
    assert said.endswith("at AUC 0.76: 94 % are PNG; that alone reaches AUC 0.90.")
    said = verdict(joint(0.55), [single("format", 0.65)])
    assert said.endswith("besides the content (AUC 0.55), yet format alone reaches AUC 0.65: 94 % are PNG.")


def test_the_verdict_warns_of_splits_by_image_and_of_features_that_only_work_together() -> None:
    assert "recognise the sources (AUC 0.95)" in verdict(joint(0.5, 0.95), [])
    assert "recognise" not in verdict(joint(0.5, 0.95, "image"), [])
    assert verdict(joint(0.8), [single("format", 0.55)]).endswith("no single feature does it, but several together do.")


@pytest.mark.parametrize(
    ("number", "text"), [(0.01234, "0.0123"), (512, "512"), (999.7, "1,000"), (12345.6, "12,346"), (-3.0, "-3")]
)
def test_numbers_are_short(number: float, text: str) -> None:
    assert as_text(number) == text
