"""The user's tool runs where torch, transformers and scikit-learn are not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from conftest import jpeg, picture

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = (
    "torch",
    "transformers",
    "sklearn",
    "scipy",
    "accelerate",
    "onnx",
    "matplotlib",
    "yaml",
    "pyarrow",
    "webdataset",
)

GUARD = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} (barred by a test)", name=name)

sys.meta_path.insert(0, Absent())
"""


def run_without(code: str, *arguments: str) -> Any:
    """Standard output of a program as JSON, once it has shown that nothing barred was imported."""
    end = f"\nassert not set({HEAVY!r}) & {{name.partition('.')[0] for name in sys.modules}}"
    command = [sys.executable, "-c", GUARD + code + end, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import numpy as np

    path = tmp_path_factory.mktemp("photo") / "a.jpg"
    path.write_bytes(jpeg(picture(np.random.default_rng(0), generated=False)))
    return path


def test_guard_bars() -> None:
    for name in ("torch", "sklearn.svm"):
        with pytest.raises(AssertionError, match="barred by a test"):
            run_without(f"import {name}")


def test_library_needs_no_torch(tiny_bundle: Path, photo: Path) -> None:
    code = """
import json, contrafake
detector = contrafake.load(sys.argv[1])
verdicts = [v for head in detector.heads for v in detector.detect([sys.argv[2], sys.argv[2]], head=head)]
detector.score([contrafake.read(sys.argv[2])])
detector.embed([sys.argv[2]])
detector.operating_point(0.2)
print(json.dumps([v.to_dict() for v in verdicts]))
"""
    verdicts = run_without(code, str(tiny_bundle), str(photo))
    assert [verdict["head"] for verdict in verdicts] == ["linear", "linear", "nearest", "nearest", "svm", "svm"]
    assert all(verdict["error"] is None for verdict in verdicts)
    assert all(0 < verdict["probability"] < 1 for verdict in verdicts)


def test_command_line_needs_no_torch(tiny_bundle: Path, photo: Path) -> None:
    code = "from contrafake.cli import run\nassert run(sys.argv[1:]) == 0"
    document = run_without(code, "detect", "--json", "--model", str(tiny_bundle), str(photo))
    [verdict] = document["verdicts"]
    assert verdict["name"] == str(photo)
    assert verdict["label"] in {"real", "generated", "uncertain"}
    assert document["model"]["name"] == "contrafake-tiny"
