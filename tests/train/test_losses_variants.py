"""Several positives, several generated images per record, native local views: beyond the official recipe."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import constant, has_gradient, loss, random_views, values
from slow_contrast import slow_code_loss
from torch import Tensor

from contrafake.train.config import LossConfig
from contrafake.train.gather import Gather
from contrafake.train.losses import Views, code_loss
from contrafake.train.negatives import Queue


@settings(max_examples=60, deadline=None)
@given(
    case=st.fixed_dictionaries(
        {
            "size": st.integers(2, 4),
            "generated": st.integers(1, 3),
            "native": st.integers(0, 3),
            "positives": st.sampled_from(["one", "label", "origin"]),
            "negatives": st.sampled_from(["local", "gathered"]),
            "past": st.integers(0, 3),
            "seed": st.integers(0, 2**31),
        }
    ),
    data=st.data(),
)
def test_every_combination_equals_the_slow_version(case: dict[str, Any], data: st.DataObject) -> None:
    """Several generated images per record, native locals, several positives, a queue; alone, gathering is nothing."""
    counts = case["size"], case["size"] * case["generated"]
    real, fake = random_views(case["size"], 5, case["seed"], generated=case["generated"], native=case["native"])
    before = random_views(case["past"], 5, case["seed"] + 1, generated=case["generated"])
    queue = Queue(100, 5)
    queue.update(*before)
    perms = [data.draw(st.permutations(range(n))) for n in counts]
    codes = data.draw(st.lists(st.integers(0, 2), min_size=counts[1], max_size=counts[1]))
    found = code_loss(
        real,
        fake,
        (torch.tensor(perms[0]), torch.tensor(perms[1])),
        LossConfig(positives=case["positives"], negatives=case["negatives"], queue=100, temperature=0.3),
        origins=(torch.arange(counts[0]), torch.tensor(codes)),  # codes of real images are not looked at
        gather=Gather(),
        queue=queue,
    )
    past = [{kind: getattr(views, kind).tolist() for kind in ("transformed", "wide")} for views in before]
    expected = slow_code_loss(
        real, fake, permutations=perms, tau=0.3, positives=case["positives"], origins=codes, past=past
    )
    # A queue holds 32-bit floats.
    assert values(found) == pytest.approx(expected, rel=1e-6 if case["past"] else 1e-9, abs=1e-12)


@pytest.mark.parametrize("positives", ["one", "label", "origin"])
def test_the_gradients_of_every_view(positives: Any) -> None:
    """Two records with three generated images each, one native local view."""
    real, fake = random_views(2, 3, 10, generated=3, native=1)
    leaves = [view for views in (real, fake) for view in vars(views).values()]
    queue = Queue(4, 3)
    queue.update(*random_views(2, 3, 11))
    origins = torch.zeros(2, dtype=torch.int64), torch.tensor([0, 1, 2, 0, 1, 2])
    perms = torch.tensor([1, 0]), torch.tensor([4, 2, 3, 0, 5, 1])
    config = LossConfig(positives=positives, temperature=0.7, queue=4)

    def total(*tensors: Tensor) -> Tensor:
        return code_loss(Views(*tensors[:5]), Views(*tensors[5:]), perms, config, origins=origins, queue=queue).total

    assert torch.autograd.gradcheck(total, leaves)
    assert all(has_gradient(gradient) for gradient in torch.autograd.grad(total(*leaves), leaves))


def test_native_locals_by_hand() -> None:
    # As in the test by hand above, L_multi-scale is 0.407606 with the upsampled view. Two native kinds of view:
    # the image's own vector, 0.407606 again, and the opposite one, cosine -1 with the own global view, 1 and 0 with
    # the other class's: -log( e^-1 / (e^-1 + e + 1) ) = 2.407606. Native (0.407606 + 2.407606) / 2 = 1.407606.
    # All kinds count alike: (0.407606 + 0.407606 + 2.407606) / 3 = 1.074273
    r = constant([[1.0, 0.0], [0.0, 1.0]])
    real = Views(r, r, r, r, torch.stack([r, -r]))
    found = loss(real, Views(-r, -r, -r, -r), torch.tensor([1, 0]), temperature=1.0)
    assert found.native_real.item() == pytest.approx(1.407606, abs=1e-6)
    assert found.multi_scale_real.item() == pytest.approx(1.074273, abs=1e-6)
    assert found.real.item() == pytest.approx((0.861995 + 1.074273) / 2, abs=1e-6)  # its weight stays one half
    assert found.native_generated == 0


def test_native_views_like_the_upsampled_one_change_nothing() -> None:
    real, fake = random_views(4, 6, 12)
    perm = torch.tensor([2, 0, 3, 1])
    both = [Views(**{**vars(views), "native": torch.stack([views.local] * 3)}) for views in (real, fake)]
    torch.testing.assert_close(loss(both[0], both[1], perm).total, loss(real, fake, perm).total)


def test_without_multi_scale_native_views_take_no_part() -> None:
    real, fake = random_views(3, 6, 13, native=2)
    found = loss(real, fake, torch.tensor([1, 2, 0]), multi_scale=False)
    assert found.native_real == found.native_generated == 0
    assert found.real == found.global_real


def test_labels_are_origins_that_are_all_equal() -> None:
    real, fake = random_views(3, 6, 14, generated=2)
    perms = torch.tensor([1, 2, 0]), torch.arange(6).roll(1)
    label = code_loss(real, fake, perms, LossConfig(positives="label"))
    for code in (0, 7):
        codes = torch.arange(3), torch.full((6,), code)
        assert values(code_loss(real, fake, perms, LossConfig(positives="origin"), origins=codes)) == values(label)


def test_two_records_have_one_positive_each_whatever_it_goes_by() -> None:
    real, fake = random_views(2, 6, 15)
    swap = torch.tensor([1, 0])
    torch.testing.assert_close(loss(real, fake, swap, positives="label").total, loss(real, fake, swap).total)


def test_origins_must_be_given_where_they_are_needed() -> None:
    real, fake = random_views(2, 3, 17)
    with pytest.raises(ValueError, match="need the origins"):
        loss(real, fake, torch.tensor([1, 0]), positives="origin")


def test_a_permutation_has_the_length_of_its_class() -> None:
    real, fake = random_views(2, 3, 18, generated=3)
    with pytest.raises(ValueError, match="a permutation of 2 for a joint batch of 6"):
        loss(real, fake, torch.tensor([1, 0]))
