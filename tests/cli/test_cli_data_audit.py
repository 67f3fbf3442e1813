"""`contrafake data audit` as typed: outputs, exit codes, refusals before any work, hostile names on the terminal."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from audit_example import NAN, example, twin
from conftest import jpeg, picture
from PIL import Image
from rich.cells import cell_len
from rich.console import Console

from contrafake.cli import audit_table, run
from contrafake.cli.audit_table import print_audit
from contrafake.data.audit.result import AuditReport, Interval

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for place, name in enumerate(("real/a", "real/b", "fake/a", "fake/b")):
        path = tmp_path / "photos" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(picture(rng, generated=place > 1)))
    return tmp_path / "photos"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[[AuditReport], list[dict[str, Any]]]:
    """Puts a report in place of the analysis; gives the list of calls."""

    def install(report: AuditReport) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def audit(source: object, **options: Any) -> AuditReport:
            options["on_progress"]("measuring", 3, 3)
            calls.append(options)
            return report

        module = ModuleType("contrafake.data.audit.audit")
        vars(module)["audit"] = audit
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return calls

    return install


def clean(**changes: Any) -> AuditReport:
    return example(unreadable=[], unreadable_count=0, **changes)


def with_auc(value: float) -> AuditReport:
    report = clean()
    return replace(report, without_content=replace(report.without_content, auc=Interval(value, NAN, NAN)))


def on_terminal(report: AuditReport, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    def console(file: Any = None, **options: Any) -> Console:
        return Console(file=file, width=width, force_terminal=True, color_system="standard", **options)

    monkeypatch.setattr(audit_table, "Console", console)
    buffer = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    print_audit(report, 12, buffer)
    buffer.seek(0)
    return buffer.read()


def test_options_reach_the_analysis(
    photos: Path, found: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = found(clean())
    words = ["--sample", "60", "--folds", "3", "--seed", "7", "--workers", "2", "--work", str(tmp_path / "w")]
    assert run(["data", "audit", str(photos), *words]) == 0
    [call] = calls
    del call["on_progress"]
    assert call == {
        "name": "photos", "sample": 60, "folds": 3, "seed": 7, "workers": 2, "folder": tmp_path / "w",
    }  # fmt: skip
    assert capsys.readouterr().err == ""


def test_several_addresses_are_named_without_their_folders(photos: Path, found: Any) -> None:
    calls = found(clean())
    assert run(["data", "audit", f"train={photos}", f"val={photos}/"]) == 0
    assert run(["data", "audit", *[f"train={photos}"] * 6]) == 0
    assert calls[0]["name"] == "train=photos, val=photos"
    assert calls[1]["name"] == "train=photos, train=photos, train=photos, train=photos and 2 more"


@pytest.mark.parametrize(
    ("auc", "bound", "code", "line"),
    [
        (0.98, "0.7", 1, "check failed: AUC 0.98 without the content is above 0.7"),
        (0.70001, "0.7", 1, "check failed: AUC 0.70001 without the content is above 0.7"),
        (0.7, "0.7", 0, "check passed: AUC 0.70 without the content is not above 0.7"),
        (0.66, "0.7", 0, "check passed: AUC 0.66 without the content is not above 0.7"),
        (0.44, "0.5", 0, "check passed: AUC 0.44 without the content is not above 0.5"),
    ],
)
def test_the_check(  # noqa: PLR0917
    auc: float, bound: str, code: int, line: str, photos: Path, found: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    found(with_auc(auc))
    assert run(["data", "audit", str(photos), "--fail-above", bound]) == code
    assert capsys.readouterr().err == f"contrafake: {line}\n"


def test_an_unknown_figure_does_not_pass_the_check(
    photos: Path, found: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    found(with_auc(NAN))
    assert run(["data", "audit", str(photos), "--fail-above", "0.7"]) == 2
    assert "could not be found" in capsys.readouterr().err


def test_failures_come_before_the_check(photos: Path, found: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found(example())
    assert run(["data", "audit", str(photos)]) == 3
    assert run(["data", "audit", str(photos), "--fail-above", "0.7"]) == 3
    assert "check failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--fail-above", "0.4"], "--fail-above: 0.4 does not lie between 0.5 and 1"),
        (["--fail-above", "70"], "--fail-above: 70 does not lie between 0.5 and 1"),
        (["--fail-above", "nan"], "--fail-above: nan does not lie between 0.5 and 1"),
        (["--html", "-"], "--html: the page is written to a file"),
        (["--html", "none/x.html"], "--html: the folder "),
        (["--json", "."], "--json: . is a folder"),
        (["--html", "photo.jpg"], "--html: 'photo.jpg' does not end in .html (name a .html file)"),
        (["--json", "manifest.csv"], "--json: 'manifest.csv' does not end in .json (name a .json file)"),
        (["--work", ""], "--work: names no folder of its own"),
        (["--layout", "unheard-of"], "layout: 'unheard-of' is unknown"),
        (["--folds", "1"], "--folds"),
        (["--sample", "3"], "--sample"),
    ],
)
def test_wrong_usage_is_refused_before_any_work(
    words: list[str], complaint: str, photos: Path, found: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = found(clean())
    assert run(["data", "audit", str(photos), *words]) == 2
    assert complaint in capsys.readouterr().err
    assert calls == []


def test_a_missing_extra_is_named(
    photos: Path, found: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = found(clean())
    monkeypatch.setattr("contrafake.cli.extras.find_spec", lambda name: None if name == "jinja2" else 1)
    assert run(["data", "audit", str(photos), "--html", "x.html"]) == 2
    assert 'not installed: jinja2 (pip install "contrafake[data]")' in capsys.readouterr().err
    assert calls == []
    assert run(["data", "audit", str(photos)]) == 0


def test_json_on_standard_output_is_alone(photos: Path, found: Any, capsys: pytest.CaptureFixture[str]) -> None:
    report = with_auc(0.6)
    found(report)
    assert run(["data", "audit", str(photos), "--json", "-", "--fail-above", "0.7"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == json.loads(json.dumps(report.to_dict()))
    assert "NaN" not in captured.out
    assert captured.err.startswith("contrafake: check passed")


def test_files_are_written_beside_the_tables(
    photos: Path, found: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = clean(duplicates=replace(example().duplicates, examples=[twin("real/a", "fake/b")]))
    found(report)
    page, record = tmp_path / "a.html", tmp_path / "a.json"
    call = ["data", "audit", str(photos), "--html", str(page), "--json", str(record)]
    assert run(call) == 0
    assert report.verdict in capsys.readouterr().out
    assert json.loads(record.read_text())["verdict"] == report.verdict
    markup = page.read_text()
    assert markup.count("data:image/jpeg;base64,") == 2
    assert "contrafake data audit photos --sample 20000 --folds 5 --seed 0" in markup
    assert str(tmp_path) not in markup
    assert run([*call, "--no-thumbnails"]) == 0
    assert "data:image" not in page.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.json", "photos"]


def test_plain_output_has_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_audit(example(), 3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == example().verdict
    [row] = [line for line in lines if line.startswith("format")]
    assert row.split()[:3] == ["format", "0.97", "0.99"]
    assert row.endswith("94 % of generated images are PNG, 2 % of real ones")
    assert "4 more features, the highest 0.71; --top" in lines
    assert not any("█" in line or "\x1b" in line or line != line.rstrip() for line in lines)


def test_plain_output_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    print_audit(example(duplicates=replace(example().duplicates, siblings=2)), 12)
    text = capsys.readouterr().out
    for words in (
        "without the content  0.98  0.95 to 1.00", "content only         0.61  0.52 to 0.70", "5 folds by source",
        "leans on format, width", "1,200      1,180", "3 exact, 2 near; 1 under two labels, 1 in two splits, 2 among",
        "train/cat-1 and test/cat-1: exact, under two labels, in two splits", "and 3 more", "Unreadable: 1 image",
        "train/cat-7: the data end early", "3 skipped: no image", example().notes[0],
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_terminal_gets_no_line_that_is_too_long(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = on_terminal(example(), width, monkeypatch)
    assert "\x1b[" in text
    assert "█" in text
    lines = ANSI.sub("", text).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert "0.97" in "".join(lines)


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "\u202egpj", "[red]x[/red]", ":smile:", "two\nlines", "\udce9"])
def test_hostile_text_is_spelled_out(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    feature = replace(example().features[0], title=text, sentence=text)
    pair = twin(text, "b", splits=(text, ""))
    report = example(
        verdict=text, notes=[text], skipped=[text], unreadable=[(text, text)], features=[feature],
        images={text: {"real": 1, "generated": 1}},
        duplicates=replace(example().duplicates, examples=[pair]),
        without_content=replace(example().without_content, leaders=[(text, 0.2)], name=text),
    )  # fmt: skip
    printed = ANSI.sub("", on_terminal(report, 120, monkeypatch))
    for raw in ("\x1b", "\u202e", "\udce9", "two\nlines", "😄"):
        assert raw not in printed
    if "[red]" in text or ":smile:" in text:
        assert printed.count(text) >= 6


def test_help_explains_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "audit", "--help"]) == 0
    text = capsys.readouterr().out
    for option in (
        "--layout", "--json", "--html", "--no-thumbnails", "--work", "--fail-above", "--sample", "--folds", "--seed",
        "--workers", "--top",
    ):  # fmt: skip
        assert re.search(rf"{option}\b", text)


def test_a_small_leaky_set_from_start_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    for origin in range(4):
        for label, suffix in (("real", "jpg"), ("fake", "png")):
            folder = tmp_path / "set" / label / f"o{origin}"
            folder.mkdir(parents=True)
            for i in range(6):
                Image.fromarray(picture(rng, generated=False)).save(folder / f"{i}.{suffix}")
    assert run(["data", "audit", str(tmp_path / "set"), "--workers", "1", "--fail-above", "0.9"]) == 1
    captured = capsys.readouterr()
    assert "without looking at the content" in captured.out
    assert "check failed" in captured.err
