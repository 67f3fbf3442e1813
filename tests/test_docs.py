"""What the documents show is what the program does and what the committed results say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import contrafake

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"


def result(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def test_the_python_example_runs_as_printed() -> None:
    [block] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("real photos flagged" in line for line in lines)


def test_the_audit_from_python_runs_as_printed(tmp_path: Path) -> None:
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "auditing.md").read_text(encoding="utf-8"), re.DOTALL)
    script = tmp_path / "script.py"
    script.write_text(block, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4


def test_the_verdict_shown_is_the_verdict_given() -> None:
    [block] = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8"), re.DOTALL)
    shown = json.loads(block)
    [verdict] = contrafake.load().detect([ROOT / shown["name"]])
    given = {**verdict.to_dict(), "name": shown["name"]}
    for number in ("score", "llr", "probability"):
        assert given.pop(number) == pytest.approx(shown.pop(number), abs=1e-4)
    assert given == shown


@pytest.mark.parametrize("script", ["evaluation_pages.py", "development.py"])
def test_the_tables_of_evaluations_are_those_of_the_committed_results(script: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / script), "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_that_differs_is_named(tmp_path: Path) -> None:
    script = tmp_path / "check.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'benchmarks')!r}); import evaluation_pages as pages\n"
        f"page = pages.Path({str(tmp_path / 'page.md')!r}); pages.PAGES = (page,)\n"
        "page.write_text('a\\n<!-- table: short -->\\n0.99\\n<!-- end -->\\nb\\n')\n"
        "sys.argv = ['pages', '--check']; pages.main()\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.partition(":")[0]) == (1, "page.md")


@pytest.mark.slow
@pytest.mark.parametrize(
    "folder",
    ["evaluation/test", "evaluation/families-trained"]
    + [f"development/{name}" for name in ("embedded", "first-heads-anew", "probe", "probe-faces")],
)
def test_committed_figures_are_what_the_committed_scores_give(folder: str) -> None:
    command = ["evaluate", "report", str(RESULTS / folder), "--check"]
    done = subprocess.run([sys.executable, "-m", "contrafake", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_results_hold_no_picture_of_the_data() -> None:
    for page in (RESULTS / "evaluation").rglob("*.html"):
        assert "data:image/jpeg" not in page.read_text(encoding="utf-8")
    drawn = {path.suffix for path in (RESULTS / "evaluation").rglob("*") if path.is_file()}
    assert drawn <= {".csv", ".json", ".md", ".png", ".html"}


def test_the_table_of_speed_is_that_of_the_results_files() -> None:
    cold, throughput = result("cold_start")["contenders"], result("throughput")["contenders"]
    names = ("contrafake, default crops", "contrafake, 1 crop", "official recipe")
    starts = " | ".join(f"{cold[name]['seconds_best']:.2g} s, {cold[name]['peak_mb']:.0f} MB" for name in names)
    rates = " | ".join(f"{throughput[name]['images_per_s']:.1f} images/s" for name in names)
    assert starts in README
    assert rates in README


def test_false_alarms_on_camera_originals_are_those_of_the_results_file() -> None:
    found = result("camera_originals")
    assert found["missing"] == 0
    assert found["model"]["hash"] == contrafake.load().bundle.hash
    page = " ".join((ROOT / "docs" / "evaluation" / "results.md").read_text(encoding="utf-8").split())
    usual, strict = (rule["flagged"] for rule in found["rules"])
    words = f"Of these, {usual} are flagged at 5 % and {strict} at 1 %"
    interval = f"{100 * found['rules'][0]['low']:.1f} to {100 * found['rules'][0]['high']:.1f} %"
    assert f"{words} (95 % interval {interval}), and {found['uncertain']} are uncertain" in page
    assert f"judges {found['photographs']} photographs" in page


def test_the_worked_audit_says_what_was_measured() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "worked_audit.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("benchmark", ["building", "attribution", "variants", "refitting"])
def test_the_tables_of_a_page_are_those_of_the_results_file(benchmark: str) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / f"{benchmark}.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_quotes_the_worked_audit() -> None:
    leaky = result("worked_audit")["sets"]["leaky"]
    text = " ".join(README.replace("> ", "").split())
    assert leaky["before"]["verdict"] in text
    assert f"After `data match` the figure is {leaky['after']['without_content']['auc']:.2f}" in text


def test_the_speed_of_audits_is_that_of_the_results_file() -> None:
    page = (ROOT / "docs" / "auditing.md").read_text(encoding="utf-8")
    found = result("auditing")
    for name, speed in found["speed"].items():
        rates = f"{speed['decoding_images_per_s']:.0f} | {speed['measuring_images_per_s']:.0f}"
        assert f"| {name} | {rates} | {speed['measuring_to_decoding']:.2f} |" in page
    for count, whole in found["whole"].items():
        peaks = f"{whole['all_processes_mb']:.0f} MB | {whole['first_process_mb']:.0f} MB"
        assert f"| {int(count):,} | {peaks} | {whole['models_seconds']:.0f} s |" in page


def test_the_history_table_is_that_of_the_results_file() -> None:
    page = (ROOT / "docs" / "auditing.md").read_text(encoding="utf-8")
    chapter = page[page.index("## What the history features see") : page.index("## From Python")]
    rates = result("audit_traces")["rates"]
    shown = re.findall(r"^\| (.+?) \| ([\d.]+) \| ([\d.]+) \|$", chapter, re.MULTILINE)
    assert len(shown) > 8
    for name, scenes, photographs in shown:
        assert (scenes, photographs) == (f"{rates[name]['scenes']:.2f}", f"{rates[name]['photographs']:.2f}")


def test_the_table_of_switches_is_that_of_the_results_file() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "switches.py"), "--markdown"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    page = (ROOT / "docs" / "training" / "switches.md").read_text(encoding="utf-8")
    assert done.stdout in page
    assert len(done.stdout.splitlines()) > 12
    assert f"{result('switches')['spread_of_base']['auc']:.3f}" in page


def test_the_speed_of_training_is_that_of_the_results_files() -> None:
    page = (ROOT / "docs" / "training" / "scale.md").read_text(encoding="utf-8")
    for name, found in result("training_speed")["configurations"].items():
        assert (
            f"| `{name}` | {found['image_size']} | {found['views_per_s']:.0f} | "
            f"{found['outside_the_model_share']:.1%} | {found['waiting_share']:.1%} |"
        ) in page
    small = result("training_speed")["configurations"]["code-resnet-mini"]
    share = f"{small['outside_the_model_share']:.0%}".replace("%", " %")
    assert f"({small['views_per_s']:.0f} views a second on two cores, {share} of the processor time" in README
    limits = result("training_limits_cpu")
    for name, speed in limits["best_views_per_s"].items():
        assert f"| {name} | {speed:.1f} | {speed / limits['best_views_per_s']['model']:.0%} |" in page
    memory = result("training_memory")
    tenths = memory["memory"]["mib_by_tenth_of_the_run"]
    words = (
        f"{tenths[1]:.0f} MiB in the second tenth, {min(tenths[2:]):.0f} to {max(tenths[2:]):.0f} MiB from the third on"
    )
    assert words in " ".join(page.split())
    repeat = memory["repeat"]
    assert f"{repeat['equal_losses']} of {repeat['steps']} losses equal" in " ".join(page.split())
