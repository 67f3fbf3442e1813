"""InfoNCE and supervised contrast against slow versions written from the formulas, and hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_contrast import slow_info_nce, slow_supervised_losses
from torch import Tensor

from contrafake.train.contrast import info_nce, supervised_contrast

TAUS = st.floats(0.05, 5)
SEEDS = st.integers(0, 2**31)


def constant(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


# --- InfoNCE --------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 6), negatives=st.integers(1, 7), dimension=st.integers(1, 9), tau=TAUS, seed=SEEDS)
def test_info_nce_equals_the_slow_version(size: int, negatives: int, dimension: int, tau: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, p = rng.normal(size=(2, size, dimension))
    n = rng.normal(size=(negatives, dimension))
    found = info_nce(torch.from_numpy(q), torch.from_numpy(p), torch.from_numpy(n), tau)
    assert found.item() == pytest.approx(slow_info_nce(q.tolist(), p.tolist(), n.tolist(), tau), rel=1e-9)


def test_info_nce_by_hand() -> None:
    # tau 1, positives equal to the queries (cosine 1), both negatives orthogonal (cosine 0):
    # l = -log( e / (e + 1 + 1) ) = log(1 + 2/e) = 0.551445
    axis, other = constant([[1, 0], [1, 0]]), constant([[0, 1], [0, 1]])
    assert info_nce(axis, axis, other, 1.0).item() == pytest.approx(0.551445, abs=1e-6)
    # tau 0.1: log(1 + 2 e^-10) = 0.0000907959
    assert info_nce(axis, axis, other, 0.1).item() == pytest.approx(0.0000907959, rel=1e-5)
    # Positive orthogonal, negatives opposite (cosine -1): -log( 1 / (1 + 2/e) ), the same number.
    assert info_nce(axis, other, -axis, 1.0).item() == pytest.approx(0.551445, abs=1e-6)


# --- supervised contrast --------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    origins=st.lists(st.integers(0, 3), min_size=1, max_size=7),
    negatives=st.integers(1, 5),
    dimension=st.integers(1, 9),
    tau=TAUS,
    seed=SEEDS,
)
def test_supervised_contrast_equals_the_slow_version(
    origins: list[int], negatives: int, dimension: int, tau: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(2, len(origins), dimension))
    n = rng.normal(size=(negatives, dimension))
    found = supervised_contrast(
        torch.from_numpy(q), torch.from_numpy(k), torch.tensor(origins), torch.from_numpy(n), tau
    )
    losses = slow_supervised_losses(q.tolist(), k.tolist(), origins, n.tolist(), tau)
    assert found.item() == pytest.approx(sum(losses) / len(losses) if losses else 0, rel=1e-9)


def test_supervised_contrast_by_hand() -> None:
    # Three images of one origin, tau 1; all queries on x, keys x, y, -x; one negative on y.
    # The first image has the keys y (cosine 0) and -x (cosine -1), denominator 1 + 1/e + 1:
    #   -( log(1/(2 + 1/e)) + log((1/e)/(2 + 1/e)) ) / 2 = log(2 + 1/e) + 1/2 = 1.361995
    # The second x (1) and -x (-1), denominator e + 1/e + 1: log(e + 1/e + 1) = 1.407606
    # The third x (1) and y (0), denominator e + 2: log(e + 2) - 1/2 = 1.051445
    # Mean 1.273682
    x, y = [1.0, 0.0], [0.0, 1.0]
    q, k, n = constant([x, x, x]), constant([x, y, [-1, 0]]), constant([y])
    one = torch.zeros(3, dtype=torch.int64)
    assert supervised_contrast(q, k, one, n, 1.0).item() == pytest.approx(1.273682, abs=1e-6)
    # With the third of another origin, the first has the positive y, the second x, over the same denominators, and the
    # third is left out: ( log(2 + 1/e) + log(e + 1/e + 1) - 1 ) / 2 = 0.634800
    two = torch.tensor([0, 0, 9])
    assert supervised_contrast(q, k, two, n, 1.0).item() == pytest.approx(0.634800, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, tau=TAUS)
def test_two_images_have_one_positive_each_as_in_info_nce(seed: int, tau: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    q, k, n = torch.randn(3, 2, 5, generator=generator, dtype=torch.float64)
    found = supervised_contrast(q, k, torch.zeros(2, dtype=torch.int64), n, tau)
    torch.testing.assert_close(found, info_nce(q, k.flip(0), n, tau))


@settings(max_examples=25, deadline=None)
@given(origins=st.lists(st.integers(0, 3), min_size=6, max_size=6), seed=SEEDS)
def test_the_mean_of_the_parts_is_the_mean_of_the_whole(origins: list[int], seed: int) -> None:
    """Three processes with two queries each, whatever the number of queries with a positive in each."""
    generator = torch.Generator().manual_seed(seed)
    q, k, n = torch.randn(3, 6, 5, generator=generator, dtype=torch.float64)
    codes = torch.tensor(origins)
    parts = [supervised_contrast(q[i : i + 2], k, codes, n, 0.3, first=i) for i in (0, 2, 4)]
    torch.testing.assert_close(sum(parts) / 3, supervised_contrast(q, k, codes, n, 0.3))


def test_an_image_alone_in_its_origin_has_no_loss_but_repels() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, n = (torch.randn(3, 4, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(3))
    found = supervised_contrast(q, k, torch.tensor([5, 5, 7]), n, 0.3)
    query, keys = torch.autograd.grad(found, (q, k), retain_graph=True)
    assert query.any(dim=1).tolist() == [True, True, False]
    assert keys.any(dim=1).all()  # a key of another origin is a negative
    # No query with a positive at all: zero, with a gradient, since other processes wait for it in the backward pass.
    nothing = supervised_contrast(q, k, torch.tensor([5, 6, 7]), n, 0.3)
    assert nothing == 0
    assert not torch.autograd.grad(nothing, k)[0].any()


@pytest.mark.parametrize("origins", [[0, 0, 0, 0], [0, 1, 0, 2]])
def test_the_gradients_of_supervised_contrast(origins: list[int]) -> None:
    generator = torch.Generator().manual_seed(1)
    q, k, n = (torch.randn(4, 3, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(3))
    codes = torch.tensor(origins)
    assert torch.autograd.gradcheck(lambda *x: supervised_contrast(x[0], x[1], codes, x[2], 0.5), (q, k, n))


def test_extreme_vectors_give_numbers_and_gradients() -> None:
    codes = torch.zeros(3, dtype=torch.int64)
    for scale in (0.0, 1.0, 1e6):
        rows = torch.full((3, 2), scale).requires_grad_()
        found = supervised_contrast(rows, rows, codes, -rows, 0.01)
        assert torch.isfinite(found)
        assert torch.isfinite(torch.autograd.grad(found, rows)[0]).all()
