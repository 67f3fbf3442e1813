"""The datasheet says what the set, its summary and its audit say, whatever is missing or hostile in them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("jinja2")
pytest.importorskip("sklearn")

import pyarrow as pa
import pyarrow.parquet as pq
from audit_example import example
from built_example import record_name, write_built

from contrafake.errors import DataError
from contrafake.generate.config import GenerateConfig
from contrafake.generate.datasheet import audit_built, render_datasheet, write_datasheet
from contrafake.generate.datasheet_audit import FEWEST
from contrafake.generate.datasheet_facts import composition
from contrafake.generate.datasheet_law import law_in_words, limits

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.audit.result import AuditReport
    from contrafake.data.sources.source import Source

BLUR = {"kind": "reconstruction", "name": "blur", "model": "/home/somebody/models/small", "noise": 0.25}
EDGES = {
    "kind": "text-to-image",
    "name": "edges",
    "model": "someone/model",
    "revision": "abc",
    "guidance": 7.5,
    "prompt": "a photo of {caption}",
    "negative_prompt": "*bad*",
    "licence": "MIT | more",
}


def config(**law: Any) -> dict[str, Any]:
    reals = {"data": ["/home/somebody/photos", "${CONTRAFAKE_DATA}/more"], "keep": {"content": ["photo"]}}
    whole = GenerateConfig.model_validate({"name": "tiny", "reals": reals, "generators": [BLUR, EDGES], "law": law})
    return whole.model_dump(mode="json")


def summary(**more: Any) -> dict[str, Any]:
    counts = {"made": 5, "failed": 0, "filtered": 1, "skipped": 0}
    return {
        "name": "tiny",
        "generators": ["blur", "edges"],
        "contrafake": "9.8.7",
        "digest": "d1" * 32,
        "config": config(),
        "counts": {"real": {**counts, "made": 6, "filtered": 0}, "blur": counts, "edges": {**counts, "made": 6}},
        "causes": {"blur": {"failed": {}, "filtered": {"blank": 1}, "skipped": {"no caption": 4}}},
        "facts": {"edges": {"precision": "bf16", "torch": "2.99", "defaults": {"steps": 50, "guidance": 5.0}}},
        "reals": {"listed": 9, "used": 6, "skipped": {"unreadable": 1, "too small": 2}},
        "shards": {"a.tar": {"sha256": "", "images": 9, "bytes": 1_000}, "b.tar": {"bytes": 234}},
        "seconds": {"blur": 0.12345, "edges": None},
        **more,
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_built(tmp_path_factory.mktemp("built") / "set", lost={(0, "blur")})


def cells(text: str, first: str) -> list[list[str]]:
    """The cells of the rows that begin with a text."""
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [[cell.strip(" |") for cell in row[1:]] for row in rows]


def test_what_the_set_consists_of(built: Path) -> None:
    found = composition(built)
    assert found.splits == ["train", "val"]
    assert (found.count(label=0), found.count(label=1), found.count("train", 1, "blur")) == (6, 11, 3)
    assert found.sides[0].formats == [("JPEG", 1.0)]
    assert found.sides[1].quality == found.by_origin["blur"].quality == [90.0] * 3
    assert found.sides[0].width == [64.0] * 3
    assert found.sources == [("camera", f"album-{n}", 1) for n in range(6)]


def test_the_tables(built: Path) -> None:
    text = render_datasheet(built, summary(), None)
    assert text.startswith("# tiny: datasheet\n")
    assert "6 real images, and 11 images that\n2 generators made" in text
    assert cells(text, "train") == [["4", "3", "4"]]
    assert cells(text, "val") == [["2", "2", "2"]]
    assert cells(text, "all") == [["6", "5", "6"]]
    assert cells(text, "camera")[0] == ["album-0", "1"]
    assert cells(text, "model") == [["small", "someone/model"]]
    assert cells(text, "strength or noise") == [["noise 0.25", "–"]]
    assert cells(text, "steps") == [["–", "its own (50)"]]
    assert cells(text, "guidance") == [["–", "7.5"]]
    assert cells(text, "revision") == [["–", "abc"]]
    assert cells(text, "blur") == [["5", "0", "1", "0", "0.123"]]
    assert cells(text, "edges") == [["6", "0", "1", "0", "–"]]
    for line in (
        "- blur, filtered, 1: blank",
        "- blur, skipped, 4: no caption",
        r"- edges, prompt: a photo of \{caption\}",
        r"- edges, negative prompt: \*bad\*",
        "- left out, 2: too small",
        "Of 9 images listed, 6 were used as real ones.",
        "by contrafake 9.8.7, torch 2.99.",
        "2 shards, 1,234 bytes.",
        "No audit was made",
        "The data state no licences",
    ):
        assert line in text
    assert "somebody" not in text  # paths of the machine
    assert "d1" * 32 in text


def test_licences_come_from_the_records(tmp_path: Path) -> None:
    folder = write_built(tmp_path / "set", 3)
    said = ['{"license": "CC0"}', '{"licence": "CC0"}', "{nothing"]
    table = pq.read_table(folder / "records.parquet").append_column("metadata", pa.array(said))
    pq.write_table(table, folder / "records.parquet")
    text = render_datasheet(folder, summary(), None)
    assert cells(text, "CC0") == [["2"]]
    assert cells(text, "none stated") == [["1"]]


def test_an_audit_is_told_in_figures(built: Path) -> None:
    report = example()
    text = render_datasheet(built, summary(), report, before=report)
    auc = report.without_content.auc
    row = [f"{auc.value:.2f}", f"{auc.low:.2f} to {auc.high:.2f}", f"{report.without_content.auc_same_sources:.2f}"]
    assert cells(text, "everything but the content") == [row]
    assert cells(text, "everything but the content, before") == [row]
    assert f"{report.duplicates.exact:,} exact and {report.duplicates.near:,} near" in text
    assert cells(text, "format")[0][:3] == ["file", "0.97", "0.99"]
    assert cells(text, "PNG") == [["2 %", "94 %"]]  # the whole distribution of the format


@pytest.mark.parametrize("build", [{}, dict.fromkeys(summary(), "nonsense"), {name: [3] for name in summary()}])
def test_a_summary_that_says_nothing_is_no_error(built: Path, build: dict[str, Any]) -> None:
    text = render_datasheet(built, build, None)
    assert cells(text, "all")[0][0] == "6"
    assert "The configuration does not say" in text


def test_a_part_of_a_set_is_called_one(built: Path) -> None:
    more = summary(counts={"real": {"made": 600}, "blur": {"made": 500}, "edges": {"made": 600}})
    text = render_datasheet(built, more, None)
    assert "600 real images, and 1,100 images" in text
    assert "The tables on files cover 17 of all 1,700 images." in text
    assert "cover" not in render_datasheet(built, summary(), None)


def test_texts_from_outside_do_no_harm(built: Path) -> None:
    bad = "<script>alert(1)</script> | [x](http://a) `quoted` \u202egpj\n# title"
    build = summary(name=bad, digest=bad, contrafake=bad)
    build["config"]["generators"][0] |= {"model": bad, "licence": bad, "prompt": bad}
    build["causes"]["blur"]["filtered"] = {bad: 1}
    build["reals"]["skipped"] = {bad: 1}
    build["config"]["reals"]["data"] = [bad]
    text = render_datasheet(built, build, None)
    assert not re.search(r"(?<!\\)<script|(?<!\\)\[x|(?<!\\)`quoted|\u202e|^# title", text, re.MULTILINE)
    assert text.count("alert") >= 8
    rows = [line for line in text.splitlines() if line.startswith("| model |")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [4]  # no cell was added


@pytest.mark.parametrize(
    ("law", "said", "limit"),
    [
        ({"factor": (0.5, 1.0)}, "scaled by one factor, drawn from 0.5 to 1.", "its last compression only"),
        ({}, "No image is scaled after it was made.", "its last compression only"),
        ({"quality": (60, 70), "format": "webp"}, "WEBP for all, quality 60 to 70", "libjpeg"),
        ({"format": "png"}, "PNG, without losses", "last compression"),
        ({"sizes": "paper"}, "640 x 360", "last compression"),
        ({"sizes": [(64, 48), (32, 32)]}, "one of the sizes 64 x 48, 32 x 32", "last compression"),
        ({"longest": 500, "multiple": 8}, "a longest side of 500 pixels allows; its sides are multiples of 8", "file"),
        ({"kind": "d3"}, "stays as it is, to the byte", "one compression more"),
    ],
)
def test_the_law_in_words(law: dict[str, Any], said: str, limit: str) -> None:
    assert said in " ".join(law_in_words(config(**law)))
    assert limit in " ".join(limits(config(**law)))


def test_limits_follow_the_generators() -> None:
    whole = config()
    told = {}
    for generator in whole["generators"]:
        told[generator["name"]] = " ".join(limits({**whole, "generators": [generator]}))
    assert "show another scene" in told["edges"]
    assert "show another scene" not in told["blur"]
    assert "must never part them" in told["blur"]
    assert "must never part them" not in told["edges"]
    program = {"kind": "program", "name": "x", "command": ["paint", "{input}", "{output}"]}
    assert "must never part them" in " ".join(limits({"generators": [program]}))


def test_a_set_that_cannot_be_read(built: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"index\.parquet"):
        write_datasheet(tmp_path, {}, None)
    assert not list(tmp_path.iterdir())


def test_the_part_that_is_audited_and_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_built(tmp_path / "set", 14, name="tiny")
    looked_at: list[str] = []

    def measured(source: Source, *, name: str, workers: int | None, on_progress: Any) -> AuditReport:
        """Measuring itself has tests of its own, and takes its time."""
        looked_at[:] = [item.key for item in source]
        on_progress("measuring", 1, None)
        return replace(example(), name=f"{name} {workers}", notes=list(source.census.notes))

    monkeypatch.setattr("contrafake.data.audit.audit.audit", measured)
    for most, command in ((12, False), (14, True)):
        seen: list[str] = []
        report = audit_built(folder, most, 1, lambda doing, _steps, _total, seen=seen: seen.append(doing))  # type: ignore[misc]
        assert report is not None
        keys = [f"tiny__{'val' if number % 3 == 2 else 'train'}__{record_name(number)}" for number in range(14)]
        by_hash = sorted(keys, key=lambda key: blake2b(key.encode(), digest_size=8).digest())
        assert sorted(looked_at) == sorted(by_hash[:most])
        assert (report.name, seen) == ("tiny 1", ["auditing: measuring"])
        assert report.notes == ([] if command else ["12 of 14 records were looked at, chosen by a hash of their keys"])
        assert json.loads((folder / "audit.json").read_text("utf-8")) == report.to_dict()
        page = (folder / "audit.html").read_text("utf-8")
        assert "data:image" not in page
        assert ("contrafake data audit tiny" in page) == command


@pytest.mark.slow
def test_an_audit_of_a_part_of_the_records(tmp_path: Path) -> None:
    folder = write_built(tmp_path / "set", 14, name="tiny")
    seen: list[str] = []
    report = audit_built(folder, 12, 1, lambda doing, _steps, _total: seen.append(doing))
    assert report is not None
    assert sum(n["real"] for n in report.images.values()) == 12
    assert sum(n["generated"] for n in report.images.values()) == 24
    assert "12 of 14 records were looked at, chosen by a hash of their keys" in report.notes
    assert json.loads((folder / "audit.json").read_text("utf-8")) == report.to_dict()
    page = (folder / "audit.html").read_text("utf-8")
    assert "data:image" not in page
    assert set(seen) == {"auditing: measuring", "auditing: comparing"}
    write_datasheet(folder, summary(), report)
    text = (folder / "datasheet.md").read_text("utf-8")
    assert "12 of 14 records" in text
    assert report.duplicates.siblings > 0


def test_too_few_records_are_not_audited(tmp_path: Path) -> None:
    lost = {(0, "real"), (1, "blur"), (1, "edges")}
    folder = write_built(tmp_path / "set", FEWEST + 1, lost=lost)
    (folder / "audit.html").write_text("of an earlier run")
    assert audit_built(folder, 100, 1) is None
    assert not (folder / "audit.html").exists()
    (folder / "index.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"index\.parquet"):
        audit_built(folder, 100, 1)
