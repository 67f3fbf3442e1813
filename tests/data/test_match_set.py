from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import shutil
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import picture
from PIL import Image

from contrafake.data import ShardSet
from contrafake.data.index import read_index, rows_of
from contrafake.data.location import read_bytes
from contrafake.data.matching import output as output_module
from contrafake.data.matching.match import match
from contrafake.data.matching.settings import MatchSettings
from contrafake.data.sources import open_source
from contrafake.data.sources.folders import PlainFolders
from contrafake.data.sources.tars import Shards
from contrafake.errors import DataError
from contrafake.images import jpeg_facts, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.data.sources.source import Item

SMALL = MatchSettings(min_side=32)
CORPUS = Path(os.environ.get("CONTRAFAKE_DATA", ""), "corpus")


@pytest.fixture(scope="module")
def biased(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real JPEGs of many sizes and qualities with EXIF, generated PNGs of one size; two broken files."""
    root, rng = tmp_path_factory.mktemp("biased") / "set", np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x010F] = "Apparatus"
    for i in range(18):
        for name, place in (("phone", root / "train" / "real"), ("gan", root / "train" / "fake" / "gan")):
            place.mkdir(parents=True, exist_ok=True)
            scene = Image.fromarray(picture(rng, generated=False, side=150))
            if name == "gan":
                scene.save(place / f"fake_{i:02d}.png")
            else:
                scene = scene.crop((0, 0, 120 + i, 150 - i))
                scene.save(place / f"IMG_{i:02d}.JPG", quality=80 + i, subsampling=i % 3, exif=exif)
    (root / "train" / "real" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    (root / "train" / "fake" / "gan" / "cut.png").write_bytes((root / "train/fake/gan/fake_00.png").read_bytes()[:2000])
    return root


@pytest.fixture(scope="module")
def matched(biased: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("matched") / "out"
    match(PlainFolders(biased), out, SMALL, images_per_shard=15)
    return out


def fingerprint(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def facts_by_class(folder: Path) -> dict[int, Counter[Any]]:
    found: dict[int, Counter[Any]] = {0: Counter(), 1: Counter()}
    for sample in ShardSet([str(folder / "*.tar")]).samples:
        data = read_bytes(sample.image)
        facts = jpeg_facts(data)
        found[sample.label][facts.width, facts.height, facts.quality, facts.subsampling] += 1
        assert facts.orientation == 1
        assert b"Exif" not in data
        assert b"ICC_PROFILE" not in data
    return found


def test_files_of_both_classes_follow_exactly_one_law(matched: Path) -> None:
    found = facts_by_class(matched)
    assert found[0] == found[1]
    assert sum(found[0].values()) == 18
    qualities = {quality for *_, quality, _ in found[0]}
    assert qualities <= set(range(80, 98))  # stored ones, drawn with repetition: 12 of 18 are expected
    assert len(qualities) >= 6
    assert all(side % 16 == 0 for width, height, *_ in found[0] for side in (width, height))
    assert {subsampling for *_, subsampling in found[0]} == {"4:4:4", "4:2:2", "4:2:0"}


def test_everyone_has_been_compressed_once_before_and_scaled_alike(matched: Path) -> None:
    history: dict[int, Counter[Any]] = {0: Counter(), 1: Counter()}
    for sample in ShardSet([str(matched / "*.tar")]).samples:
        steps = {step["step"]: step for step in sample.metadata["processing"]}
        before = sample.metadata["original"]["format"] == "JPEG"
        assert before != ("compress" in steps)
        history[sample.label][steps["resize"]["factor"], steps["encode"]["quality"]] += 1
        assert steps["resize"]["factor"] <= 0.9
    assert history[0] == history[1]


def test_the_originals_stay_untouched_and_are_named(biased: Path, tmp_path: Path) -> None:
    before = fingerprint(biased)
    match(PlainFolders(biased), tmp_path / "out", SMALL)
    assert fingerprint(biased) == before
    for sample in ShardSet([str(tmp_path / "out" / "*.tar")]).samples:
        original = sample.metadata["original"]
        suffix = ".png" if sample.label else ".JPG"
        assert before[original["key"] + suffix] == original["sha256"]
        assert (sample.origin, sample.split) == ("gan" if sample.label else "set", "train")
        assert sample.source == ("train/fake/gan" if sample.label else "train/real")


def test_keys_say_nothing_unless_they_are_kept(biased: Path, matched: Path, tmp_path: Path) -> None:
    keys = {sample.key: sample.label for sample in ShardSet([str(matched / "*.tar")]).samples}
    assert all(len(key) == 20 and set(key) <= set("0123456789abcdef") for key in keys)
    match(PlainFolders(biased), tmp_path / "out", MatchSettings(min_side=32, keep_keys=True))
    assert "train/real/IMG_00" in {sample.key for sample in ShardSet([str(tmp_path / "out" / "*.tar")]).samples}


def test_the_report_names_what_was_and_what_failed(matched: Path) -> None:
    report = json.loads((matched / "match.json").read_text())
    assert report["cells"] == 18
    assert report["before"]["real"]["formats"] == {"JPEG": 1.0}
    assert report["before"]["generated"] == {
        "images": 18,
        "formats": {"PNG": 1.0},
        "width": 150,
        "height": 150,
        "quality": None,
    }
    assert report["before"]["real"]["width"] == 128.5  # the median of 120 to 137
    assert report["after"]["real"] == report["after"]["generated"]
    assert report["failed_count"] == 2
    assert {key for key, _ in report["failed"]} == {"train/real/broken", "train/fake/gan/cut"}
    assert ["generated", "gan", "unreadable", 1] in report["lost"]
    assert report["warnings"] == []


def test_the_index_agrees_with_the_shards(matched: Path) -> None:
    samples = {sample.key: sample for sample in ShardSet([str(matched / "*.tar")]).samples}
    rows = list(rows_of(read_index(matched / "index.parquet")))
    assert {row.key for row in rows} == set(samples)
    assert {row.shard for row in rows} == {f"train-matched-lone-{i:05d}.tar" for i in range(3)}
    for row in rows:
        data = read_bytes(row.sample(matched).image)
        assert hashlib.sha256(data).hexdigest() == row.sha256
        assert read(data).pixels.shape == (row.height, row.width, 3)
        assert (row.format, row.quality) == ("JPEG", jpeg_facts(data).quality)
        assert row.phash != 0
    assert [(line["label"], line["origin"], line["train"]) for line in origins(matched)] == [
        ("real", "set", "18"),
        ("fake", "gan", "18"),
    ]


def origins(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "origins.csv").read_text())))


def test_neither_workers_nor_place_change_a_byte(biased: Path, matched: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    place = tmp_path / "elsewhere" / "set"
    place.symlink_to(biased)
    match(PlainFolders(place), tmp_path / "out", SMALL, workers=2, images_per_shard=15)
    assert fingerprint(tmp_path / "out") == fingerprint(matched)


def test_another_seed_gives_another_set(biased: Path, matched: Path, tmp_path: Path) -> None:
    match(PlainFolders(biased), tmp_path / "out", MatchSettings(min_side=32, seed=1), images_per_shard=15)
    ours, other = fingerprint(tmp_path / "out"), fingerprint(matched)
    assert all(ours[name] != other[name] for name in other if name.endswith(".tar"))


def test_interrupted_work_is_taken_up_where_it_was(
    biased: Path, matched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, made = tmp_path / "out", 0

    def stop_after_the_first_shard(doing: str, steps: int) -> None:
        nonlocal made
        made += steps if doing == "matching" else 0
        if made > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        match(PlainFolders(biased), out, SMALL, images_per_shard=15, advance=stop_after_the_first_shard)
    assert sorted(path.name for path in out.iterdir()) == [".match", "train-matched-lone-00000.tar"]
    first = (out / "train-matched-lone-00000.tar").stat().st_mtime_ns
    match(PlainFolders(biased), out, SMALL, images_per_shard=15)
    assert fingerprint(out) == fingerprint(matched)
    assert (out / "train-matched-lone-00000.tar").stat().st_mtime_ns == first
    monkeypatch.setattr(output_module, "write_whole", None)  # a complete folder is not written again
    report = match(PlainFolders(biased), out, SMALL, images_per_shard=15)
    written = json.loads((out / "match.json").read_text())
    assert json.loads(json.dumps(report.to_dict())) == {k: v for k, v in written.items() if k != "fingerprint"}


def test_a_folder_with_anything_else_is_refused(biased: Path, matched: Path, tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear")
    with pytest.raises(DataError, match="something else stands there"):
        match(PlainFolders(biased), tmp_path, SMALL)
    before = fingerprint(matched)
    with pytest.raises(DataError, match="another set, seed or setting"):
        match(PlainFolders(biased), matched, MatchSettings(min_side=32, seed=5), images_per_shard=15)
    copy = tmp_path / "set"
    shutil.copytree(biased, copy)
    path = copy / "train" / "real" / "IMG_00.JPG"
    path.write_bytes(path.read_bytes() + b"\0")  # other bytes, same picture
    with pytest.raises(DataError, match="another set, seed or setting"):
        match(PlainFolders(copy), matched, SMALL, images_per_shard=15)
    shutil.rmtree(copy)
    assert fingerprint(matched) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["diary.txt"]


def test_a_full_disk_is_named_and_leaves_no_half_file(
    biased: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tarfile.TarFile.addfile", full)
        with pytest.raises(DataError, match=r"train-matched-lone-00000\.tar"):
            match(PlainFolders(biased), tmp_path / "out", SMALL)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".match"]
    assert match(PlainFolders(biased), tmp_path / "out", SMALL).cells == 18


def test_an_image_lost_while_matching_is_named(biased: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(location: Any) -> bytes:
        if location.path.endswith("IMG_03.JPG"):
            raise DataError(location.path, "gone")
        return read_bytes(location)

    monkeypatch.setattr("contrafake.data.matching.made.read_bytes", failing)
    report = match(PlainFolders(biased), tmp_path / "out", SMALL)
    assert ("train/real/IMG_03", "gone") in report.failed
    assert report.failed_count == 3
    assert (report.after["real"].images, report.after["generated"].images) == (17, 18)


def test_heavy_losses_are_said_aloud(biased: Path, tmp_path: Path) -> None:
    # At 0.9, (90 + 23) / 0.9 + 7 = 132.6 pixels are needed: 13 photographs are narrower or lower.
    report = match(PlainFolders(biased), tmp_path / "out", MatchSettings(min_side=90))
    kept = sum(min(120 + i, 150 - i) >= 132.6 for i in range(18))
    assert report.after["real"].images == kept == 5
    [warning] = report.warnings
    assert warning == "74% of the real images (14 of 19) have no part in the matched set"
    assert ("real", "set", "too small", 13) in report.lost


@pytest.mark.corpus
@pytest.mark.skipif(
    not os.environ.get("CONTRAFAKE_DATA") or not CORPUS.is_dir(), reason="${CONTRAFAKE_DATA}/corpus is not there"
)
def test_the_corpus_comes_out_with_one_law(tmp_path: Path) -> None:
    class EveryFifth(Shards):
        def _list(self) -> Iterator[Item]:
            yield from islice(super()._list(), 0, None, 5)

    report = match(EveryFifth(CORPUS / "test-0000.tar"), tmp_path / "out", MatchSettings(), workers=2)
    assert report.failed_count == 0
    assert report.before["real"].formats["JPEG"] - report.before["generated"].formats["JPEG"] > 0.2
    found: dict[int, Counter[Any]] = {0: Counter(), 1: Counter()}
    for row in rows_of(read_index(tmp_path / "out" / "index.parquet")):
        found[row.label][row.format, row.width, row.height, row.quality] += 1
    more, fewer = sorted(found.values(), key=lambda count: -count.total())
    surplus = more.total() - fewer.total()
    assert (more - fewer).total() == surplus  # cells differ by the members that the larger class has more
    assert surplus <= 10


def test_splits_get_shards_of_their_own_however_they_are_mixed(tmp_path: Path) -> None:
    rng, lines = np.random.default_rng(0), ["path,label,origin,source,split"]
    for i in range(12):
        Image.fromarray(picture(rng, generated=False, side=100)).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{('real', 'fake')[i // 2 % 2]},some,where,{('val', 'train')[i % 2]}")
    (tmp_path / "set.csv").write_text("\n".join(lines) + "\n")
    match(open_source(tmp_path / "set.csv"), tmp_path / "out", SMALL, images_per_shard=4)
    held = {path.name: ShardSet([str(path)]).samples for path in sorted((tmp_path / "out").glob("*.tar"))}
    names = ["train-matched-lone-00000.tar", "train-matched-lone-00001.tar"]
    assert list(held) == [*names, *(name.replace("train", "val") for name in names)]
    assert [len(samples) for samples in held.values()] == [4, 2, 4, 2]
    assert all(sample.split == name.split("-")[0] for name, samples in held.items() for sample in samples)
    assert [row.shard for row in rows_of(read_index(tmp_path / "out" / "index.parquet"))] == [
        name for name, samples in held.items() for _ in samples
    ]
