"""The queue of past embeddings against lists written by hand, and its state through a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import normalize

from contrafake.errors import ConfigError
from contrafake.train.config import LossConfig
from contrafake.train.contrast import info_nce
from contrafake.train.losses import LossTerms, Views, code_loss
from contrafake.train.negatives import Queue

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("transformed", "wide")


def batch(real: int, generated: int, seed: int) -> tuple[Views, Views]:
    generator = torch.Generator().manual_seed(seed)

    def views(size: int) -> Views:
        return Views(*(torch.randn(size, 4, generator=generator).requires_grad_() for _ in range(4)))

    return views(real), views(generated)


def ordered(rows: Tensor) -> Tensor:
    """Rows in an order that does not depend on the one they came in."""
    return rows[rows[:, 0].argsort()]


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 9),
    counts=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), max_size=6),
)
def test_it_holds_the_last_rows_of_each_class_and_kind(size: int, counts: list[tuple[int, int]]) -> None:
    queue = Queue(size, 4)
    seen: dict[tuple[str, str], list[Tensor]] = {}
    for step, (real, generated) in enumerate(counts):
        both = batch(real, generated, step)
        queue.update(*both)
        for label, views in zip(("real", "generated"), both, strict=True):
            for kind in KINDS:
                seen.setdefault((label, kind), []).extend(normalize(getattr(views, kind).detach(), dim=-1))
    for (label, kind), rows in seen.items():
        found = queue.rows(label, kind)
        last = rows[-size:]
        assert found.shape == (len(last), 4)
        assert not found.requires_grad
        if last:
            torch.testing.assert_close(ordered(found), ordered(torch.stack(last)))


SWAP = torch.tensor([1, 2, 0])


def loss(both: tuple[Views, Views], queue: Queue | None) -> LossTerms:
    return code_loss(*both, (SWAP, SWAP), LossConfig(queue=8), queue=queue)


def test_steps_with_a_queue_equal_concatenation_by_hand() -> None:
    queue = Queue(8, 4)
    past: list[tuple[Views, Views]] = []
    for step in range(4):  # the queue holds 0, 3, 6 and, of 9, the last 8 images of a class
        both = batch(3, 3, step)
        found = loss(both, queue)
        for label, (whole, scales) in enumerate(
            ((found.global_real, found.multi_scale_real), (found.global_generated, found.multi_scale_generated))
        ):
            own, other = both[label], both[1 - label]
            transformed, wide = (
                torch.cat([getattr(other, kind), *[getattr(old[1 - label], kind) for old in past]]) for kind in KINDS
            )
            if step == 3:  # the oldest row has left
                transformed, wide = (torch.cat([rows[:3], rows[4:]]) for rows in (transformed, wide))
            torch.testing.assert_close(whole, info_nce(own.clean, own.transformed[SWAP], transformed, 0.1))
            torch.testing.assert_close(scales, info_nce(own.local, own.wide, wide, 0.1))
        queue.update(*both)
        past.append(both)


def test_an_empty_queue_changes_nothing() -> None:
    both = batch(3, 3, 5)
    assert loss(both, Queue(8, 4)).total == loss(both, None).total


def test_a_step_may_take_in_its_own_batch_before_going_backward() -> None:
    """No gradient reaches the queue, and filling it disturbs no gradient."""
    queue = Queue(4, 4)
    queue.update(*batch(3, 3, 6))
    both = batch(3, 3, 7)
    [expected] = torch.autograd.grad(loss(both, queue).total, both[0].clean)
    total = loss(both, queue).total
    queue.update(*both)
    assert torch.equal(torch.autograd.grad(total, both[0].clean)[0], expected)


def test_the_state_goes_through_a_file(tmp_path: Path) -> None:
    queue, shapes = Queue(5, 4), []
    for step in range(3):
        shapes.append({name: tuple(rows.shape) for name, rows in queue.state_dict().items()})
        queue.update(*batch(2, 4, step))
    assert shapes[0] == shapes[1] == shapes[2]  # however full
    save_file(queue.state_dict(), tmp_path / "queue.safetensors")
    again = Queue(5, 4)
    again.load_state_dict(load_file(tmp_path / "queue.safetensors"))
    for step in (3, 4):  # goes on bit for bit: the same slots are filled next
        both = batch(3, 3, step)
        assert torch.equal(loss(both, again).total, loss(both, queue).total)
        for each in (queue, again):
            each.update(*both)


def test_the_state_is_a_copy() -> None:
    queue = Queue(2, 4)
    queue.update(*batch(2, 2, 0))
    state = queue.state_dict()
    before = {name: rows.clone() for name, rows in state.items()}
    queue.update(*batch(2, 2, 1))
    assert all(torch.equal(state[name], rows) for name, rows in before.items())


@pytest.mark.parametrize(("size", "dimension", "found"), [(6, 4, "6 x 4"), (5, 3, "5 x 3")])
def test_a_state_of_another_shape_is_refused(size: int, dimension: int, found: str) -> None:
    queue = Queue(5, 4)
    with pytest.raises(ConfigError, match=rf"loss.queue: .* holds {found}, this one 5 x 4 \(resume with"):
        queue.load_state_dict(Queue(size, dimension).state_dict())
    with pytest.raises(ConfigError, match="holds nothing"):
        queue.load_state_dict({})


def test_a_queue_of_nothing_is_no_queue() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Queue(0, 4)
