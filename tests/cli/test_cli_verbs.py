"""Verbs and the verbs of verbs: found, described, and imported only when called."""

from __future__ import annotations

import subprocess
import sys

import pytest

from contrafake.cli import VERBS, run

DATA = VERBS["data"]


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in VERBS)


@pytest.mark.parametrize("arguments", [["data", "--help"], ["data"]])
def test_the_help_of_a_group_names_its_verbs(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    code = run(arguments)
    shown = capsys.readouterr().out
    assert all(f" {verb} " in shown for verb in DATA)
    assert code == (0 if "--help" in arguments else 2)


@pytest.mark.parametrize("verb", DATA)
def test_each_verb_of_data_has_a_help_of_its_own(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert run(["data", verb, "--help"]) == 0
    assert f"contrafake data {verb}" in capsys.readouterr().out


def test_an_unknown_verb_of_a_group_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "pakc"]) == 2
    complaint = capsys.readouterr().err
    assert "pakc" in complaint
    assert "contrafake data --help" in complaint


@pytest.mark.parametrize("verb", DATA)
def test_help_imports_nothing_heavy(verb: str) -> None:
    program = (
        "import sys; from contrafake.cli import run; run(['data', sys.argv[1], '--help']);"
        "heavy = {'pyarrow', 'sklearn', 'matplotlib', 'jinja2', 'torch', 'onnxruntime', 'scipy'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, verb], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
