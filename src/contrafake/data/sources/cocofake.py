"""COCOFake: photographs of COCO 2014, each with five images that Stable Diffusion made from its five captions."""

from __future__ import annotations

import heapq
import os
import re
from collections import Counter
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from contrafake.data.location import File
from contrafake.data.sample import GENERATED, REAL, Record, Sample
from contrafake.data.sources.coco_captions import read_captions
from contrafake.data.sources.folders import origins_beside
from contrafake.data.sources.listing import Listed, folder_names, list_folder
from contrafake.data.sources.source import Source
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contrafake.data.origins import OriginTable

CHILDREN = 5
LOOKED_AT = 1000
PARTS = {"train2014": "train", "val2014": "val", "train/data": "train", "validation/data": "val"}
"""Where the images of a split stand below the folder of COCO or of the generated images."""

_NAME = re.compile(r"COCO_(train|val)2014_(\d{12})([_-].+)?")
_SECOND = re.compile(r"(?:sd|v|diffusion)[-_ ]?v?2(?![0-9])|2[._-]0(?![0-9])", re.IGNORECASE)


class _Entry(NamedTuple):
    """A photograph, a generated image, or a folder of five, by the COCO id in its name."""

    coco: str
    origin: str
    path: str
    is_folder: bool


class COCOFake(Source):
    """Records of a parent and its children, from a folder that holds COCO 2014 and the generated images.

    Parents are `<any>/train2014/COCO_train2014_<id>.jpg`, or in `<any>/train/data`, as FiftyOne lays COCO out. Children
    are `<any>/train2014/COCO_train2014_<id>/*.jpg`, or `<any>/train2014/COCO_train2014_<id>_<n>.jpg`; so with `val`. A
    folder whose name says 2 or 2.0 holds children of Stable Diffusion 2.0, any other those of 1.4. Both are listed by
    name and merged by id: only names are held, a split at a time. Captions come from COCO's `annotations`.

    References:
        [1] Amoroso et al., "Parents and Children: Distinguishing Multimodal DeepFakes from Natural Images", ACM
            Transactions on Multimedia Computing, Communications and Applications, 2024.
    """

    layout = "cocofake"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether photographs of COCO 2014 stand below, and folders or files of their children."""
        return {kind for _, path in _parts(root) for kind in _kinds(path)} == {"parent", "child"}

    @property
    def origins(self) -> OriginTable:
        """The table that lies beside the images as `origins.csv`, else what is known of public sets."""
        return origins_beside(self.root)

    def _list(self) -> Iterator[Record]:
        if not self.root.is_dir():
            raise DataError(str(self.root), "no such folder")
        short = Listed()
        for split in ("train", "val"):
            parts = [path for name, path in _parts(self.root) if name == split]
            captions, problem = read_captions(self.root, split) if parts else ({}, "")
            self.census.notes.extend([problem] if problem else [])
            streams = [stream for path in parts for stream in self._streams(path, split)]
            for coco, entries in groupby(heapq.merge(*streams, key=itemgetter(0)), key=itemgetter(0)):
                record = self._record(coco, split, list(entries), captions.get(int(coco), ""))
                if record is None:
                    continue
                if set(Counter(child.origin for child in record.generated).values()) != {CHILDREN}:
                    short.add(record.key)
                yield record
        if short.count:
            self.census.notes.append(f"parents without {CHILDREN} children of each generator: {short}")
        self._skip_the_rest()

    def _skip_the_rest(self) -> None:
        parts = {path for _, path in _parts(self.root)}
        above = {folder for path in parts for folder in path.parents if folder.is_relative_to(self.root)}
        for folder in sorted(above - parts):
            images, inner = list_folder(str(folder), self.census)
            for name in (*images, *inner):
                if name != "annotations" and folder / name not in parts | above:
                    self.census.skip(str(folder / name), f"no part of layout {self.layout}")

    def _streams(self, path: Path, split: str) -> list[Iterator[_Entry]]:
        """The files and the folders of a part: names in order are ids in order, so nothing need be sorted again."""
        images, folders = list_folder(str(path), self.census)
        top = path.relative_to(self.root).parts[0]
        origin = "sd2.0" if _SECOND.search(top) else "sd1.4"
        return [self._named(path, split, names, origin, names is folders) for names in (images, folders)]

    def _named(self, path: Path, split: str, names: list[str], origin: str, is_folder: bool) -> Iterator[_Entry]:
        for name in names:
            where = os.path.join(path, name)  # noqa: PTH118 - keeps undecodable names
            found = _NAME.fullmatch(name if is_folder else os.path.splitext(name)[0])  # noqa: PTH122 - as above
            if found is None or found[1] != split or (is_folder and found[3]):
                self.census.skip(where, f"its name is no COCO id of {split}2014")
            else:
                child = is_folder or found[3] is not None
                yield _Entry(found[2], origin if child else "", where, is_folder)

    def _record(self, coco: str, split: str, entries: list[_Entry], caption: str) -> Record | None:
        parents = [entry.path for entry in entries if not entry.origin]
        children = [child for entry in entries if entry.origin for child in self._children(entry)]
        if not parents:
            for _, path in children:
                self.census.skip(path, "its parent, the photograph, is missing")
            return None
        for path in parents[1:] if children else parents:
            self.census.skip(path, "a second photograph of one COCO id" if children else "it has no generated image")
        if not children:
            return None
        key, group = f"cocofake__{split}__{coco}", f"coco/{coco}"
        generated = tuple(
            Sample(f"{key}.gen_{number}", GENERATED, origin, f"cocofake/{origin}", group, File(path), split)
            for number, (origin, path) in enumerate(sorted(children))
        )
        real = Sample(f"{key}.real", REAL, "coco", "coco", group, File(parents[0]), split)
        return Record(key, real, generated, caption)

    def _children(self, entry: _Entry) -> Iterator[tuple[str, str]]:
        if not entry.is_folder:
            yield entry.origin, entry.path
            return
        images, folders = list_folder(entry.path, self.census)
        for name in folders:
            self.census.skip(os.path.join(entry.path, name), f"no part of layout {self.layout}")  # noqa: PTH118
        for name in images:
            yield entry.origin, os.path.join(entry.path, name)  # noqa: PTH118 - as above


def _parts(root: Path) -> Iterator[tuple[str, Path]]:
    """The folders that hold a split's photographs or children, with the split, in order of their names."""
    for top in (root, *(root / name for name in folder_names(root))):
        for part, split in PARTS.items():
            if any(_kinds(top / part)):
                yield split, top / part


def _kinds(path: Path) -> Iterator[str]:
    """What the first entries of a folder are: parents or children."""
    try:
        with os.scandir(path) as entries:
            for entry in islice(entries, LOOKED_AT):
                found = _NAME.fullmatch(os.path.splitext(entry.name)[0])  # noqa: PTH122 - as above
                if found is not None:
                    yield "child" if found[3] or entry.is_dir() else "parent"
    except OSError:
        return
