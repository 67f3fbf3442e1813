"""A build small enough for tests: a folder of photographs with captions, and a program that makes images."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from conftest import jpeg, picture

from contrafake.generate.build import build
from contrafake.generate.config import GenerateConfig
from contrafake.settings import parse_settings

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.generate.finish import Built

CAPTIONS = ("a cat", "two dogs", "a blank page", "a broken machine", "the sea", "a street at night")

_PROGRAM = """
import json, pathlib, random, sys
# A painter of noise: "blank" gives grey for seeds below one half of all, "broken" fails until a file says otherwise.
for job in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    chance = random.Random(job["seed"] + int(sys.argv[2]))
    if "broken" in job["prompt"] and not pathlib.Path(sys.argv[3]).exists():
        continue
    size = job["width"] * job["height"] * 3
    data = b"\\x80" * size if "blank" in job["prompt"] else chance.randbytes(size)
    pathlib.Path(job["output"]).write_bytes(b"P6 %d %d 255\\n" % (job["width"], job["height"]) + data)
"""


def write_photographs(folder: Path, count: int = 6, side: int = 120) -> Path:
    """JPEGs of several qualities, each with its caption beside it."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    for place in range(count):
        pixels = picture(rng, generated=False, side=side)
        (folder / f"photo-{place}.jpg").write_bytes(jpeg(pixels, quality=80 + 3 * (place % 4)))
        (folder / f"photo-{place}.txt").write_text(CAPTIONS[place % len(CAPTIONS)])
    return folder


def painter(name: str, folder: Path, salt: int = 0, **changes: Any) -> dict[str, Any]:
    """Settings of a generator that is a program; with the file `fixed` in the folder, nothing is broken any more."""
    program = folder / "painter.py"
    program.write_text(_PROGRAM)
    command = [sys.executable, "-S", "-E", str(program), "{jobs}", str(salt), str(folder / "fixed")]
    return {"name": name, "kind": "program", "command": command, "batch": 8, "prompt": "{caption}, painted", **changes}


def settings(photographs: Path, *generators: dict[str, Any], **changes: Any) -> GenerateConfig:
    """A configuration of two records a chunk and four a shard."""
    values: dict[str, Any] = {
        "name": "small",
        "reals": {"data": [str(photographs)], "least_side": 64, "split": "train"},
        "generators": list(generators),
        "law": {"longest": 96},
        "output": {"records_per_shard": 4, "chunk": 2, "audit_records": 0},
    }
    for section, given in changes.items():
        values[section] = {**values.get(section, {}), **given} if isinstance(given, dict) else given
    return parse_settings(GenerateConfig, values)


def built(config: GenerateConfig, out: Path | str, **options: Any) -> Built:
    """A finished build."""
    found = build(config, out, workers=1, **options)
    assert found is not None
    return found
