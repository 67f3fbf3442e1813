"""The captions of COCO 2014, from `captions_train2014.json` and its like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from contrafake.data.sources.listing import folder_names

if TYPE_CHECKING:
    from pathlib import Path


def read_captions(root: Path, split: str) -> tuple[dict[int, str], str]:
    """The captions of a split's photographs, if their file lies in `annotations`, here or one folder below.

    The file is read whole, once for a split; of its content only the texts are kept.

    Args:
        root: Folder that holds COCO, or is it.
        split: "train" or "val".

    Returns:
        (captions of each COCO id, one a line in the order of their numbers; "" or what is wrong with the file).
    """
    name = f"captions_{split}2014.json"
    tops = (root, *(root / folder for folder in folder_names(root)))
    file = next((path for top in tops for path in (top / "annotations" / name, top / name) if path.is_file()), None)
    if file is None:
        return {}, ""
    try:
        content = json.loads(file.read_text(encoding="utf-8"), object_hook=_slim)
        return _texts(content["annotations"]), ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return {}, f"{file}: the captions cannot be read ({type(error).__name__}: {error}); records go without"


def _slim(value: dict[str, Any]) -> Any:
    """An annotation as a tuple, which takes a fraction of the memory; other objects as they are."""
    if "caption" in value and "image_id" in value:
        return int(value["image_id"]), int(value.get("id", 0)), str(value["caption"]).strip()
    return value


def _texts(annotations: list[tuple[int, int, str]]) -> dict[int, str]:
    captions: dict[int, str] = {}
    for image, _, text in sorted(annotations):
        captions[image] = f"{captions[image]}\n{text}" if image in captions else text
    return captions
