"""What the page on programs and services shows can be used as it is."""

from __future__ import annotations

import re
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from image_service import as_json, request, running_service
from pydantic import TypeAdapter

from contrafake.generate.generators.generator import GenerationError, Made, open_generator
from contrafake.generate.generators.program import ProgramCaller
from contrafake.generate.generators.service import ServiceCaller
from contrafake.generate.generators.settings import AnyGenerator, Program

PAGE = (Path(__file__).parents[2] / "docs" / "generation" / "programs.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SHOWN: list[dict[str, Any]] = [entry for block in BLOCKS for entry in yaml.safe_load(block)["generators"]]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: str(shown["name"]))
def test_each_configuration_shown_is_one(
    shown: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in re.findall(r"\$\{(\w+)\}", str(shown)):
        monkeypatch.setenv(name, "a-key-of-mine")
    settings = TypeAdapter[AnyGenerator](AnyGenerator).validate_python(shown)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("my-maker", "python"):
        (tmp_path / name).symlink_to(sys.executable)
    with closing(open_generator(settings)) as caller:
        assert isinstance(caller, ProgramCaller if shown["kind"] == "program" else ServiceCaller)
    assert settings.reads_real is ("real" in settings.name or "{jobs}" in str(shown))


def test_the_program_shown_runs(tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "make_images.py").write_text(code, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "make_images.py"), "{jobs}"]
    caller = ProgramCaller(Program(name="a", kind="program", command=command, batch=2))
    pixels = np.full((16, 24, 3), (40, 90, 200), np.uint8)
    [made, failed] = caller.make([request(image=pixels), request()])
    assert isinstance(made, Made)
    np.testing.assert_array_equal(made.pixels, pixels)
    assert isinstance(failed, GenerationError)


def test_the_refusal_shown_is_told_from_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("STABILITY_API_KEY", "a-key-of-mine")
    shown = next(entry for entry in SHOWN if entry["name"] == "stability-like-json")
    with running_service() as server:
        server.answers = [as_json({"artifacts": [{"base64": "", "finishReason": "CONTENT_FILTERED"}]})]
        settings = TypeAdapter[AnyGenerator](AnyGenerator).validate_python({**shown, "url": server.url})
        with closing(open_generator(settings)) as caller:
            [result] = caller.make([request("a dog")])
        assert server.asked[0].json["text_prompts"] == [{"text": "a dog"}]
    assert isinstance(result, GenerationError)
    assert result.cause == "refused by the service: it gives no reason"
