"""What a caller names becomes detectors, files of scores, and a set of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from contrafake.detect.detector import Detector
from contrafake.errors import UsageError
from contrafake.evaluate.contestants import BundleContestant, ScorerContestant, open_contestant
from contrafake.evaluate.score_files import ScoreFile
from contrafake.model.method import Scorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.data.origins import OriginTable
    from contrafake.data.sources import Source
    from contrafake.evaluate.contestant import Contestant

Model: TypeAlias = str | Detector | Scorer | ScoreFile
"""A detector under evaluation; `evaluate.api.evaluate` says which texts there are."""

SCORES = (".csv", ".tsv")
"""Suffixes by which a file of scores is known."""


def open_models(
    models: Model | Sequence[Model],
    *,
    heads: Sequence[str] | None = None,
    crops: int | None = None,
) -> tuple[tuple[Contestant, ...], tuple[ScoreFile, ...]]:
    """Opens what is to be measured; arguments as in `evaluate`.

    Returns:
        Detectors that judge images here, and scores that another program gave.

    Raises:
        UsageError: Something is none of these, or is data.
        BundleError: A bundle is damaged or lacks a head.
        DataError: A file of scores cannot be used.
    """
    named = [models] if isinstance(models, (str, Detector, ScoreFile, Scorer)) else list(models)
    contestants: list[Contestant] = []
    files: list[ScoreFile] = []
    for model in named:
        if isinstance(model, ScoreFile):
            files.append(model)
        elif isinstance(model, Detector):
            contestants.append(BundleContestant(model, _heads(model, heads), crops))
        elif not isinstance(model, str):
            contestants.append(ScorerContestant(model))
        elif (found := score_file(model)) is not None:
            files.append(ScoreFile.read(found[1], found[0]))
        elif model.endswith((".tar", ".parquet")):
            cause = "is data, and stands where a model is expected"
            raise UsageError(model, cause, 'name data as --data SET, and patterns in quotes: --data "val-*.tar"')
        else:
            contestants.append(open_contestant(model, heads=heads, crops=crops))
    return tuple(contestants), tuple(files)


def score_file(text: str) -> tuple[str | None, str] | None:
    """Takes "NAME=FILE.csv" apart; a file that exists as it is written is never taken apart.

    Returns:
        (name or None, file), None for what names no file of scores.
    """
    if not text.lower().endswith(SCORES):
        return None
    name, equals, path = text.partition("=")
    return (name, path) if name and equals and not Path(text).exists() else (None, text)


def open_set(
    data: str | Source | Sequence[str], layout: str = "auto", origins: str | Path | OriginTable | None = None
) -> tuple[Source, OriginTable | None]:
    """Opens the images and what is known of their origins; arguments as in `evaluate`.

    Raises:
        UsageError, DataError: Either cannot be used.
    """
    from contrafake.data.origins import read_origins  # noqa: PLC0415 - as above
    from contrafake.data.sources import open_data  # noqa: PLC0415
    from contrafake.data.sources.source import Source as AnySource  # noqa: PLC0415

    table = read_origins(origins) if isinstance(origins, (str, Path)) else origins
    addresses = [data] if isinstance(data, str) else data
    source = addresses if isinstance(addresses, AnySource) else open_data(list(addresses), layout)
    if source.task != "detection":
        raise UsageError("data", "has no real and generated images", "choose another set")
    return source, table


def _heads(detector: Detector, heads: Sequence[str] | None) -> Sequence[str] | None:
    return detector.heads if heads is not None and tuple(heads) == ("all",) else heads
