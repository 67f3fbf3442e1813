"""Format and size from the first bytes of a file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from contrafake.data import ShardSet, ShardWriter
from contrafake.data import header as module
from contrafake.data.header import HEAD, image_header, size_in_bytes
from contrafake.data.location import File, Member
from contrafake.errors import ContrafakeError

if TYPE_CHECKING:
    from pathlib import Path


def encoded(kind: str, width: int, height: int, **options: Any) -> bytes:
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("TIFF", {}),
        ("BMP", {}),
        ("PPM", {}),
    ],
)
def test_every_format_small_and_larger_than_the_head(tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    for side in (20, 400):
        path = tmp_path / f"wrong-{side}.jpg"
        path.write_bytes(encoded(kind, side + 3, side, **options))
        assert image_header(File(str(path))) == (kind, side + 3, side)
        assert size_in_bytes(File(str(path))) == path.stat().st_size
    assert path.stat().st_size > HEAD


def test_a_profile_larger_than_the_head_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded("JPEG", 33, 22, icc_profile=bytes(3 * HEAD)))
    assert image_header(File(str(path))) == ("JPEG", 33, 22)


def test_a_member_is_read_where_it_lies(tmp_path: Path) -> None:
    large = encoded("PNG", 301, 202)
    with ShardWriter(tmp_path / "a.tar") as shard:
        for i, data in enumerate((encoded("JPEG", 31, 22), large)):
            shard.write(f"k{i}", {"jpg": data, "json": b'{"label": "real"}'})
    small, big = ShardSet([str(tmp_path / "a.tar")]).samples
    assert image_header(small.image) == ("JPEG", 31, 22)
    assert image_header(big.image) == ("PNG", 301, 202)
    assert size_in_bytes(big.image) == len(large)


def test_a_large_file_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ShardWriter(tmp_path / "a.tar") as shard:
        shard.write("k", {"json": b'{"label": "real"}', "png": encoded("PNG", 301, 202)})
    (sample,) = ShardSet([str(tmp_path / "a.tar")]).samples
    monkeypatch.delattr(module, "read_bytes")
    assert image_header(sample.image) == ("PNG", 301, 202)


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"<html>" * HEAD)
    with pytest.raises(ContrafakeError, match=r"a\.jpg: .*HTML"):
        image_header(File(str(path)))
    for gone in (File(str(tmp_path / "b.jpg")), Member(str(tmp_path / "b.tar"), "a.jpg", 0, 2 * HEAD)):
        with pytest.raises(ContrafakeError):
            image_header(gone)
    assert size_in_bytes(File(str(tmp_path / "b.jpg"))) is None
