"""Images for other programs: the pixels are those that a detector sees here, and nothing of others is touched."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture, write_lone_shard
from PIL import Image

from contrafake.data.location import read_bytes
from contrafake.data.sources import open_source, samples_of
from contrafake.errors import DataError, UsageError
from contrafake.evaluate.export import Exported, export_images
from contrafake.evaluate.export_journal import JOURNAL
from contrafake.evaluate.image_list import list_images
from contrafake.evaluate.images import Images
from contrafake.evaluate.score_files import ScoreFile
from contrafake.evaluate.suites import parse_variants
from contrafake.evaluate.variant import UNTOUCHED, Draw, Variant
from contrafake.images import read
from contrafake.images.container import identify
from contrafake.images.transforms import AvifQuality, Blur, DoubleJpeg, JpegQuality, Screenshot, WebpQuality

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from contrafake.data.sources import Source
    from contrafake.images.transforms import Operation

Pixels = np.ndarray


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """All files but the journal, with their bytes and when they were written."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != JOURNAL]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def encoded(pixels: Pixels, kind: str, **settings: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **settings)
    return buffer.getvalue()


@pytest.fixture
def folders(tmp_path: Path) -> Source:
    """Files of several formats: with an orientation, with transparency, grey, tiny, and with odd names."""
    rng, root = np.random.default_rng(1), tmp_path / "set"
    turned = Image.Exif()
    turned[0x0112] = 6
    alpha = rng.integers(0, 256, (20, 30, 4), dtype=np.uint8)
    files = {
        "real/phone/turned photo.jpg": encoded(picture(rng, generated=False)[:40], "JPEG", exif=turned),
        "real/phone/grey.jpg": encoded(picture(rng, generated=False)[..., 0], "JPEG"),
        "real/phone/1.v2.webp": encoded(picture(rng, generated=False), "WEBP"),
        "fake/sd1.4/clear.png": encoded(alpha, "PNG"),
        "fake/sd1.4/dot.png": encoded(alpha[:1, :1], "PNG"),
        "fake/sd1.4/ünder%20.png": encoded(picture(rng, generated=True, side=33), "PNG"),
    }
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return open_source(root)


def chain(*operations: Operation) -> Variant:
    return Variant("changed", "Changed", chain=operations)


CHANGES: list[tuple[Variant, str]] = [
    (chain(JpegQuality(75)), "JPEG"),
    (chain(JpegQuality(0)), "JPEG"),
    (chain(Blur(1.0), JpegQuality(90)), "JPEG"),
    (chain(JpegQuality(50), JpegQuality(100)), "JPEG"),
    (chain(WebpQuality(60)), "WEBP"),
    (chain(DoubleJpeg(70, "4:2:2", 3, 5, 0.7, 85, "4:4:4")), "JPEG"),
    (chain(DoubleJpeg(70, "4:4:4", 0, 0, 1.0, 85, "4:2:0")), "JPEG"),
    (chain(Screenshot(0.8, 2, 18, 80)), "JPEG"),
    (chain(Screenshot(0.8, 2, 18, 0)), "PNG"),
    (chain(JpegQuality(75), Blur(1.0)), "PNG"),
    (Variant("changed", "Changed", draw=Draw("extended", 0)), "PNG"),
]
if AvifQuality.available():
    CHANGES.append((chain(AvifQuality(60)), "AVIF"))


@pytest.mark.parametrize(("variant", "kind"), CHANGES)
def test_a_file_holds_the_very_pixels_of_its_variant(
    folders: Source, tmp_path: Path, variant: Variant, kind: str
) -> None:
    out = tmp_path / "out"
    export_images(folders, out, [variant], workers=1)
    originals = {one.sample.key: one.sample for one in list_images(folders, [variant]).images}
    found = rows(out)
    assert {row["image"] for row in found} == set(originals)
    assert len(found) == 6
    for row in found:
        original = read(read_bytes(originals[row["image"]].image)).pixels
        wanted = np.asarray(variant(Image.fromarray(original), row["image"]))
        data = (out / row["path"]).read_bytes()
        assert identify(data) == kind
        np.testing.assert_array_equal(read(data).pixels, wanted)


def test_drawn_changes_by_image(folders: Source, tmp_path: Path) -> None:
    variants = parse_variants(["transformed-extended-k3", "noise-5", "operation-jpeg-quality"])
    export_images(folders, tmp_path / "out", variants, workers=1)
    by_name = {variant.name: variant for variant in variants}
    originals = {one.sample.key: one.sample for one in list_images(folders, variants).images}
    for row in rows(tmp_path / "out"):
        original = Image.fromarray(read(read_bytes(originals[row["image"]].image)).pixels)
        wanted = np.asarray(by_name[row["variant"]](original, row["image"]))
        np.testing.assert_array_equal(read(str(tmp_path / "out" / row["path"])).pixels, wanted)


def test_untouched_bytes_stay_and_png_holds_what_is_read_from_them(folders: Source, tmp_path: Path) -> None:
    export_images(folders, tmp_path / "kept", [UNTOUCHED], workers=1)
    export_images(folders, tmp_path / "png", [UNTOUCHED], format="png", workers=1)
    for one in list_images(folders, [UNTOUCHED]).images:
        data = read_bytes(one.sample.image)
        [kept] = [row for row in rows(tmp_path / "kept") if row["image"] == one.sample.key]
        [png] = [row for row in rows(tmp_path / "png") if row["image"] == one.sample.key]
        assert (tmp_path / "kept" / kept["path"]).read_bytes() == data
        assert kept["path"].endswith(f".{identify(data).lower().replace('jpeg', 'jpg')}")
        written = tmp_path / "png" / png["path"]
        # Pillow alone, without any orientation or transparency to think of.
        np.testing.assert_array_equal(np.asarray(Image.open(written)), read(data).pixels)


def test_the_manifest_is_a_set(tmp_path: Path) -> None:
    shard = write_lone_shard(tmp_path / "a.tar", 4, 0)
    done = export_images(open_source(shard), tmp_path / "out", parse_variants(["standard"]), workers=1)
    assert (done.images, done.files) == ({0: 4, 1: 4}, {"untouched": 8, "jpeg-90": 8})
    before = {sample.key: sample for item in open_source(shard) for sample in samples_of(item)}
    again = open_source(tmp_path / "out")
    assert again.layout == "manifest"
    samples = [sample for item in again for sample in samples_of(item)]
    assert len(samples) == 16
    for sample in samples:
        variant, _, key = sample.key.partition("/")
        assert sample.metadata["variant"] == variant
        assert sample.metadata["image"] == key
        then = before[key]
        assert (sample.label, sample.origin, sample.source) == (then.label, then.origin, then.source)
        assert read(read_bytes(sample.image)).sha256 == sample.metadata["sha256"]
    assert [dict(origin.counts) for origin in again.origins] == [{"train": 0, "val": 0, "test": 0}] * len(again.origins)


def test_a_table_of_the_manifests_paths_or_keys_finds_every_image(folders: Source, tmp_path: Path) -> None:
    variants = parse_variants(["standard"])
    export_images(folders, tmp_path / "out", variants, workers=1)
    samples = [one.sample for one in list_images(folders, variants).images]
    images = Images.of(samples, folders.origins)
    found = rows(tmp_path / "out")
    for column, name in (("path", "path"), ("key", "key"), ("key", "image")):
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([column, "score", "variant"])
        for number, row in enumerate(found):
            writer.writerow([row[name], number, row["variant"] if name == "image" else ""])
        table = tmp_path / "scores.csv"
        table.write_text(text.getvalue(), encoding="utf-8")
        scores = ScoreFile.read(table).scores(images, variants)
        for number, row in enumerate(found):
            place = ["untouched", "jpeg-90"].index(row["variant"]), [s.key for s in samples].index(row["image"])
            assert scores[place] == number


def test_copies_that_a_set_brings_itself(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wanted = {}
    for condition in ("no_augm", "augm"):
        for kind in ("real", "gen_0", "gen_1", "gen_2", "gen_3"):
            path = tmp_path / "d3_test" / condition / kind / "7.png"
            path.parent.mkdir(parents=True)
            path.write_bytes(encoded(picture(rng, generated=kind != "real", side=20), "PNG"))
            variant = "untouched" if condition == "no_augm" else "transformed-as-delivered"
            wanted[f"{variant}/{kind}/7.png"] = path.read_bytes()
    export_images(open_source(tmp_path / "d3_test"), tmp_path / "out", parse_variants(["jpeg-50"]), workers=1)
    found = {name: data for name, (data, _) in tree(tmp_path / "out").items() if name.endswith(".png")}
    assert found == wanted
    assert len(list((tmp_path / "out" / "jpeg-50").rglob("*.jpg"))) == 5


def some(tmp_path: Path, count: int = 4) -> Source:
    return open_source(write_lone_shard(tmp_path / "a.tar", count, 0))


def exported(source: Source, out: Path, names: Sequence[str] = ("standard",), workers: int = 1) -> Exported:
    return export_images(source, out, parse_variants(names), workers=workers)


def test_workers_make_no_difference(tmp_path: Path) -> None:
    source = some(tmp_path)
    exported(source, tmp_path / "one")
    exported(source, tmp_path / "two", workers=2)
    one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
    assert {name: data for name, (data, _) in one.items()} == {name: data for name, (data, _) in two.items()}


def test_split_and_limit(tmp_path: Path) -> None:
    done = export_images(some(tmp_path, 6), tmp_path / "out", [UNTOUCHED], limit=2, workers=1)
    assert done.images == {0: 2, 1: 2}
    assert "at most 2 images of each class" in done.notes[0]
    with pytest.raises(DataError, match="no image of the split 'test'"):
        export_images(some(tmp_path), tmp_path / "other", [UNTOUCHED], split="test")


def test_a_second_call_keeps_what_is_there_and_makes_what_is_lost(tmp_path: Path) -> None:
    source, out = some(tmp_path), tmp_path / "out"
    assert exported(source, out).kept == 0
    before = tree(out)
    lost = next(out.glob("jpeg-90/*"))
    lost.unlink()
    done = exported(source, out)
    assert (done.kept, done.files.total()) == (15, 16)
    after = tree(out)
    assert {name: data for name, (data, _) in after.items()} == {name: data for name, (data, _) in before.items()}
    name = str(lost.relative_to(out))
    assert {n: t for n, (_, t) in after.items() if n != name and "/" in n} == {
        n: t for n, (_, t) in before.items() if n != name and "/" in n
    }


def _stray(out: Path) -> None:
    (out / "notes.txt").write_text("mine")


def _elsewhere(out: Path) -> None:
    export_images(some(out.parent, 2), out, [UNTOUCHED], workers=1)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [(_stray, "something else stands there"), (_elsewhere, "another set, other variants or other settings")],
)
def test_a_folder_with_something_else_is_left_alone(tmp_path: Path, prepare: Callable[[Path], None], said: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    prepare(out)
    before = tree(out)
    with pytest.raises(DataError, match=said):
        exported(some(tmp_path), out)
    assert tree(out) == before


@pytest.mark.parametrize("name", ["jpeg-90", "manifest.csv"])
def test_a_file_that_somebody_changed_is_not_overwritten(tmp_path: Path, name: str) -> None:
    source, out = some(tmp_path), tmp_path / "out"
    exported(source, out)
    path = next((out / name).glob("*")) if (out / name).is_dir() else out / name
    path.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"is not what this export writes there|is no longer as it was written"):
        exported(source, out)
    assert path.read_bytes() == b"mine"


def test_a_file_nobody_noted_is_compared_first(tmp_path: Path) -> None:
    """What a kill between writing and noting leaves is taken as it is; another file of that name is not touched."""
    source, out = some(tmp_path), tmp_path / "out"
    exported(source, out)
    journal = out / JOURNAL
    lines = journal.read_text().splitlines(keepends=True)
    kept = [line for line in lines if "manifest.csv" not in line and "origins.csv" not in line]
    journal.write_text("".join(kept[:-1]) + kept[-1][:20])
    for name in ("manifest.csv", "origins.csv"):
        (out / name).unlink()
    done = exported(source, out)
    assert (done.kept, done.files.total()) == (15, 16)
    journal.write_text("".join(kept[:-1]))
    last = out / rows(out)[-1]["path"]
    last.write_bytes(b"mine")
    with pytest.raises(DataError, match="is not what this export writes there"):
        exported(source, out)
    assert last.read_bytes() == b"mine"


def test_two_exports_at_once(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    source, out = some(tmp_path), tmp_path / "out"
    exported(source, out)
    with (out / JOURNAL).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another export is writing into it"):
            exported(source, out)


def test_broken_images_are_named_and_left_out(folders: Source, tmp_path: Path) -> None:
    root = folders.root
    (root / "real" / "phone" / "broken.jpg").write_bytes(jpeg(np.zeros((64, 64, 3), np.uint8))[:200])
    (root / "real" / "phone" / "text.png").write_bytes(b"<html>")
    out = tmp_path / "out"
    done = exported(open_source(root), out)
    assert sorted(failure.key for failure in done.failures) == ["real/phone/broken", "real/phone/text"]
    assert done.images == {0: 3, 1: 3}
    assert not {"real/phone/broken", "real/phone/text"} & {row["image"] for row in rows(out)}
    assert len(rows(out)) == 12
    # Repaired, it is another set.
    (root / "real" / "phone" / "broken.jpg").write_bytes(jpeg(np.zeros((64, 64, 3), np.uint8)))
    with pytest.raises(DataError, match="another set"):
        exported(open_source(root), out)


def test_a_set_of_broken_images_is_an_error(tmp_path: Path) -> None:
    for label in ("real", "fake"):
        (tmp_path / "set" / label).mkdir(parents=True)
        (tmp_path / "set" / label / "1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"none of the 2 images can be read; the first: .*plain text"):
        exported(open_source(tmp_path / "set"), tmp_path / "out")


def test_variants_that_make_no_sense(tmp_path: Path) -> None:
    source = some(tmp_path)
    with pytest.raises(UsageError, match="two have the same name"):
        export_images(source, tmp_path / "out", [UNTOUCHED, UNTOUCHED])
    with pytest.raises(UsageError, match="is no name for a folder"):
        export_images(source, tmp_path / "out", [Variant("../up", "Up")])
    assert not (tmp_path / "out").exists()


def test_a_key_that_is_too_long_for_any_disk(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    rng = np.random.default_rng(2)
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(encoded(picture(rng, generated=False, side=16), "PNG"))
    manifest.write_text(f"path,label,key\n1.png,real,{'x' * 3001}\n2.png,fake,{'y' * 700}\n")
    done = exported(open_source(manifest), tmp_path / "out")
    assert [failure.cause for failure in done.failures] == [
        "its key is too long for a file name: 3,033 characters, at most 3,000"
    ]
    assert [row["image"] for row in rows(tmp_path / "out")] == ["y" * 700] * 2


def test_what_a_killed_export_left_half_written_goes(tmp_path: Path) -> None:
    source, out = some(tmp_path), tmp_path / "out"
    exported(source, out)
    before = tree(out)
    for left in (out / ".manifest.csv.7-0a.partial", out / "jpeg-90" / ".film-0-0.jpg.7-0a.partial"):
        left.write_bytes(b"half")
    exported(source, out)
    assert {name: data for name, (data, _) in tree(out).items()} == {name: data for name, (data, _) in before.items()}


@pytest.mark.slow
def test_a_killed_export_goes_on(tmp_path: Path) -> None:
    source, out, whole = some(tmp_path, 60), tmp_path / "out", tmp_path / "whole"
    exported(source, whole)
    script = (
        "import sys; from contrafake.data.sources import open_source; from contrafake.evaluate.export import "
        "export_images; from contrafake.evaluate.suites import parse_variants\n"
        "export_images(open_source(sys.argv[1]), sys.argv[2], parse_variants(['standard']), workers=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "a.tar"), str(out)])
    deadline = time.monotonic() + 60
    while len(list(out.glob("jpeg-90/*.jpg"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "manifest.csv").exists()
    done = exported(source, out)
    assert 0 < done.kept < 240
    assert {name: data for name, (data, _) in tree(out).items()} == {
        name: data for name, (data, _) in tree(whole).items()
    }
