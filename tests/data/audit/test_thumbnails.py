"""Thumbnails: the right images, small, and nothing else read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture, write_lone_shard, write_paired_shard
from PIL import Image

from contrafake.data.audit import thumbnails as module
from contrafake.data.audit.thumbnails import thumbnails
from contrafake.data.location import read_bytes
from contrafake.data.sources import open_data, samples_of

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.location import Location


def folders(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, side in (("real/wide", 400), ("real/small", 72), ("fake/one", 300)):
        path = root / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = picture(rng, generated=False, side=side)
        path.write_bytes(jpeg(pixels[: side // 2] if name == "real/wide" else pixels))
    return root


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    return image


def test_they_are_small_and_look_like_their_images(tmp_path: Path) -> None:
    root = folders(tmp_path)
    found = thumbnails(open_data([str(root)]), ["real/wide", "real/small", "fake/one"])
    assert {key: opened(data).size for key, data in found.items()} == {
        "fake/one": (128, 128), "real/small": (72, 72), "real/wide": (128, 64),
    }  # fmt: skip
    whole = Image.open(root / "fake/one.jpg").resize((8, 8), Image.Resampling.BOX)
    small = opened(found["fake/one"]).resize((8, 8), Image.Resampling.BOX)
    assert np.abs(np.asarray(whole, float) - np.asarray(small, float)).mean() < 5


def test_only_what_is_wanted_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counting(location: Location) -> bytes:
        read.append(location.address)
        return read_bytes(location)

    monkeypatch.setattr(module, "read_bytes", counting)
    source = open_data([str(write_lone_shard(tmp_path / "train-0.tar", 5, 1))])
    keys = [sample.key for item in source for sample in samples_of(item)]
    assert list(thumbnails(source, [keys[3], keys[1], "gone"])) == [keys[1], keys[3]]
    assert len(read) == 2
    assert thumbnails(source, []) == {}
    assert len(read) == 2


def test_members_of_records_and_of_several_sets(tmp_path: Path) -> None:
    shard = str(write_paired_shard(tmp_path / "a.tar", 2, 1))
    source = open_data([f"train={shard}", f"val={shard}"])
    keys = [sample.key for item in source for sample in samples_of(item)]
    assert list(thumbnails(source, [keys[0], keys[-1]])) == [keys[0], keys[-1]]


@pytest.mark.parametrize("content", [b"no image", b"\xff\xd8\xff\xe0", None])
def test_what_cannot_be_read_is_left_out(tmp_path: Path, content: bytes | None) -> None:
    root = folders(tmp_path)
    source = open_data([str(root)])
    listed = list(source)
    if content is None:
        (root / "fake/one.jpg").unlink()
        source._list = lambda: iter(listed)  # type: ignore[method-assign] # it vanished after the listing
    else:
        (root / "fake/one.jpg").write_bytes(content)
    assert list(thumbnails(source, ["fake/one", "real/small"])) == ["real/small"]
