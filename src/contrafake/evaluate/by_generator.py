"""Heads that know one generator only, put beside an evaluation."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from contrafake.data.sample import GENERATED
from contrafake.data.sources import samples_of
from contrafake.errors import UsageError
from contrafake.evaluate.cache import Cache
from contrafake.evaluate.contestants import BundleContestant
from contrafake.evaluate.generator_heads import generator_heads
from contrafake.evaluate.image_list import list_images
from contrafake.evaluate.opening import open_models, open_set
from contrafake.evaluate.run import silent
from contrafake.evaluate.variant import UNTOUCHED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contrafake.data.origins import OriginTable
    from contrafake.evaluate.api import Evaluated
    from contrafake.evaluate.opening import Model


def fit_by_generator(
    found: Evaluated,
    models: Model | Sequence[Model],
    data: Sequence[str],
    *,
    layout: str = "auto",
    origins: OriginTable | None = None,
    workers: int | None = None,
    cache: bool = True,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> Evaluated:
    """Fits a head on each generator of another set, on the encoder of the first bundle, and tests all on all.

    Args:
        found: An evaluation with its data; its images are tested on.
        models: What was evaluated.
        data: The set to fit on, as `open_data` takes it; generators that are reported apart get no head.
        layout: How it is laid out.
        origins: Which origins training saw, as the evaluation was told; None takes what its data know.
        workers: Images at a time; None takes one for each core.
        cache: Whether to use and keep embeddings in the user's cache folder.
        progress: As in `evaluate`.

    Returns:
        The evaluation with its `generators`.

    Raises:
        UsageError: No bundle is among the models, or the evaluation was read from a folder.
        DataError: A set cannot be used, or an image is in both.
    """
    contestants = open_models(models)[0]
    bundles = [one for one in contestants if isinstance(one, BundleContestant)]
    if not bundles or found.source is None:
        cause = "no bundle is evaluated" if found.source is not None else "the images are not at hand"
        raise UsageError("generator-specific heads", cause, "evaluate one, such as default")
    fitting, _ = open_set(data, layout)
    known = found.source.origins if origins is None else origins
    # In what is fitted on all generators together, and in means over heads, they would be no longer apart.
    tables = known, fitting.origins
    fit_on = [
        sample
        for item in fitting
        for sample in samples_of(item)
        if not (sample.label == GENERATED and any(one.get(GENERATED, sample.origin).apart for one in tables))
    ]
    # Under the evaluation's keys: its images.csv says what the scores are of.
    listed = list_images(found.source, [UNTOUCHED], split=found.evaluation.facts.get("split") or None)
    judged = set(found.evaluation.images.key)
    tested = [
        replace(copy, key=image.sample.key)
        for image in listed.images
        if image.sample.key in judged
        for copy in (image.untouched, image.delivered)
        if copy is not None
    ]
    with ExitStack() as stack:
        made = generator_heads(
            bundles[0].detector,
            fit_on,
            tested,
            known,
            trained={origin: True for one in contestants for origin in one.trained_on},
            cache=stack.enter_context(Cache()) if cache else None,
            workers=workers,
            report=progress or silent,
        )
    return replace(found, generators=made)
