"""An evaluation from start to end: detectors and data in, scores and figures out."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contrafake.errors import UsageError
from contrafake.evaluate.column_names import unique_columns
from contrafake.evaluate.compute import compute_figures
from contrafake.evaluate.evaluation import OWN_THRESHOLD, Point
from contrafake.evaluate.opening import open_models, open_set

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from contrafake.data.origins import OriginTable
    from contrafake.data.sources import Source
    from contrafake.evaluate.evaluation import DetectorFacts, Evaluation
    from contrafake.evaluate.figures import Figures
    from contrafake.evaluate.generator_heads import GeneratorHeads
    from contrafake.evaluate.opening import Model
    from contrafake.evaluate.paper import PaperTable
    from contrafake.evaluate.robustness import Drop, Stability


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation and all that follows from it.

    Attributes:
        evaluation: Scores of all images.
        figures: Its figures.
        drops: What each variant costs against the first, empty for a single one.
        stability: How often verdicts change, one for each detector; empty for a single variant.
        paper: The paper's table, where its conditions and heads were evaluated.
        vectors: (N, D) float32 embeddings by the first bundle on the first variant, NaN rows where missing; None
            without a bundle, or read from a folder.
        source: The data, None for an evaluation that was read from a folder.
        generators: Heads that know one generator only, where `by_generator.fit_by_generator` added them.
    """

    evaluation: Evaluation
    figures: Figures
    drops: tuple[Drop, ...] = ()
    stability: tuple[Stability, ...] = ()
    paper: PaperTable | None = None
    vectors: NDArray[np.float32] | None = None
    source: Source | None = None
    generators: GeneratorHeads | None = None


def evaluate(
    models: Model | Sequence[Model],
    data: str | Source | Sequence[str],
    *,
    layout: str = "auto",
    split: str | None = None,
    origins: str | Path | OriginTable | None = None,
    variants: Sequence[str] = ("standard",),
    heads: Sequence[str] | None = None,
    crops: int | None = None,
    thresholds: Mapping[str, tuple[float, float]] | None = None,
    limit: int | None = None,
    workers: int | None = None,
    cache: bool = True,
    repeats: int = 1000,
    seed: int = 0,
    least: int = 20,
    protocol: str = "",
    command: str = "",
    progress: Callable[[str, int, int | None], None] | None = None,
) -> Evaluated:
    """Measures detectors on a set of labelled images.

    Args:
        models: Each "default", the folder of a bundle, "package.module:object", "NAME=FILE.csv" or "FILE.csv" (scores
            of another program), a detector, any object with a `name` and a `score(pictures)`, or a `ScoreFile`.
        data: What `contrafake evaluate --data` takes, or an opened source.
        layout: How the data are laid out.
        split: Only images of this split.
        origins: Origin table, or its file; None takes what the data themselves know.
        variants: Names of variants and suites; untouched images always come first.
        heads: Classifiers of bundles, one column each; None takes the default one, ("all",) all.
        crops: Crops an image for bundles; None takes their default.
        thresholds: By detector: (generated above, real up to), instead of its own default rule.
        limit: At most so many images of each class.
        workers: Images at a time; None takes one for each core.
        cache: Whether to use and keep measurements in the user's cache folder.
        repeats: Resamples behind the intervals; 0 for none.
        seed: Their seed.
        least: Generated images below which a generator is pooled with the other small ones.
        protocol: "paper" for the paper's table too; choose its variants and heads along with it.
        command: The command line, to be kept with the scores.
        progress: Called with what is being done, the steps done since the last call, and their number if known.

    Raises:
        UsageError: A model, head, variant, split or threshold makes no sense.
        DataError: The data cannot be used, for example because one class is missing.
        BundleError: A bundle is damaged or lacks a head.
    """
    from contrafake.evaluate.cache import Cache  # noqa: PLC0415 - rebuilding figures needs none of this
    from contrafake.evaluate.run import run_evaluation, silent  # noqa: PLC0415
    from contrafake.evaluate.suites import parse_variants  # noqa: PLC0415

    chosen = parse_variants(variants)
    contestants, files = open_models(models, heads=heads, crops=crops)
    rules = dict(thresholds or {})
    given = [*(one.columns for one in contestants), *((file.facts,) for file in files)]
    _check_rules(rules, [column.name for of_one in unique_columns(given) for column in of_one])
    source, table = open_set(data, layout, origins)
    with ExitStack() as stack:
        outcome = run_evaluation(
            contestants,
            source,
            variants=chosen,
            origins=table,
            score_files=files,
            split=split,
            limit=limit,
            cache=stack.enter_context(Cache()) if cache else None,
            workers=workers,
            report=progress or silent,
            command=command,
        )
    found = outcome.evaluation
    found = replace(
        found,
        detectors=tuple(
            _ruled(detector, rules[detector.name]) if detector.name in rules else detector
            for detector in found.detectors
        ),
        facts={**found.facts, **({"protocol": protocol} if protocol else {})},
    )
    return replace(
        figures_of(found, repeats=repeats, seed=seed, least=least, progress=progress),
        vectors=outcome.vectors,
        source=source,
    )


def figures_of(
    evaluation: Evaluation,
    *,
    repeats: int = 1000,
    seed: int = 0,
    least: int = 20,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> Evaluated:
    """Everything that follows from scores alone.

    Args:
        evaluation: The scores.
        repeats: Resamples behind the intervals; 0 for none.
        seed: Their seed.
        least: Generated images below which a generator is pooled with the other small ones.
        progress: As in `evaluate`.

    Raises:
        DataError: One class has no scored image at all.
    """
    from contrafake.evaluate.paper import paper_table  # noqa: PLC0415 - as above
    from contrafake.evaluate.robustness import drops, stability  # noqa: PLC0415

    figures = compute_figures(
        evaluation, repeats=repeats, seed=seed, least=least, report=_phase(progress, "resampling")
    )
    several = len(evaluation.variants) > 1
    names = [detector.name for detector in evaluation.detectors] if several else []
    try:
        paper = paper_table(evaluation) if evaluation.facts.get("protocol") == "paper" else None
    except UsageError:
        paper = None
    return Evaluated(
        evaluation,
        figures,
        tuple(drop for name in names for drop in drops(evaluation, name, figures)),
        tuple(stability(evaluation, name) for name in names),
        paper,
    )


def _check_rules(rules: Mapping[str, tuple[float, float]], names: Sequence[str]) -> None:
    for name, (threshold, uncertain_from) in rules.items():
        if name not in names:
            raise UsageError(f"threshold of {name}", "there is no such detector", f"there are {', '.join(names)}")
        if not (math.isfinite(threshold) and math.isfinite(uncertain_from) and uncertain_from <= threshold):
            raise UsageError(
                f"threshold of {name}", f"{threshold:g},{uncertain_from:g} makes no sense", "give T, or T,U"
            )


def _ruled(detector: DetectorFacts, rule: tuple[float, float]) -> DetectorFacts:
    """The detector with its own rule in front of those that it states."""
    others = tuple(point for point in detector.points if point.name != OWN_THRESHOLD)
    return replace(detector, points=(Point(OWN_THRESHOLD, *rule), *others))


def _phase(progress: Callable[[str, int, int | None], None] | None, doing: str) -> Callable[[int, int], None]:
    """A reporter of (done, all) as one of a phase of a bar."""
    done_before = 0

    def report(done: int, total: int) -> None:
        nonlocal done_before
        if progress is not None:
            progress(doing, done - done_before, total)
        done_before = done

    return report
