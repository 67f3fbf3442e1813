"""Two real processes over gloo give the gradients that one process has with the joined batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from contrafake.train.config import LossConfig
from contrafake.train.gather import Gather
from contrafake.train.losses import Views, code_loss
from contrafake.train.negatives import Queue

if TYPE_CHECKING:
    from pathlib import Path

PROCESSES, STEPS = 2, 3
COUNTS = 4, 12  # real and generated images of the joint batch: two records in each process, with three siblings each
PIXELS, DIMENSION = 12, 8
QUEUE = 10  # three steps of joint generated images overflow it, three of real ones do too, but later

ACROSS = torch.tensor([2, 3, 1, 0]), torch.arange(12).roll(5)
WITHIN = torch.tensor([1, 0, 3, 2]), torch.tensor([1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11, 6])  # no positive elsewhere

# In "uneven" the first process has four images with a positive, the second five; in "lonely" the first has none.
ORIGINS = {"uneven": [0, 1, 0, 3, 4, 1, 0, 0, 1, 1, 2, 0], "lonely": [5, 6, 7, 8, 9, 10, 0, 0, 1, 1, 2, 0]}

CASES: dict[str, dict[str, Any]] = {
    "one": {},
    "within": {},
    "slip": {"generated_term": False},
    "whole": {"multi_scale": False},
    "label": {"positives": "label"},
    "uneven": {"positives": "origin"},
    "lonely": {"positives": "origin", "multi_scale": False},
    "queue": {"queue": QUEUE},
    "local": {"negatives": "local"},
}

Found = dict[str, Tensor]


def network() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Linear(PIXELS, 16), nn.Tanh(), nn.Linear(16, DIMENSION)).double()
    for weights in net.parameters():
        weights.data = torch.randn(weights.shape, generator=generator, dtype=torch.float64) / 3
    return net


def own_views(model: nn.Module, step: int, rank: int, size: int) -> list[Views]:
    """The embedded views of a process's part of the joint batch; two native ones, in a forward pass of their own."""
    generator = torch.Generator().manual_seed(step)
    images = [torch.randn(6, count, PIXELS, generator=generator, dtype=torch.float64) for count in COUNTS]
    own = [each.chunk(size, dim=1)[rank] for each in images]
    counts = [part.shape[1] for part in own]
    crops = model(torch.cat([part[:4].flatten(0, 1) for part in own])).split([4 * count for count in counts])
    natives = model(torch.cat([part[4:].flatten(0, 1) for part in own])).split([2 * count for count in counts])
    found = []
    for part, native in zip(crops, natives, strict=True):
        clean, transformed, wide, local = part.unflatten(0, (4, -1))
        found.append(Views(clean, transformed, wide, local, native.unflatten(0, (2, -1))))
    return found


def permutations(case: str, rank: int, size: int) -> tuple[Tensor, Tensor]:
    real, generated = WITHIN if case in {"local", "within"} else ACROSS
    if case == "local":  # each process knows its own images only
        real, generated = (drawn.chunk(size)[rank] for drawn in (real, generated))
        return real - real.min(), generated - generated.min()
    return real, generated


def train(case: str, rank: int = 0, size: int = 1) -> Found:
    """A few steps; returns gradients (steps, weights), terms (steps, terms) and what the queue holds at the end."""
    config = LossConfig(**{"negatives": "gathered", "temperature": 0.3, **CASES[case]})
    net = network()
    model = DistributedDataParallel(net) if size > 1 else net
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    queue = Queue(config.queue, DIMENSION) if config.queue else None
    origins = torch.tensor(ORIGINS.get(case, [0] * COUNTS[1])).chunk(size)[rank]
    gradients, values = [], []
    for step in range(STEPS):
        real, generated = own_views(model, step, rank, size)
        terms = code_loss(
            real,
            generated,
            permutations(case, rank, size),
            config,
            origins=(torch.zeros(len(real.clean), dtype=torch.int64), origins),
            gather=Gather(),
            queue=queue,
        )
        optimizer.zero_grad()
        terms.total.backward()  # type: ignore[no-untyped-call]
        gradients.append(
            torch.cat([weights.grad.flatten() for weights in net.parameters() if weights.grad is not None])
        )
        values.append(torch.stack(list(vars(terms).values())).detach())
        optimizer.step()
        if queue:
            queue.update(real, generated)
    found = {"gradients": torch.stack(gradients), "values": torch.stack(values)}
    return found | (queue.state_dict() if queue else {})


def plain_gather(rank: int) -> Found:
    """Each process weighs the joined rows in its own way."""
    rows = (torch.arange(6.0).reshape(2, 3) + 10 * rank).requires_grad_()
    joined = Gather()(rows.T)  # not contiguous
    (joined * (rank + 1) * torch.arange(12.0).reshape(6, 2)).sum().backward()  # type: ignore[no-untyped-call]
    assert rows.grad is not None
    codes = Gather()(torch.tensor([rank, 7]))
    return {"joined": joined.detach(), "gradient": rows.grad, "codes": codes}


def worker(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=PROCESSES)
    found = {case: train(case, rank, PROCESSES) for case in CASES} | {"plain": plain_gather(rank)}
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Found]]:
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("processes")
    spawn(worker, (folder,), nprocs=PROCESSES)  # type: ignore[no-untyped-call]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]


@pytest.mark.parametrize("case", [case for case in CASES if case != "local"])
def test_two_processes_have_the_gradients_of_one(processes: list[dict[str, Found]], case: str) -> None:
    joint = train(case)
    assert joint["gradients"].abs().max() > 1e-3
    for found in processes:
        torch.testing.assert_close(found[case]["gradients"], joint["gradients"], rtol=1e-6, atol=1e-9)
    mean = (processes[0][case]["values"] + processes[1][case]["values"]) / 2
    torch.testing.assert_close(mean, joint["values"], rtol=1e-6, atol=1e-9)


def test_the_queue_is_the_same_everywhere(processes: list[dict[str, Found]]) -> None:
    joint = train("queue")
    assert joint["written"].tolist() == [STEPS * count for count in COUNTS]
    for name in ("real.transformed", "real.wide", "generated.transformed", "generated.wide", "written"):
        torch.testing.assert_close(processes[0]["queue"][name], joint[name])
        assert torch.equal(processes[1]["queue"][name], processes[0]["queue"][name])


def test_local_negatives_are_another_loss(processes: list[dict[str, Found]]) -> None:
    """Positives are the same in both, so that only the negatives of the other process are missing."""
    local, joint = processes[0]["local"]["gradients"][0], train("within")["gradients"][0]
    assert (local - joint).norm() > 0.01 * joint.norm()


def test_local_negatives_are_those_of_accumulated_parts(processes: list[dict[str, Found]]) -> None:
    """Parts whose losses are averaged in one process are what processes with local negatives compute."""
    net = network()
    config = LossConfig(temperature=0.3)
    for part in range(PROCESSES):
        real, generated = own_views(net, 0, part, PROCESSES)
        terms = code_loss(real, generated, permutations("local", part, PROCESSES), config)
        (terms.total / PROCESSES).backward()  # type: ignore[no-untyped-call]
        torch.testing.assert_close(torch.stack(list(vars(terms).values())), processes[part]["local"]["values"][0])
    found = torch.cat([weights.grad.flatten() for weights in net.parameters() if weights.grad is not None])
    torch.testing.assert_close(found, processes[0]["local"]["gradients"][0])


def test_rows_are_joined_in_order_and_gradients_summed(processes: list[dict[str, Found]]) -> None:
    rows = torch.arange(6.0).reshape(2, 3)
    joined = torch.cat([rows.T, rows.T + 10])
    weights = torch.arange(12.0).reshape(6, 2) * (1 + 2)
    for rank, found in enumerate(processes):
        assert torch.equal(found["plain"]["joined"], joined)
        assert torch.equal(found["plain"]["gradient"], weights[3 * rank : 3 * rank + 3].T)
        assert found["plain"]["codes"].tolist() == [0, 7, 1, 7]


def test_a_single_process_gets_its_rows_back() -> None:
    rows = torch.ones(2, 3)
    gather = Gather()
    assert (gather.rank, gather.size) == (0, 1)
    assert gather(rows) is rows
