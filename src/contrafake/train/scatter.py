"""Where origins lie in the embedding space: t-SNE in two dimensions, as a picture."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from contrafake.data.audit.shown import shown
from contrafake.train.drawing import DIM, canvas, png, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MOST = 2000
"""Points that are drawn at most; the time of t-SNE grows faster than their number."""

# Okabe and Ito, Color Universal Design (2008), without black and the yellow that paper swallows.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
# Hollow markers for real images, filled ones for generated; the last is for the origins without a sign of their own.
_REAL = ("o", "s", "v")
_GENERATED = ("^", "X", "D", "P")
_NAME = 24


def draw_scatter(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    origins: NDArray[np.object_],
    *,
    seed: int = 0,
    most: int = MOST,
) -> bytes:
    """Draws images as points, by origin; real ones are hollow, generated ones filled.

    The t-SNE (van der Maaten and Hinton, 2008) is that of the directions, since the contrastive loss sees no lengths.
    Distances between far groups, and the sizes of groups, mean nothing in it.

    Args:
        vectors: (N, D) raw embeddings.
        labels: (N,) 0 = real, 1 = generated.
        origins: (N,) strings from outside.
        seed: Of the choice of points and of the t-SNE.
        most: Largest number of points; where there are more, origins are thinned down to equal numbers.

    Returns:
        PNG bytes; the same arguments give the same on one machine. Fewer than three images give an empty plot.
    """
    chosen = balanced_rows(labels, origins, most, seed)
    points = project(vectors[chosen], seed)
    title = f"{len(chosen)} validation images, hollow: real, filled: generated"
    return draw_positions(points, labels[chosen], origins[chosen], title)


def draw_positions(
    points: NDArray[np.float64], labels: NDArray[np.int64], origins: NDArray[np.object_], title: str
) -> bytes:
    """Draws images where a projection has put them, by origin; real ones are hollow, generated ones filled.

    Args:
        points: (N, 2) finite positions.
        labels: (N,) 0 = real, 1 = generated.
        origins: (N,) strings from outside.
        title: Written above.

    Returns:
        PNG bytes.
    """
    with style():
        figure, axes = canvas(4.6, 3.8)
        _draw_points(axes, points, labels, origins)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[["left", "bottom"]].set_visible(False)
        handles, names = axes.get_legend_handles_labels()
        height = 0.19 * -(-len(names) // 2)  # inches; the plot keeps its own
        figure.set_figheight(3.8 + height)
        figure.legend(
            handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=7.5, handletextpad=0.2,
            columnspacing=1.0, markerscale=1.3,
        )  # fmt: skip
        axes.set_title(title, fontsize=8.5, color=DIM)
        return png(figure)


def balanced_rows(labels: NDArray[np.int64], origins: NDArray[np.object_], most: int, seed: int) -> NDArray[np.int64]:
    """Chooses images so that no origin has more than it must.

    Args:
        labels: (N,) 0 = real, 1 = generated; an origin under two labels counts as two.
        origins: (N,) strings.
        most: Largest number of images in all.
        seed: Of the choice.

    Returns:
        (min(N, most),) rows, ascending. Small origins are whole; the others have equal numbers, but for one image.
    """
    rng = np.random.default_rng(seed)
    groups: dict[tuple[int, str], list[int]] = {}
    for row in rng.permutation(len(labels)).tolist():
        groups.setdefault((int(labels[row]), str(origins[row])), []).append(row)
    # Round by round one image of each origin that has one left.
    turn = [(place, name, row) for name, rows in groups.items() for place, row in enumerate(rows)]
    return np.array(sorted(row for _, _, row in sorted(turn)[:most]), np.int64)


def as_array(picture: bytes) -> NDArray[np.uint8]:
    """PNG bytes -> (H, W, 3) uint8."""
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


def project(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """The t-SNE of the vectors' directions.

    Args:
        vectors: (N, D) finite embeddings.
        seed: The same seed gives the same on one machine.

    Returns:
        (N, 2) positions; all zero for fewer than three images.
    """
    from sklearn.manifold import TSNE  # noqa: PLC0415 - slow to import, and needed once in a run

    if len(vectors) < 3:
        return np.zeros((len(vectors), 2))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.where(lengths > 0, lengths, 1)
    # The start is by PCA; a direction that all share would divide by a spread of zero there.
    spread = float(directions.std(axis=0).max()) > 1e-6
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    tsne = TSNE(2, perplexity=perplexity, init="pca" if spread else "random", random_state=seed, n_jobs=1)
    return np.asarray(tsne.fit_transform(directions), np.float64)


def _draw_points(
    axes: Axes, points: NDArray[np.float64], labels: NDArray[np.int64], origins: NDArray[np.object_]
) -> None:
    for label, kind, shapes in ((0, "real", _REAL), (1, "generated", _GENERATED)):
        counts = Counter(str(name) for name in origins[labels == label])
        # The largest origins have a sign of their own, and the rest one in common.
        signs = [(shape, colour) for shape in shapes[:-1] for colour in _COLOURS]
        named = sorted(counts, key=lambda name: (-counts[name], name))[: len(signs)]
        for name, (shape, colour) in zip(named, signs, strict=False):
            chosen = (labels == label) & (origins == name)
            text = shown(name)
            text = text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"
            if label == 0:
                text = f"real: {text}"
            elif text.startswith("_"):
                text = f" {text}"  # matplotlib would leave it out of the legend
            _draw_group(axes, points[chosen], shape, colour, text)
        rest = np.array([label == own and str(name) not in named for own, name in zip(labels, origins, strict=True)])
        if rest.any():
            _draw_group(axes, points[rest], shapes[-1], "#8d9096", f"{len(counts) - len(named)} more {kind}")


def _draw_group(axes: Axes, points: NDArray[np.float64], shape: str, colour: str, name: str) -> None:
    hollow = shape in _REAL
    axes.plot(
        points[:, 0], points[:, 1], shape, color=colour, fillstyle="none" if hollow else "full", label=name,
        markersize=3.4 if shape != "D" else 2.7, markeredgewidth=0.6 if hollow else 0.0, alpha=0.85,
    )  # fmt: skip
