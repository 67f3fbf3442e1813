"""The report of an evaluation: it shows what `Figures` says, in both forms, harmless whatever the data are called."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from report_parts import DETECTORS, VARIANTS, Page, everything, markdown_tables
from scored import detector, evaluation, images

from contrafake.errors import DataError
from contrafake.evaluate.compute import compute_figures
from contrafake.evaluate.evaluation import Evaluation
from contrafake.evaluate.family_figures import FamilySummary, FoldFigures
from contrafake.evaluate.family_folds import Fold
from contrafake.evaluate.family_scores import FoldFacts
from contrafake.evaluate.family_table import FamilyTable
from contrafake.evaluate.figures import METRICS, Estimate, Figures
from contrafake.evaluate.generator_heads import GeneratorHeads
from contrafake.evaluate.paper import paper_table
from contrafake.evaluate.positions import read_positions, write_positions
from contrafake.evaluate.report import write_report
from contrafake.evaluate.report.mistakes import mistaken_keys
from contrafake.evaluate.report.page import compose, render_html
from contrafake.evaluate.report.twin import render_markdown
from contrafake.train.cross_table import CrossRow, CrossTable

if TYPE_CHECKING:
    from report_parts import Table

PARTS = {"seen": "Seen in training", "unseen": "Unseen in training", "unknown": "Seen or not: unknown"}
PLAIN = {"auc", "average_precision", "cllr", "nll", "calibration_error"}
HEADS = {
    "AUC": "auc", "AP": "average_precision", "found at 1 %": "tpr_at_1", "found at 5 %": "tpr_at_5", "EER": "eer",
    "best possible": "best_balanced_accuracy", "balanced": "balanced_accuracy", "right on real": "accuracy_real",
    "right on generated": "accuracy_generated", "real uncertain": "uncertain_real", "NLL": "nll", "Cllr": "cllr",
    "generated uncertain": "uncertain_generated", "calibration error": "calibration_error",
}  # fmt: skip
HEADS_OF_MODEL = ("linear", "nearest", "svm")
KINDS = ("ranking, whatever the threshold", "decisions, at each detector's first decision rule", "probabilities")
SHORT = {metric: text for text, metric in HEADS.items()}
FORMER = ("roc-former.png", "embedding-former.png", "mine.png", "roc-x.txt")
Written: TypeAlias = tuple[Page, str, str, Path]
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egpj.exe",
    "\udce9\x1b[31m",
    "a|b\n# c",
    "[x](javascript:alert(1))",
    "$x^2$ _y_ & `z`",
]


@cache
def figures() -> Figures:
    return compute_figures(everything(), repeats=40)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The whole report, pictures and all, with its folder."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "figures").mkdir()
    for name in FORMER:
        (folder / "figures" / name).write_bytes(b"")
    places = np.random.default_rng(0).normal(size=(len(everything().images), 2))
    page, twin = write_report(folder, everything(), figures(), positions=places)
    return Page(page.read_text("utf-8")), twin.read_text("utf-8"), page.read_text("utf-8"), folder


def write(folder: Path, found: Evaluation, **rest: Any) -> tuple[str, str]:
    known = rest.pop("figures", None) or compute_figures(found, repeats=10)
    page, twin = write_report(folder, found, known, **rest)
    return page.read_text("utf-8"), twin.read_text("utf-8")


def text_of(found: Evaluation, **rest: Any) -> tuple[str, str]:
    """Page and Markdown without pictures, which take most of the time."""
    known = rest.pop("figures", None) or compute_figures(found, repeats=10)
    document = compose(found, known, pictures=False, **rest)
    return render_html(document), render_markdown(document)


def number(text: str) -> float:
    """What a cell says, shares as shares."""
    value = float(text.replace("−", "-").replace(",", "").removesuffix("%").rstrip())
    return value / 100 if "%" in text else value


def matches(cell: tuple[str, str], found: Estimate | None, metric: str) -> bool:
    """Whether a cell shows an estimate with its interval, to the digits that it has."""
    digits = 3 if metric in PLAIN else 1
    if found is None:
        return cell == ("–", "")
    share = metric not in PLAIN
    ends = [end + (" %" if share and "%" not in end else "") for end in cell[1].split("–")] if cell[1] else []
    wanted = [found.value, *([] if found.low is None or found.high is None else [found.low, found.high])]
    shown = [number(text) for text in (cell[0], *ends)]
    margin = 0.5 * 10**-digits * (0.01 if share else 1) + 1e-9
    assert ("%" in cell[0]) == share
    return len(shown) == len(wanted) and all(abs(a - b) <= margin for a, b in zip(shown, wanted, strict=True))


def head(table: Table) -> list[str]:
    return [text for text, _ in table[0]]


# --- the figures ----------------------------------------------------------------------------------------------------


def test_every_overall_figure_is_that_of_figures(written: Written) -> None:
    page = written[0]
    checked = 0
    for part, title in PARTS.items():
        seen_metrics = set()
        for kind in (
            "ranking, whatever the threshold",
            "decisions, at each detector's first decision rule",
            "probabilities",
        ):
            table = page.tables[f"{title}: {kind}"]
            names = [HEADS[name] for name in head(table)[3:]]
            seen_metrics |= set(names)
            rows = iter(table[1:])
            for facts in DETECTORS:
                for variant in VARIANTS[:2]:
                    row = figures().find(facts.name, variant.name, part)
                    assert row is not None
                    name, real, generated, *cells = next(rows)
                    assert name == (facts.name, variant.title)
                    assert real[0].removesuffix(" †") == str(row.real)
                    assert real[0].endswith("†") == row.borrowed == (part == "unknown")
                    assert real[1] == f"{row.sources_real} sources"
                    assert generated[0] == str(row.generated)
                    for cell, metric in zip(cells, names, strict=True):
                        assert matches(cell, row.metrics.get(metric), metric), (cell, metric)
                        checked += 1
            assert next(rows, None) is None
        assert seen_metrics == set(METRICS)
    assert checked == 3 * 6 * len(METRICS)


def test_every_group_has_its_row(written: Written) -> None:
    page = written[0]
    what = {"family": "family", "origin": "generator", "pooled": "generator"}
    rows_there = 0
    for row in figures().rows:
        if row.level in ("overall", "real"):
            continue
        title = next(variant.title for variant in VARIANTS if variant.name == row.variant)
        table = page.tables[f"{PARTS[row.part]}, {row.detector}, {title}: by {what[row.level]}"]
        name = "smaller ones, pooled" if row.level == "pooled" else row.name
        [cells] = [cells for cells in table[1:] if cells[0][0] == name]
        assert cells[1] == (
            str(row.generated),
            f"{row.sources_generated} source{'' if row.sources_generated == 1 else 's'}",
        )
        for text, cell in zip(head(table)[3:], cells[3:], strict=True):
            assert matches(cell, row.metrics.get(HEADS[text]), HEADS[text])
        rows_there += 1
    assert rows_there == sum(
        len(t) - 1 for name, t in page.tables.items() if re.search(": by (family|generator)$", name)
    )
    assert "Pooled: few, fewer." in page.text
    assert "Fewer than 20 generated images, so read with care: fam few" in page.text


def test_real_origins_show_false_alarms_by_rule(written: Written) -> None:
    page = written[0]
    checked = 0
    for row in figures().rows:
        if row.level != "real":
            continue
        title = next(variant.title for variant in VARIANTS if variant.name == row.variant)
        table = page.tables[f"{PARTS[row.part]}, {row.detector}, {title}: real images by origin"]
        [cells] = [cells for cells in table[1:] if cells[0][0] == row.name]
        assert cells[1][0] == str(row.real)
        by_name = {point.name: point.false_alarms for point in row.points}
        for text, cell in zip(head(table)[2:], cells[2:], strict=True):
            found = row.metrics["uncertain_real"] if text == "real uncertain" else by_name[text]
            assert matches(cell, found, "accuracy_real")
            checked += 1
    assert checked == 2 * 3 * (3 + 2)  # variants, origins, (rules and uncertain of ours, and of third)


def test_decision_rules_stand_beside_what_they_did(written: Written) -> None:
    page = written[0]
    for part, title in PARTS.items():
        for facts in (DETECTORS[0], DETECTORS[2]):
            rows = iter(page.tables[f"{title}: {facts.name}, decision rules"][1:])
            for variant in VARIANTS[:2]:
                row = figures().find(facts.name, variant.name, part)
                assert row is not None
                for point in row.points:
                    name, threshold, stated, measured, found, balanced = next(rows)
                    assert name == (point.name, variant.title)
                    assert number(threshold[0]) == pytest.approx(point.threshold)
                    assert stated[0] == ("–" if point.stated is None else f"{100 * point.stated:.1f} %")
                    assert matches(measured, point.false_alarms, "accuracy_real")
                    assert point.accuracy_generated is not None
                    assert point.balanced_accuracy is not None
                    assert matches(found, Estimate(point.accuracy_generated), "accuracy_generated")
                    assert matches(balanced, Estimate(point.balanced_accuracy), "accuracy_generated")
            assert next(rows, None) is None
        assert f"{title}: theirs, decision rules" not in page.tables


def test_spreads_and_comparisons(written: Written) -> None:
    page = written[0]
    shown = 0
    for spread in figures().spreads:
        title = next(variant.title for variant in VARIANTS if variant.name == spread.variant)
        table = page.tables[f"{PARTS[spread.part]}: between generators"]
        [cells] = [cells for cells in table[1:] if cells[0] == (spread.detector, title)]
        name = {"auc": "AUC", "balanced_accuracy": "balanced", "accuracy_generated": "right on generated"}[
            spread.metric
        ]
        place = head(table).index(f"{name}, mean")
        mean, worst, wide = cells[place : place + 3]
        assert matches(mean, spread.mean, spread.metric)
        assert worst[1] == spread.worst_name
        assert matches((worst[0], ""), Estimate(spread.worst), spread.metric)
        assert matches(wide, None if spread.spread is None else Estimate(spread.spread), spread.metric)
        shown += 1
    assert shown > 20
    for found in figures().comparisons:
        title = next(variant.title for variant in VARIANTS if variant.name == found.variant)
        table = page.tables[f"{PARTS[found.part]}: comparison"]
        [cells] = [cells for cells in table[1:] if cells[0] == (f"{found.first} − {found.second}", title)]
        assert [cells[1][0], cells[2][0]] == [str(found.real), str(found.generated)]
        name = SHORT[found.metric]
        text, under = cells[head(table).index(name)]
        scale = 100 if found.metric == "balanced_accuracy" else 1
        assert number(text) == pytest.approx(scale * found.difference.value, abs=0.051 if scale == 100 else 0.00051)
        assert found.difference.low is not None
        assert number(under.split(" to ")[0]) == pytest.approx(scale * found.difference.low, abs=0.051)
        assert (name in cells[-1][0].split(", ")) == found.decided


def test_the_top_says_the_first_detectors_figures(written: Written) -> None:
    page, twin = written[:2]
    row = figures().find("ours", "untouched", "unseen")
    assert row is not None
    found = row.metrics["auc"]
    words = f"AUC {found.value:.3f} ({found.low:.3f}–{found.high:.3f}) on origins that training never saw"
    assert words in page.text
    assert words in re.sub(r"\\(.)", r"\1", twin)
    assert "58 real images of 9 sources and 126 generated images by 8 generators under 4 variants" in page.text


def test_robustness_and_stability_are_there(written: Written) -> None:
    page, twin = written[:2]
    table = page.tables["Robustness, ours: unseen in training"]
    assert [cells[0][0] for cells in table[1:]] == ["JPEG 90", "JPEG 50", "Half the size"]
    before = figures().find("ours", "jpeg-50", "unseen")
    assert before is not None
    assert matches((table[2][3][0], ""), Estimate(before.metrics["auc"].value), "auc")
    assert {"Stability of ours", "Stability of third"} <= page.tables.keys()
    assert "Stability of theirs" not in page.tables
    assert "no decision rule, so that no verdict can change" in page.text
    assert "figures/robustness-auc.png" in twin


# --- both forms -----------------------------------------------------------------------------------------------------


def test_markdown_has_the_same_tables_and_pictures(written: Written) -> None:
    parsed, twin, page, folder = written
    flat = [
        [[f"{text} ({under})" if under else text for text, under in row] for row in table]
        for table in parsed.tables.values()
    ]
    assert markdown_tables(twin) == flat
    pictures = re.findall(r"!\[.*\]\((figures/[a-z0-9-]+\.png)\)", twin)
    sources = [attributes["src"] or "" for tag, attributes in parsed.tags if tag == "img"]
    assert len(pictures) == len(sources) >= 15
    for picture, source in zip(pictures, sources, strict=True):
        assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == (folder / picture).read_bytes()
    headings = re.findall(r"^## (.*)$", twin, re.MULTILINE)
    assert headings == re.findall(r"<h2 id=[^>]*>(.*)</h2>", page)
    assert len(page) < 1_500_000


def test_pictures_of_a_former_report_go_and_others_stay(written: Written) -> None:
    names = {path.name for path in (written[3] / "figures").iterdir()}
    assert {"mine.png", "roc-x.txt", "embedding-former.png", "embedding.png", "roc-seen.png", "scores-3.png"} <= names
    assert "roc-former.png" not in names
    assert {"reliability-1.png", "reliability-3.png", "det-unseen.png", "robustness-auc.png"} <= names
    assert "reliability-2.png" not in names  # it gives no probabilities


def test_links_lead_somewhere(written: Written) -> None:
    page = written[0]
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [attributes["href"] or "" for tag, attributes in page.tags if tag == "a"]
    assert len(links) > 40
    assert {link.removeprefix("#") for link in links} <= targets


def test_a_report_from_the_folder_is_that_from_memory(tmp_path: Path) -> None:
    found = everything("é\u202e")
    found = replace(found, detectors=DETECTORS[:1], variants=VARIANTS[:2], scores=found.scores[:2, :, :1])
    places = np.round(np.random.default_rng(0).normal(size=(len(found.images), 2)), 3)
    places[5] = np.nan
    found.write(tmp_path)
    write_positions(tmp_path, found.images.key, places)
    again = Evaluation.read(tmp_path)
    first = write(tmp_path / "a", found, positions=places)
    assert first == write(tmp_path / "b", again, positions=read_positions(tmp_path, again.images.key))
    pictures = list((tmp_path / "a" / "figures").iterdir())
    assert len(pictures) > 5
    for picture in pictures:
        assert picture.read_bytes() == (tmp_path / "b" / "figures" / picture.name).read_bytes()


def test_pixels_of_the_data_come_in_only_when_given() -> None:
    found = everything()
    keys = mistaken_keys(found)
    page, twin = text_of(found, figures=figures())
    assert "image/jpeg" not in page
    assert "no pixel of the data" in page
    assert len(keys) > 10
    page, other = text_of(found, figures=figures(), thumbnails={key: b"\xff\xd8" + key.encode() for key in keys})
    sources = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', page)
    assert {base64.b64decode(source)[2:].decode() for source in sources} == set(keys)
    assert "no pixel of the data" not in page
    assert "jpeg;base64" not in other
    assert markdown_tables(other) == markdown_tables(twin)


def test_a_report_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="cannot be made"):
        write_report(tmp_path / "file", everything(), figures())


# --- texts from outside ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_texts_from_outside_do_no_harm(name: str) -> None:
    found = everything(name)
    found = replace(
        found,
        detectors=tuple(
            replace(facts, name=facts.name + name, model=name, version=name) for facts in found.detectors[:2]
        ),
        scores=found.scores[:2, :, :2],
        variants=found.variants[:2],
    )
    page, twin = text_of(found)
    parsed = Page(page)
    assert {tag for tag, _ in parsed.tags} <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "h4", "p", "b", "div", "span", "ul",
        "li", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "figure", "figcaption", "img", "footer",
        "details", "summary", "section", "nav", "a", "small", "dl", "dt", "dd",
    }  # fmt: skip
    for tag, attributes in parsed.tags:
        assert not [key for key in attributes if key.startswith("on") or key == "style"]
        assert (attributes.get("href") or "#").startswith("#")
        assert tag != "img" or (attributes["src"] or "").startswith("data:image/png;base64,")
    for character in "\u202e\x1b\udce9":
        assert character not in page
        assert character not in twin
    if "<" in name:
        assert name in parsed.text
        assert re.findall(r"(?<!\\)<", twin) == []
    assert re.findall(r"(?<!\\)\]\(javascript", twin) == []
    assert markdown_tables(twin)  # which checks that every row has as many cells as its head
    assert not re.search(r"^# c", twin, re.MULTILINE)


def test_the_page_allows_its_own_style_and_nothing_else() -> None:
    page, _ = text_of(everything(), figures=figures())
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert html.unescape(policy) == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert page.index("Content-Security-Policy") < page.index("<style>")
    assert not re.search(r"<script|<link|url\(|@import|style=", page)


# --- where something is missing -------------------------------------------------------------------------------------


def test_without_rules_and_calibration_words_stand_in_for_tables() -> None:
    found = evaluation(
        images([0, 1] * 30), np.random.default_rng(0).normal(size=60), [detector(points=(), calibration=None)]
    )
    page, twin = text_of(found)
    parsed = Page(page)
    for words in (
        "No detector has a decision rule", "No detector gives probabilities", "ours has no decision rule.",
        "Only one variant was evaluated", "Every image that was to be judged has a score.",
        "Unseen in training",
    ):  # fmt: skip
        assert words in parsed.text
    assert "Seen in training" not in parsed.text.replace("Unseen", "un")
    assert not [name for name in parsed.tables if "decision" in name or "probabilities" in name or "Stability" in name]
    assert all(len(table) > 1 for table in parsed.tables.values())
    assert "Comparison of detectors" not in parsed.text
    assert "## Embedding" not in twin


def test_no_table_is_empty(written: Written) -> None:
    page = written[0]
    assert all(len(table) > 1 and len(table[0]) > 1 for table in page.tables.values())


def test_a_part_of_one_class(tmp_path: Path) -> None:
    of = images([0] * 22 + [1] * 22 + [0] * 21, seen=["no"] * 44 + ["yes"] * 21)
    page, _ = write(tmp_path, evaluation(of, np.random.default_rng(1).normal(size=65)))
    parsed = Page(page)
    [row] = parsed.tables["Seen in training: decisions, at each detector's first decision rule"][1:]
    assert row[2][0] == "0"
    assert "Seen in training: ranking, whatever the threshold" not in parsed.tables
    assert "Scored images of one class alone" in parsed.text
    assert "No generated images: nothing compares the classes." in parsed.text
    assert not (tmp_path / "figures" / "roc-seen.png").exists()
    assert (tmp_path / "figures" / "roc-unseen.png").exists()


def test_failures_are_named_once_and_counted() -> None:
    page, _ = text_of(everything(), figures=figures())
    table = Page(page).tables["Without a score"]
    assert [[text for text, _ in row] for row in table[1:]] == [
        ["phone-003", "all", "all", "is damaged"],
        ["sd1.4-003", "Untouched bytes", "ours", "gave NaN"],
    ]


def test_the_papers_table() -> None:
    found = everything()
    variants = (VARIANTS[0], replace(VARIANTS[1], name="transformed", title="Transformed", group="", value=None))
    found = replace(
        found,
        variants=variants,
        detectors=tuple(
            replace(facts, head=head) for facts, head in zip(DETECTORS, ("linear", "nearest", "svm"), strict=True)
        ),
        scores=found.scores[:2],
        failures=(),
    )
    table = paper_table(found)
    page, _ = text_of(found, paper=table)
    parsed = Page(page)
    shown = [name for name in parsed.tables if "the classifiers' own decision" in name]
    assert shown
    part = next(part for part in table.parts if part.part == "unseen")
    rows = [row for row in part.rows if row.rule == "score 0" and row.model == "ours"]
    cells = {
        line[0][0]: line[1:] for line in parsed.tables["Unseen in training: ours, the classifiers' own decision"][1:]
    }
    for place, row in enumerate(rows):
        assert row.real is not None
        assert row.average is not None
        assert matches(cells[f"real ({part.real})"][place], Estimate(row.real), "accuracy_real")
        assert matches(cells["flux (22)"][place], Estimate(row.generated["flux"]), "accuracy_real")
        assert matches(cells["average of the columns"][place], Estimate(row.average), "accuracy_real")


@pytest.mark.parametrize("name", ["", *HOSTILE])
def test_heads_of_one_generator(name: str) -> None:
    gan = f"gan{name}"
    rows = [
        CrossRow("linear", "transformed", gan, 0.875, {gan: 0.9, "sd": 0.25}),
        CrossRow("linear", "transformed", "sd", 1.0, {gan: 0.1, "sd": 0.8}),
        CrossRow("linear", "transformed", None, 0.5, {gan: 0.7, "sd": 0.6}),
    ]
    cross = CrossTable({gan: 120, "sd": 1400}, 900, {f"tiny{name}": 3}, {gan: 30, "sd": 25}, 1200, rows)
    heads = GeneratorHeads(f"ours{name} 1", {"unseen": cross}, ("unseen",), 0, {"k": "is damaged"})
    page, twin = text_of(everything(), figures=figures(), generators=heads)
    parsed = Page(page)
    table = parsed.tables["Unseen in training: linear, transformed"]
    assert [text.removesuffix(" %") for text, _ in table[1]][1:] == ["87.5", "90.0", "25.0"]
    assert table[2][0][0] == "sd (1,400)"
    assert [text for text, _ in table[3]] == ["all together", "50.0 %", "70.0 %", "60.0 %"]
    assert head(table)[1] == "real (1,200)"
    # (0.875 + 0.9) / 2 and (1 + 0.8) / 2 on their own; (0.875 + 0.25) / 2 and (1 + 0.1) / 2 on the other.
    [means] = parsed.tables["Unseen in training: mean balanced accuracy"][1:]
    assert [text for text, _ in means] == ["linear, transformed", "89.4 %", "55.6 %"]
    for words in ("1 image could not be read", "those of the other parts stand in", "fewer than 20 fitting images"):
        assert words in parsed.text, words
    assert "## Heads that know one generator" in twin
    assert ["sd (1,400)", "100.0 %", "10.0 %", "80.0 %"] in [row for found in markdown_tables(twin) for row in found]
    assert not {"script", "img"} & {tag for tag, _ in parsed.tags}
    assert not re.search(r"<(script|img)", twin.replace("\\<", ""))


def test_the_table_of_families_left_out() -> None:
    folds = tuple(
        FoldFacts(Fold(name, (name,), (name + "-1",), ("s1", "s2")), (100, 90), (40, 30), {"linear": 0.5}, saw)
        for name, saw in (("gan", ("gan-1",)), ("sd", ()))
    )
    alarms = Estimate(0.05, 0.01, 0.12)
    rows = tuple(
        FoldFigures(name, "linear", "jpeg-90", "all", 50, made, 2, 1, auc, 0.75, 0.6, alarms, 0.8, made >= 20)
        for name, made, auc in (("gan", 60, Estimate(0.9, 0.8, 0.95)), ("sd", 7, Estimate(0.6, 0.4, 0.7)))
    )
    summary = FamilySummary(
        "linear", "jpeg-90", "all", 1, Estimate(0.9, 0.8, 0.95), 0.9, "gan", 0.75, 100, 67, alarms,
        Estimate(0.7, 0.6, 0.9), Estimate(0.04, 0.02, 0.09),
    )  # fmt: skip
    table = FamilyTable("refit", "ours 1", 0.05, folds, rows, (summary,), 100, 0)
    page, twin = text_of(everything(), figures=figures(), families=table)
    parsed = Page(page)
    [title] = [name for name in parsed.tables if name.startswith("linear, jpeg-90")]
    first, second, last = parsed.tables[title][1:]
    assert first[:4] == [("gan", ""), ("50", "2 sources"), ("60", "1 source"), ("0.900", "0.800–0.950")]
    assert second[:4] == [("sd", ""), ("50", "2 sources"), ("7", "1 source"), ("0.600", "0.400–0.700")]
    assert first[4:] == [("75.0 %", ""), ("60.0 %", ""), ("5.0 %", "1.0–12.0 %"), ("0.800", "")]
    assert last[1:4] == [("100", ""), ("67", ""), ("0.900", "0.800–0.950")]
    assert last[6:] == [("5.0 %", "1.0–12.0 %"), ("0.700", "0.600–0.900")]
    for words in (
        "with images of gan: these figures are an upper bound", "not in mean and worst: sd (7)", "Worst: gan",
        "Calibration error of all folds together: 0.040 (0.020–0.090)", "5.0 % false alarms on images that are neither",
    ):  # fmt: skip
        assert words in parsed.text, words
    assert "## Each family left out" in twin


def test_facts_are_all_there(written: Written) -> None:
    page = written[0]
    digest = "data: shards 1: sha256 " + "cd" * 32
    for words in ("contrafake evaluate default", "machine: cores 2", digest, "40 resamples from seed 0"):
        assert words in page.text, words
    [ours] = [row for row in page.tables["Detectors"][1:] if row[0][0] == "ours"]
    assert ours[4][0] == "ab" * 8
    classes = {(row[0][0], row[1][0]): [text for text, _ in row[2:5]] for row in page.tables["Images"][1:]}
    assert classes["real", "seen"] == ["37", "6", "2"]
    assert classes["generated", "unseen"] == ["48", "11", "4"]
    assert sum(int(row[-1][0]) for row in page.tables["Images by origin"][1:]) == 184
