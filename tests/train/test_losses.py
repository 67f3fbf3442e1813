"""The CoDE loss against a slow version written from the formulas, hand-worked numbers, and its gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import NAMES, constant, has_gradient, loss, random_views, values
from slow_contrast import slow_code_loss
from torch import Tensor

from contrafake.train.losses import Views, derangement


@settings(max_examples=50, deadline=None)
@given(
    size=st.integers(2, 6),
    dimension=st.integers(1, 9),
    tau=st.floats(0.05, 5),
    seed=st.integers(0, 2**31),
    data=st.data(),
)
def test_code_loss_equals_the_slow_version(
    size: int, dimension: int, tau: float, seed: int, data: st.DataObject
) -> None:
    real, fake = random_views(size, dimension, seed)
    perm = data.draw(st.permutations(range(size)))
    found = loss(real, fake, torch.tensor(perm), temperature=tau)
    expected = slow_code_loss(real, fake, permutations=(perm, perm), tau=tau)
    assert values(found) == pytest.approx(expected, rel=1e-9)


# --- by hand --------------------------------------------------------------------------------------------------------


def test_code_loss_by_hand() -> None:
    # B = 2, tau 1, every view of an image is its own unit vector: real on the x and y axis, generated opposite.
    x, y = [1.0, 0.0], [0.0, 1.0]
    r = constant([x, y])
    real, fake = Views(r, r, r, r), Views(-r, -r, -r, -r)
    # Swapped positives: cosine 0. Negatives of each query: cosines -1 and 0.
    #   L_global = -log( 1 / (1 + e^-1 + 1) ) = log(2 + 1/e) = 0.861995
    # Own positives: cosine 1, the same negatives.
    #   L_multi-scale = -log( e / (e + e^-1 + 1) ) = log(1 + e^-2 + e^-1) = 0.407606
    # L_real = (0.861995 + 0.407606) / 2 = 0.634800; L_generated is the same by symmetry; L = 1.269601
    found = loss(real, fake, torch.tensor([1, 0]), temperature=1.0)
    expected = {
        "total": 1.269601,
        "real": 0.634800,
        "generated": 0.634800,
        "global_real": 0.861995,
        "global_generated": 0.861995,
        "multi_scale_real": 0.407606,
        "multi_scale_generated": 0.407606,
        "native_real": 0,
        "native_generated": 0,
    }
    assert values(found) == pytest.approx(expected, abs=1e-6)
    # The permutation reaches the global term only: each image its own positive gives log(1 + e^-2 + e^-1) there too.
    own = loss(real, fake, torch.tensor([0, 1]), temperature=1.0)
    assert own.global_real.item() == pytest.approx(0.407606, abs=1e-6)
    assert own.multi_scale_real.item() == pytest.approx(0.407606, abs=1e-6)


def test_the_default_temperature_is_a_tenth() -> None:
    real, fake = random_views(4, 8, 0)
    swap = torch.tensor([1, 2, 3, 0])
    assert loss(real, fake, swap).total == loss(real, fake, swap, temperature=0.1).total


# --- which view takes part in what ----------------------------------------------------------------------------------


def gradients(real: Views, fake: Views, **options: Any) -> dict[str, Tensor | None]:
    size = len(real.clean)
    total = loss(real, fake, torch.arange(size).roll(1), **options).total
    named = {
        f"{side}.{name}": getattr(views, name) for side, views in (("real", real), ("fake", fake)) for name in NAMES
    }
    return dict(zip(named, torch.autograd.grad(total, list(named.values()), allow_unused=True), strict=True))


def test_with_both_terms_all_eight_views_are_trained() -> None:
    found = gradients(*random_views(5, 8, 1))
    assert {name for name, gradient in found.items() if has_gradient(gradient)} == set(found)


def test_the_official_slip_trains_generated_views_as_negatives_only() -> None:
    real, fake = random_views(5, 8, 2)
    found = gradients(real, fake, generated_term=False)
    untouched = {name for name, gradient in found.items() if gradient is None or not gradient.any()}
    assert untouched == {"fake.clean", "fake.local"}
    assert all(has_gradient(gradient) for name, gradient in found.items() if name not in untouched)


def test_the_official_slip_is_twice_the_real_term() -> None:
    real, fake = random_views(5, 8, 3)
    swap = torch.arange(5).roll(1)
    slip, both = (loss(real, fake, swap, generated_term=term) for term in (False, True))
    assert slip.total == 2 * slip.real
    assert both.total == both.real + both.generated
    assert slip.generated == both.generated  # still computed and shown


def test_without_multi_scale_the_global_term_stands_alone() -> None:
    real, fake = random_views(5, 8, 4)
    found = loss(real, fake, torch.arange(5).roll(1), multi_scale=False)
    assert found.real == found.global_real
    assert found.total == found.global_real + found.global_generated
    assert found.multi_scale_real == found.multi_scale_generated == 0
    moved = gradients(real, fake, multi_scale=False)
    assert {name for name, gradient in moved.items() if has_gradient(gradient)} == {
        f"{side}.{name}" for side in ("real", "fake") for name in ("clean", "transformed")
    }


def gradient_on_first(real: Views, fake: Views, perm: Tensor, view: str) -> Tensor:
    found = loss(real, fake, perm, temperature=0.5).total
    [gradient] = torch.autograd.grad(found, getattr(real, view))
    return gradient[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("changed", ["clean", "transformed", "wide", "local"])
def test_images_of_one_class_are_never_negatives(changed: str) -> None:
    """What moves image 0 depends on no other real image, its permuted positive excepted."""
    real, fake = random_views(4, 6, 5)
    perm = torch.tensor([2, 0, 3, 1])  # the positive of image 0 is image 2
    before = {view: gradient_on_first(real, fake, perm, view) for view in ("clean", "local")}
    with torch.no_grad():
        others = [1, 3] if changed == "transformed" else [1, 2, 3]
        getattr(real, changed)[others] += 1.0
    for view, gradient in before.items():
        assert torch.equal(gradient_on_first(real, fake, perm, view), gradient)


def test_the_global_positive_is_the_permuted_transformed_view() -> None:
    real, fake = random_views(4, 6, 6)
    perm = torch.tensor([2, 0, 3, 1])
    before = gradient_on_first(real, fake, perm, "clean")
    with torch.no_grad():
        real.transformed[2] += 1.0
    assert not torch.equal(gradient_on_first(real, fake, perm, "clean"), before)


def test_the_multi_scale_positive_is_the_same_image() -> None:
    real, fake = random_views(4, 6, 7)
    perm = torch.tensor([2, 0, 3, 1])
    before = gradient_on_first(real, fake, perm, "local")
    with torch.no_grad():
        real.wide[2] += 1.0
    assert torch.equal(gradient_on_first(real, fake, perm, "local"), before)
    with torch.no_grad():
        real.wide[0] += 1.0
    assert not torch.equal(gradient_on_first(real, fake, perm, "local"), before)


def test_the_classes_are_treated_alike() -> None:
    real, fake = random_views(4, 6, 8)
    perm = torch.tensor([2, 0, 3, 1])
    one, other = loss(real, fake, perm), loss(fake, real, perm)
    torch.testing.assert_close(one.total, other.total)
    torch.testing.assert_close(one.real, other.generated)


@settings(max_examples=25, deadline=None)
@given(factor=st.floats(1e-3, 1e3), which=st.integers(0, 7))
def test_the_length_of_an_embedding_does_not_matter(factor: float, which: int) -> None:
    real, fake = random_views(3, 5, 9)
    views = [*(getattr(real, name) for name in NAMES), *(getattr(fake, name) for name in NAMES)]
    expected = loss(real, fake, torch.tensor([1, 2, 0])).total
    views[which] = views[which] * factor
    scaled = loss(Views(*views[:4]), Views(*views[4:]), torch.tensor([1, 2, 0])).total
    torch.testing.assert_close(scaled, expected)


def test_extreme_embeddings_give_numbers() -> None:
    same = torch.ones(2, 3)
    views, zeros = Views(same, same, same, same), Views(*[torch.zeros(2, 3)] * 4)
    for other in (views, Views(*[-same] * 4), zeros):
        assert torch.isfinite(loss(views, other, torch.tensor([1, 0]), temperature=0.01).total)


# --- the permutation ------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(size=st.integers(2, 40), seed=st.integers(0, 2**31))
def test_a_derangement_moves_every_element(size: int, seed: int) -> None:
    drawn = derangement(size, torch.Generator().manual_seed(seed))
    assert sorted(drawn.tolist()) == list(range(size))
    assert not bool((drawn == torch.arange(size)).any())


def test_it_falls_back_to_a_shift_where_the_draw_has_a_fixed_point() -> None:
    shifts = 0
    for seed in range(300):
        plain = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
        found = derangement(10, torch.Generator().manual_seed(seed))
        fixed = any(value == position for position, value in enumerate(plain.tolist()))
        assert found.tolist() == ([9, 0, 1, 2, 3, 4, 5, 6, 7, 8] if fixed else plain.tolist())
        shifts += fixed
    assert 0.55 < shifts / 300 < 0.71  # 63 %


@pytest.mark.parametrize("size", [-1, 0, 1])
def test_fewer_than_two_cannot_be_deranged(size: int) -> None:
    with pytest.raises(ValueError, match="at least two"):
        derangement(size, torch.Generator())


def test_two_are_always_swapped() -> None:
    assert {tuple(derangement(2, torch.Generator().manual_seed(seed)).tolist()) for seed in range(20)} == {(1, 0)}
