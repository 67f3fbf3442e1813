"""D3 as its authors publish it on the Hugging Face hub: Parquet files with four generated images a row.

Baraldi et al., Contrasting Deepfakes Diffusion via Contrastive Learning and Global-Local Similarities, ECCV 2024,
section 3; data set elsaEU/ELSA_D3. The real image of a row is only an address there (`contrafake data download`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from contrafake.data.cells import arrow, parquet_file
from contrafake.data.download.place import find_file
from contrafake.data.location import Cell, File
from contrafake.data.origins import OriginTable, known_origins
from contrafake.data.sample import GENERATED, REAL, Record, Sample
from contrafake.data.seen import Seen
from contrafake.data.sources.folders import origins_beside
from contrafake.data.sources.source import Census, Source
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.data.sources.source import Item

DATASET, REAL_ORIGIN, REAL_FOLDER = "elsa-d3", "laion-400m", "real"
GENERATORS = range(4)
MODELS = {
    "DeepFloyd/IF-II-L-v1.0": "deepfloyd-if",
    "CompVis/stable-diffusion-v1-4": "sd1.4",
    "stabilityai/stable-diffusion-2-1-base": "sd2.1",
    "stabilityai/stable-diffusion-xl-base-1.0": "sdxl",
}
"""Origins by the model ids of columns `model_gen0` to `model_gen3`; an unknown id is its own origin."""

# The authors uploaded 6,629 further training rows as val-*, and name them so in the set's card.
_SPLITS = {"train": "train", "val": "train", "validation": "val", "test": "test"}
_TEXTS = ("original_prompt", "positive_prompt", "negative_prompt")
_NUMBERS = ("width", "height", "num_inference_steps")


@dataclass(frozen=True)
class _Row:
    """One row without its images; `present` says which of them are there."""

    file: str
    row_group: int
    row: int
    split: str
    id: str
    facts: dict[str, Any]
    present: tuple[bool, ...]

    @property
    def url(self) -> str:
        return str(self.facts.get("url") or "")

    @property
    def address(self) -> str:
        return f"{self.file}: row {self.row} of row group {self.row_group}"


class D3Parquet(Source):
    """A Parquet file, or a folder of them (directly or one level below), with the columns of elsaEU/ELSA_D3.

    A row is a record where its real image was downloaded, else lone generated samples. Its group is the record's key,
    its source the host that the real image came from: images made from one record stay together in either way.
    Only small columns are read for a listing; the samples say in which cells the images stand.
    """

    layout = "d3-parquet"
    classes = (GENERATED,)  # the real images may not be downloaded yet

    def __init__(self, root: Path, real: Path | None = None) -> None:
        """Opens the set.

        Args:
            root: The file or folder.
            real: Folder of downloaded real images; by default `real` in the folder, or beside the file.
        """
        super().__init__(root)
        self.real = real or (root if root.is_dir() else root.parent) / REAL_FOLDER

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether the first readable Parquet file, directly there or in `data`, has the set's columns."""
        for path in _files(root, "*.parquet", "data/*.parquet"):
            try:
                with parquet_file(path) as file:
                    return not _missing(file.schema_arrow.names)
            except (OSError, arrow().ArrowException):
                continue
        return False

    @property
    def origins(self) -> OriginTable:
        """What is known of public sets, and what a table beside the files says more."""
        return OriginTable([*known_origins(), *origins_beside(self.root if self.root.is_dir() else self.root.parent)])

    def links(self) -> Iterator[tuple[str, str]]:
        """The id and address of every real image; the census counts what has none."""
        self.census = Census()
        for row in self._rows(["id", "url"]):
            if row.url:
                yield row.id, row.url
            else:
                self.census.skip(row.address, "the row has no address of a real image")

    def _list(self) -> Iterator[Item]:
        for row in self._rows(None):
            yield from self._items(row)

    def _items(self, row: _Row) -> Iterator[Item]:
        key = f"{DATASET}__{row.split}__{row.id}"
        source = _host(row.url) or DATASET
        common = {"id": row.id, "url": row.url, **{name: row.facts.get(name) or "" for name in _TEXTS}}
        generated = []
        for k, present in zip(GENERATORS, row.present, strict=True):
            if not present:
                self.census.skip(f"{row.address}, image_gen{k}", "no generated image in the cell")
                continue
            model = str(row.facts.get(f"model_gen{k}") or f"gen_{k}")
            name = str(row.facts.get(f"filepath_gen{k}") or "").replace("\\", "/").rpartition("/")[2]
            cell = Cell(row.file, f"image_gen{k}", row.row_group, row.row, name)
            more = {name: row.facts.get(f"{name}_gen{k}") for name in _NUMBERS}
            origin = MODELS.get(model, model)
            facts = {**common, "model": model, **more}
            generated.append(Sample(f"{key}.gen_{k}", GENERATED, origin, source, key, cell, row.split, facts))
        real = find_file(self.real, row.id)
        if real is None:
            self.census.skip(f"{row.address} ({row.id})", "real image not downloaded")
            yield from generated
            return
        sample = Sample(f"{key}.real", REAL, REAL_ORIGIN, source, key, File(str(real)), row.split, common)
        if generated:
            yield Record(key, sample, tuple(generated), common["original_prompt"], row.url)
        else:
            yield sample

    def _rows(self, columns: list[str] | None) -> Iterator[_Row]:
        """The rows of all files, each id once; `columns` None takes all but the images."""
        if not (paths := _files(self.root, "*.parquet", "*/*.parquet")):
            raise DataError(str(self.root), "no Parquet file", "give the file or the folder that holds them")
        seen = Seen()
        for path in paths:
            for row in self._file_rows(str(path), columns):
                if not row.id:
                    self.census.skip(row.address, "the row has no id")
                elif not seen.add(row.id):
                    self.census.skip(f"{row.address} ({row.id})", "the id stands there before")
                else:
                    yield row

    def _file_rows(self, path: str, columns: list[str] | None) -> Iterator[_Row]:
        try:
            file = parquet_file(path)
        except (OSError, arrow().ArrowException):
            self.census.skip(path, "truncated, or no Parquet file")
            return
        with file:
            if missing := _missing(file.schema_arrow.names):
                self.census.skip(path, f"not a table of D3: no column {', '.join(missing)}")
                return
            for row_group in range(file.num_row_groups):
                try:
                    rows = _read_rows(path, file, row_group, columns)
                except (OSError, arrow().ArrowException):
                    self.census.skip(f"{path}: row group {row_group}", "damaged row group")
                    continue
                yield from rows


def _read_rows(path: str, file: Any, row_group: int, columns: list[str] | None) -> list[_Row]:
    names = [name for name in file.schema_arrow.names if not name.startswith("image_gen")]
    table = file.read_row_group(row_group, columns=columns or names).to_pylist()
    if columns:
        present = [(True,) * len(GENERATORS)] * len(table)
    else:
        present = list(zip(*(_present(file, row_group, f"image_gen{k}") for k in GENERATORS), strict=True))
    split = _SPLITS.get(Path(path).name.partition("-")[0].lower(), "")
    return [
        _Row(path, row_group, at, split, "" if facts["id"] is None else str(facts["id"]), facts, present[at])
        for at, facts in enumerate(table)
    ]


def _present(file: Any, row_group: int, column: str) -> list[bool]:
    """Which cells of an image column hold bytes; reads them only where the file's statistics leave it open."""
    group = file.metadata.row_group(row_group)
    for at in range(group.num_columns):
        chunk = group.column(at)
        if chunk.path_in_schema == f"{column}.bytes":
            statistics = chunk.statistics
            if statistics is not None and statistics.has_null_count and statistics.null_count == 0:
                return [True] * group.num_rows
    found: list[bool] = []
    for batch in file.iter_batches(16, row_groups=[row_group], columns=[column]):
        found.extend(bool(cell and cell.get("bytes")) for cell in batch.column(0).to_pylist())
    return found


def _missing(names: list[str]) -> list[str]:
    needed = ["id", "url", *(f"{name}_gen{k}" for k in GENERATORS for name in ("model", "image"))]
    return [name for name in needed if name not in names]


def _files(root: Path, *patterns: str) -> list[Path]:
    """Parquet files in the order of their paths; hidden ones are unfinished downloads."""
    if root.is_file():
        return [root] if root.suffix.lower() == ".parquet" else []
    found = (path for pattern in patterns for path in root.glob(pattern))
    return sorted(path for path in found if not path.name.startswith("."))


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
