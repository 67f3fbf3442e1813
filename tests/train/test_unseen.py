"""Each calibration image is judged once, by heads that saw neither its family nor its source."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contrafake.train.unseen import LEAST, Provenance, unseen_folds

FAMILIES = ("sd", "sdxl", "gan", "flux", "rare")
SOURCES = ("house", "street", "garden", "sea", "museum")


def provenance(*images: tuple[int, str]) -> Provenance:
    labels = np.array([label for label, _ in images], np.int64)
    names = np.array([name for _, name in images], object)
    return Provenance(labels, names, names)


def images(count: int, *names: str, label: int) -> list[tuple[int, str]]:
    return [(label, name) for name in names for _ in range(count)]


def test_families_make_folds_and_small_ones_share_one() -> None:
    fitting = provenance(*images(3, *FAMILIES, label=1), *images(3, "house", "street", "garden", label=0))
    asked = provenance(
        *images(LEAST, "gan", "flux", label=1), *images(LEAST - 1, "rare", label=1), *images(2, "house", label=0)
    )
    folds = unseen_folds(fitting, asked)
    absent = [{str(name) for name in fitting.families[~fold.keep & (fitting.labels == 1)]} for fold in folds]
    assert absent == [set(), {"flux"}, {"gan"}, {"rare"}]
    assert [int(fold.judged.sum()) for fold in folds] == [0, LEAST + 2, LEAST, LEAST - 1]


def test_families_named_together_are_absent_together() -> None:
    fitting = provenance(*images(3, "sd", "sdxl", "gan", label=1), *images(3, "house", "street", label=0))
    asked = provenance(*images(LEAST, "sd", "sdxl", "gan", label=1), *images(1, "house", label=0))
    _, first, second = unseen_folds(fitting, asked, [("sd", "sdxl")])
    assert set(fitting.families[~first.keep]) >= {"sd", "sdxl"}
    assert "gan" in set(fitting.families[~second.keep])


def test_what_shares_nothing_with_the_fitting_is_judged_by_heads_fitted_on_everything() -> None:
    fitting = provenance(*images(3, "sd", "gan", label=1), *images(3, "house", "street", label=0))
    asked = provenance(*images(LEAST, "flux", label=1), *images(4, "museum", label=0))
    [only] = unseen_folds(fitting, asked)
    assert only.keep.all()
    assert only.judged.all()


def test_a_family_without_which_there_is_nothing_to_fit_is_judged_as_known() -> None:
    fitting = provenance(*images(3, "sd", label=1), *images(3, "house", "street", label=0))
    asked = provenance(*images(LEAST, "sd", label=1), *images(4, "house", label=0))
    [only] = unseen_folds(fitting, asked)
    assert only.judged.all()


def test_what_was_made_from_an_absent_photograph_is_absent_with_it() -> None:
    labels = np.array([0, 0, 1, 1, 1, 1])
    families = np.array(["", "", "sd", "gan", "rebuilt", "rebuilt"], object)
    sources = np.array(["house", "sea", "web", "web", "house", "sea"], object)
    fitting = Provenance(labels, families, sources)
    asked = provenance(*images(LEAST, "sd", "gan", label=1), *images(1, "house", label=0))
    first = unseen_folds(fitting, asked)[1]
    assert asked.families[first.judged].tolist() == ["gan"] * LEAST + ["house"]
    assert first.keep.tolist() == [False, True, True, False, False, True]


known = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(FAMILIES + SOURCES)), min_size=1, max_size=60)


@given(known, known)
def test_each_is_judged_once_and_as_a_stranger(
    fitted: list[tuple[int, str]], calibrated: list[tuple[int, str]]
) -> None:
    fitting, asked = provenance(*fitted), provenance(*calibrated)
    first, *others = unseen_folds(fitting, asked, [("sd", "sdxl")])
    assert (np.sum([fold.judged for fold in (first, *others)], axis=0) == 1).all()
    for fold in others:
        kept = {pair for pair, keep in zip(fitted, fold.keep, strict=True) if keep}
        judged = {pair for pair, chosen in zip(calibrated, fold.judged, strict=True) if chosen}
        assert not kept & judged
        assert {label for label, _ in kept} == {0, 1}
