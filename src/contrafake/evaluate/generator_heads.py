"""Heads that know one generator only, tested on each generator: the paper's generator-specific classifiers.

A linear and a nearest-neighbour head are fitted on one crop of real images and of one generator's, as the official code
does, and decide at score 0. `contrafake.train.cross_table` holds the fitting; no torch is needed. The tables follow
from the scores that `generator_scores` keeps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.origins import OriginTable
from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources.d3_test import CONDITIONS
from contrafake.errors import DataError
from contrafake.evaluate.crop_vectors import embed_samples
from contrafake.evaluate.figures import PARTS
from contrafake.evaluate.generator_scores import GeneratorScores
from contrafake.evaluate.groups import SEEN_IN
from contrafake.evaluate.image_list import DELIVERED
from contrafake.evaluate.images import Images
from contrafake.evaluate.markdown import counted, percent, table
from contrafake.evaluate.run import silent
from contrafake.evaluate.suites import parse_variants
from contrafake.evaluate.variant import UNTOUCHED, Variant
from contrafake.train.cross_table import HEADS, LEAST_IMAGES, CrossTable, Scored, count_generated, score_by_generator
from contrafake.train.embedded import Embedded
from contrafake.train.head_fitting import HeadFit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from contrafake.data.sample import Sample
    from contrafake.detect.detector import Detector
    from contrafake.evaluate.cache import Cache
    from contrafake.evaluate.crop_vectors import CropVectors
    from contrafake.evaluate.figures import Part

MOST = 10_000
"""Fitting images of a generator, and real ones, unless told."""


@dataclass(frozen=True)
class GeneratorHeads:
    """Train on one generator, test on each, apart for the test origins that the encoder's training saw and did not.

    Attributes:
        model: Whose encoder embeds, as "name version".
        tables: By part, in the order of `PARTS`; a part without generated test images is not there.
        borrowed: Parts without real test images of their own, in which those of the others stand in.
        seed: Of the choice of fitting images and references.
        unreadable: Cause by key.
        scores: What the tables were made from; None where they were read.
    """

    model: str
    tables: dict[Part, CrossTable]
    borrowed: tuple[Part, ...]
    seed: int
    unreadable: dict[str, str]
    scores: GeneratorScores | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, scores: GeneratorScores, images: Images) -> GeneratorHeads:
        """Counts what the scores say.

        Args:
            scores: By condition, of images among those that follow.
            images: Their labels and origins, and whether training saw these.

        Raises:
            KeyError: An image with a score is not among them.
            DataError: A condition has no real image with a score.
        """
        place = {key: row for row, key in enumerate(images.key)}
        scored = {
            condition: (images.take(np.array([place[key] for key in keys], np.int64)), scores.scores[condition])
            for condition, keys in scores.keys.items()
        }
        for condition, (known, _) in scored.items():
            if not (known.label == REAL).any():
                cause = f"none of {len(known)} images with a score is real"
                raise DataError(f"condition {condition}", cause, "both classes are needed")
        tables: dict[Part, CrossTable] = {}
        borrowed: list[Part] = []
        for part, word in SEEN_IN.items():
            tested: dict[str, Scored] = {}
            lent = False
            for condition, (known, found) in scored.items():
                own, real = known.seen == word, known.label == REAL
                if (own & ~real).any():
                    if not (own & real).any():
                        own, lent = own | real, True
                    columns = {which: found[own, column] for column, which in enumerate(scores.heads)}
                    tested[condition] = Scored(known.label[own].astype(np.int64), known.origin[own], columns)
            if len(tested) == len(scored):
                tables[part] = CrossTable.of(tested, scores.fitted, scores.fitted_real, scores.left_out)
                borrowed += [part] if lent else []
        return cls(scores.model, tables, tuple(borrowed), scores.seed, scores.unreadable, scores)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, without the scores; `from_dict` is the inverse."""
        facts = asdict(replace(self, scores=None))
        del facts["scores"]
        return facts

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> GeneratorHeads:
        """Restores what `to_dict` gave.

        Raises:
            KeyError, TypeError: The facts are those of something else.
        """
        tables = {part: CrossTable.from_dict(table) for part, table in facts["tables"].items()}
        return cls(**{**facts, "tables": tables, "borrowed": tuple(facts["borrowed"])})

    def to_markdown(self) -> str:
        """A table for each part, head and condition: rows are what a head was fitted on, columns the test images."""
        return "\n".join(
            text for part, cross in self.tables.items() for text in _words(part, cross, borrowed=part in self.borrowed)
        )


def generator_heads(
    detector: Detector,
    fitting: Sequence[Sample],
    test: Sequence[Sample],
    origins: OriginTable,
    *,
    trained: Mapping[tuple[int, str], bool] | None = None,
    transformed: Variant | None = None,
    most: int = MOST,
    seed: int = 0,
    cache: Cache | None = None,
    workers: int | None = None,
    report: Callable[[str, int, int | None], None] = silent,
) -> GeneratorHeads:
    """Fits a linear and a nearest-neighbour head for each generator of the fitting set, and tests all on all.

    Args:
        detector: Whose encoder embeds, one crop an image.
        fitting: Images to fit on, untouched; generators with fewer than `LEAST_IMAGES` get no head.
        test: Images to test on, untouched and transformed; keys unique in each condition.
        origins: Which origins training saw.
        trained: What else is known of that, as `Images.of` takes it.
        transformed: The second condition; None takes the paper's.
        most: Largest number of fitting images of each generator, and of real ones.
        seed: Of the choice where there are more.
        cache: Embeddings of earlier runs.
        workers: Images embedded at a time; None takes one for each core.
        report: Called with what is being done, the steps done since the last call, and the number of all steps.

    Raises:
        DataError: No real fitting image, no generator with enough of them, a class of the test set is empty, or an
            image is in both sets.
    """
    chosen, left_out = _drawn(fitting, most, seed)
    addresses = {sample.image.address for sample in chosen}
    if shared := [sample.key for sample in test if sample.image.address in addresses]:
        cause = f"is among the fitting and the test images{f', like {len(shared) - 1} others' if shared[1:] else ''}"
        raise DataError(shared[0], cause, "give sets without common images")
    second = parse_variants(("transformed",))[1] if transformed is None else transformed
    conditions = _conditions(test, second)
    for tested, _ in conditions:
        for label, name in ((REAL, "real"), (GENERATED, "generated")):
            if not any(sample.label == label for sample in tested):
                raise DataError("test data", f"none of {len(tested)} images is {name}", "both classes are needed")
    fit_vectors, unreadable = embed_samples(
        detector, chosen, [(UNTOUCHED, 1)], cache=cache, workers=workers, report=report
    )
    known = fit_vectors[UNTOUCHED.name]
    fit_on = _embedded(known, chosen, known.readable)
    keys: dict[str, NDArray[np.object_]] = {}
    vectors: dict[str, NDArray[np.float32]] = {}
    for samples, variants in conditions:
        wanted = [(variant, 1) for variant in variants]
        embedded, lost = embed_samples(detector, samples, wanted, cache=cache, workers=workers, report=report)
        unreadable |= lost
        for name, found in embedded.items():
            rows = np.flatnonzero(found.readable)
            keys[name] = np.array([samples[row].key for row in rows.tolist()], object)
            vectors[name] = found.centre(rows)
    fitted = count_generated(fit_on)
    columns: dict[str, list[NDArray[np.float64]]] = {name: [] for name in vectors}
    for _, of_head in score_by_generator(fit_on, vectors, HeadFit(), seed):
        for name, of_condition in of_head.items():
            columns[name].append(of_condition)
        report("fitting heads", 1, len(HEADS) * (len(fitted) + 1))
    scores = GeneratorScores(
        model=f"{detector.model.name} {detector.model.version}",
        seed=seed,
        fitted=fitted,
        fitted_real=int((fit_on.labels == REAL).sum()),
        left_out=left_out,
        unreadable=unreadable,
        keys=keys,
        scores={name: np.stack(of_condition, axis=1) for name, of_condition in columns.items()},
    )
    # An image and its own transformed copy may share a key.
    return GeneratorHeads.of(scores, Images.of(list({one.key: one for one in test}.values()), origins, trained))


def _drawn(fitting: Sequence[Sample], most: int, seed: int) -> tuple[list[Sample], dict[str, int]]:
    """The fitting images in their order, and the number of those of generators that have too few."""
    rows: dict[str | None, list[int]] = {}
    for row, sample in enumerate(fitting):
        rows.setdefault(sample.origin if sample.label == GENERATED else None, []).append(row)
    if None not in rows:
        raise DataError("fitting data", f"none of {len(fitting)} images is real", "both classes are needed")
    few = {name: len(found) for name, found in rows.items() if name is not None and len(found) < LEAST_IMAGES}
    enough = {name: found for name, found in rows.items() if name not in few}
    if len(enough) == 1:
        raise DataError("fitting data", f"no generator has {LEAST_IMAGES} images in it")
    rng = np.random.default_rng(seed)
    kept = [
        row
        for name in sorted(enough, key=str)
        for row in rng.choice(enough[name], min(len(enough[name]), most), replace=False).tolist()
    ]
    return [fitting[row] for row in sorted(kept)], dict(sorted(few.items()))


def _conditions(test: Sequence[Sample], second: Variant) -> list[tuple[list[Sample], list[Variant]]]:
    """Images and what is done to them; a set that brings its own transformed copies (D3's test set) gets these."""
    plain, changed = (
        [sample for sample in test if sample.metadata.get("condition") == condition] for condition in CONDITIONS
    )
    if plain and changed:
        return [(plain, [UNTOUCHED]), (changed, [replace(DELIVERED, delivered=False)])]
    return [(list(test), [UNTOUCHED, second])]


def _embedded(vectors: CropVectors, samples: Sequence[Sample], chosen: NDArray[np.bool_]) -> Embedded:
    rows = np.flatnonzero(chosen)
    images = Images.of([samples[row] for row in rows.tolist()], OriginTable())
    return Embedded(
        vectors=vectors.centre(rows),
        owner=np.arange(len(rows)),
        labels=images.label.astype(np.int64),
        origins=images.origin,
        sources=images.source,
        broken={},
    )


def _words(part: Part, cross: CrossTable, *, borrowed: bool) -> Iterator[str]:
    yield f"### {PARTS[part].capitalize()}\n"
    if borrowed:
        yield "The real test images are those of the other parts: this one has none.\n"
    if cross.left_out:
        few = counted(cross.left_out.items())
        yield f"No head of their own, with fewer than {LEAST_IMAGES} fitting images: {few}.\n"
    means = [
        [f"{head}, {condition}", *map(percent, cross.means(head, condition))] for head, condition, _ in cross.parts()
    ]
    yield table(["mean balanced accuracy", "on the generator fitted on", "on the others"], means)
    for head, condition, rows in cross.parts():
        header = [f"{head}, {condition}: fitted on", f"real ({cross.tested_real:,})"]
        header += [f"{name} ({count:,})" for name, count in cross.tested.items()]
        yield table(
            header,
            [
                [
                    "all together" if row.generator is None else f"{row.generator} ({cross.fitted[row.generator]:,})",
                    percent(row.real),
                    *(percent(row.generated.get(name)) for name in cross.tested),
                ]
                for row in rows
            ],
        )
