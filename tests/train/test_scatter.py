"""The picture of the embedding space: points balanced over origins, marks that need no colour, odd names harmless."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from contrafake.train.scatter import _draw_points, as_array, balanced_rows, draw_scatter, project

if TYPE_CHECKING:
    from numpy.typing import NDArray


def images(counts: dict[tuple[int, str], int]) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    pairs = [pair for pair, count in counts.items() for _ in range(count)]
    return np.array([label for label, _ in pairs], np.int64), np.array([origin for _, origin in pairs], object)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 120), st.integers(0, 3))
def test_points_are_balanced_over_origins(counts: list[int], most: int, seed: int) -> None:
    labels, origins = images({(i % 2, f"o{i}"): count for i, count in enumerate(counts)})
    rows = balanced_rows(labels, origins, most, seed)
    assert len(rows) == min(most, sum(counts))
    assert (np.diff(rows) > 0).all()
    kept = Counter(origins[rows].tolist())
    largest = max(kept.values())
    for i, count in enumerate(counts):  # whole, or as many as the largest but for one
        assert kept[f"o{i}"] == count or largest - 1 <= kept[f"o{i}"] <= largest


def test_an_origin_under_two_labels_counts_as_two() -> None:
    labels, origins = images({(0, "x"): 20, (1, "x"): 20, (1, "y"): 20})
    rows = balanced_rows(labels, origins, 30, 0)
    kept = Counter(zip(labels[rows].tolist(), origins[rows].tolist(), strict=True))
    assert kept == {(0, "x"): 10, (1, "x"): 10, (1, "y"): 10}
    assert not np.array_equal(rows, balanced_rows(labels, origins, 30, 1))


def test_clusters_stay_clusters_whatever_their_length() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(3, 8)[np.repeat([0, 1, 2], 25)]
    vectors = (centres + rng.normal(0, 0.05, (75, 8))) * rng.uniform(0.1, 50, (75, 1))
    points = project(vectors.astype(np.float32), 0)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + np.diag(np.full(75, np.inf))
    np.testing.assert_array_equal(distances.argmin(axis=1) // 25, np.repeat([0, 1, 2], 25))
    np.testing.assert_array_equal(points, project(vectors.astype(np.float32), 0))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_few_or_equal_images_are_drawn_as_well(count: int) -> None:
    picture = draw_scatter(np.ones((count, 4), np.float32), np.arange(count) % 2, np.array(["x"] * count, object))
    assert as_array(picture).shape[2] == 3


def test_classes_differ_without_colour_and_no_two_origins_look_alike() -> None:
    counts = {(label, f"{'g' if label else 'r'}{i:02d}"): 40 - i for label in (0, 1) for i in range(25)}
    labels, origins = images(counts)
    axes = Figure().add_subplot()
    _draw_points(axes, np.zeros((len(labels), 2)), labels, origins)
    lines = {str(line.get_label()): line for line in axes.lines}
    looks = {name: (line.get_marker(), line.get_color(), line.get_fillstyle()) for name, line in lines.items()}
    assert len(set(looks.values())) == len(looks)
    real = {name for name in lines if name.startswith("real: ") or name == "13 more real"}
    assert {looks[name][2] for name in real} == {"none"}
    assert {looks[name][2] for name in lines.keys() - real} == {"full"}
    assert not {looks[name][0] for name in real} & {looks[name][0] for name in lines.keys() - real}
    # The largest origins are named, the others share a mark; every image is drawn once.
    assert {"real: r00", "real: r11", "g00", "g17", "7 more generated"} <= lines.keys()
    assert "real: r12" not in lines
    assert sum(np.size(line.get_xdata()) for line in lines.values()) == len(labels)


def test_names_from_outside_do_no_harm() -> None:
    names = ["$\\frac{1}{0}$", "<script>", "\udce9\x1b[31m", "n" * 300, "名前", "_under"]
    labels, origins = images({(i % 2, name): 4 for i, name in enumerate(names)})
    vectors = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
    axes = Figure().add_subplot()
    _draw_points(axes, vectors[:, :2].astype(np.float64), labels, origins)
    assert len(axes.get_legend_handles_labels()[0]) == len(names)
    picture = draw_scatter(vectors, labels, origins)
    with Image.open(io.BytesIO(picture)) as opened:
        assert opened.format == "PNG"
        assert opened.width < 1000
    assert picture == draw_scatter(vectors, labels, origins)
