"""A miniature of D3's Parquet files, as the hub has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import picture

from contrafake.data.download.place import place_of
from contrafake.images import encode

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MODELS = (
    "DeepFloyd/IF-II-L-v1.0",
    "CompVis/stable-diffusion-v1-4",
    "stabilityai/stable-diffusion-2-1-base",
    "stabilityai/stable-diffusion-xl-base-1.0",
)
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def image(number: int) -> bytes:
    rng = np.random.default_rng(number)
    return encode(picture(rng, generated=True, side=40), "PNG")


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A row as published; images are PNG although their paths say JPEG."""
    facts: dict[str, Any] = {
        "id": f"{number:09d}",
        "original_prompt": f"caption {number}",
        "positive_prompt": f"caption {number}, sharp",
        "negative_prompt": "blurry",
        "url": f"https://Host{number % 2}.example/{number}.jpg",
    }
    for k, model in enumerate(MODELS):
        facts |= {
            f"model_gen{k}": model,
            f"width_gen{k}": 640,
            f"height_gen{k}": 360,
            f"num_inference_steps_gen{k}": 50,
            f"filepath_gen{k}": f"fake-images/part-{k}/{number}.jpg",
            f"image_gen{k}": {"bytes": image(10 * number + k), "path": None},
        }
    return facts | changes


def write(path: Path, rows: Iterable[dict[str, Any]], **options: Any) -> Path:
    """A Parquet file with row groups of two rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = list(rows)
    kinds = {name: IMAGE if name.startswith("image_") else None for name in rows[0]}
    columns = {name: pa.array([r[name] for r in rows], kind) for name, kind in kinds.items()}
    pq.write_table(pa.table(columns), path, **{"row_group_size": 2, **options})
    return path


def put_real(folder: Path, name: str, data: bytes, suffix: str = ".jpg") -> Path:
    stem = place_of(folder, name)
    stem.parent.mkdir(parents=True, exist_ok=True)
    path = stem.with_name(stem.name + suffix)
    path.write_bytes(data)
    return path
