"""Configurations: overrides, lists, and errors that name the key as the file's author would write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field

from contrafake.errors import ConfigError
from contrafake.settings import Section, apply_override, expand, flat_settings, load_settings, parse_settings

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("yaml")


class Stage(Section):
    model: str
    steps: int = 5


class Drawing(Section):
    kind: Literal["drawing"]
    pencil: str = "soft"
    then: list[Stage] = Field(default=[])


class Painting(Section):
    kind: Literal["painting"]
    brush: int = Field(default=3, gt=0)


class Studio(Section):
    name: str = "studio"
    works: list[Annotated[Drawing | Painting, Field(discriminator="kind")]] = Field(default=[])
    light: Stage | None = None


WORKS: dict[str, Any] = {"works": [{"kind": "painting"}, {"kind": "drawing", "then": [{"model": "a"}]}]}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("works.0.brsh=1", "works.0.brsh: unknown key (the nearest known one is works.0.brush)"),
        ("works.1.pencl=hard", "works.1.pencl: unknown key (the nearest known one is works.1.pencil)"),
        ("works.1.then.0.stps=3", "works.1.then.0.stps: unknown key (the nearest known one is works.1.then.0.steps)"),
        ("works.0.brush=0", "works.0.brush: Input should be greater than 0"),
        ("wrks=[]", "wrks: unknown key (the nearest known one is works)"),
        ("light={modl: x}", "light.modl: unknown key (the nearest known one is light.model)"),
        ("works.2.brush=1", "works.2.brush: 2 is no place in a list of 2"),
        ("works.0={brush: 2}", "works.0.kind: is missing or unknown (one of drawing, painting)"),
        ("works.0.kind=poem", "works.0.kind: is missing or unknown (one of drawing, painting)"),
        ("name.x=1", "name.x: name is a value, not a section"),
    ],
)
def test_a_wrong_key_is_named_with_the_nearest(tmp_path: Path, override: str, said: str) -> None:
    import yaml

    path = tmp_path / "studio.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", **WORKS}))
    with pytest.raises(ConfigError) as refused:
        load_settings(Studio, path, [override])
    assert said in str(refused.value)


def test_overrides_lead_into_lists() -> None:
    values = {"works": [{"kind": "painting"}]}
    apply_override(values, "works.0.brush=7")
    apply_override(values, "light.model=lamp")
    parsed = parse_settings(Studio, values)
    assert (parsed.works[0].model_dump(), parsed.light) == ({"kind": "painting", "brush": 7}, Stage(model="lamp"))


def test_variables_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "/data")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert expand("${HERE}/a/${HERE}") == "/data/a//data"
    with pytest.raises(ConfigError, match="NOWHERE"):
        expand("${NOWHERE}/a")


def test_flat_settings_are_dotted() -> None:
    assert flat_settings({"a": {"b": 1, "c": {"d": [2]}}, "e": 3}) == {"a.b": 1, "a.c.d": [2], "e": 3}
