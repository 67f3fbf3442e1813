"""Positions in the embedding plot: projected once, the same from the file."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrafake.errors import DataError
from contrafake.evaluate import positions
from contrafake.evaluate.positions import POSITIONS, project, read_positions, write_positions

if TYPE_CHECKING:
    from pathlib import Path

COORDINATE = st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")))


def test_clusters_stay_clusters_and_missing_rows_stay_missing() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 20)
    vectors = np.asarray(np.eye(3, 16)[group] + rng.normal(0, 0.03, (60, 16)), np.float32)
    vectors[7] = np.nan
    vectors[33, 2] = np.nan
    found = project(vectors, 1)
    assert found.shape == (60, 2)
    assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [7, 33]
    kept = np.flatnonzero(np.isfinite(found).all(axis=1))
    points, group = found[kept], np.asarray(group[kept])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + np.diag(np.full(len(points), np.inf))
    np.testing.assert_array_equal(np.take(group, distances.argmin(axis=1)), group)
    np.testing.assert_array_equal(found, project(vectors, 1))
    np.testing.assert_array_equal(found, np.round(found, 3))


def test_of_very_many_images_some_are_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "MOST", 25)
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    vectors[:5] = np.nan
    placed = np.asarray(np.isfinite(project(vectors, 0)).all(axis=1))
    assert placed.sum() == 25
    assert not placed[:5].any()


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_images_have_a_place(count: int) -> None:
    assert project(np.ones((count, 4), np.float32)).shape == (count, 2)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
        | st.just("a\udce9\n,\"b"),
        st.tuples(COORDINATE, COORDINATE),
        max_size=8,
    )
)  # fmt: skip
def test_round_trip(rows: dict[str, tuple[float, float]]) -> None:
    places = np.array(list(rows.values()), np.float64).reshape(-1, 2)
    places[np.isnan(places).any(axis=1)] = np.nan
    with tempfile.TemporaryDirectory() as folder:
        write_positions(folder, list(rows), places)
        found = read_positions(folder, list(rows))
    assert found is not None
    np.testing.assert_array_equal(found, places)


def test_no_file_is_no_plot(tmp_path: Path) -> None:
    assert read_positions(tmp_path, ["a"]) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("key,x\na,1\n", "columns"),
        ("", "columns"),
        ("key,x,y\na,1,2\nb,1,2\n", "line 3: is no position"),
        ("key,x,y\na,1\n", "line 2: is no position"),
        ("key,x,y\na,1,2\na,1,2\n", "line 3: the key 'a' stands there before"),
        ("key,x,y\na,1,two\n", "line 2: a position is no number"),
        ("key,x,y\na,1,inf\n", "line 2: a position is not finite"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / POSITIONS).write_text(text)
    with pytest.raises(DataError, match=complaint):
        read_positions(tmp_path, ["a"])
