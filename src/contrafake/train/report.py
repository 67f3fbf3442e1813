"""The final report of a run, for people: `report.html`, one file that needs nothing else, and `report.md`."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake import __version__
from contrafake.data.audit.shown import UNKNOWN, shown
from contrafake.data.whole_file import write_whole
from contrafake.errors import MissingExtraError
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

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")


@dataclass(frozen=True)
class Figure:
    """A picture of the report.

    Attributes:
        name: Its file under `figures/`.
        caption: What it shows.
        data: PNG bytes.
        broad: Whether it has a row of the page to itself.
    """

    name: str
    caption: str
    data: bytes
    broad: bool = False

    @property
    def uri(self) -> str:
        """The picture inside an address."""
        return f"data:image/png;base64,{base64.b64encode(self.data).decode()}"


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
    environment = _environment(shown)
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    loader = environment.loader
    assert loader is not None  # noqa: S101 - for the type checker: set below
    # The policy allows this one style sheet by its hash, and nothing else but images inside the page.
    style = loader.get_source(environment, "run.css")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return environment.get_template("run.html").render(
        facts=facts,
        figures=figures,
        style=Markup(style),  # noqa: S704 - our own file
        policy=policy,
    )


def render_markdown(facts: RunFacts, figures: list[Figure]) -> str:
    """The same as `render_html`, with pictures as files."""
    return _environment(as_markdown).get_template("run.md").render(facts=facts, figures=figures)


def as_markdown(text: str) -> str:
    r"""Spells out hidden characters and escapes what Markdown or HTML would act on: "a_b|c" -> "a\_b\|c"."""
    return _SPECIAL.sub(r"\\\1", shown(text))


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
    try:
        from jinja2 import (  # noqa: PLC0415 - only reports need it
            Environment,
            PackageLoader,
            StrictUndefined,
            select_autoescape,
        )
    except ImportError as error:
        raise MissingExtraError("the report", "not installed: jinja2", 'pip install "contrafake[train]"') from error

    def final(value: Any) -> Any:
        # Markup is what the templates themselves have made and escaped.
        return clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value

    environment = Environment(
        loader=PackageLoader("contrafake.train"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        finalize=final,  # every text passes here on its way into the report, so none can be forgotten
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": _percent, "three": _three, "size": _size, "level": _level}
    environment.globals |= {"SHOWN": SHOWN, "LEAST_IMAGES": LEAST_IMAGES, "VERSION": __version__}
    return environment


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def _three(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"


def _size(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count / 1e6:,.1f} MB"


def _level(share: float) -> int:
    """How dark a cell is drawn, 0 to 5: none below one half, then by tenths."""
    return min(max(int(share * 10) - 4, 0), 5)
