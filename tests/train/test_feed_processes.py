"""Processes and workers share out the records of a step: counted, none twice, none lost, and always the same batch."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from PIL import Image

from contrafake.data import ShardWriter
from contrafake.data.listing import Listing
from contrafake.train.config import DataConfig, ViewConfig
from contrafake.train.feed import Steps, batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create"
)  # more workers than processors, on purpose

RECORDS, STEPS = 8, 6
PAIRS, REALS, GENERATED = 24, 16, 24  # records of three images; lone images
DATA: dict[str, dict[str, Any]] = {
    "pairs": {"train": ["paired-*.tar"], "order": "epoch", "window": 2},
    "lone": {"train": ["lone-*.tar"], "order": "epoch"},
    "resampled": {"train": ["paired-*.tar"], "order": "resampled"},
}
SHARING = [(1, 1), (2, 1), (4, 1), (2, 2)]  # workers, parts of a step

# By number of processes, and rank: for "<data>/<workers>/<accumulate>" the numbers of the images that it was shown,
# (steps, parts, 2, share).
Shown: TypeAlias = "dict[int, list[dict[str, NDArray[np.uint8]]]]"


def png(number: int) -> bytes:
    """A flat picture that tells its number."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((2, 3, 3), number, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_shards(folder: Path) -> None:
    """Five shards of each kind; image i is flat i, record i has the images 3 i, 3 i + 1 and 3 i + 2."""
    facts = {label: f'{{"label": "{label}", "origin": "o"}}'.encode() for label in ("real", "fake")}
    for number in range(5):
        with ShardWriter(folder / f"lone-{number}.tar") as shard:
            for i in range(number, REALS + GENERATED, 5):
                shard.write(f"{i}", {"png": png(i), "json": facts["real" if i < REALS else "fake"]})
        with ShardWriter(folder / f"paired-{number}.tar") as shard:
            for i in range(number, PAIRS, 5):
                shard.write(f"{i}", {"real.png": png(3 * i), "gen_0.png": png(3 * i + 1), "gen_1.png": png(3 * i + 2)})


def main(folder: str, rank: str, world: str) -> None:
    """What one of several processes does: saves what it is shown of each set, by each number of workers and parts."""
    shown: dict[str, Any] = {}
    for name, settings in DATA.items():
        data = DataConfig.model_validate({**settings, "validation": []})
        listing = Listing.of([f"{folder}/{pattern}" for pattern in data.train], cache=False)
        for workers, accumulate in SHARING if name != "resampled" else SHARING[::3]:
            steps = Steps(
                listing,
                data,
                ViewConfig(),
                size=8,
                records=RECORDS,
                seed=7,
                rank=int(rank),
                world=int(world),
                accumulate=accumulate,
                on_device=True,
            )
            images = [
                [image[0, 0, 0] for image in batch.packed.images()]
                for batch in batches(steps, range(STEPS * accumulate), workers)
                if batch.packed is not None
            ]
            shown[f"{name}/{workers}/{accumulate}"] = np.array(images).reshape(STEPS, accumulate, 2, -1)
    np.savez(Path(folder) / f"shown-{rank}-of-{world}.npz", **shown)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """What one process, and what each of two, is shown."""
    folder = tmp_path_factory.mktemp("shards")
    write_shards(folder)
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_feed_processes as own; own.main(*sys.argv[2:])"
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(folder)]
    running = [subprocess.Popen([*command, str(rank), "2"]) for rank in range(2)]
    main(str(folder), "0", "1")
    assert [process.wait() for process in running] == [0, 0]
    found: Shown = {1: [], 2: []}
    for rank, world in ((0, 1), (0, 2), (1, 2)):
        with np.load(folder / f"shown-{rank}-of-{world}.npz") as saved:
            found[world].append(dict(saved))
    return found


def joined(shown: Shown, world: int, case: str) -> NDArray[np.uint8]:
    """(STEPS, 2, RECORDS): part by part, and in each the processes one after another."""
    stacked = np.stack([process[case] for process in shown[world]], axis=2)  # steps, parts, processes, 2, share
    return stacked.transpose(0, 3, 1, 2, 4).reshape(STEPS, 2, RECORDS)


@pytest.mark.parametrize(("workers", "accumulate"), SHARING)
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("name", ["pairs", "lone"])
def test_the_records_of_a_step_are_the_same_whoever_cuts_them(
    shown: Shown, name: str, world: int, workers: int, accumulate: int
) -> None:
    assert np.array_equal(joined(shown, world, f"{name}/{workers}/{accumulate}"), joined(shown, 1, f"{name}/1/1"))


@pytest.mark.parametrize(("workers", "accumulate"), SHARING)
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("name", ["pairs", "lone"])
def test_an_epoch_shows_everything_once(shown: Shown, name: str, world: int, workers: int, accumulate: int) -> None:
    def count(label: int, first: int, last: int) -> Counter[int]:
        """How often each image was shown in some steps, over all processes."""
        parts = [process[f"{name}/{workers}/{accumulate}"][first:last, :, label] for process in shown[world]]
        return Counter(number for part in parts for number in part.ravel().tolist())

    if name == "lone":
        for first in range(0, STEPS, 2):  # 16 images, 8 a step
            assert count(0, first, first + 2) == Counter(range(REALS))
        for first in range(0, STEPS, 3):
            assert count(1, first, first + 3) == Counter(range(REALS, REALS + GENERATED))
    else:
        for first in range(0, STEPS, 3):
            assert count(0, first, first + 3) == Counter(range(0, 3 * PAIRS, 3))
            generated = count(1, first, first + 3)
            assert Counter(number // 3 for number in generated.elements()) == Counter(range(PAIRS))
        assert count(1, 0, 6) == Counter(number for number in range(3 * PAIRS) if number % 3)


def test_resampled_records_are_shared_out_too(shown: Shown) -> None:
    alone = joined(shown, 1, "resampled/1/1")
    for world in (1, 2):
        assert np.array_equal(joined(shown, world, "resampled/2/2"), alone)
    assert len(set(alone[:3, 0].ravel().tolist())) < PAIRS  # with replacement
