"""The folder of an evaluation: scores, figures and report, written and read."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError
from contrafake.evaluate.evaluation import FACTS
from contrafake.evaluate.family_scores import FACTS as FAMILY_FACTS
from contrafake.evaluate.family_scores import FamilyScores
from contrafake.evaluate.generator_scores import FACTS as GENERATOR_FACTS
from contrafake.evaluate.generator_scores import SCORES as GENERATOR_SCORES
from contrafake.evaluate.generator_scores import GeneratorScores, holds_scores
from contrafake.evaluate.positions import POSITIONS

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from contrafake.evaluate.api import Evaluated
    from contrafake.evaluate.family_table import FamilyTable
    from contrafake.evaluate.generator_heads import GeneratorHeads
    from contrafake.evaluate.images import Images

SCHEMA_VERSION = 1
FIGURES, PAGE, TWIN = "figures.json", "report.html", "report.md"
FAMILY_TABLE, FAMILY_TWIN = "families-table.json", "families.md"
GENERATORS, GENERATORS_TWIN = "generator-heads.json", "generator-heads.md"


def as_document(found: Evaluated) -> dict[str, Any]:
    """Everything but the scores, as plain JSON: what `figures.json` holds, and `--json` prints.

    Args:
        found: An evaluation and what follows from it.
    """
    evaluation = found.evaluation
    return {
        "schema_version": SCHEMA_VERSION,
        "facts": evaluation.facts,
        "variants": [variant.to_dict() for variant in evaluation.variants],
        "detectors": [asdict(detector) for detector in evaluation.detectors],
        "failures": [asdict(failure) for failure in evaluation.failures],
        **found.figures.to_dict(),
        "drops": [drop.to_dict() for drop in found.drops],
        "stability": [one.to_dict() for one in found.stability],
        "paper": None if found.paper is None else found.paper.to_dict(),
    }


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Checks that a folder can take an evaluation: it is new, empty, or holds one, which is replaced.

    Raises:
        DataError: It is a file, holds other things, or cannot be read.
    """
    path = Path(folder)
    try:
        if path.exists() and not path.is_dir():
            raise DataError(str(folder), "is no folder", "name a new one")
        known = any((path / name).is_file() for name in (FACTS, FAMILY_FACTS))
        if path.is_dir() and any(path.iterdir()) and not known:
            raise DataError(str(folder), "holds other things than an evaluation", "name a new folder")
    except OSError as error:
        raise DataError(str(folder), f"cannot be read: {error.strerror or error}") from error


def remove_former(folder: str | os.PathLike[str]) -> None:
    """Removes what followed from a former evaluation in the folder, so that nothing of it stands beside the next one.

    Its three files of scores are left to be written over, and leave-one-family-out stays.

    Raises:
        DataError: Something cannot be removed.
    """
    target = Path(folder)
    if not (target / FACTS).is_file():
        return
    try:
        derived = (FIGURES, PAGE, TWIN, POSITIONS, GENERATORS, GENERATORS_TWIN)
        for name in (*derived, GENERATOR_SCORES, GENERATOR_FACTS):
            (target / name).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(str(folder), f"cannot be cleared: {error.strerror or error}") from error


def write_results(
    folder: str | os.PathLike[str],
    found: Evaluated,
    *,
    report: bool = True,
    thumbnails: Mapping[str, bytes] | None = None,
) -> list[Path]:
    """Writes what follows from an evaluation that was written to the same folder.

    Args:
        folder: The folder.
        found: The evaluation and what follows from it.
        report: Whether to write the report too, which needs jinja2 and matplotlib.
        thumbnails: JPEG bytes by key for the report; None keeps all pixels out of it.

    Returns:
        The files for people to open.

    Raises:
        DataError: Something cannot be written, or `positions.csv` or what is known of heads of one generator in the
            folder is damaged.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    target = Path(folder)
    _write_json(target / FIGURES, as_document(found))
    if found.generators is not None and found.generators.scores is not None:
        found.generators.scores.write(target)
    generators = found.generators or read_generators(target, found.evaluation.images)
    if generators is not None:
        _write_json(target / GENERATORS, generators.to_dict())
        write_whole(target / GENERATORS_TWIN, generators.to_markdown().encode("utf-8", "surrogateescape"))
    families = None
    if (target / FAMILY_FACTS).is_file():
        families = write_families(target, repeats=found.figures.repeats, seed=found.figures.seed)
    if not report:
        return [target / FIGURES]
    from contrafake.evaluate.positions import read_positions  # noqa: PLC0415
    from contrafake.evaluate.report import write_report  # noqa: PLC0415 - needs more than the light installation

    pages = write_report(
        target,
        found.evaluation,
        found.figures,
        thumbnails=thumbnails,
        positions=read_positions(target, found.evaluation.images.key),
        paper=found.paper,
        families=families,
        generators=generators,
        drops=found.drops,
        stability=found.stability,
    )
    return [target / FIGURES, *pages]


def read_generators(folder: str | os.PathLike[str], images: Images) -> GeneratorHeads | None:
    """What heads that know one generator say, from their scores; None where the folder has nothing of them.

    A folder made before scores were kept has the tables alone, in `generator-heads.json`; they are taken as they are.

    Args:
        folder: The folder.
        images: Those of the evaluation in it.

    Raises:
        DataError: A file is damaged.
    """
    if holds_scores(folder):
        from contrafake.evaluate.generator_heads import GeneratorHeads  # noqa: PLC0415 - most folders have none

        return GeneratorHeads.of(GeneratorScores.read(folder, images), images)
    path = Path(folder) / GENERATORS
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from error
    from contrafake.evaluate.generator_heads import GeneratorHeads  # noqa: PLC0415 - most folders have none

    try:
        return GeneratorHeads.from_dict(json.loads(data.decode("utf-8", "surrogateescape")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(str(path), f"holds no heads of one generator: {error}", "evaluate again") from error


def holds_families_alone(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds leave-one-family-out, and no evaluation."""
    return (Path(folder) / FAMILY_FACTS).is_file() and not (Path(folder) / FACTS).is_file()


def holds_report(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds the page of a report, or its twin."""
    return any((Path(folder) / name).exists() for name in (PAGE, TWIN))


def write_families(folder: str | os.PathLike[str], *, repeats: int = 1000, seed: int = 0) -> FamilyTable:
    """Writes what follows from the scores of leave-one-family-out in the same folder: a table, as JSON and Markdown.

    Args:
        folder: The folder.
        repeats: Resamples behind the intervals.
        seed: Their seed.

    Raises:
        DataError: The scores are damaged, or something cannot be written.
    """
    from contrafake.evaluate.family_table import FamilyTable  # noqa: PLC0415

    target = Path(folder)
    table = FamilyTable.from_scores(FamilyScores.read(target), repeats=repeats, seed=seed)
    _write_json(target / FAMILY_TABLE, table.to_dict())
    write_whole(target / FAMILY_TWIN, (table.to_markdown().rstrip() + "\n").encode("utf-8", "surrogateescape"))
    return table


def _write_json(path: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    write_whole(path, text.encode("utf-8", "surrogateescape"))


def settings(folder: str | os.PathLike[str]) -> dict[str, int]:
    """Repeats, seed and, of an evaluation, `least`, by which a folder's figures were made; what is unknown is left out.

    Args:
        folder: The folder.
    """
    path = Path(folder) / FIGURES
    return _settings(path if path.is_file() else path.with_name(FAMILY_TABLE))


def _settings(path: Path) -> dict[str, int]:
    try:
        there = json.loads(path.read_bytes())
        found = {name: there[name] for name in ("repeats", "seed", "least") if name in there}
    except (OSError, ValueError, TypeError):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, int)}
