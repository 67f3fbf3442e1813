"""`contrafake train views` as typed, beside `contrafake train CONFIG`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import tiny_settings
from PIL import Image

from contrafake.cli import run


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_a_sheet_is_drawn_and_whose_images_it_shows_is_said(
    tiny_shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "views.png"
    assert run(["train", "views", str(tiny_shards / "train-*.tar"), "--png", str(file), "--records", "1"]) == 0
    with Image.open(file) as sheet:
        sheet.load()
        assert sheet.width > 5 * 224
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"contrafake: drawn: {file}; it shows images of the set, whose terms hold for it\n"


def test_settings_of_a_run_are_taken(tiny_shards: Path, tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(tiny_settings(tiny_shards)), encoding="utf-8")
    call = ["train", "views", str(tiny_shards / "train-0000.tar"), "--records", "1", "--config", str(config)]
    widths = []
    for name, change in (("a", "views.native_locals=0"), ("b", "views.native_locals=2")):
        assert run([*call, "--png", str(tmp_path / f"{name}.png"), "--set", change]) == 0
        with Image.open(tmp_path / f"{name}.png") as sheet:
            widths.append(sheet.width)
    assert widths[1] > widths[0] + 2 * 96


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--png", "sheet.jpg"], "does not end in .png"),
        (["--png", "nowhere/sheet.png"], "does not exist"),
        (["--png", "sheet.png", "--records", "0"], "contrafake train views --help"),
        (["--png", "sheet.png", "--transforms", "opencv"], "contrafake train views --help"),
        ([], "Missing option '--png'. (see contrafake train views --help)"),
    ],
)
def test_what_makes_no_sense(  # noqa: PLR0917
    tiny_shards: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["train", "views", str(tiny_shards / "train-0000.tar"), *flags]) == 2
    assert words in complaint(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_shard_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "views", str(tmp_path / "none.tar"), "--png", str(tmp_path / "a.png")]) == 2
    assert "no shard matches" in complaint(capsys)


# --- a verb that does something by itself and has a verb of its own -------------------------------------------------


def test_the_help_of_each_names_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "contrafake train [OPTIONS]" in shown
    assert "contrafake train views" in shown
    assert run(["train", "views", "--help"]) == 0
    assert "contrafake train views [OPTIONS]" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["./views"], ["--", "views"], ["--no-fit", "views"], ["--run", "views", "views"], ["views.yaml"]]
)
def test_a_configuration_may_be_called_views(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["train", *arguments]) == 2
    name = Path(arguments[-1]).name
    assert complaint(capsys) == f"contrafake: {name}: cannot be read: No such file or directory"


@pytest.mark.parametrize("arguments", [["train"], ["train", ""], ["train", "--no-fit"]])
def test_train_without_a_configuration(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert complaint(capsys).startswith("contrafake: ")


@pytest.mark.parametrize("verb", [["train"], ["train", "views"]])
def test_help_imports_nothing_heavy(verb: list[str]) -> None:
    program = (
        "import sys; from contrafake.cli import run; run([*sys.argv[1:], '--help']);"
        "heavy = {'pyarrow', 'sklearn', 'torch', 'transformers', 'yaml', 'rich.table'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, *verb], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
