"""How often the audit finds what was done to an image (earlier compressions, grids, resampling), and what it costs.

Scenes without a history (drawn noise with the spectrum of photographs; free photographs shrunk until their own traces
are gone) go through a known chain, with crops drawn at random; each row is the share of them in which the audit says
what happened. Rows called "false" are the share in which it claims what did not happen. Then milliseconds for each part
of a measurement, one thread. Written to results/audit_traces.json.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from machine import EXAMPLES, RESULTS, table, write_result
from PIL import Image

from contrafake.data.audit import content, file_facts, history, pixel_facts
from contrafake.data.audit.measure import measure
from contrafake.data.fingerprint import perceptual_hashes
from contrafake.images import encode, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from contrafake.data.audit.feature import Value

    Pixels = NDArray[np.uint8]
    Values = dict[str, Value]
    Judge = Callable[[Values], bool]
    Outcome = tuple[bytes, Judge]
    History = Callable[[Pixels, np.random.Generator], Outcome]

SIDE = 320
WEBP_TRACE = 1.3  # strength of traces every 4 pixels that scenes without a history do not reach
EMPTY = -1.8  # fullness of the highest band, likewise


def scene(rng: np.random.Generator, side: int = SIDE) -> Pixels:
    """Noise with a falling spectrum, some flat steps, grain."""
    distance = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    distance[0, 0] = np.inf
    weight = distance ** -rng.uniform(1.2, 1.5)
    shared, planes = rng.normal(size=(side, side)), []
    for _ in range(3):
        plane = np.fft.ifft2(np.fft.fft2(0.8 * shared + 0.6 * rng.normal(size=(side, side))) * weight).real
        planes.append(plane / plane.std() * rng.uniform(25, 50) + rng.uniform(80, 170))
    pixels = np.stack(planes, axis=-1)
    for _ in range(6):
        top, left, height, width = rng.integers(0, side, 4)
        pixels[top : top + height // 2, left : left + width // 2] += rng.normal(0, 25, 3)
    return np.clip(np.rint(pixels + rng.normal(0, rng.uniform(0.5, 3), pixels.shape)), 0, 255).astype(np.uint8)


def photograph(rng: np.random.Generator) -> Pixels:
    """A free photograph, shrunk 2.1 to 2.6 times and turned some way."""
    path = sorted((EXAMPLES / "real").glob("*.jpg"))[int(rng.integers(3))]
    image = Image.fromarray(read(path).pixels)
    factor = rng.uniform(2.1, 2.6)
    small = image.resize((round(image.width / factor), round(image.height / factor)), Image.Resampling.LANCZOS)
    pixels = np.asarray(small)
    return np.ascontiguousarray(np.rot90(pixels if rng.random() < 0.5 else pixels[:, ::-1], int(rng.integers(4))))


def jpeg(pixels: Pixels, quality: int) -> bytes:
    return encode(np.ascontiguousarray(pixels), "JPEG", quality, "4:2:0")


def decoded(data: bytes) -> Pixels:
    return read(data).pixels


def png(pixels: Pixels) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG", compress_level=1)  # four times faster than the default
    return target.getvalue()


def scaled(pixels: Pixels, factor: float) -> Pixels:
    size = round(pixels.shape[1] * factor), round(pixels.shape[0] * factor)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))[: 2 * SIDE, : 2 * SIDE]


def histories() -> dict[str, History]:
    """All rows: what the audit must say, of which chain."""
    listed: dict[str, History] = {
        "false: a JPEG before, never compressed, PNG": partial(once, save=png, judge=compressed),
        "false: resampled, never compressed, PNG": partial(once, save=png, judge=resampled),
        "false: traces every 4 px, never compressed, PNG": partial(once, save=png, judge=every_4),
    }
    for quality in (60, 75, 85, 90, 95):
        save = partial(jpeg, quality=quality)
        listed[f"false: a JPEG before, JPEG {quality}"] = partial(once, save=save, judge=compressed)
        listed[f"false: resampled, JPEG {quality}"] = partial(once, save=save, judge=resampled)
        listed[f"grid and quality: JPEG {quality}, PNG"] = partial(after_jpeg, quality=quality, crop=False)
        listed[f"grid and quality: JPEG {quality}, crop, PNG"] = partial(after_jpeg, quality=quality, crop=True)
    for first, last in ((60, 75), (60, 90), (75, 90), (90, 95), (80, 75), (90, 75), (95, 90)):
        listed[f"a JPEG before: JPEG {first}, JPEG {last} on its grid"] = partial(same_grid, first=first, last=last)
    for first, last in ((60, 75), (60, 90), (75, 85), (75, 90), (90, 95), (90, 90), (90, 75)):
        listed[f"grid: JPEG {first}, crop, JPEG {last}"] = partial(other_grid, first=first, last=last)
    for factor in (0.7, 0.9, 1.1, 1.25, 1.5):
        listed[f"factor: x{factor}, PNG"] = partial(rescaled, factor=factor, save=png)
        for quality in (90, 75):
            save = partial(jpeg, quality=quality)
            listed[f"factor: x{factor}, JPEG {quality}"] = partial(rescaled, factor=factor, save=save)
    listed["empty band: x2, PNG"] = lambda pixels, _: (png(scaled(pixels, 2)), empty_band)
    for quality in (50, 75, 90):
        listed[f"traces every 4 px: WebP {quality}, PNG"] = partial(through_webp, quality=quality)
    return listed


def compressed(values: Values) -> bool:
    return values["earlier_compressions"] != "0"


def resampled(values: Values) -> bool:
    return values["resampling_frequency"] is not None


def every_4(values: Values) -> bool:
    return number(values, "every_4") >= WEBP_TRACE


def empty_band(values: Values) -> bool:
    return number(values, "high_band") < EMPTY


def number(values: Values, name: str) -> float:
    value = values[name]
    return float("nan") if value is None else float(value)


def once(pixels: Pixels, _: np.random.Generator, *, save: Callable[[Pixels], bytes], judge: Judge) -> Outcome:
    return save(pixels), judge


def after_jpeg(pixels: Pixels, rng: np.random.Generator, *, quality: int, crop: bool) -> Outcome:
    top, left = cut(rng) if crop else (0, 0)

    def judge(values: Values) -> bool:
        near = abs(number(values, "earlier_quality") - quality) <= 2
        return near and (values["grid_row"], values["grid_column"]) == (-top % 8, -left % 8)

    return png(decoded(jpeg(pixels, quality))[top:, left:]), judge


def same_grid(pixels: Pixels, _: np.random.Generator, *, first: int, last: int) -> Outcome:
    return jpeg(decoded(jpeg(pixels, first)), last), lambda values: "aligned" in str(values["earlier_grid"])


def other_grid(pixels: Pixels, rng: np.random.Generator, *, first: int, last: int) -> Outcome:
    top, left = cut(rng)
    data = jpeg(decoded(jpeg(pixels, first))[top:, left:], last)
    return data, lambda values: (values["grid_row"], values["grid_column"]) == (-top % 8, -left % 8)


def rescaled(pixels: Pixels, _: np.random.Generator, *, factor: float, save: Callable[[Pixels], bytes]) -> Outcome:
    place = abs(1 / factor - round(1 / factor))
    return save(scaled(pixels, factor)), lambda values: abs(number(values, "resampling_frequency") - place) < 0.01


def through_webp(pixels: Pixels, _: np.random.Generator, *, quality: int) -> Outcome:
    return png(decoded(encode(pixels, "WEBP", quality))), every_4


def cut(rng: np.random.Generator) -> tuple[int, int]:
    """(top, left) of a crop that leaves the grid."""
    top, left = divmod(int(rng.integers(1, 64)), 8)
    return top, left


def rates(count: int) -> dict[str, dict[str, float]]:
    """Share of scenes and of photographs for each row."""
    rng = np.random.default_rng(7)
    images = {
        "scenes": [scene(rng) for _ in range(count)],
        "photographs": [photograph(rng) for _ in range(count)],
    }
    found: dict[str, dict[str, float]] = {}
    for name, make in histories().items():
        rng = np.random.default_rng(11)  # every row sees the same crops
        found[name] = {}
        for kind, originals in images.items():
            outcomes = [make(pixels, rng) for pixels in originals]
            found[name][kind] = float(np.mean([judge(traces(data)) for data, judge in outcomes]))
    return found


def traces(data: bytes) -> Values:
    """The history features of a file, as `measure` finds them."""
    facts = file_facts.stored_jpeg(data)
    return history.history_facts(history.centre_luma(read(data).pixels, facts), facts)


def costs(repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds for each part: the median of some runs."""
    rng = np.random.default_rng(7)
    found = {}
    for name, side in (("312 px", 312), ("1 megapixel", 1000)):
        data = jpeg(np.asarray(Image.fromarray(scene(rng)).resize((side, side))), 90)
        picture, facts = read(data), file_facts.stored_jpeg(data)
        luma = history.centre_luma(picture.pixels, facts)
        parts: dict[str, Callable[[], object]] = {
            "decode": partial(read, data),
            "file": partial(file_facts.file_facts, data, "a.jpg", "JPEG", side, side),
            "history": partial(history.history_facts, luma, facts),
            "pixels": partial(pixel_facts.pixel_facts, picture.pixels, luma),
            "content": partial(content.content_facts, picture.pixels),
            "hashes": partial(perceptual_hashes, picture.pixels),
            "whole measurement": partial(measure, data, "a.jpg"),
        }
        found[name] = {part: milliseconds(run, repeats) for part, run in parts.items()}
        found[name]["images_per_second"] = 1000 / found[name]["whole measurement"]
    return found


def milliseconds(run: Callable[[], object], repeats: int) -> float:
    run()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=60, help="scenes, and as many photographs, for each row")
    parser.add_argument("--repeats", type=int, default=21, help="runs for each time")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    found, spent = rates(options.count), costs(options.repeats)
    cells = [[name, *(f"{share:.2f}" for share in kinds.values())] for name, kinds in found.items()]
    print(table(["history", "scenes", "photographs"], cells))
    parts = list(next(iter(spent.values())))
    print(table(["milliseconds", *spent], [[part, *(f"{spent[size][part]:.2f}" for size in spent)] for part in parts]))
    figures: dict[str, Any] = {
        "scenes": options.count,
        "photographs": options.count,
        "rates": found,
        "milliseconds": spent,
    }
    write_result("audit_traces", figures, options.results)


if __name__ == "__main__":
    main()
