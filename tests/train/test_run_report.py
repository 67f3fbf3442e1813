"""The report of a run: everything that was asked of it, in both forms, harmless whatever the data are called."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import tiny_settings
from torch.utils.tensorboard import SummaryWriter

from contrafake.data.html_page import as_markdown
from contrafake.errors import DataError
from contrafake.train.config_file import parse_config
from contrafake.train.cross_table import CrossRow, CrossTable
from contrafake.train.curves import POINTS, draw_loss, read_curve
from contrafake.train.report import SHOWN, write_report
from contrafake.train.run_facts import read_facts
from contrafake.train.state import RunState

if TYPE_CHECKING:
    from contrafake.train.config import TrainConfig

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egpj.exe",
    "\udce9\x1b[31m",
    "a|b\n# c",
    "[x](javascript:alert(1))",
]
VOID = {"meta", "img", "br"}


def configuration(**changes: Any) -> TrainConfig:
    return parse_config(tiny_settings(Path("${DATA}"), **changes))


def validation(step: int, value: float) -> dict[str, float]:
    found = {"step": step, "auc": value, "balanced_accuracy": value - 0.1}
    for prefix in ("", "linear/", "nearest/"):
        for condition, less in (("untransformed", 0.0), ("transformed", 0.05)):
            figures = {"auc": value, "balanced_accuracy": value - 0.1, "accuracy_real": 0.9, "accuracy_generated": 0.4}
            found |= {f"{prefix}{condition}/{metric}": figure - less for metric, figure in figures.items()}
    return found


def state(**changes: Any) -> RunState:
    known: dict[str, Any] = {
        "step": 30,
        "best": 0.725,
        "best_step": 20,
        "validations": [validation(10, 0.7), validation(20, 0.825), validation(30, 0.8)],
        "draws": Counter({"real/phone": 30, "real/film": 10, "generated/gan": 40}),
        "curve": [[step, 5.0 / step] for step in range(1, 31)],
        "seconds": 120.0,
        "waited": 30.0,
        "feed_cpu": 25.0,
        "model_cpu": 75.0,
        "hardware": "a test processor",
        "processes": 4,
        "environment": {"torch": "2.13", "numpy": "2.1"},
        "data": {"train": [{"name": "t.tar", "bytes": 1_500_000}], "validation": [{"name": "v.tar", "bytes": 7}]},
        "finished": True,
    }
    return RunState(**{**known, **changes})


def cross() -> CrossTable:
    rows = [
        CrossRow(head, condition, generator, 0.75, {"gan": 0.5, "sd": 0.25})
        for head in ("linear", "nearest")
        for condition in ("untransformed", "transformed")
        for generator in ("gan", None)
    ]
    return CrossTable({"gan": 31}, 57, {"sd": 3}, {"gan": 22, "sd": 28}, 30, rows)


def save(run: Path, config: TrainConfig, facts: RunState, table: CrossTable | None = None) -> None:
    (run / "config.json").write_text(config.model_dump_json())
    (run / "state.json").write_text(json.dumps(facts.to_dict()))
    if table is not None:
        (run / "cross_table.json").write_text(json.dumps(table.to_dict()))


def write(run: Path, config: TrainConfig, facts: RunState, table: CrossTable | None = None) -> tuple[str, str]:
    save(run, config, facts, table)
    return read(*write_report(run))


def read(markdown: Path, page: Path) -> tuple[str, str]:
    return markdown.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")


class Page(HTMLParser):
    """Checks that tags are closed in order; collects tags with attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def plain(markdown: str) -> str:
    """The words of a Markdown text: no table bars, no escapes."""
    return " ".join(re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)[|*`#]", " ", markdown)).split())


def test_both_forms_tell_everything(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "embedding.png").write_bytes(draw_loss([[1, 1.0]]))
    facts = state(damage={"s3://b/t.tar: k": "no label"}, broken=Counter({"x.tar: the data end early": 3}),
                  changes=["step 8: optimizer.steps 20 -> 30"])  # fmt: skip
    markdown, page = write(tmp_path, configuration(), facts, cross())
    for text in (plain(markdown), Page(page).text):
        for words in (
            "Finished after 30 steps", "Best balanced accuracy 0.725 at step 20", "by the linear head",
            "linear untransformed 0.825 72.5 % 90.0 % 40.0 %", "nearest transformed 0.775 67.5 % 85.0 % 35.0 %",
            "10 0.700 0.650 60.0 % 55.0 %", "Heads fitted on 57 real images", "linear transformed 62.5 % 50.0 %",
            "Too few fitting images for a head of their own: sd (3)", "train 1 1.5 MB", "t.tar", "no label",
            "drawn 3 times and replaced: x.tar: the data end early", "real phone 30 75.0 %", "generated gan 40 100.0 %",
            "optimizer.steps 30", 'data.train ["${DATA}/train-*.tar"]', "validation.patience 6",
            "step 8: optimizer.steps 20 -> 30", "hardware a test processor", "processes 4", "torch 2.13",
            "training time 2.0 minutes", "speed 16 views per second", "waiting for data 25% of that time",
            "processor time outside the model 25%",
        ):  # fmt: skip
            assert words in text, words
    assert r"| **data.train** | \[" in markdown
    assert '| views.pool | "official" |' in markdown  # the default
    assert "| gan (31) | 75.0 % | 50.0 % | 25.0 % |" in markdown
    assert "| all together | 75.0 % |" in markdown
    pictures = re.findall(r"!\[.*\]\((figures/\w+\.png)\)", markdown)
    assert pictures == ["figures/loss.png", "figures/validation.png", "figures/embedding.png"]
    sources = [attributes["src"] for tag, attributes in Page(page).tags if tag == "img"]
    for picture, source in zip(pictures, sources, strict=True):
        assert source is not None
        assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == (tmp_path / picture).read_bytes()


def test_means_leave_out_generators_tested_on_few(tmp_path: Path) -> None:
    table = cross()
    assert table.means("linear", "untransformed") == (0.625, 0.5)
    few = replace(table, tested={"gan": 22, "sd": 5})
    markdown, page = write(tmp_path, configuration(), state(), few)
    for text in (plain(markdown), Page(page).text):
        assert "linear untransformed 62.5 % –" in text


def test_without_a_generator_of_enough_images_those_there_are_are_named(tmp_path: Path) -> None:
    table = replace(cross(), rows=[], fitted={})
    markdown, page = write(tmp_path, configuration(), state(), table)
    for text in (plain(markdown), Page(page).text):
        assert "No generator has enough fitting images." in text
        assert "Too few fitting images for a head of their own: sd (3)." in text


def test_own_generator_is_framed(tmp_path: Path) -> None:
    _, page = write(tmp_path, configuration(), state(), cross())
    framed = re.findall(r'<td class="number level\d own">(\d+)</td>', page)
    assert framed == ["50"] * 4


@pytest.mark.parametrize("name", HOSTILE)
def test_texts_from_outside_do_no_harm(tmp_path: Path, name: str) -> None:
    row = CrossRow("linear", "untransformed", name, 0.5, {name: 0.5})
    table = CrossTable({name: 31}, 57, {name + "2": 3}, {name: 22}, 30, [row])
    facts = state(
        draws=Counter({f"real/{name}": 5}), damage={name: name}, broken=Counter({name: 1}), changes=[name],
        hardware=name, environment={name: name}, data={name: [{"name": name}]},
    )  # fmt: skip
    markdown, page = write(tmp_path, configuration(name=name.replace("\udce9", "")), facts, table)
    parsed = Page(page)
    assert {tag for tag, _ in parsed.tags} <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "b", "div", "span", "ul", "li",
        "table", "thead", "tbody", "tr", "th", "td", "code", "figure", "figcaption", "img", "footer", "details",
        "summary",
    }  # fmt: skip
    for _, attributes in parsed.tags:
        assert not [key for key in attributes if key.startswith("on") or key in ("href", "style")]
    for character in "\u202e\x1b\udce9":
        assert character not in page
        assert character not in markdown
    if "<" in name:
        assert name in parsed.text
        assert re.findall(r"(?<!\\)<", markdown) == []
    assert re.findall(r"(?<!\\)\]\(javascript", markdown) == []
    # The text stays in its cell: every row of a table has as many bars as its head.
    for block in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert not re.search(r"^# c", markdown, re.MULTILINE)


def test_markdown_escapes() -> None:
    assert as_markdown("a_b|c*<i>[x]") == r"a\_b\|c\*\<i\>\[x\]"
    assert as_markdown("plain text, 81.2 %") == "plain text, 81.2 %"
    assert as_markdown("a\nb") == r"a\\x0ab"


def test_the_page_allows_its_own_style_and_nothing_else(tmp_path: Path) -> None:
    _, page = write(tmp_path, configuration(), state(), cross())
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert html.unescape(policy) == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert page.index("Content-Security-Policy") < page.index("<style>")
    assert not re.search(r"<script|<link|url\(|@import|style=", page)


# --- other runs -----------------------------------------------------------------------------------------------------


def checkpoint(run: Path, step: int, facts: RunState) -> None:
    folder = run / "checkpoints" / f"step-{step:08d}"
    folder.mkdir(parents=True)
    (folder / "facts.json").write_text(json.dumps({**facts.to_dict(), "step": step, "learner": "unknown"}))


def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(configuration().model_dump_json())
    checkpoint(tmp_path, 10, state(validations=[validation(10, 0.7)], best=0.6, best_step=10))
    checkpoint(tmp_path, 20, state(finished=True))  # as a run that goes on after its end may have it
    markdown, page = read(*write_report(tmp_path))
    for text in (plain(markdown), Page(page).text):
        assert "Interrupted: 20 of 30 steps are done" in text
        assert "goes on where the last checkpoint left it" in text
        assert "Not measured." in text
    # Taken up again after its end, with more steps, and interrupted.
    (tmp_path / "state.json").write_text(json.dumps(state(step=15).to_dict()))
    assert not read_facts(tmp_path).state.finished
    (tmp_path / "state.json").write_text(json.dumps(state().to_dict()))
    assert read_facts(tmp_path).state.finished


def test_before_the_first_validation(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(configuration().model_dump_json())
    checkpoint(tmp_path, 5, RunState())
    markdown, page = read(*write_report(tmp_path))
    for text in (plain(markdown), Page(page).text):
        assert "No validation was reached yet." in text
        assert "Interrupted: 5 of 30 steps are done" in text
    assert not list((tmp_path / "figures").iterdir())


def test_a_run_that_ran_out_of_patience(tmp_path: Path) -> None:
    markdown, _ = write(tmp_path, configuration(optimizer={"steps": 5000}), state())
    assert "Stopped early after 30 of 5,000 steps" in markdown


def test_a_run_of_an_earlier_version(tmp_path: Path) -> None:
    """Its state knows no heads, no curve and no end."""
    old = {"step": 30, "best": 0.7, "best_step": 30, "draws": {"real/phone": 3}, "broken": {}, "seconds": 60.0}
    figures = {"untransformed/auc": 0.8, "transformed/auc": 0.6, "auc": 0.7}
    found = {**figures, "untransformed/balanced_accuracy": 0.7, "transformed/balanced_accuracy": 0.5}
    old["validations"] = [{"step": 30, **found, "balanced_accuracy": 0.6}]
    (tmp_path / "config.json").write_text(configuration().model_dump_json())
    (tmp_path / "state.json").write_text(json.dumps(old))
    with SummaryWriter(str(tmp_path / "tensorboard")) as board:
        for step in range(1, 31):
            board.add_scalar("loss/total", 3.0 / step, step)
    markdown, page = read(*write_report(tmp_path))
    for text in (plain(markdown), Page(page).text):
        assert "Finished after 30 steps" in text
        assert "linear untransformed 0.800 70.0 % – –" in text
    assert "figures/loss.png" in markdown
    curve = read_curve(tmp_path)
    assert [step for step, _ in curve] == list(range(1, 31))
    assert [loss for _, loss in curve] == pytest.approx([3.0 / step for step in range(1, 31)])


def test_given_state_and_configuration_win_over_the_folder(tmp_path: Path) -> None:
    save(tmp_path, configuration(), state())
    markdown, _ = read(*write_report(tmp_path, configuration(name="other"), state(step=7, finished=False)))
    assert "# other" in markdown
    assert "Interrupted: 7 of 30 steps" in markdown


def test_long_lists_are_cut_and_counted(tmp_path: Path) -> None:
    damage = {f"key-{i:04d}": "no label" for i in range(SHOWN + 23)}
    shards = [{"name": f"t-{i:04d}.tar", "bytes": i} for i in range(SHOWN + 1200)]
    markdown, page = write(tmp_path, configuration(), state(damage=damage, data={"train": shards}))
    for text in (plain(markdown), Page(page).text):
        assert "and 23 more" in text
        assert "and 1,200 more" in text
        assert f"key-{SHOWN - 1:04d}" in text
        assert f"key-{SHOWN:04d}" not in text
    other = read_facts(tmp_path, None, state(data={"train": [*shards[:-1], {"name": "t", "bytes": 0}]}))
    assert other.data[0][3] != read_facts(tmp_path).data[0][3]  # the digest is that of all of them


@pytest.mark.parametrize("problem", ["no run", "no state", "damaged", "no table", "no cross table"])
def test_what_is_no_run_is_said(tmp_path: Path, problem: str) -> None:
    if problem != "no run":
        save(tmp_path, configuration(), state(), cross())
    if problem == "no state":
        (tmp_path / "state.json").unlink()
    if problem == "damaged":
        (tmp_path / "state.json").write_bytes(b'{"step": \xff')
    if problem == "no table":
        (tmp_path / "config.json").write_text("[1]")
    if problem == "no cross table":
        (tmp_path / "cross_table.json").write_text('{"rows": [{}]}')
    expected = {"no run": r"config\.json: is not there", "no state": r"state\.json: is not there",
                "damaged": r"state\.json: cannot be read", "no table": r"config\.json: holds no table",
                "no cross table": r"cross_table\.json: is no cross table"}  # fmt: skip
    with pytest.raises(DataError, match=expected[problem]):
        write_report(tmp_path)


def test_curves_of_any_length_are_drawn() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 4 * POINTS):
        assert draw_loss([[i, float(rng.normal())] for i in range(count)]).startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_browser_has_nothing_to_complain_of(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium")
    names = {f"generator-with-a-long-name-{i}-{'x' * 40 * (i == 3)}": 25 for i in range(24)}
    rows = [CrossRow("linear", "untransformed", name, 0.5, dict.fromkeys(names, 0.7)) for name in names]
    table = CrossTable(names, 57, {"a" * 200: 3}, names, 30, rows)
    _, page = write(tmp_path, configuration(name="x" * 200), state(changes=["b" * 300], damage={"c" * 300: "d"}), table)
    inner = html.escape(page)
    # The frame is as wide as a phone, and says how wide its page would like to be.
    (tmp_path / "frame.html").write_text(
        f"<iframe id=f sandbox='allow-same-origin' width=390 height=800 srcdoc=\"{inner}\"></iframe>"
        "<script>onload=()=>{"
        "let d=document.getElementById('f').contentDocument;document.title='WIDTH '+d.documentElement.scrollWidth+"
        "' '+d.documentElement.clientWidth+' '"
        "+d.defaultView.getComputedStyle(d.querySelector('main')).paddingTop}</script>"
    )
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}",
         "--dump-dom", (tmp_path / "frame.html").as_uri()],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    [measured] = re.findall(r"<title>WIDTH (\d+) (\d+) (\S+)</title>", done.stdout)
    assert int(measured[0]) <= int(measured[1])
    assert measured[2] == "24px"  # the style sheet was let in by its hash
    assert "CONSOLE" not in done.stderr
