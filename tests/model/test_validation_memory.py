"""What a bundle remembers of its validation images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from contrafake.errors import BundleError
from contrafake.model.bundle import read_bundle
from contrafake.model.validation_memory import ValidationMemory

if TYPE_CHECKING:
    from pathlib import Path


def memory() -> ValidationMemory:
    rng = np.random.default_rng(0)
    owner = np.array([0, 0, 1, 2, 2, 2])
    codes = np.array([0, 1, 1])
    return ValidationMemory(rng.normal(size=(6, 4)).astype(np.float32), owner, codes, codes + 1, codes * 2)


def test_it_comes_back_in_half_precision() -> None:
    one = memory()
    tensors = one.tensors()
    assert tensors["vectors"].dtype == np.float16
    two = ValidationMemory.from_tensors(tensors)
    np.testing.assert_allclose(two.vectors, one.vectors, rtol=1e-3)
    for name in ("owner", "labels", "origins", "sources"):
        np.testing.assert_array_equal(getattr(two, name), getattr(one, name))


def test_what_half_precision_cannot_hold_is_kept_whole() -> None:
    one = memory()
    one.vectors[0, 0] = 1e6
    np.testing.assert_array_equal(ValidationMemory.from_tensors(one.tensors()).vectors, one.vectors)


def test_taking_some_images_takes_their_crops() -> None:
    one = memory()
    for chosen in (np.array([0, 2]), np.array([True, False, True])):
        some = one.take(chosen)
        np.testing.assert_array_equal(some.vectors, one.vectors[[0, 1, 3, 4, 5]])
        assert some.owner.tolist() == [0, 0, 1, 1, 1]
        assert (some.labels.tolist(), some.origins.tolist(), some.sources.tolist()) == ([0, 1], [1, 2], [0, 2])


def test_centres_and_means_by_hand() -> None:
    one = memory()
    np.testing.assert_array_equal(one.centres(), one.vectors[[0, 2, 3]])
    np.testing.assert_allclose(one.mean_scores(np.array([1.0, 3, 5, 0, 0, 6])), [2, 5, 2])


def test_a_missing_tensor_is_named() -> None:
    tensors = memory().tensors()
    del tensors["owner"]
    with pytest.raises(BundleError, match="owner"):
        ValidationMemory.from_tensors(tensors)


def test_memory_of_a_trained_bundle_gives_its_calibration_back(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    found, names = bundle.validation_memory(), bundle.config.validation
    assert found is not None
    assert names is not None
    assert set(names.origins) == {"film", "gan", "phone", "sd"}
    assert {len(names.origins), len(names.families)} == {4}
    for crops, vectors in ((1, None), (names.crops, found.vectors)):
        stored = bundle.calibration("linear", crops)
        assert stored is not None
        head = bundle.head("linear")
        scores = head.score(found.centres()) if vectors is None else found.mean_scores(head.score(vectors))
        np.testing.assert_allclose(np.sort(scores[found.labels == 0]), stored.real_scores, atol=5e-3)
