"""How a run's figures are drawn: small enough that their text can be read on a phone, the same on every machine."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from contrafake.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, DIM, RAIL = "#1d1f22", "#5d6168", "#e2e0db"
BLUE, ORANGE = "#2c6cb3", "#d4641c"

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # it comes with matplotlib
    "font.size": 9,
    "text.parse_math": False,  # a dollar sign in an origin's name is no formula
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": RAIL,
    "axes.labelcolor": DIM,
    "xtick.color": DIM,
    "ytick.color": DIM,
    "text.color": INK,
}


@contextmanager
def style() -> Iterator[None]:
    """Draws with our settings, whatever those of the user are.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - only figures need it
    except ImportError as error:
        raise MissingExtraError("figures", "not installed: matplotlib", 'pip install "contrafake[train]"') from error
    import warnings  # noqa: PLC0415

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of that many inches, with its axes."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def png(figure: Figure) -> bytes:
    """PNG bytes at 160 dots per inch, without the version of matplotlib."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None}, dpi=160)
    return buffer.getvalue()
