"""`contrafake evaluate` and `evaluate report` as typed: figures, files, exit codes, refusals before any work."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import jpeg, picture, write_lone_shard

from contrafake.cli import run

COUNT = 12


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lone_shard(tmp_path_factory.mktemp("data") / "val-0000.tar", COUNT, 5)


@pytest.fixture(scope="module")
def folder(shard: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation of two heads with its report, and thumbnails in it."""
    for name in ("jinja2", "matplotlib", "sklearn"):
        pytest.importorskip(name)
    out = tmp_path_factory.mktemp("evaluations") / "first"
    options = ["--crops", "1", "--heads", "linear,nearest", "--repeats", "40", "--seed", "3"]
    assert run(["evaluate", "--data", str(shard), *options, "--out", str(out)]) == 0
    return out


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "copy")


def scores(folder: Path, variant: str, detector: str) -> dict[str, float]:
    with (folder / "scores.csv").open(newline="") as file:
        return {row["key"]: float(row[detector]) for row in csv.DictReader(file) if row["variant"] == variant}


def labels(folder: Path) -> dict[str, bool]:
    with (folder / "images.csv").open(newline="") as file:
        return {row["key"]: row["label"] == "generated" for row in csv.DictReader(file)}


def unlink_pages(folder: Path) -> None:
    """Drawing takes its time, and is not needed where figures are compared."""
    for page in ("report.html", "report.md"):
        (folder / page).unlink()


def overall(document: dict[str, Any], detector: str, variant: str) -> dict[str, Any]:
    [row] = [
        row
        for row in document["rows"]
        if (row["detector"], row["variant"], row["level"]) == (detector, variant, "overall")
    ]
    return row  # type: ignore[no-any-return]


def test_figures_are_those_of_the_scores_that_were_kept(folder: Path) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    document = json.loads((folder / "figures.json").read_text())
    assert (document["repeats"], document["seed"]) == (40, 3)
    generated = labels(folder)
    for detector in ("contrafake-embedded/linear", "contrafake-embedded/nearest"):
        for variant in ("untouched", "jpeg-90"):
            found = scores(folder, variant, detector)
            row = overall(document, detector, variant)
            assert (row["real"], row["generated"]) == (COUNT, COUNT)
            auc = metrics.roc_auc_score([generated[key] for key in found], list(found.values()))
            assert row["metrics"]["auc"]["value"] == pytest.approx(auc, abs=1e-9)


def test_the_report_says_what_the_figures_say(folder: Path) -> None:
    document = json.loads((folder / "figures.json").read_text())
    value = overall(document, "contrafake-embedded/linear", "untouched")["metrics"]["auc"]["value"]
    for name in ("report.html", "report.md"):
        assert f"{value:.3f}" in (folder / name).read_text()
    assert "data:image/jpeg" in (folder / "report.html").read_text()
    assert list((folder / "figures").glob("*.png"))


def test_no_path_of_this_machine_is_kept(folder: Path, shard: Path) -> None:
    for name in ("evaluation.json", "figures.json", "report.html", "report.md"):
        text = (folder / name).read_text()
        assert str(shard.parent) not in text
        assert "val-0000.tar" in text


def test_rebuilding_gives_the_same_files_without_the_data(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = (copy / "figures.json").read_bytes()
    for name in ("figures.json", "report.md", "report.html"):
        (copy / name).unlink()
    assert run(["evaluate", "report", str(copy), "--repeats", "40", "--seed", "3"]) == 0
    assert (copy / "figures.json").read_bytes() == kept
    assert "data:image/jpeg" not in (copy / "report.html").read_text()
    assert "contrafake-embedded/nearest" in capsys.readouterr().out
    assert run(["evaluate", "report", str(copy), "--check"]) == 0


def test_the_check_passes_with_and_without_thumbnails_and_writes_nothing(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in sorted(copy.rglob("*"))}
    assert run(["evaluate", "report", str(copy), "--check"]) == 0
    assert "check passed" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in sorted(copy.rglob("*"))} == before
    unlink_pages(copy)
    assert run(["evaluate", "report", str(copy), "--check"]) == 0


@pytest.mark.parametrize("name", ["figures.json", "report.md", "report.html", "scores.csv"])
def test_the_check_finds_what_was_changed(name: str, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads((copy / "figures.json").read_text())
    value = overall(document, "contrafake-embedded/linear", "untouched")["metrics"]["auc"]["value"]
    if name == "scores.csv":
        lines = (copy / name).read_text().splitlines()
        words = lines[1].split(",")
        lines[1] = ",".join([*words[:2], str(float(words[2]) + 50), *words[3:]])
        (copy / name).write_text("\n".join(lines) + "\n")
        unlink_pages(copy)
    else:
        text = (copy / name).read_text()
        shown = str(value) if name == "figures.json" else f"{value:.3f}"
        assert shown in text
        (copy / name).write_text(text.replace(shown, "0.123"))
    assert run(["evaluate", "report", str(copy), "--check"]) == 1
    error = capsys.readouterr().err
    assert (name if name != "scores.csv" else "figures.json") in error
    assert "check failed" in error


def test_a_tiny_difference_of_another_machine_is_none(copy: Path) -> None:
    unlink_pages(copy)
    path = copy / "figures.json"
    document = json.loads(path.read_text())
    row = overall(document, "contrafake-embedded/linear", "untouched")
    row["metrics"]["auc"]["value"] += 1e-9
    path.write_text(json.dumps(document))
    assert run(["evaluate", "report", str(copy), "--check"]) == 0


def test_small_generators_have_figures_of_their_own_if_asked(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unlink_pages(copy)

    def levels() -> set[str]:
        return {row["level"] for row in json.loads((copy / "figures.json").read_text())["rows"]}

    assert "origin" not in levels()
    assert run(["evaluate", "report", str(copy), "--least", "1"]) == 0
    assert json.loads((copy / "figures.json").read_text())["least"] == 1
    assert "origin" in levels()
    assert "pooled" not in levels()
    unlink_pages(copy)
    # The check takes the figures' own settings.
    assert run(["evaluate", "report", str(copy), "--check"]) == 0
    assert run(["evaluate", "report", str(copy), "--check", "--least", "2"]) == 1
    assert "figures.json" in capsys.readouterr().err


def test_heads_of_one_generator_go_into_the_report_and_are_checked(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"head": "linear", "condition": "untouched", "generator": "g", "real": 0.75, "generated": {"g": 0.5}}]
    cross = {
        "fitted": {"g": 40}, "fitted_real": 40, "left_out": {}, "tested": {"g": 30}, "tested_real": 30, "rows": rows,
    }  # fmt: skip
    heads = {"model": "ours 1", "tables": {"unknown": cross}, "borrowed": [], "seed": 0, "unreadable": {}}
    (copy / "generator-heads.json").write_text(json.dumps(heads))
    assert run(["evaluate", "report", str(copy)]) == 0
    for name in ("report.html", "report.md", "generator-heads.md"):
        assert "75.0 %" in (copy / name).read_text()
    assert run(["evaluate", "report", str(copy), "--check"]) == 0
    (copy / "generator-heads.json").write_text(json.dumps(heads).replace("0.75", "0.25"))
    assert run(["evaluate", "report", str(copy), "--check"]) == 1
    assert "generator-heads.md: differs" in capsys.readouterr().err
    (copy / "generator-heads.json").write_text("[]")
    assert run(["evaluate", "report", str(copy)]) == 2
    assert "generator-heads.json: holds no heads" in capsys.readouterr().err


def test_nothing_of_a_former_evaluation_stays_in_its_folder(shard: Path, copy: Path, tmp_path: Path) -> None:
    (copy / "generator-heads.json").write_text("{}")
    table = tmp_path / "theirs.csv"
    table.write_text("\n".join(["key,score", *(f"{key},{int(made)}" for key, made in labels(copy).items())]) + "\n")
    assert run(["evaluate", str(table), "--data", str(shard), "--repeats", "0", "--no-report", "--out", str(copy)]) == 0
    left = {path.name for path in copy.iterdir()}
    assert {"images.csv", "scores.csv", "evaluation.json", "figures.json"} <= left
    assert not {"positions.csv", "generator-heads.json", "report.html", "report.md"} & left


def test_json_is_all_that_is_printed(shard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "--data", str(shard), "--crops", "1", "--repeats", "0", "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [detector["name"] for detector in document["detectors"]] == ["contrafake-embedded"]
    assert document["facts"]["counts"]["images"] == 2 * COUNT
    assert overall(document, "contrafake-embedded", "untouched")["metrics"]["auc"]["low"] is None


def test_a_reader_of_a_pipe_gets_whole_lines(shard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--crops", "1", "--heads", "all", "--variants", "jpeg-90,resize-0.5", "--repeats", "20"]
    assert run(["evaluate", "--data", str(shard), *options, "--limit", "6"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for head in ("linear", "nearest", "kernel"):
        rows = [line for line in lines if line.startswith(f"contrafake-embedded/{head}  ") and "6 + 6" in line]
        assert [row.split()[1] for row in rows[:3]] == ["untouched", "jpeg-90", "resize-0.5"]
    assert any("contrafake-embedded/linear minus contrafake-embedded/kernel" in line for line in lines)


def test_scores_of_another_program_are_compared(
    shard: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generated = labels(folder)
    missing = next(iter(generated))
    rows = [f"{key},{0.6 if made else 0.2}" for key, made in generated.items() if key != missing]
    table = tmp_path / "peer.csv"
    table.write_text("\n".join(["path,score", *rows]) + "\n")
    words = [f"theirs={table}", "default", "--data", str(shard), "--crops", "1", "--heads", "linear", "--repeats", "20"]
    rule = ["--threshold", "theirs=0.5,0.3"]
    assert run(["evaluate", *words, *rule, "--json", str(tmp_path / "all.json")]) == 3
    shown = capsys.readouterr()
    assert "--heads means nothing for theirs" in shown.err
    assert missing in shown.out
    document = json.loads((tmp_path / "all.json").read_text())
    [failure] = document["failures"]
    assert (failure["key"], failure["detector"]) == (missing, "theirs")
    row = overall(document, "theirs", "untouched")
    assert row["real"] + row["generated"] == 2 * COUNT - 1
    assert row["metrics"]["balanced_accuracy"]["value"] == 1
    [point] = row["points"]
    assert (point["name"], point["threshold"]) == ("own threshold", 0.5)
    [compared] = [one for one in document["comparisons"] if one["metric"] == "auc" and one["variant"] == "untouched"]
    assert compared["real"] + compared["generated"] == 2 * COUNT - 1


def test_a_report_without_mistakes_is_what_its_check_makes(
    shard: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "theirs.csv"
    table.write_text("key,score\n" + "".join(f"{key},{n}\n" for n, key in enumerate(labels(folder))))
    out = tmp_path / "new"
    options = ["--data", str(shard), "--variants", "untouched,transformed", "--repeats", "5", "--out", str(out)]
    assert run(["evaluate", str(table), *options]) == 0
    said = capsys.readouterr().err
    assert "theirs: no scores of 1 of 2 variants (transformed)" in said
    assert "intervals from 5 resamples mean little" in said
    assert "--heads" not in said
    assert run(["evaluate", "report", str(out), "--check"]) == 0


def test_the_protocol_of_the_paper(shard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--crops", "1", "--protocol", "paper", "--repeats", "0"]
    assert run(["evaluate", "--data", str(shard), *words, "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [variant["name"] for variant in document["variants"]] == ["untouched", "transformed"]
    assert [detector["head"] for detector in document["detectors"]] == ["linear", "nearest", "kernel"]
    [drawn] = document["paper"]["operations"]
    assert sum(drawn["images"].values()) == 2 * COUNT
    assert run(["evaluate", "--data", str(shard), *words]) == 0
    assert "average of the above" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "--data: none given"),
        (["--data", "SHARD", "--heads", "all,linear"], "--heads"),
        (["--data", "SHARD", "--heads", "lienar"], "linear, nearest, kernel"),
        (["--data", "SHARD", "--variants", "jpg-75"], "jpeg-75"),
        (["--data", "SHARD", "--protocol", "theirs"], "--protocol"),
        (["--data", "SHARD", "--fit-data", "SHARD"], "--protocol paper"),
        (["--data", "SHARD", "--threshold", "0.5"], "NAME=0.5"),
        (["--data", "SHARD", "--threshold", "default=0.5"], "contrafake-embedded"),
        (["--data", "SHARD", "--threshold", "contrafake-embedded=1,2"], "makes no sense"),
        (["--data", "SHARD", "--threshold", "contrafake-embedded=nan"], "makes no sense"),
        (["--data", "SHARD", "--threshold", "a=1", "--threshold", "a=2"], "a has two"),
        (["--data", "SHARD", "--threshold", "contrafake-embedded-2=0.5"], "there is no such detector"),
        (["--data", "SHARD", "--json", "figures.txt"], ".json"),
        (["--data", "SHARD", "--split", "test"], "test"),
        (["--data", "SHARD", "--out", "FOLDER"], "other things"),
        (["--data", "SHARD", "--out", "SHARD"], "no folder"),
        (["SHARD", "--data", "SHARD"], "--data SET"),
        (["nothing.csv", "--data", "SHARD"], "nothing.csv"),
        (["nowhere", "--data", "SHARD"], "no such model"),
        (["--data", "SHARD", "--origins", "nothing.csv"], "nothing.csv"),
    ],
)
def test_refusals(words: list[str], complaint: str, shard: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = {"SHARD": str(shard), "FOLDER": str(shard.parent)}
    assert run(["evaluate", *(places.get(word, word) for word in words)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert complaint in shown.err
    assert len(shown.err.splitlines()) == 1


def test_one_class_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    rows = ["path,label,split"]
    for place in range(4):
        made = place > 1
        pixels = picture(np.random.default_rng(place), generated=made)
        (tmp_path / f"{place}.jpg").write_bytes(jpeg(pixels))
        rows.append(f"{place}.jpg,{'fake' if made else 'real'},{'train' if made else 'test'}")
    manifest = tmp_path / "set.csv"
    manifest.write_text("\n".join(rows) + "\n")
    assert run(["evaluate", "--data", str(manifest), "--split", "test", "--crops", "1"]) == 2
    assert "generated" in capsys.readouterr().err


def test_an_interruption_says_how_to_go_on(
    shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "impatient_scorer.py").write_text(
        "class Scorer:\n    name = 'impatient'\n    def score(self, pictures):\n        raise KeyboardInterrupt\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert run(["evaluate", "impatient_scorer:Scorer", "--data", str(shard), "--workers", "1"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_variants_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "--list-variants"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {"standard", "paper", "robustness", "operations", "delivery", "jpeg-QUALITY"} <= set(names)


def test_the_page_shows_what_the_program_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "evaluation" / "README.md").read_text(encoding="utf-8")
    block = page.split("$ contrafake evaluate default --data examples\n")[1].split("```")[0].rstrip()
    monkeypatch.chdir(root)
    assert run(["evaluate", "default", "--data", "examples"]) == 0
    assert capsys.readouterr().out.startswith(block)
    [program] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(program, "README.md", "exec"), {})  # noqa: S102 - our own page
    assert [line.split()[:4] for line in capsys.readouterr().out.splitlines()] == [
        ["untouched", "unknown", "3", "4"],
        ["jpeg-75", "unknown", "3", "4"],
    ]


def test_as_a_program(shard: Path) -> None:
    words = ["evaluate", "--data", str(shard), "--crops", "1", "--limit", "3", "--repeats", "0", "--json", "-"]
    done = subprocess.run([sys.executable, "-m", "contrafake", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["facts"]["limit"] == 3


@pytest.mark.parametrize("verb", [[], ["report"], ["images"], ["families"]])
def test_help_imports_nothing_heavy(verb: list[str]) -> None:
    program = (
        "import sys; from contrafake.cli import run; run(['evaluate', *sys.argv[1:], '--help']);"
        "heavy = {'pyarrow', 'sklearn', 'matplotlib', 'jinja2', 'torch', 'onnxruntime', 'scipy'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, *verb], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Exit codes" in done.stdout
