"""The front door: a dozen names, resolved when first used, and nothing paid for at import."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import contrafake

ROOT = Path(__file__).parents[1]


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", contrafake.__all__)
def test_public_name_is_there(name: str) -> None:
    assert getattr(contrafake, name) is not None
    assert name in dir(contrafake)


def test_names_are_sorted_and_documented() -> None:
    assert list(contrafake.__all__) == sorted(contrafake.__all__)
    for name in contrafake.__all__:
        if name != "__version__":
            value = getattr(contrafake, name)
            assert value.__doc__, name
            assert value.__module__.startswith("contrafake."), name


def test_every_lazy_name_is_public_and_the_other_way_round() -> None:
    assert {*contrafake._HOMES, "__version__"} == set(contrafake.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        contrafake.laod  # noqa: B018 (the access is the test)
    assert not hasattr(contrafake, "numpy")


def test_importing_costs_nothing() -> None:
    heavy = [
        "numpy",
        "onnxruntime",
        "PIL",
        "pydantic",
        "safetensors",
        "torch",
        "transformers",
        "sklearn",
        "rich",
        "typer",
    ]
    code = f"import sys, contrafake; contrafake.__version__; print([m for m in {heavy} if m in sys.modules])"
    assert run(code).strip() == "[]"


def test_star_import_gives_the_public_names() -> None:
    found = run(
        "from contrafake import *\nprint(sorted(n for n in dir() if not n.startswith('_') or n == '__version__'))"
    )
    assert set(contrafake.__all__) == set(re.findall(r"'(\w+)'", found))


def test_version_is_the_installed_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+|\.dev\d+)?", contrafake.__version__)
    assert importlib.metadata.version("contrafake") == contrafake.__version__


def test_types_are_packaged() -> None:
    package = Path(contrafake.__file__).parent
    assert (package / "py.typed").is_file()
    with (ROOT / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file)
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["src/contrafake"]  # hatchling packs every file of it that git does not ignore
    assert "py.typed" not in (ROOT / ".gitignore").read_text(encoding="utf-8")
    assert "Typing :: Typed" in settings["project"]["classifiers"]
