"""Whole builds: what comes out, cut off and taken up, grown, divided, retried, refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import jpeg
from small_build import CAPTIONS, built, painter, settings, write_photographs

from contrafake.data.index import read_index
from contrafake.data.location import read_bytes
from contrafake.data.sample import Record
from contrafake.data.shards import ShardSet
from contrafake.data.sources import open_source
from contrafake.errors import ConfigError, DataError, UsageError
from contrafake.generate.build import build, make_here
from contrafake.generate.store import Store
from contrafake.images import jpeg_facts, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contrafake.generate.build import Pending
    from contrafake.generate.finish import Built
    from contrafake.generate.project import Project

pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("reals") / "photos")


@pytest.fixture(scope="module")
def undisturbed(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Built]:
    """A set that was built in one go, with one generator that fails for a caption and one blank image."""
    out = tmp_path_factory.mktemp("undisturbed") / "set"
    return out, built(settings(photographs, painter("painter", out.parent)), out)


def shards_of(found: Built) -> dict[str, str]:
    return {name: shard["sha256"] for name, shard in found.summary["shards"].items()}


def test_every_record_has_its_outcome_and_causes_are_told(undisturbed: tuple[Path, Built]) -> None:
    out, found = undisturbed
    assert found.summary["counts"] == {
        "real": {"made": 6, "failed": 0, "filtered": 0, "skipped": 0},
        "painter": {"made": 4, "failed": 1, "filtered": 1, "skipped": 0},
    }
    left_out = [json.loads(line) for line in (out / "left-out.jsonl").read_text().splitlines()]
    assert {(entry["status"], entry["attempts"]) for entry in left_out} == {("failed", 2), ("filtered", 2)}
    assert {CAPTIONS[int(entry["record"][-1])] for entry in left_out} == {"a blank page", "a broken machine"}
    assert "blank" in found.summary["causes"]["painter"]["filtered"]


def test_siblings_share_frame_format_quality_and_tables(undisturbed: tuple[Path, Built]) -> None:
    out, _ = undisturbed
    records = [item for item in open_source(out) if isinstance(item, Record)]
    assert len(records) == 4
    for record in records:
        described = [jpeg_facts(read_bytes(sample.image)) for sample in record.samples]
        assert len({(f.width, f.height, f.quality, f.subsampling) for f in described}) == 1
        assert described[0].quality in {80, 83, 86, 89}


def test_each_image_says_how_it_was_made(undisturbed: tuple[Path, Built]) -> None:
    out, _ = undisturbed
    samples = {s.key: s for s in ShardSet([str(out / "train-*.tar")]).samples}
    assert sorted(samples) == sorted(read_index(out / "index.parquet", ["key"])["key"].to_pylist())
    fake = next(s for s in samples.values() if s.label == 1 and s.metadata["caption"] == "the sea")
    asked = fake.metadata["generation"]
    assert (fake.origin, fake.split, asked["prompt"], asked["attempt"]) == ("painter", "train", "the sea, painted", 1)
    pixels = read(read_bytes(fake.image)).pixels
    assert [asked["width"], asked["height"]] == [pixels.shape[1], pixels.shape[0]]
    steps = [step["step"] for step in fake.metadata["processing"]]
    real = next(s for s in samples.values() if s.label == 0 and s.group == fake.group)
    assert real.metadata["original"]["sha256"]
    # The real file brings one compression along; its sibling is given one, and both end with the same.
    assert steps.count("compress") == 1
    assert [step["step"] for step in real.metadata["processing"]].count("compress") == 0
    assert real.metadata["processing"][-1] == fake.metadata["processing"][-1]


def test_a_finished_set_stays_as_it_is(undisturbed: tuple[Path, Built], photographs: Path) -> None:
    out, found = undisturbed
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    again = built(settings(photographs, painter("painter", out.parent)), out)
    assert again.summary["digest"] == found.summary["digest"]
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")} == before


def test_adding_a_generator_touches_no_other_shard(
    undisturbed: tuple[Path, Built], photographs: Path, tmp_path: Path
) -> None:
    first, second = painter("painter", tmp_path), painter("other", tmp_path, salt=9)
    out = tmp_path / "set"
    built(settings(photographs, first), out)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.glob("*.tar")}
    grown = built(settings(photographs, second), out)  # naming the new one is enough
    assert grown.summary["generators"] == ["painter", "other"]
    assert {name: (out / name).read_bytes() for name in before} == {name: data for name, (data, _) in before.items()}
    assert all((out / name).stat().st_mtime_ns == changed for name, (_, changed) in before.items())
    assert shards_of(undisturbed[1]).items() <= shards_of(grown).items()  # one of an earlier folder, with one generator
    together = built(settings(photographs, first, second), tmp_path / "together")
    assert together.summary["digest"] == grown.summary["digest"]


@pytest.mark.parametrize("chunks", [0, 1, 3, 5])
def test_cut_off_and_taken_up_it_is_the_same_set(
    undisturbed: tuple[Path, Built], photographs: Path, tmp_path: Path, chunks: int
) -> None:
    class CutOffError(Exception):
        pass

    def cut(project: Project, pending: Pending, advance: Callable[[str, int, int | None], None]) -> None:
        left = chunks
        for generator, todo in pending:
            make_here(project, [(generator, todo[:left])], advance)
            left -= len(todo[:left])
        raise CutOffError

    config = settings(photographs, painter("painter", tmp_path))
    with pytest.raises(CutOffError):
        build(config, tmp_path / "set", workers=1, make=cut)
    assert len(list((tmp_path / "set" / ".work" / "chunks").rglob("0*.tar"))) == chunks
    assert built(config, tmp_path / "set").summary["digest"] == undisturbed[1].summary["digest"]


def test_parts_and_an_object_store_give_the_same_set(
    undisturbed: tuple[Path, Built], photographs: Path, tmp_path: Path
) -> None:
    pytest.importorskip("fsspec")
    out = f"memory://{tmp_path.name}/set"
    config = settings(photographs, painter("painter", tmp_path))
    assert build(config, out, part=(2, 2), workers=1) is None
    assert build(config, out, part=(1, 2), workers=1) is None
    assert not [name for name in Store(out).names() if name.endswith(".tar")]
    found = built(config, out)
    assert found.summary["digest"] == undisturbed[1].summary["digest"]
    assert {"index.parquet", "origins.csv", "datasheet.md", *shards_of(found)} <= Store(out).names()


def test_what_failed_is_tried_again_when_asked(photographs: Path, tmp_path: Path) -> None:
    config = settings(photographs, painter("painter", tmp_path))
    before = built(config, tmp_path / "set")
    (tmp_path / "fixed").touch()
    assert built(config, tmp_path / "set").summary["counts"]["painter"]["failed"] == 1
    after = built(config, tmp_path / "set", retry=True, only=["painter"])
    assert after.summary["counts"]["painter"] == {"made": 5, "failed": 0, "filtered": 1, "skipped": 0}
    changed = {name for name, digest in shards_of(after).items() if shards_of(before).get(name) != digest}
    assert changed == {"train-painter-00000.tar"}
    fresh = built(config, tmp_path / "fresh")
    assert fresh.summary["digest"] == after.summary["digest"]


def test_of_equal_images_one_is_kept(photographs: Path, tmp_path: Path) -> None:
    program = tmp_path / "same.py"
    program.write_text("import sys; open(sys.argv[1], 'wb').write(b'P6 96 96 255\\n' + bytes(range(256)) * 108)")
    command = [sys.executable, "-S", "-E", str(program), "{output}"]
    copier = {"name": "copier", "kind": "program", "command": command, "prompt": "", "sizes": [(96, 96)]}
    found = built(settings(photographs, copier), tmp_path / "set")
    assert found.summary["counts"]["copier"] == {"made": 1, "failed": 0, "filtered": 5, "skipped": 0}
    kept = built(settings(photographs, copier, filters={"duplicates": False}), tmp_path / "all")
    assert kept.summary["counts"]["copier"]["made"] == 6


def test_equal_and_blank_real_images_are_no_records(tmp_path: Path) -> None:
    photographs = write_photographs(tmp_path / "photos")
    (photographs / "twin.jpg").write_bytes((photographs / "photo-0.jpg").read_bytes())
    (photographs / "wall.jpg").write_bytes(jpeg(np.full((120, 120, 3), 90, np.uint8)))
    for name in ("twin", "wall"):
        (photographs / f"{name}.txt").write_text("a cat")
    found = built(settings(photographs, painter("painter", tmp_path)), tmp_path / "set")
    assert found.summary["reals"]["skipped"] == {"the same file as an earlier one": 1}
    assert found.summary["counts"]["real"] == {"made": 6, "failed": 0, "filtered": 1, "skipped": 0}
    assert found.summary["causes"]["real"]["filtered"] == {"blank": 1}


def test_a_missing_generator_is_found_before_any_image_is_made(photographs: Path, tmp_path: Path) -> None:
    lost = {"name": "lost", "kind": "reconstruction", "model": str(tmp_path / "nowhere")}
    with pytest.raises(DataError, match="no such folder"):
        build(settings(photographs, painter("painter", tmp_path), lost), tmp_path / "set", workers=1)
    assert not list((tmp_path / "set" / ".work").rglob("0*.tar"))


def test_a_prompt_says_what_is_not_filled_in(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\{capton\} is not filled in"):
        settings(photographs, painter("painter", tmp_path, prompt="{capton}, painted"))


def test_the_d3_law_keeps_real_files_as_they_are(photographs: Path, tmp_path: Path) -> None:
    built(settings(photographs, painter("painter", tmp_path, sizes=[(64, 48)]), law={"kind": "d3"}), tmp_path / "set")
    samples = ShardSet([str(tmp_path / "set" / "train-*.tar")]).samples
    real = {read_bytes(sample.image) for sample in samples if sample.label == 0}
    assert real == {path.read_bytes() for path in photographs.glob("*.jpg")}
    assert {read(read_bytes(s.image)).pixels.shape[:2] for s in samples if s.label == 1} == {(48, 64)}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 7}, "seed 42, now 7"),
        ({"law": {"longest": 80}}, "law.longest 96, now 80"),
        ({"reals": {"limit": 3}}, "reals.limit None, now 3"),
        ({"prompt": "{caption}"}, "painter.prompt"),
    ],
)
def test_other_settings_are_refused_and_named(
    undisturbed: tuple[Path, Built], photographs: Path, changes: dict[str, Any], named: str
) -> None:
    out, _ = undisturbed
    prompt = {"prompt": changes.pop("prompt")} if "prompt" in changes else {}
    with pytest.raises(DataError) as refused:
        build(settings(photographs, painter("painter", out.parent, **prompt), **changes), out, workers=1)
    assert named in str(refused.value)


def test_settings_of_what_is_not_begun_may_change(photographs: Path, tmp_path: Path) -> None:
    broken = painter("painter", tmp_path) | {"command": ["no-such-program", "{jobs}"]}
    with pytest.raises(DataError, match="no-such-program"):
        build(settings(photographs, broken), tmp_path / "set", only=["painter"], workers=1)
    config = settings(photographs, painter("painter", tmp_path), seed=3)
    assert built(config, tmp_path / "set").summary["counts"]["painter"]["made"] == 4


def test_what_is_not_its_own_is_refused(photographs: Path, tmp_path: Path) -> None:
    config = settings(photographs, painter("painter", tmp_path))
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").touch()
    with pytest.raises(DataError, match="something else"):
        build(config, tmp_path / "letters", workers=1)
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["dear.txt"]
    with pytest.raises(UsageError, match="no generator sculptor"):
        build(config, tmp_path / "set", only=["sculptor"], workers=1)
    with pytest.raises(UsageError, match="3/2"):
        build(config, tmp_path / "set", part=(3, 2), workers=1)


def test_a_photograph_that_changed_meanwhile_fails_alone(tmp_path: Path) -> None:
    photographs = write_photographs(tmp_path / "photos")
    config = settings(photographs, painter("painter", tmp_path))
    build(config, tmp_path / "set", part=(2, 2), workers=1)  # lists them and makes half of the chunks
    (photographs / "photo-0.jpg").write_bytes((photographs / "photo-4.jpg").read_bytes())
    found = built(config, tmp_path / "set")
    assert found.summary["counts"]["real"]["failed"] == 1
    assert "no longer the one" in found.summary["failures"][0]["cause"]


@pytest.mark.slow
def test_killed_again_and_again_it_is_the_same_set(
    undisturbed: tuple[Path, Built], photographs: Path, tmp_path: Path
) -> None:
    config = settings(photographs, painter("painter", tmp_path))
    file = tmp_path / "config.json"
    file.write_text(config.model_dump_json())  # JSON is YAML
    command = [sys.executable, "-m", "contrafake", "generate", str(file), "--out", str(tmp_path / "set"), "--json"]
    for seconds in (1.0, 2.0, 2.5, 3.0, 3.5):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        run.send_signal(signal.SIGKILL)
        run.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr  # one image fails for good
    assert json.loads(done.stdout)["digest"] == undisturbed[1].summary["digest"]
