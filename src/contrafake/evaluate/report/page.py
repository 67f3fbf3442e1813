"""Puts the report together and writes it: `report.html`, `report.md`, and the pictures of the latter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contrafake import __version__
from contrafake.data.html_page import environment, style_and_policy
from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError
from contrafake.evaluate.curves import draw_curves
from contrafake.evaluate.report import background, groups, headline, plots, stress, tables
from contrafake.evaluate.report.compact import compact_figure
from contrafake.evaluate.report.document import Document, Pictures, Section, Text
from contrafake.evaluate.report.gallery import mistakes_section
from contrafake.evaluate.report.histograms import draw_histograms
from contrafake.evaluate.report.protocols import families_section, generators_section, paper_section
from contrafake.evaluate.report.twin import PICTURES, render_markdown
from contrafake.evaluate.report.view import View
from contrafake.evaluate.report.wording import PART_NAMES
from contrafake.evaluate.results import PAGE, TWIN
from contrafake.evaluate.robustness import drops as find_drops
from contrafake.evaluate.robustness import stability as find_stability

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from contrafake.data.html_page import Figure
    from contrafake.evaluate.evaluation import Evaluation
    from contrafake.evaluate.family_table import FamilyTable
    from contrafake.evaluate.figures import Figures
    from contrafake.evaluate.generator_heads import GeneratorHeads
    from contrafake.evaluate.paper import PaperTable
    from contrafake.evaluate.report.document import Part
    from contrafake.evaluate.robustness import Drop, Stability

_OURS = re.compile(r"(roc|det|reliability|scores|robustness)-[a-z0-9-]+\.png|embedding\.png")


def write_report(
    folder: str | os.PathLike[str],
    evaluation: Evaluation,
    figures: Figures,
    *,
    thumbnails: Mapping[str, bytes] | None = None,
    positions: NDArray[np.float64] | None = None,
    paper: PaperTable | None = None,
    families: FamilyTable | None = None,
    generators: GeneratorHeads | None = None,
    drops: Sequence[Drop] | None = None,
    stability: Sequence[Stability] | None = None,
) -> tuple[Path, Path]:
    """Writes the report of an evaluation. The same arguments give the same bytes on one machine.

    Args:
        folder: Gets `report.html`, `report.md`, and `figures/` for the latter; it is made.
        evaluation: The scores. All of its texts are taken as coming from outside.
        figures: Their figures.
        thumbnails: JPEG bytes by key for the mistakes (`mistaken_keys` names them), shown in the page alone; None for a
            report without a single pixel of the data.
        positions: (N, 2) places of the images in the embedding plot, NaN for none; None for no plot.
        paper: The paper's table.
        families: The table of leaving each family out in turn.
        generators: What heads that know one generator say of each.
        drops: What variants cost, for all detectors; None works it out.
        stability: Of each detector; None works it out.

    Returns:
        The HTML and the Markdown file.

    Raises:
        DataError: Something cannot be written.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    target = Path(folder)
    try:
        (target / PICTURES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(str(folder), f"cannot be made: {error.strerror or error}") from error
    document = compose(
        evaluation, figures, thumbnails=thumbnails, positions=positions, paper=paper, families=families,
        generators=generators, drops=drops, stability=stability,
    )  # fmt: skip
    pages = render_html(document), render_markdown(document)
    for figure in document.figures:
        write_whole(target / PICTURES / figure.name, figure.data)
    _remove_former(target / PICTURES, {figure.name for figure in document.figures})
    for name, text in zip((PAGE, TWIN), pages, strict=True):
        write_whole(target / name, text.encode())
    return target / PAGE, target / TWIN


def compose(
    evaluation: Evaluation,
    figures: Figures,
    *,
    thumbnails: Mapping[str, bytes] | None = None,
    positions: NDArray[np.float64] | None = None,
    paper: PaperTable | None = None,
    families: FamilyTable | None = None,
    generators: GeneratorHeads | None = None,
    drops: Sequence[Drop] | None = None,
    stability: Sequence[Stability] | None = None,
    pictures: bool = True,
) -> Document:
    """The report before it is printed.

    Arguments as in `write_report`; without `pictures`, which take most of the time, it has text and tables alone.
    """
    view = View(evaluation, figures)
    names = [detector.name for detector in evaluation.detectors]
    several = len(evaluation.variants) > 1
    if drops is None:
        drops = [drop for name in names for drop in find_drops(evaluation, name, figures)] if several else []
    if stability is None:
        stability = [find_stability(evaluation, name) for name in names] if several else []
    curves = _draw_curves(evaluation, figures, drops) if several and pictures else {}
    sections = [
        tables.overall(view),
        tables.rules(view),
        tables.comparisons(view),
        tables.spreads(view),
        groups.families(view),
        groups.generators(view),
        groups.real_origins(view),
        _curves(view) if pictures else None,
        stress.robustness(view, drops, curves),
        stress.steadiness(view, stability),
        None if paper is None else paper_section(paper),
        None if generators is None else generators_section(generators),
        None if families is None else families_section(families),
        None if positions is None or not pictures else _embedding(view, positions),
        mistakes_section(view, thumbnails),
        background.detectors(view),
        background.data(view),
        background.making(view),
        background.meanings(),
        background.limits(view),
    ]
    return Document(
        headline.title(view),
        headline.verdict(view),
        headline.lead(view),
        headline.cards(view),
        tuple(section for section in sections if section is not None),
    )


def _remove_former(folder: Path, kept: set[str]) -> None:
    """Removes pictures of a former report that this one does not have."""
    try:
        for path in folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in kept:
                path.unlink()
    except OSError as error:
        raise DataError(str(folder), f"cannot be cleared: {error.strerror or error}") from error


def render_html(document: Document) -> str:
    """The page; all texts are taken as coming from outside."""
    templates = environment("contrafake.evaluate.report", subject="the report", extra="evaluate")
    templates.keep_trailing_newline = True
    style, policy = style_and_policy(templates, "evaluation.css")
    return templates.get_template("evaluation.html").render(
        document=document, style=style, policy=policy, version=__version__
    )


def _curves(view: View) -> Section:
    """ROC, DET, reliability and histograms."""
    found: list[Figure] = []
    for part in view.parts:
        for name, draw, words in (("roc", plots.draw_roc, "ROC"), ("det", plots.draw_det, "DET, normal-deviate axes")):
            if (picture := draw(view, part)) is not None:
                found.append(compact_figure(f"{name}-{part}.png", f"{words}. {PART_NAMES[part]}", picture))
    first = view.title(view.detailed[0])
    for place, detector in enumerate(view.detectors):
        if (picture := plots.draw_reliability(view, detector)) is not None:
            words = (
                f"Reliability of {detector.name} on “{first}”: bins of equal mass, both classes weighing the same, and "
                "the images in each"
            )
            found.append(compact_figure(f"reliability-{place + 1}.png", words, picture))
    for place, detector in enumerate(view.detectors):
        if (picture := draw_histograms(view, detector)) is not None:
            words = (
                f"Scores of {detector.name} on “{first}” by origin (blue, real) and family (orange, generated); each "
                "row has its own height. Above the solid line: generated; up to the dashed one: real"
            )
            found.append(compact_figure(f"scores-{place + 1}.png", words, picture))
    parts: list[Part] = [Pictures(tuple(found))] if found else [Text("No part has both classes: there is no curve.")]
    return Section("curves", "Curves and scores", tuple(parts))


def _draw_curves(evaluation: Evaluation, figures: Figures, found: Sequence[Drop]) -> Mapping[str, bytes]:
    names = [detector.name for detector in evaluation.detectors]
    by_detector = {name: [drop for drop in found if drop.detector == name] for name in names}
    return draw_curves(evaluation, None, figures, found=by_detector)


def _embedding(view: View, positions: NDArray[np.float64]) -> Section | None:
    """Where the images lie in the embedding space."""
    from contrafake.train.scatter import draw_positions  # noqa: PLC0415 - Pillow

    placed = np.isfinite(positions).all(axis=1)
    if not placed.any():
        return None
    images = view.evaluation.images
    title = f"{int(placed.sum()):,} images, hollow: real, filled: generated"
    picture = draw_positions(positions[placed], images.label[placed].astype(np.int64), images.origin[placed], title)
    first = next((facts.name for facts in view.detectors if facts.kind == "bundle"), view.detectors[0].name)
    words = (
        f"t-SNE of the embeddings of {first} on “{view.title(view.evaluation.variants[0].name)}” by origin; distances "
        "between far groups, and the sizes of groups, mean nothing"
    )
    return Section(
        "embedding", "Embedding", (Pictures((compact_figure("embedding.png", words, picture, broad=True),)),)
    )
