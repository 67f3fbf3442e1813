"""COCO with its captions: photographs in folders of a split and a year, one JSON of captions for each."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from contrafake.data.location import File
from contrafake.data.shards import IMAGE_SUFFIXES
from contrafake.data.sources.listing import folder_names
from contrafake.errors import DataError
from contrafake.generate.reals.reader import Reader, caption_of
from contrafake.generate.record import CaptionedReal

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"captions_((train|val|test)(\d{4})?)\.json", re.IGNORECASE)


class _Caption(NamedTuple):
    image: int
    number: int
    text: str


class _Image(NamedTuple):
    file_name: str
    number: int
    url: str
    licence: Any


class CocoCaptions(Reader):
    """``annotations/captions_<split><year>.json`` with the images in ``<split><year>`` (2014 or 2017) beside it.

    The address is COCO's folder, one above it, or one such JSON. An image's caption is its first, the one of the
    lowest number. A key is ``<split><year>/<file name without suffix>``.

    References:
        [1] Chen et al., "Microsoft COCO Captions: Data Collection and Evaluation Server", 2015.
    """

    layout = "coco"

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Whether a file of captions lies there."""
        return bool(_files(Path(address)))

    def _list(self) -> Iterator[CaptionedReal]:
        files = _files(Path(self.address))
        if not files:
            raise DataError(self.address, "no captions_*.json", "give the folder that holds annotations")
        for path in files:
            yield from self._of_file(path)

    def _of_file(self, path: Path) -> Iterator[CaptionedReal]:
        found = _NAME.fullmatch(path.name)
        part, split = (found[1].lower(), found[2].lower()) if found else (path.stem, "")
        images, captions = _read(path)
        folder = _image_folder(path, part, split)
        present = set(_image_names(folder))
        for image in images:
            if image.file_name not in present:
                self.census.skip(str(folder / image.file_name), "no such image file")
                continue
            present.discard(image.file_name)
            yield CaptionedReal(
                key=f"{part}/{os.path.splitext(image.file_name)[0]}",  # noqa: PTH122 - a name, not a path
                caption=captions.get(image.number, ""),
                image=File(str(folder / image.file_name)),
                origin="coco",
                source="coco",
                group=f"coco/{image.number:012d}",
                split=split,
                url=image.url,
                metadata={"coco_id": image.number, "license": image.licence},
            )
        for name in sorted(present):
            self.census.skip(str(folder / name), f"not in {path.name}")


def _files(root: Path) -> list[Path]:
    """The files of captions, in the order of their paths."""
    if root.is_file():
        return [root] if _NAME.fullmatch(root.name) else []
    tops = [root, *(root / name for name in folder_names(root))]
    folders = {folder for top in tops for folder in (top, top / "annotations") if folder.is_dir()}
    return sorted(path for folder in folders for path in folder.glob("captions_*.json") if _NAME.fullmatch(path.name))


def _image_folder(captions: Path, part: str, split: str) -> Path:
    tops = (captions.parent.parent, captions.parent)
    names = (part, f"images/{part}", f"{split}/data", "images", "data")
    choices = [top / name for top in tops for name in names]
    folder = next((folder for folder in choices if folder.is_dir()), None)
    if folder is not None:
        return folder
    if _image_names(captions.parent):
        return captions.parent
    raise DataError(str(captions), f"no folder {part} of images beside it", f"unpack {part}.zip beside annotations")


def _image_names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    return [name for name in names if os.path.splitext(name)[1].lower().removeprefix(".") in IMAGE_SUFFIXES]  # noqa: PTH122


def _read(path: Path) -> tuple[list[_Image], dict[int, str]]:
    """The images in the order of their names, and the first caption of each."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_hook=_slim)
        found = (image for image in content["images"] if isinstance(image, _Image))
        images = sorted(found, key=lambda image: (image.file_name, image.number))
        captions: dict[int, str] = {}
        for caption in sorted(one for one in content["annotations"] if isinstance(one, _Caption)):
            if caption.text:
                captions.setdefault(caption.image, caption.text)
    except (OSError, ValueError, OverflowError, KeyError, TypeError, RecursionError) as error:
        raise DataError(str(path), f"the captions cannot be read ({type(error).__name__}: {error})") from error
    return images, captions


def _slim(value: dict[str, Any]) -> Any:
    """Captions and images as tuples, which take a fraction of the memory; other objects as they are."""
    if "caption" in value and "image_id" in value:
        return _Caption(int(value["image_id"]), int(value.get("id", 0)), caption_of(value["caption"]))
    if "file_name" in value and "id" in value:
        url = str(value.get("coco_url") or value.get("flickr_url") or "")
        # Images are only found directly in their folder, whatever the file says.
        return _Image(Path(str(value["file_name"])).name, int(value["id"]), url, value.get("license"))
    return value
