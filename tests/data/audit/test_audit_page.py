"""The page: whole, self-contained, harmless whatever the data are called, and without pixels where none are wanted."""

from __future__ import annotations

import base64
import errno
import hashlib
import html
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from audit_example import NAN, category, example, number, twin

from contrafake.data.audit.charts import HALF, TOP, WIDTH, above_chance, histogram, whisker
from contrafake.data.audit.page import PAIRS_SHOWN, pair_in_words, render_page, shown_keys, write_page
from contrafake.data.audit.result import Interval
from contrafake.data.audit.shown import auc_in_words, in_short, share_in_words, shown, strength
from contrafake.errors import DataError

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</style><script>x</script>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egpj.exe",
    "\udce9\x1b[31m\u200b",
    "a&amp;b' onload=\"x",
]
VOID = {"meta", "img", "br", "rect", "path"}
KNOWN = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "b", "div", "section", "span",
    "small", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "path", "text", "code", "figure",
    "figcaption", "img", "footer", "details", "summary",
}  # fmt: skip


class Page(HTMLParser):
    """Checks that tags are closed in order; collects tags, attributes and text."""

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

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def hostile_report(text: str) -> Any:
    spread = category("format", 0.9, {text: (0.2, 0.9), "other": (0.8, 0.1)})
    report = example(name=text, verdict=text, notes=[text], skipped=[text], unreadable=[(text, text)])
    duplicates = replace(report.duplicates, examples=[twin(text, text + "2", splits=(text, "b"))])
    joint = replace(report.without_content, note=text, leaders=[(text, 0.1)])
    features = [replace(spread, title=text, sentence=text), *report.features]
    images = {text: {"real": 1, "generated": 2}}
    return replace(report, duplicates=duplicates, features=features, without_content=joint, images=images)


@pytest.mark.parametrize("text", HOSTILE)
def test_outside_text_stays_text(text: str) -> None:
    markup = render_page(hostile_report(text), {text: b"\xff\xd8"}, text)
    page = Page(markup)
    assert {tag for tag, _ in page.tags} <= KNOWN
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("src") is None or str(attributes["src"]).startswith("data:image/jpeg;base64,")
        assert "href" not in attributes
    assert shown(text).split()[0] in page.text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x1b]", markup)
    markup.encode()
    assert " 49" not in page.text  # the template language is not run on data


def test_everything_found_stands_on_the_page() -> None:
    report = example()
    text = Page(render_page(report, command="contrafake data audit photos")).text
    wanted = [
        report.verdict,
        "0.95 to 1.00",
        "0.52 to 0.70",
        "1,200",
        "1,180",
        "cat-7",
        "the data end early",
        "14",
        "9",
    ]
    wanted += ["3 skipped: no image by its suffix", report.notes[0], "train/dog-2", "contrafake data audit photos"]
    for feature in report.features:
        wanted += [feature.title, feature.sentence, auc_in_words(feature.auc)]
    for words in wanted:
        assert words in text, words


def test_content_features_stand_apart() -> None:
    content = number("patch", 0.99, [0, 1, 2], [0.5, 0.5], [0.1, 0.9], room="content")
    page = render_page(example(features=[content, *example().features]))
    assert page.index("1 content feature,") < page.index(content.sentence)
    assert page.index(example().features[-1].sentence) < page.index(content.sentence)


def test_only_its_own_style_sheet_may_act() -> None:
    page = render_page(example(), {})
    [policy] = [
        str(values["content"])
        for tag, values in Page(page).tags
        if tag == "meta" and values.get("http-equiv") == "Content-Security-Policy"
    ]
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ")[:3] == ["default-src 'none'", f"style-src 'sha256-{digest}'", "img-src data:"]
    # A style attribute would be refused by that policy.
    assert not any("style" in values for _, values in Page(page).tags)
    assert "url(" not in style
    assert "@import" not in style


def test_without_thumbnails_no_pixel_is_in_the_page() -> None:
    page = render_page(example())
    assert "data:image" not in page
    assert "<img" not in page
    assert "no pixel of the data" in page


def test_thumbnails_stand_beside_their_keys() -> None:
    pictures = {key: f"bytes of {key}".encode() for key in ("train/cat-1", "test/cat-1", "train/dog-1")}
    images = [values for tag, values in Page(render_page(example(), pictures)).tags if tag == "img"]
    assert [image["alt"] for image in images] == [
        "real image train/cat-1", "generated image test/cat-1", "real image train/dog-1",
    ]  # fmt: skip
    for image, data in zip(images, pictures.values(), strict=True):
        assert base64.b64decode(str(image["src"]).partition("base64,")[2]) == data


def test_the_page_shows_a_bounded_number_of_pairs() -> None:
    pairs = [twin(f"a{i}", f"b{i}") for i in range(200)]
    report = example(duplicates=replace(example().duplicates, exact=5000, examples=pairs))
    assert len(shown_keys(report)) == 2 * PAIRS_SHOWN
    page = render_page(report)
    assert page.count('<section class="card pair">') == PAIRS_SHOWN
    assert f"The worst {PAIRS_SHOWN} of 5,002 pairs" in page


def test_unknown_figures_and_empty_parts() -> None:
    unknown = replace(example().without_content, auc=Interval(0.7, NAN, NAN))
    empty = replace(example().duplicates, exact=0, near=0, across_splits=0, across_labels=0, examples=[])
    nothing = number("empty", NAN, [], [], [])
    report = example(
        without_content=unknown, duplicates=empty, features=[nothing], skipped=[], notes=[], unreadable=[],
        unreadable_count=0,
    )  # fmt: skip
    text = Page(render_page(report)).text
    assert "nan" not in text.lower()
    assert "AUC, 95 %" not in text.partition("Content only")[0]
    for heading in ("Skipped", "Notes", "unreadable"):
        assert heading not in text


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_page(example(), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_full_disk_leaves_what_stood_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    path.write_text("before")

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"page\.html: cannot be written: No space left"):
        write_page(example(), path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_bars_and_medians_stand_where_they_should() -> None:
    # Two bins and missing values: three slots of (320 - 10) / 3; the tallest bar, 0.8, fills its half.
    drawn = histogram(number("q", 0.7, [0, 10, 20], [0.8, 0.1, 0.1], [0.0, 0.4, 0.6], (5.0, 20.0)).distribution)
    step = (WIDTH - 10) / 3
    assert [(bar.kind, bar.height) for bar in drawn.bars] == [
        ("real", HALF), ("real", 5.75), ("generated", 23.0), ("real", 5.75), ("generated", 34.5),
    ]  # fmt: skip
    assert drawn.bars[0].y == TOP
    assert {bar.y for bar in drawn.bars if bar.kind == "generated"} == {TOP + HALF}
    assert drawn.bars[-1].x == pytest.approx(2 * step + 10 + 0.5, abs=0.01)
    assert drawn.medians == (round(step / 2, 2), round(2 * step, 2))
    assert [tick.text for tick in drawn.ticks] == ["0", "20", "none"]
    assert drawn.peak == 0.8


def test_bins_of_one_value_are_named_by_it() -> None:
    spread = replace(number("n", 0.7, [0.5, 1.5, 2.5], [0.5, 0.5], [1.0, 0.0]).distribution, labels=["1", "2"])
    assert [(tick.text, tick.x) for tick in histogram(spread).ticks] == [("1", 80), ("2", 240)]


@pytest.mark.parametrize(("auc", "length"), [(0.5, 0), (0.75, 50), (1, 100), (0.3, 0), (NAN, 0)])
def test_bars_begin_at_chance(auc: float, length: float) -> None:
    assert above_chance(auc) == length


def test_an_interval_without_bounds_is_not_drawn() -> None:
    assert whisker(Interval(0.9, 0.8, 0.95)) == (60, 90)
    assert whisker(Interval(0.9, NAN, NAN)) is None


def test_numbers_in_words() -> None:
    assert [in_short(x) for x in (0, 512, 0.031, 999.7, 12_345, 1_050_000, 0.0006, NAN)] == [
        "0", "512", "0.031", "1000", "12.3k", "1.05M", "6e-04", "–",
    ]  # fmt: skip
    shares = [share_in_words(x) for x in (0, 0.001, 0.02, 0.94, 0.999, 1)]
    assert shares == ["0 %", "<1 %", "2 %", "94 %", ">99 %", "100 %"]
    assert [strength(x) for x in (0.9, 0.896, 0.89, 0.7, 0.69, 0.6, 0.55, 0.2, NAN)] == [
        "strong", "strong", "clear", "clear", "some", "some", "little", "little", "unknown",
    ]  # fmt: skip
    assert shown("a\u202eb\udce9 <i>") == "a\\u202eb\\udce9 <i>"


def test_pairs_in_words() -> None:
    assert pair_in_words(twin("a", "b")) == "under two labels, in two splits"
    assert pair_in_words(twin("a", "b", siblings=True, splits=("", ""))) == "siblings"
    assert pair_in_words(twin("a", "b", labels=(1, 1), splits=("", ""))) == "under one label, in one split"


@pytest.mark.slow
def test_a_browser_has_nothing_to_complain_of(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium")
    report = example(notes=["a" * 300], name="x" * 200)
    write_page(report, tmp_path / "page.html", {})
    inner = html.escape((tmp_path / "page.html").read_text())
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
