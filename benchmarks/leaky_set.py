"""Makes a deliberately biased set of stand-ins from free photographs, to audit, match, and audit again.

    python benchmarks/leaky_set.py leaky
    contrafake data audit leaky/manifest.csv
    contrafake data match leaky/manifest.csv matched
    contrafake data audit matched

No generator is involved: the "real" and the "generated" stand-ins are both enlarged random cuts of the same regions of
the three photographs in `examples/real` (licences: `examples/README.md`), with the same film-like grain. Content gives
no honest way to tell them apart, so whatever an audit finds is the bias that was put in here, the kind that real data
sets have:

* "real": like camera files. JPEG of quality 85 to 95, 4:2:0, EXIF, many sizes, standing and lying, names like
  `IMG_0042.jpg`.
* "generated": like a generator's files. PNG, 512 x 512 or one of two other sizes, a third of them enlarged after the
  grain was added, no EXIF, names like `a_red_flower_0042.png`.

Every region of a photograph is a source (column `source`), and both classes draw evenly from all.
"""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from machine import EXAMPLES
from photographs import add_grain
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = 2024
COUNT = 400
REGIONS = 3  # across and down, of each photograph
REGION_SHARE = 0.7  # of its sides; regions overlap, alike for both classes
MAGNIFICATIONS = (3.5, 4.5)
CAMERA_AREAS = (0.2e6, 0.55e6)  # so that the largest cut fits into a region at the least magnification
CAMERA_ASPECTS = (4 / 3, 3 / 2, 16 / 9)
GENERATOR_SIZES = ((512, 512), (512, 512), (768, 512), (512, 768))
ENLARGED, ENLARGEMENTS = 1 / 3, (1.25, 1.5)
MAKES = (("Apparatus", "One"), ("Apparatus", "Two"), ("Lumen", "M4"))

Row = tuple[str, str, str, str]


def main() -> None:
    """Writes the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="new folder")
    parser.add_argument("--count", type=int, default=COUNT, help=f"images of each class; {COUNT} unless told")
    options = parser.parse_args()
    rows = leaky_set(options.out, options.count)
    print(f"{len(rows)} stand-ins in {options.out}, listed in manifest.csv")


def leaky_set(out: Path, count: int = COUNT) -> list[Row]:
    """Makes the set; the same count gives the same bytes.

    Args:
        out: New folder.
        count: Images of each class.

    Returns:
        The rows of its manifest: path, label, origin, source.
    """
    photographs = [_photograph(path) for path in sorted((EXAMPLES / "real").glob("*.jpg"))]
    places = [(name, row, column) for name, _ in photographs for row in range(REGIONS) for column in range(REGIONS)]
    pixels = dict(photographs)
    rows: list[Row] = []
    for folder in ("real", "generated"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        name, row, column = places[index % len(places)]
        source = f"{name}-{row}{column}"
        region = _region(pixels[name], row, column)
        for label, make in ((0, _camera_file), (1, _generator_file)):
            path, data, origin = make(region, index, name, np.random.default_rng([SEED, label, index]))
            (out / path).write_bytes(data)
            rows.append((path, "generated" if label else "real", origin, source))
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "origin", "source"))
        writer.writerows(rows)
    return rows


def _photograph(path: Path) -> tuple[str, Image.Image]:
    with Image.open(path) as file:
        return path.stem, file.convert("RGB")


def _region(photograph: Image.Image, row: int, column: int) -> Image.Image:
    width, height = int(REGION_SHARE * photograph.width), int(REGION_SHARE * photograph.height)
    left = column * (photograph.width - width) // (REGIONS - 1)
    top = row * (photograph.height - height) // (REGIONS - 1)
    return photograph.crop((left, top, left + width, top + height))


def _cut(region: Image.Image, width: int, height: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random cut, enlarged to a size: the magnification follows one law whatever the size is."""
    scale = 1 / rng.uniform(*MAGNIFICATIONS)
    left = rng.uniform(0, region.width - scale * width)
    top = rng.uniform(0, region.height - scale * height)
    box = (left, top, left + scale * width, top + scale * height)
    cut = region.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return add_grain(cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else cut, rng)


def _camera_file(region: Image.Image, index: int, _name: str, rng: np.random.Generator) -> tuple[str, bytes, str]:
    area = float(np.exp(rng.uniform(*np.log(CAMERA_AREAS))))
    aspect = float(rng.choice(CAMERA_ASPECTS)) ** (1 if rng.random() < 0.7 else -1)
    pixels = _cut(region, round((area * aspect) ** 0.5), round((area / aspect) ** 0.5), rng)
    camera = int(rng.integers(len(MAKES)))
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = MAKES[camera]
    exif[0x0132] = f"2019:07:{1 + index % 28:02d} 12:{index % 60:02d}:00"
    file = io.BytesIO()
    quality = int(rng.integers(85, 96))
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0", exif=exif)
    return f"real/IMG_{index:04d}.jpg", file.getvalue(), f"stand-in-camera-{camera + 1}"


def _generator_file(region: Image.Image, index: int, name: str, rng: np.random.Generator) -> tuple[str, bytes, str]:
    width, height = GENERATOR_SIZES[int(rng.integers(len(GENERATOR_SIZES)))]
    enlarged = rng.random() < ENLARGED
    factor = float(rng.choice(ENLARGEMENTS)) if enlarged else 1.0
    small = Image.fromarray(_cut(region, round(width / factor), round(height / factor), rng))
    image = small.resize((width, height), Image.Resampling.BICUBIC) if enlarged else small
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)  # grain hardly compresses, whatever time is spent on it
    origin = "stand-in-generator-enlarged" if enlarged else "stand-in-generator"
    return f"generated/a_picture_of_{name}_{index:04d}.png", file.getvalue(), origin


if __name__ == "__main__":
    main()
