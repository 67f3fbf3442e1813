"""The final report of a run, for people: `report.html`, one file that needs nothing else, and `report.md`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from contrafake import __version__
from contrafake.data.audit.shown import UNKNOWN, shown
from contrafake.data.html_page import Figure, as_markdown, environment, style_and_policy
from contrafake.data.whole_file import write_whole
from contrafake.train.cross_table import LEAST_IMAGES
from contrafake.train.curves import draw_loss, draw_validations, read_curve
from contrafake.train.run_facts import read_facts

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from jinja2 import Environment

    from contrafake.train.config import TrainConfig
    from contrafake.train.run_facts import RunFacts
    from contrafake.train.state import RunState

SHOWN = 50
"""How many shards, damaged samples and unreadable images are named each; `state.json` names all."""


def write_report(
    run: str | os.PathLike[str], config: TrainConfig | None = None, state: RunState | None = None
) -> tuple[Path, Path]:
    """Writes the report of a run, finished, interrupted, or made by an earlier version.

    Args:
        run: The run's folder; gets `report.md`, `report.html` and `figures/`.
        config: The run's configuration; None reads it from the folder.
        state: The run's state; None reads it from the folder.

    Returns:
        The Markdown and the HTML file.

    Raises:
        DataError: If the folder holds no run, a file in it is damaged, or the report cannot be written.
        MissingExtraError: If jinja2 or matplotlib is not installed.
    """
    folder = Path(run)
    facts = read_facts(folder, config, state)
    figures = _figures(folder, facts)
    (folder / "figures").mkdir(exist_ok=True)
    for figure in figures:
        write_whole(folder / "figures" / figure.name, figure.data)
    pages = folder / "report.md", folder / "report.html"
    for path, render in zip(pages, (render_markdown, render_html), strict=True):
        write_whole(path, render(facts, figures).encode())
    return pages


def render_html(facts: RunFacts, figures: list[Figure]) -> str:
    """The page; all texts of `facts` are taken as coming from outside."""
    templates = _environment(shown)
    style, policy = style_and_policy(templates, "run.css")
    return templates.get_template("run.html").render(facts=facts, figures=figures, style=style, policy=policy)


def render_markdown(facts: RunFacts, figures: list[Figure]) -> str:
    """The same as `render_html`, with pictures as files."""
    return _environment(as_markdown).get_template("run.md").render(facts=facts, figures=figures)


def _figures(folder: Path, facts: RunFacts) -> list[Figure]:
    figures = []
    if curve := facts.state.curve or read_curve(folder):
        figures.append(Figure("loss.png", "Total loss by step, as it is and smoothed", draw_loss(curve)))
    if facts.state.validations:
        picture = draw_validations(facts.state.validations, facts.state.best_step)
        figures.append(Figure("validation.png", "Validation by step: AUC and balanced accuracy", picture))
    if (tsne := folder / "figures" / "embedding.png").exists():
        caption = "t-SNE of validation embeddings by origin; distances between far groups mean nothing"
        figures.append(Figure(tsne.name, caption, tsne.read_bytes(), broad=True))
    return figures


def _environment(clean: Callable[[str], str]) -> Environment:
    found = environment("contrafake.train", clean, subject="the report", extra="train")
    found.keep_trailing_newline = True
    found.filters |= {"percent": _percent, "three": _three, "size": _size, "level": _level}
    found.globals |= {"SHOWN": SHOWN, "LEAST_IMAGES": LEAST_IMAGES, "VERSION": __version__}
    return found


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def _three(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"


def _size(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count / 1e6:,.1f} MB"


def _level(share: float) -> int:
    """How dark a cell is drawn, 0 to 5: none below one half, then by tenths."""
    return min(max(int(share * 10) - 4, 0), 5)
