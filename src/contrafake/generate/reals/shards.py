"""WebDataset shards of images with captions: img2dataset's, our own lone samples, and paired records."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from contrafake.data.interpret import CAPTION, FACTS, IMAGE_SUFFIXES, URL, facts_of, interpret, is_record
from contrafake.data.patterns import expand_patterns
from contrafake.data.remote import file_name, is_remote, open_shard
from contrafake.data.sample import LABELS
from contrafake.data.sources.folders import SPLIT_NAMES
from contrafake.data.tar_scan import TarContents, scan_tar
from contrafake.generate.reals.known import real_of
from contrafake.generate.reals.reader import GENERATED_IMAGE, Reader, caption_of, describe, host_of
from contrafake.generate.record import CaptionedReal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from contrafake.data.location import Member

_TEXTS = ("txt", CAPTION, "caption")
_SPLIT = re.compile(rf"({'|'.join(SPLIT_NAMES)})[-_.]", re.IGNORECASE)


class CaptionedShards(Reader):
    """A tar file, a folder of them, a pattern, or addresses of other file systems; one shard at a time is listed.

    A key holds one image and perhaps ``.txt``, ``.caption.txt``, ``.caption`` or ``.json``; or it is a paired record,
    whose real image is taken. Where a JSON says with `label` that its image is generated, the image is left out.
    What is damaged is left out as well; both are counted.
    """

    layout = "captioned-shards"

    @classmethod
    def recognises(cls, address: str) -> bool:
        """Whether it is a tar file, a folder that holds some, or a pattern of them."""
        if is_remote(address):
            return True
        path = Path(address)
        return next(path.glob("*.tar"), None) is not None if path.is_dir() else path.suffix.lower() == ".tar"

    def _list(self) -> Iterator[CaptionedReal]:
        folder = not is_remote(self.address) and os.path.isdir(self.address)  # noqa: PTH112 - plain strings
        # A folder's own name may hold brackets, which are no pattern.
        pattern = str(Path(glob.escape(self.address), "*.tar")) if folder else self.address
        for shard in expand_patterns([pattern]):
            yield from self._of_shard(shard)

    def _of_shard(self, shard: str) -> Iterator[CaptionedReal]:
        with open_shard(shard) as (file, size):
            contents = scan_tar(file, size, shard, {FACTS, URL, *_TEXTS})
        for damage in contents.damage:
            self.census.skip(damage.subject, damage.cause)
        named = _SPLIT.match(file_name(shard))
        split = SPLIT_NAMES[named[1].lower()] if named else ""
        origin = file_name(shard.rpartition("/")[0]) or "shards"
        for key, members in contents.keys.items():
            if key == contents.cut:
                continue
            found = self._of_key(key, members, contents, origin)
            if isinstance(found, str):
                self.census.skip(f"{shard}: {key}", found)
            else:
                yield found if found.split else replace(found, split=split)

    def _of_key(
        self, key: str, members: Mapping[str, Member], contents: TarContents, origin: str
    ) -> CaptionedReal | str:
        """The real image of a key, or why there is none."""
        facts = facts_of(members, contents) or {}
        if is_record(members) or str(facts.get("label", "")).strip().lower() in LABELS:
            found = interpret(key, members, contents)
            if isinstance(found, str):
                return found
            real = real_of(found, self.columns, _text(members, contents))
            return GENERATED_IMAGE if real is None else real
        images = [member for suffix, member in members.items() if suffix in IMAGE_SUFFIXES]
        if len(images) != 1:
            return "several images under one key" if images else "no image under the key"
        said = describe(facts, self.columns)
        url = said.url or caption_of((contents.text(members.get(URL)) or b"").decode("utf-8", "replace"))
        origin = str(facts.get("origin") or origin)
        return CaptionedReal(
            key=key,
            caption=_text(members, contents) or said.caption,
            image=images[0],
            origin=origin,
            source=str(facts.get("source") or "") or host_of(url) or origin,
            group=str(facts.get("group") or ""),
            split=said.split,
            url=url,
            metadata=said.metadata or {},
        )


def _text(members: Mapping[str, Member], contents: TarContents) -> str:
    texts = (contents.text(members.get(suffix)) or b"" for suffix in _TEXTS)
    captions = (caption_of(text.decode("utf-8-sig", "replace")) for text in texts)
    return next((caption for caption in captions if caption), "")
