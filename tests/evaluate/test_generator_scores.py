"""Heads that know one generator: their tables follow from the scores that were kept, and from nothing else."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture
from scored import evaluation, images

from contrafake.cli import run
from contrafake.data import ShardWriter
from contrafake.errors import DataError
from contrafake.evaluate.agreement import differences
from contrafake.evaluate.api import figures_of
from contrafake.evaluate.evaluation import Evaluation
from contrafake.evaluate.generator_heads import GeneratorHeads
from contrafake.evaluate.generator_scores import EVERY, FACTS, SCORES, GeneratorScores
from contrafake.evaluate.results import write_results

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.evaluate.images import Images

ODD = 'a,"b"\r\udce9'
"""A generator of which no byte may get lost, one of them no UTF-8."""


@pytest.fixture
def known() -> Images:
    """Four real images of seen origins; two of a seen generator, three of an unseen one."""
    return images(
        [0, 0, 0, 0, 1, 1, 1, 1, 1], origin=["phone"] * 4 + [ODD] * 2 + ["flux"] * 3, seen=["yes"] * 6 + ["no"] * 3
    )


@pytest.fixture
def scores(known: Images) -> GeneratorScores:
    """Columns: linear and nearest of the odd one, the same of flux, the same of both."""
    plain = np.array(
        [
            # linear odd, nearest odd, linear flux, nearest flux, linear both, nearest both
            [-1, -1, -1, -1, -1, -1],
            [-1, 0.0, 2, -1, -1, -1],
            [-1, 0.1, 2, -1, -1, -1],
            [1 / 3, 0.2, 2, -1, -1, -1],
            [1, 1, -1, -1, 1, 1],
            [1, -1, -1, -1, 1, 1],
            [1, -1, 1, 1, 1, 1],
            [-1, -1, 1, 1, 1, 1],
            [-1e-12, -1, 1, 1, 1, 1],
        ]
    )
    return GeneratorScores(
        model="ours 1",
        seed=3,
        fitted={ODD: 40, "flux": 25},
        fitted_real=30,
        left_out={"tiny": 3},
        unreadable={"i0003": "is no image"},
        keys={"untouched": known.key, "transformed": known.key[[8, 7, 6, 5, 4, 2, 1, 0]]},
        scores={"untouched": plain, "transformed": -plain[[8, 7, 6, 5, 4, 2, 1, 0]]},
    )


@pytest.fixture
def folder(tmp_path: Path, known: Images, scores: GeneratorScores) -> Path:
    """An evaluation with its figures."""
    target = tmp_path / "result"
    found = evaluation(known, np.linspace(-1, 1, 9))
    found.write(target)
    made = replace(figures_of(found, repeats=0), generators=GeneratorHeads.of(scores, known))
    write_results(target, made, report=False)
    return target


def rebuild(folder: Path) -> None:
    write_results(folder, figures_of(Evaluation.read(folder), repeats=0), report=False)


def check(folder: Path) -> list[str]:
    return differences(folder, figures_of(Evaluation.read(folder), repeats=0))


def test_tables_by_hand(known: Images, scores: GeneratorScores) -> None:
    found = GeneratorHeads.of(scores, known)
    assert (list(found.tables), found.borrowed, found.seed) == (["seen", "unseen"], ("unseen",), 3)
    seen, unseen = found.tables.values()
    assert (seen.tested, seen.tested_real, unseen.tested, unseen.tested_real) == ({ODD: 2}, 4, {"flux": 3}, 4)
    assert (seen.fitted, seen.fitted_real, seen.left_out) == ({ODD: 40, "flux": 25}, 30, {"tiny": 3})
    shares = {
        (row.head, row.condition, row.generator): (row.real, row.generated[ODD])
        for row in seen.rows
        if row.generator == ODD
    }
    assert shares == {
        ("linear", "untouched", ODD): (3 / 4, 1.0),
        ("nearest", "untouched", ODD): (2 / 4, 1 / 2),  # a score of 0 is real
        # All signs turned, and the last real image missing.
        ("linear", "transformed", ODD): (0.0, 0.0),
        ("nearest", "transformed", ODD): (pytest.approx(2 / 3), 1 / 2),
    }
    rates = [
        (row.head, row.generator, row.real, row.generated["flux"])
        for row in unseen.rows
        if row.condition == "untouched"
    ]
    assert rates == [
        ("linear", ODD, 3 / 4, pytest.approx(1 / 3)),
        ("linear", "flux", 1 / 4, 1.0),
        ("linear", None, 1.0, 1.0),
        ("nearest", ODD, 2 / 4, 0.0),
        ("nearest", "flux", 1.0, 1.0),
        ("nearest", None, 1.0, 1.0),
    ]


def test_a_round_trip_gives_the_same_tables(folder: Path, known: Images, scores: GeneratorScores) -> None:
    read = GeneratorScores.read(folder, Evaluation.read(folder).images)
    for condition, expected in scores.scores.items():
        np.testing.assert_array_equal(read.scores[condition], expected)
        assert read.keys[condition].tolist() == scores.keys[condition].tolist()
    again = GeneratorHeads.of(read, known)
    assert again == GeneratorHeads.of(scores, known)
    document = json.loads((folder / "generator-heads.json").read_text())
    assert GeneratorHeads.from_dict(document) == again
    assert "scores" not in document
    with (folder / SCORES).open(newline="", errors="surrogateescape") as file:
        header = next(csv.reader(file))
    assert header[2:] == [f"{head}/{name}" for name in (ODD, "flux", EVERY) for head in ("linear", "nearest")]


def test_the_tables_are_rebuilt_without_data(folder: Path) -> None:
    names = ("generator-heads.json", "generator-heads.md", SCORES, FACTS)
    first = {name: (folder / name).read_bytes() for name in names}
    assert check(folder) == []
    for name in names[:2]:
        (folder / name).unlink()
    assert check(folder) == ["generator-heads.json: is missing"]
    rebuild(folder)
    assert {name: (folder / name).read_bytes() for name in names} == first


def test_a_changed_score_is_found(folder: Path) -> None:
    data = (folder / SCORES).read_bytes()
    assert data.count(b"untouched,i0000,-1,") == 1
    (folder / SCORES).write_bytes(data.replace(b"untouched,i0000,-1,", b"untouched,i0000,1,"))
    first, second = check(folder)
    assert first.startswith("generator-heads.json: tables.seen.rows[0].real is 0.75, and the scores give 0.5")
    assert second.startswith("generator-heads.md: differs in line ")
    rebuild(folder)
    assert check(folder) == []


def test_a_changed_table_is_found(folder: Path) -> None:
    path = folder / "generator-heads.json"
    path.write_text(path.read_text().replace('"real": 0.75', '"real": 0.8', 1))
    assert [line.partition(":")[0] for line in check(folder)] == ["generator-heads.json"]


def test_what_training_saw_is_taken_from_the_images(folder: Path) -> None:
    path = folder / "images.csv"
    path.write_bytes(path.read_bytes().replace(b",no,", b",,"))
    rebuild(folder)
    assert list(json.loads((folder / "generator-heads.json").read_text())["tables"]) == ["seen", "unknown"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"untouched,i0001,", b"untouched,i9999,", "line 3: fits neither"),
        (b"untouched,i0001,", b"turned,i0001,", "line 3: fits neither"),
        (b"untouched,i0001,-1,", b"untouched,i0001,", "line 3: fits neither"),
        (b"untouched,i0001,", b"untouched,i0000,", "line 3: untouched of 'i0000' stands there before"),
        (b"untouched,i0001,-1,", b"untouched,i0001,high,", "line 3: a score is no number"),
        (b"untouched,i0001,-1,", b"untouched,i0001,,", "line 3: a score is no number"),
        (b"untouched,i0001,-1,", b"untouched,i0001,inf,", "line 3: a score is not finite"),
        (b'untouched,i0001,-1,', b'untouched,i0001,"-1"x,', "line 3: is no CSV"),
        (b"linear/flux", b"linear/gan", "its columns are not the heads of generator-scores.json"),
        (b'"condition"', b"variant", "its columns are not the heads of generator-scores.json"),
    ],
)  # fmt: skip
def test_damaged_scores_are_named_with_their_line(folder: Path, old: bytes, new: bytes, message: str) -> None:
    data = (folder / SCORES).read_bytes()
    assert old in data
    (folder / SCORES).write_bytes(data.replace(old, new, 1))
    with pytest.raises(DataError) as caught:
        rebuild(folder)
    assert SCORES in str(caught.value)
    assert message in str(caught.value)


def test_scores_of_no_real_image_are_refused(folder: Path) -> None:
    lines = (folder / SCORES).read_bytes().split(b"\n")
    kept = [line for line in lines if not line.startswith(tuple(b"transformed,i000%d," % at for at in range(4)))]
    (folder / SCORES).write_bytes(b"\n".join(kept))
    with pytest.raises(DataError, match="condition transformed: none of 5 images with a score is real"):
        rebuild(folder)
    (folder / SCORES).write_bytes(b"\n".join(line for line in kept if not line.startswith(b"transformed")))
    with pytest.raises(DataError, match="has no score of the condition transformed"):
        rebuild(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "holds no heads of one generator"),
        ("{", "holds no heads of one generator"),
        ('{"schema_version": 2}', "has schema version 2, not 1"),
        ('{"schema_version": 1, "conditions": ["untouched"]}', "holds no heads of one generator: 'model'"),
    ],
)
def test_damaged_facts(folder: Path, text: str, message: str) -> None:
    (folder / FACTS).write_text(text)
    with pytest.raises(DataError, match=rf"generator-scores\.json: {message}"):
        check(folder)


@pytest.mark.parametrize("name", [SCORES, FACTS])
def test_one_file_without_the_other_is_damage(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: cannot be read"):
        check(folder)


def test_the_command_keeps_scores_and_checks_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("sklearn", "jinja2", "matplotlib"):
        pytest.importorskip(name)
    rng = np.random.default_rng(0)
    for stem, count in (("fit", 20), ("test", 4)):
        with ShardWriter(tmp_path / f"{stem}.tar") as shard:
            for i in range(count):
                for origin in ("phone", "gan"):
                    facts = {"label": "real" if origin == "phone" else "fake", "origin": origin, "source": origin}
                    data = jpeg(picture(rng, generated=origin == "gan", side=32))
                    shard.write(f"{stem}-{origin}-{i}", {"jpg": data, "json": json.dumps(facts).encode()})
    out = tmp_path / "out"
    sets = ["--data", str(tmp_path / "test.tar"), "--fit-data", str(tmp_path / "fit.tar")]
    options = ["--protocol", "paper", "--crops", "1", "--limit", "3", "--repeats", "0", "--no-cache", "--no-report"]
    assert run(["evaluate", *sets, *options, "--out", str(out)]) == 0
    with (out / SCORES).open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (out / "images.csv").open(newline="") as file:
        label = {row["key"]: row["label"] for row in csv.DictReader(file)}
    # The evaluated images alone, three of each class.
    assert [(row["condition"], row["key"]) for row in rows] == [
        (condition, key) for condition in ("untouched", "transformed") for key in label
    ]
    [cross] = json.loads((out / "generator-heads.json").read_text())["tables"].values()
    assert len(cross["rows"]) == 8
    for row in cross["rows"]:
        column = f"{row['head']}/{row['generator'] or EVERY}"
        called: dict[str, list[bool]] = {"real": [], "generated": []}
        for line in rows:
            if line["condition"] == row["condition"]:
                called[label[line["key"]]].append(float(line[column]) > 0)
        assert row["generated"] == {"gan": pytest.approx(np.mean(called["generated"]))}
        assert row["real"] == pytest.approx(1 - np.mean(called["real"]))
    assert run(["evaluate", "report", str(out), "--check"]) == 0
    lines = (out / SCORES).read_text().splitlines()
    condition, key, *cells = lines[1].split(",")
    turned = [condition, key, *(f"{-float(cell):g}" for cell in cells)]
    (out / SCORES).write_text("\n".join([lines[0], ",".join(turned), *lines[2:]]) + "\n")
    assert run(["evaluate", "report", str(out), "--check"]) == 1
    assert "generator-heads.json: tables." in capsys.readouterr().err
