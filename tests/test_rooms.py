"""The house's order (the table of CONTRIBUTING.md): a room imports only itself and the rooms above it in the table."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import contrafake

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOMS = (
    "errors", "settings", "measure", "images", "model", "data", "generate", "train", "detect", "methods", "discover",
    "evaluate", "adapt", "serve", "cli",
)  # fmt: skip
FACE = "detect"  # what the package's front door offers is as far down as its lowest room


def imported(tree: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything imported; `package` is where the module stands, for relative imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            whole = [*base, *([node.module] if node.module else [])]
            yield from ((node.lineno, ".".join([*whole, alias.name])) for alias in node.names)


def room_of(name: str) -> str | None:
    """The room of an imported name; None for what is outside the house or free to all."""
    house, _, rest = name.partition(".")
    if house != "contrafake" or rest == "__version__":
        return None
    first = rest.partition(".")[0]
    return first if first in ROOMS else FACE


def violations(source: Path) -> list[str]:
    """One line for each import that goes down, and for each module in no room."""
    found = []
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        if parts in {("__init__",), ("__main__",)}:  # the doors of the house
            continue
        where = "/".join(path.relative_to(source).parts)
        if parts[0] not in ROOMS:
            found.append(f"{where}: in no room")
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        for line, name in imported(tree, ["contrafake", *parts[:-1]]):
            room = room_of(name)
            if room is not None and ROOMS.index(room) > ROOMS.index(parts[0]):
                found.append(f"{where}:{line}: imports {name}")
    return found


def test_rooms_import_only_what_stands_above_them() -> None:
    source = Path(contrafake.__file__).parent
    assert sum(1 for _ in source.rglob("*.py")) > 40
    assert violations(source) == []


@pytest.mark.parametrize(
    ("module", "code", "complaint"),
    [
        ("model/a.py", "from contrafake.train.loop import train", "model/a.py:1: imports contrafake.train.loop.train"),
        ("model/a.py", "import contrafake.detect", "model/a.py:1: imports contrafake.detect"),
        ("model/a.py", "from contrafake import cli", "model/a.py:1: imports contrafake.cli"),
        ("model/a.py", "from contrafake import load", "model/a.py:1: imports contrafake.load"),
        ("model/a.py", "import contrafake", "model/a.py:1: imports contrafake"),
        ("errors.py", "from contrafake.images import read", "errors.py:1: imports contrafake.images.read"),
        ("images/deep/a.py", "from ...data import x", "images/deep/a.py:1: imports contrafake.data.x"),
        ("images/a.py", "from .. import data", "images/a.py:1: imports contrafake.data"),
        ("data/__init__.py", "from ..serve import app", "data/__init__.py:1: imports contrafake.serve.app"),
        (
            "measure/a.py",
            "def f():\n    import contrafake.model.heads",
            "measure/a.py:2: imports contrafake.model.heads",
        ),
        (
            "model/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from contrafake.data import Sample",
            "model/a.py:3: imports contrafake.data.Sample",
        ),
        ("cellar/a.py", "", "cellar/a.py: in no room"),
        ("helpers.py", "", "helpers.py: in no room"),
    ],
)
def test_the_check_can_fail(tmp_path: Path, module: str, code: str, complaint: str) -> None:
    path = tmp_path / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="utf-8")
    assert violations(tmp_path) == [complaint]


def test_what_is_allowed_is_not_blamed(tmp_path: Path) -> None:
    modules = {
        "__init__.py": "from contrafake.serve import anything",
        "errors.py": "import typing",
        "model/a.py": "import numpy\nfrom contrafake import __version__, errors\nfrom contrafake.images import read\n"
        "from contrafake.model import b\nfrom . import c\nfrom .d import e\nfrom ..measure import auc",
        "cli/a.py": "import contrafake\nfrom contrafake.serve import app\nfrom contrafake import load",
        "evaluate/a.py": "from contrafake import Detector",
        "data/a.py": "import contrafaker\nfrom elsewhere.contrafake import cli",
    }
    for name, code in modules.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code, encoding="utf-8")
    assert violations(tmp_path) == []
