"""Which image, and which variant of it, another program means by a path or a key."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from contrafake.errors import DataError, UsageError
from contrafake.evaluate.exported_names import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contrafake.evaluate.score_rows import ScoreRow

_MANY = -1


class Place(NamedTuple):
    """What a row is about.

    Attributes:
        image: Row of the image.
        variant: Name of the variant, whether or not it is under evaluation; "" where the row does not say.
    """

    image: int
    variant: str


class Names:
    """The images of an evaluation by all that they may be called.

    A key is taken as it is, or with a variant's name in front, as an export's manifest has it. A path is compared from
    the whole of it down to the file's name, with and without its suffix and with the escapes of an export read, with
    the keys; what stands in front of a key may be the name of a variant. If none of these is a key, it is the file's
    name that counts, provided that it fits the end of one key only.
    """

    def __init__(self, keys: Sequence[str], variants: Sequence[str]) -> None:
        """Takes the images' keys and the names of the variants under evaluation."""
        self._keys = keys
        self._variants = set(variants)
        self._known: dict[str, bool] = {}
        self._image: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        for row, key in enumerate(keys):
            # A table in UTF-8 has undecodable bytes spelled out.
            self._image.setdefault(key.encode("utf-8", "backslashreplace").decode(), row)
            for end in {PurePosixPath(key).name, _stem(PurePosixPath(key).name)}:
                self._ends[end] = _MANY if end in self._ends else row
        self._image.update((key, row) for row, key in enumerate(keys))

    def find(self, row: ScoreRow, where: str) -> Place | None:
        """What a row is about; None where no image fits.

        Args:
            row: The row.
            where: Its file and line, for errors.

        Raises:
            DataError: Several images fit, or path and column name two variants.
        """
        found = self._by_key(row.key) if row.key else None
        if found is None and row.path:
            found = self._by_path(row.path, where)
        if found is None or not row.variant:
            return found
        if found.variant not in {"", row.variant}:
            cause = f"the variant is {row.variant}, but the name says {found.variant}"
            raise DataError(where, cause, "make them agree, or name the image by its key")
        return Place(found.image, row.variant)

    def _by_key(self, key: str) -> Place | None:
        if key in self._image:
            return Place(self._image[key], "")
        variant, _, rest = key.partition("/")
        if rest in self._image and self._is_variant(variant):
            return Place(self._image[rest], variant)
        return None

    def _by_path(self, path: str, where: str) -> Place | None:
        spellings = [path] if "\\" not in path else [path, path.replace("\\", "/")]
        for spelling in spellings:
            parts = [part for part in spelling.split("/") if part != "."]
            for start in range(len(parts)):
                for name in _spellings("/".join(parts[start:])):
                    if name in self._image:
                        return Place(self._image[name], self._folder(parts[:start]))
        for name in _spellings(parts[-1]):
            image = self._ends.get(name)
            if image == _MANY:
                some = [key for key in self._keys if name in {PurePosixPath(key).name, _stem(PurePosixPath(key).name)}]
                cause = f"the file name {parts[-1]} fits {len(some)} images, {some[0]!r} and {some[1]!r} among them"
                raise DataError(where, cause, "write more of the path, or the key")
            if image is not None:
                return Place(image, next((v for v in map(self._folder, _fronts(parts)) if v), ""))
        return None

    def _folder(self, parts: Sequence[str]) -> str:
        """The variant that the last of some folders is called after, "" for none."""
        return parts[-1] if parts and self._is_variant(parts[-1]) else ""

    def _is_variant(self, name: str) -> bool:
        """Whether an evaluation could have a variant of that name, even if this one has not."""
        if name in self._variants:
            return True
        if name not in self._known:
            from contrafake.evaluate.suites import SUITES, parse_variants  # noqa: PLC0415 - most files never need it

            try:
                self._known[name] = name not in SUITES and any(v.name == name for v in parse_variants([name]))
            except UsageError:
                self._known[name] = False
        return self._known[name]


def _fronts(parts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The folders of a path, all of them first, then without the last, and so on."""
    return (parts[:end] for end in range(len(parts) - 1, 0, -1))


def _spellings(name: str) -> Iterator[str]:
    """What key a name may stand for, the most literal first."""
    yield name
    yield _stem(name)
    if "%" in name:
        yield key_of(name)
        yield key_of(_stem(name))


def _stem(name: str) -> str:
    """A name without its suffix, which is what follows the last dot behind the last slash, if anything precedes it."""
    folder, slash, last = name.rpartition("/")
    stem, dot, _ = last.rpartition(".")
    return f"{folder}{slash}{stem}" if dot and stem else name
