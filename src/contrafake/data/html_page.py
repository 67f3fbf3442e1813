"""What every page for people shares: one HTML file that needs nothing else, and texts from outside that do no harm."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contrafake.data.audit.shown import shown
from contrafake.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2 import Environment
    from markupsafe import Markup

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")


@dataclass(frozen=True)
class Figure:
    """A picture of a report.

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
        return data_uri(self.data, "png")


def data_uri(data: bytes, kind: str) -> str:
    """A picture inside an address.

    Args:
        data: The file's bytes.
        kind: "png" or "jpeg".
    """
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def as_markdown(text: str) -> str:
    r"""Spells out hidden characters and escapes what Markdown or HTML would act on: "a_b|c" -> "a\_b\|c"."""
    return _SPECIAL.sub(r"\\\1", shown(text))


def environment(package: str, clean: Callable[[str], str] = shown, *, subject: str, extra: str) -> Environment:
    """The templates of a package; every text that they print is cleaned, and escaped in `.html`.

    Args:
        package: Where its folder `templates` lies.
        clean: Applied to every text, so that none can be forgotten: `shown` or `as_markdown`.
        subject: What cannot be made without jinja2, for the error.
        extra: Of this package, what brings jinja2.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import (  # noqa: PLC0415 - only pages need it
            Environment,
            PackageLoader,
            StrictUndefined,
            select_autoescape,
        )
    except ImportError as error:
        remedy = f'pip install "contrafake[{extra}]"'
        raise MissingExtraError(subject, "not installed: jinja2", remedy) from error

    def final(value: Any) -> Any:
        # Markup is what the templates themselves have made and escaped.
        return clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value

    return Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        finalize=final,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style_and_policy(environment: Environment, name: str) -> tuple[Markup, str]:
    """A style sheet for the inside of a page, and the policy that allows it by its hash.

    Nothing else is allowed but images inside the page: no script, no font, no network.

    Args:
        environment: From `environment`.
        name: The style sheet among the templates.
    """
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    loader = environment.loader
    assert loader is not None  # noqa: S101 - for the type checker: set above
    style = loader.get_source(environment, name)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return Markup(style), policy  # noqa: S704 - our own file
