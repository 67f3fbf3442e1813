"""Names and fingerprints of models, and what libraries said, without the folders of this machine."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from contrafake.generate.generators.identity import fingerprint, model_name
from contrafake.generate.generators.said import said, without_folders

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/home/somebody/models/small", "small"),
        ("owner/model", "owner/model"),
        ("${CONTRAFAKE_DATA}/weights/taef2", "${CONTRAFAKE_DATA}/weights/taef2"),
        ("models/small", "models/small"),
    ],
)
def test_a_name_tells_no_folders_of_a_machine(name: str, shown: str) -> None:
    assert model_name(name) == shown


def save(folder: Path, **files: bytes) -> Path:
    for name, data in files.items():
        path = folder / name.replace("__", "/").replace("_st", ".safetensors")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_a_fingerprint_is_of_the_weights_and_their_places(tmp_path: Path) -> None:
    model = save(tmp_path / "a", unet__b_st=b"2", a_st=b"1", config=b"{}")
    lines = f"{sha256(b'1').hexdigest()}  a.safetensors\n{sha256(b'2').hexdigest()}  unet/b.safetensors\n"
    assert fingerprint(model) == sha256(lines.encode()).hexdigest()
    assert fingerprint(save(tmp_path / "copy", unet__b_st=b"2", a_st=b"1")) == fingerprint(model)
    assert fingerprint(save(tmp_path / "swapped", unet__b_st=b"1", a_st=b"2")) != fingerprint(model)
    assert fingerprint(save(model, a_st=b"3")) != sha256(lines.encode()).hexdigest()


def test_an_error_is_one_clause() -> None:
    assert said(ValueError(" a\n\n  b. ")) == "a b"
    assert said(KeyError()) == "KeyError"
    assert said(ValueError("x" * 999), 7) == "x" * 7


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no file '/home/somebody/x/y.bin'", "no file 'y.bin'"),
        ('File "/usr/lib/p.py", line 3, in /opt/a', 'File "p.py", line 3, in a'),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("10 / 2 and/or ./a/b, x/y/z", "10 / 2 and/or ./a/b, x/y/z"),
    ],
)
def test_only_folders_from_the_root_are_left_out(text: str, left: str) -> None:
    assert without_folders(text) == left
