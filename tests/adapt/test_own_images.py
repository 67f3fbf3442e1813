"""The user's own images: found wherever they lie, read once, each picture counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture

import contrafake
from contrafake.adapt.own_images import embed_own, find_own
from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.detect.detector import Detector


@pytest.fixture(scope="module")
def detector(tiny_bundle: Path) -> Detector:
    return contrafake.load(tiny_bundle)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    top = tmp_path / "Holiday"
    for name in ("a.jpg", "phone/b.JPG", "phone/deep/c.png", "film/d.jpeg", "film/.hidden.jpg", "film/notes.txt"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(jpeg(picture(rng, generated=False)))
    return top


def test_a_folder_is_walked_and_its_folders_are_sources(folder: Path) -> None:
    found = find_own(folder, 0)
    assert [(one.key, one.source) for one in found] == [
        ("a.jpg", "Holiday"), ("film/d.jpeg", "film"), ("phone/b.JPG", "phone"), ("phone/deep/c.png", "phone"),
    ]  # fmt: skip
    assert {(one.label, one.origin) for one in found} == {(0, "Holiday")}
    assert {(one.label, one.origin) for one in find_own(folder, 1, "newgen")} == {(1, "newgen")}


def test_one_image_may_be_named_and_links_do_not_go_round(folder: Path) -> None:
    assert [one.key for one in find_own(folder / "phone" / "b.JPG", 0)] == ["b.JPG"]
    (folder / "film" / "loop").symlink_to(folder)
    assert len(find_own(folder, 0)) == 4


def test_a_labelled_set_gives_the_images_of_the_class(tiny_shards: Path) -> None:
    shard = tiny_shards / "val-0000.tar"
    for label, names in ((0, {"phone", "film"}), (1, {"gan", "sd"})):
        found = find_own(shard, label)  # type: ignore[arg-type]
        assert len(found) == 30
        assert {one.origin for one in found} == names
        assert {one.source for one in found} == {f"source-{i}" for i in range(5)}
    assert {one.origin for one in find_own(shard, 1, "new")} == {"new"}


def test_what_holds_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        find_own(tmp_path / "missing", 0)
    with pytest.raises(DataError, match="empty"):
        find_own(tmp_path_with_nothing(tmp_path), 0)


def tmp_path_with_nothing(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def test_embeddings_are_the_detectors_and_damage_and_copies_are_left_out(detector: Detector, folder: Path) -> None:
    (folder / "film" / "e.jpg").write_bytes(b"no image")
    (folder / "phone" / "z.jpg").write_bytes((folder / "a.jpg").read_bytes())
    steps: list[int] = []
    own = embed_own(
        detector, find_own(folder, 0), [5, 1], workers=2, report=lambda doing, done, total: steps.append(done)
    )
    assert own.keys == ("a.jpg", "film/d.jpeg", "phone/b.JPG", "phone/deep/c.png")
    assert own.repeated == ("phone/z.jpg",)
    assert set(own.broken) == {"film/e.jpg"}
    assert sum(steps) == 6
    assert own.labels.tolist() == [0, 0, 0, 0]
    for crops, embedded in own.by_crops.items():
        for position, key in enumerate(own.keys):
            expected = detector.embed_crops(contrafake.read(folder / key), crops)
            np.testing.assert_allclose(embedded.vectors[embedded.owner == position], expected, atol=1e-5)


def test_nothing_readable_is_an_error(detector: Detector, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match="none of 1 could be read"):
        embed_own(detector, find_own(tmp_path, 0), [1])
