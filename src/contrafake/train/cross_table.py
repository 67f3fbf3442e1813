"""The paper's cross table: heads that know one generator only, tested on each of the others."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.train.head_fitting import fit_linear, fit_nearest, score_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from contrafake.data.listing import Listing
    from contrafake.model.heads import Head
    from contrafake.train.embedded import Embedded
    from contrafake.train.head_fitting import HeadSettings

LEAST_IMAGES = 20
"""Fitting images of a generator below which no head of its own is fitted."""
HEADS = ("linear", "nearest")
"""The heads fitted on each generator."""


@dataclass(frozen=True)
class CrossRow:
    """What one head says of the validation images in one condition.

    Attributes:
        head: "linear" or "nearest".
        condition: "untransformed" or "transformed".
        generator: The one it was fitted on beside real images, None for all of the table's together.
        real: Share of real images called real (score not above 0), 0 to 1.
        generated: Share called generated, by generator of the validation images.
    """

    head: str
    condition: str
    generator: str | None
    real: float
    generated: dict[str, float]


@dataclass(frozen=True, eq=False)
class Scored:
    """What every head says of N images in one condition.

    Attributes:
        labels: (N,) 0 = real, 1 = generated.
        origins: (N,) strings.
        scores: By head and the generator it was fitted on (None for all together), (N,) float64; generated above 0.
    """

    labels: NDArray[np.int64]
    origins: NDArray[np.object_]
    scores: dict[tuple[str, str | None], NDArray[np.float64]]


@dataclass(frozen=True)
class CrossTable:
    """Train on one generator, test on each (the tables of generator-specific classifiers in CoDE's official code).

    Attributes:
        fitted: Fitting images by generator, in alphabetical order.
        fitted_real: Real fitting images, the same for every head.
        left_out: Fitting images of generators with fewer than `LEAST_IMAGES`; they have no head, and no part in those
            of all generators.
        tested: Validation images by generator.
        tested_real: Real validation images.
        rows: By head, condition and generator.
    """

    fitted: dict[str, int]
    fitted_real: int
    left_out: dict[str, int]
    tested: dict[str, int]
    tested_real: int
    rows: list[CrossRow]

    @classmethod
    def measure(
        cls,
        fitting: Embedded,
        validation: dict[str, Embedded],
        left_out: dict[str, int],
        config: HeadSettings,
        seed: int,
    ) -> CrossTable:
        """Fits every head and scores it on all validation images.

        Args:
            fitting: One crop of each fitting image; the generators of `left_out` are not among them.
            validation: By condition, one crop of each validation image.
            left_out: Kept as it is.
            config: `nearest_references`.
            seed: Of the choice of references.
        """
        scored = {name: Scored(embedded.labels, embedded.origins, {}) for name, embedded in validation.items()}
        vectors = {name: embedded.vectors for name, embedded in validation.items()}
        for which, of_head in score_by_generator(fitting, vectors, config, seed):
            for name, scores in of_head.items():
                scored[name].scores[which] = scores
        return cls.of(scored, count_generated(fitting), int((fitting.labels == 0).sum()), left_out)

    @classmethod
    def of(
        cls, scored: dict[str, Scored], fitted: dict[str, int], fitted_real: int, left_out: dict[str, int]
    ) -> CrossTable:
        """Counts what the scores say.

        Args:
            scored: By condition; real and generated images in each.
            fitted: Kept as it is, like all that follow.
            fitted_real: Real fitting images.
            left_out: Fitting images of generators without a head.
        """
        first = next(iter(scored.values()))
        rows = [
            CrossRow(head, condition, generator, *_accuracies(scores, found))
            for condition, found in scored.items()
            for (head, generator), scores in found.scores.items()
        ]
        order = {name: i for i, name in enumerate((*HEADS, *scored))}
        return cls(
            fitted=fitted,
            fitted_real=fitted_real,
            left_out=left_out,
            tested=count_generated(first),
            tested_real=int((first.labels == 0).sum()),
            rows=sorted(rows, key=lambda row: (order[row.head], order[row.condition])),
        )

    def parts(self) -> Iterator[tuple[str, str, list[CrossRow]]]:
        """Head, condition and their rows, for every pair of the two."""
        for head, condition in dict.fromkeys((row.head, row.condition) for row in self.rows):
            yield head, condition, [row for row in self.rows if (row.head, row.condition) == (head, condition)]

    def means(self, head: str, condition: str) -> tuple[float | None, float | None]:
        """Mean balanced accuracy of the heads of one generator, on their own generator and on the others.

        Returns:
            Each from 0 to 1, over generators with at least `LEAST_IMAGES` validation images; None where there is none.
        """
        own: list[float] = []
        others: list[float] = []
        for row in self.rows:
            if (row.head, row.condition) == (head, condition) and row.generator is not None:
                for name, accuracy in row.generated.items():
                    # A condition of images of its own may have generators that the first has not.
                    if self.tested.get(name, 0) >= LEAST_IMAGES:
                        (own if name == row.generator else others).append((row.real + accuracy) / 2)
        return (float(np.mean(own)) if own else None, float(np.mean(others)) if others else None)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe facts, the inverse of `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> CrossTable:
        """Restores a table.

        Raises:
            KeyError, TypeError: If the facts are those of something else.
        """
        return cls(**{**facts, "rows": [CrossRow(**row) for row in facts["rows"]]})


def draw_per_generator(
    listing: Listing, drawn: NDArray[np.int64], images: int, seed: int
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Draws the rows that heads of one generator are fitted on.

    Args:
        listing: The fitting images.
        drawn: Rows drawn for the heads of all generators; their real images and paired siblings are taken over.
        images: Largest number of lone images of a generator; they are drawn anew, since a share of those drawn for
            all generators would be few.
        seed: The same seed draws the same rows.

    Returns:
        (N,) int64 rows, and the number of images of each generator that has fewer than `LEAST_IMAGES`.
    """
    rng = np.random.default_rng([seed, 2])
    rows = [drawn[listing.label[drawn] == 0]]
    left_out: dict[str, int] = {}
    paired = drawn[(listing.label[drawn] == 1) & (listing.record[drawn] >= 0)]
    for code, name in sorted(enumerate(listing.origins), key=lambda item: item[1]):
        lone = np.flatnonzero((listing.label == 1) & (listing.record < 0) & (listing.origin == code))
        siblings = paired[listing.origin[paired] == code]
        chosen = lone[rng.choice(len(lone), min(len(lone), images), replace=False)]
        count = len(siblings) + len(chosen)
        if count >= LEAST_IMAGES:
            rows += [siblings, chosen]
        elif count:
            left_out[name] = count
    return np.concatenate(rows), left_out


def score_by_generator(
    fitting: Embedded, vectors: dict[str, NDArray[np.float32]], config: HeadSettings, seed: int
) -> Iterator[tuple[tuple[str, str | None], dict[str, NDArray[np.float64]]]]:
    """Fits each head, and scores images of each condition by it.

    Args:
        fitting: One crop of each fitting image.
        vectors: By condition, (N, D) float32 raw embeddings.
        config: `nearest_references`.
        seed: Of the choice of references.

    Yields:
        Head and generator (None for all together, which come last), and (N,) float64 scores by condition. Generators
        are in alphabetical order, heads in that of `HEADS`; nothing where there is no generator.
    """
    for generator, name, head in _heads(fitting, config, seed):
        yield (name, generator), {condition: score_all(head, of_one) for condition, of_one in vectors.items()}


def count_generated(images: Embedded | Scored) -> dict[str, int]:
    """Number of generated images by origin, in alphabetical order."""
    names, counts = np.unique(images.origins[images.labels == 1].astype(str), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _heads(fitting: Embedded, config: HeadSettings, seed: int) -> Iterator[tuple[str | None, str, Head]]:
    generated = fitting.labels == 1
    counts = count_generated(fitting)
    for generator in (*counts, None) if counts else ():
        chosen = ~generated | (generated if generator is None else generated & (fitting.origins == generator))
        vectors, labels = fitting.vectors[chosen], fitting.labels[chosen]
        codes = np.zeros(len(labels), np.int32)
        yield generator, "linear", fit_linear(vectors, labels)
        yield generator, "nearest", fit_nearest(vectors, labels, codes, config.nearest_references, seed)


def _accuracies(scores: NDArray[np.float64], found: Scored) -> tuple[float, dict[str, float]]:
    called = scores > 0
    by_generator = {
        name: float(called[(found.labels == 1) & (found.origins == name)].mean()) for name in count_generated(found)
    }
    return float(1 - called[found.labels == 0].mean()), by_generator
