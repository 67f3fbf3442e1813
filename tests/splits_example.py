"""Sets to divide: lists without files, and small folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from conftest import jpeg, picture
from hypothesis import strategies as st

from contrafake.data import Sample
from contrafake.data.location import File
from contrafake.data.origins import SPLITS, Origin, OriginTable
from contrafake.data.sources import Source, samples_of
from contrafake.data.splits import SplitPlan, SplitSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Listed(Source):
    """A set that is nothing but a list."""

    layout = "listed"

    def __init__(self, samples: Sequence[Sample], families: dict[str, str] | None = None) -> None:
        super().__init__(Path("listed"))
        self.samples = list(samples)
        self.families = families or {}

    @property
    def origins(self) -> OriginTable:
        return OriginTable(Origin(name, 1, family) for name, family in self.families.items())

    def _list(self) -> Iterator[Sample]:
        yield from self.samples


def sample(key: str, label: int, origin: str, source: str, group: str = "", split: str = "") -> Sample:  # noqa: PLR0917
    return Sample(key, 1 if label else 0, origin, source, group, File(f"{key}.jpg"), split)


def ignoring(**changes: Any) -> SplitSettings:
    return SplitSettings(**{"duplicates": "ignore", **changes})


def by_key(plan: SplitPlan, source: Source, split: Any = None) -> dict[str, str]:
    """Split of each image that has one."""
    codes = plan.split if split is None else split
    keys = [s.key for item in source for s in samples_of(item)]
    return {key: SPLITS[code] for key, code in zip(keys, codes, strict=True) if code >= 0}


def many(sources: int = 40, each: int = 5) -> list[Sample]:
    """Real and generated images of as many sources each; four generators of two families."""
    found = []
    for place in range(sources):
        for i in range(each):
            found.append(sample(f"r{place}-{i}", 0, "photos", f"real-{place}"))
            found.append(sample(f"g{place}-{i}", 1, f"gen-{place % 4}", f"fake-{place}"))
    return found


FAMILIES = {"gen-0": "gan", "gen-1": "gan", "gen-2": "diffusion", "gen-3": "flow"}


class Sided(Listed):
    classes = ()


IMAGES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 9), st.integers(0, 12)), min_size=8, max_size=80
)


def drawn(images: list[tuple[int, int, int, int]]) -> list[Sample]:
    """Images whose sources and groups are shared at random, across the classes too."""
    found = [
        sample(f"k{i}", label, f"o{origin}", f"s{source}", f"g{group}" if group < 6 else "")
        for i, (label, origin, source, group) in enumerate(images)
    ]
    return [*found, sample("real", 0, "x", "sx"), sample("fake", 1, "y", "sy")]


def write_folder(root: Path) -> Path:
    """Eight sources of two images in each class; a real image stands in two sources, once at another quality."""
    rng = np.random.default_rng(3)
    for kind in ("real", "fake"):
        for place in range(8):
            folder = root / kind / f"{kind}-{place}"
            folder.mkdir(parents=True)
            for i in range(2):
                (folder / f"{i}.jpg").write_bytes(jpeg(picture(rng, generated=kind == "fake")))
    pixels = picture(rng, generated=False)
    (root / "real/real-0/twin.jpg").write_bytes(jpeg(pixels, 95))
    (root / "real/real-1/twin.jpg").write_bytes(jpeg(pixels, 60))
    return root
