"""What simplejpeg saves: milliseconds to decode a JPEG file to RGB pixels, against Pillow, and that both agree.

The photographs are a sample of those of `throughput.py`; each is also re-saved as progressive. Both decoders take turns
on every file, one thread, best of several. Written to results/jpeg_reading.json.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

import numpy as np
import simplejpeg
from machine import RESULTS, write_result
from photographs import photographs
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def with_pillow(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def with_simplejpeg(data: bytes) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False, strict=True)
    return pixels


def best_ms(decode: Callable[[bytes], NDArray[np.uint8]], data: bytes, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        decode(data)
        times.append(time.perf_counter() - began)
    return 1000 * min(times)


def progressive(data: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, "JPEG", quality=90, progressive=True)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(gettempdir(), "contrafake-photographs"), help="cache")
    parser.add_argument("--files", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    chosen = photographs(options.work, options.files)
    figures: dict[str, Any] = {"files": len(chosen)}
    for kind in ("baseline", "progressive"):
        pillow = turbo = pixels = different = 0.0
        for path in chosen:
            data = path.read_bytes() if kind == "baseline" else progressive(path.read_bytes())
            pillow += best_ms(with_pillow, data, options.repeats)
            turbo += best_ms(with_simplejpeg, data, options.repeats)
            one = with_pillow(data)
            pixels += one.size / 3e6
            different += float(not np.array_equal(one, with_simplejpeg(data)))
        figures[kind] = {
            "pillow_ms_per_megapixel": pillow / pixels,
            "simplejpeg_ms_per_megapixel": turbo / pixels,
            "times_faster": pillow / turbo,
            "files_that_differ": int(different),
        }
        print(kind, {name: round(value, 2) for name, value in figures[kind].items()})
    write_result("jpeg_reading", figures, options.results)


if __name__ == "__main__":
    main()
