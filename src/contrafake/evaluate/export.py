"""The images of a set, each under every variant, as files for programs that are not run from here."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from contrafake import __version__
from contrafake.data.header import size_in_bytes
from contrafake.data.listing.listing import silent
from contrafake.data.location import read_bytes
from contrafake.data.packing.notes import Failure
from contrafake.data.parallel import default_workers, map_in_order
from contrafake.data.whole_file import write_whole
from contrafake.errors import ContrafakeError, DataError, UsageError
from contrafake.evaluate.as_file import as_file
from contrafake.evaluate.export_journal import Journal, Written
from contrafake.evaluate.export_manifest import MANIFEST, ORIGINS, manifest, origin_table
from contrafake.evaluate.exported_names import LONGEST, file_name
from contrafake.evaluate.image_list import list_images
from contrafake.images import read

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from contrafake.data.sources import Source
    from contrafake.evaluate.as_file import FileFormat
    from contrafake.evaluate.image_list import ListedImage
    from contrafake.evaluate.variant import Variant
    from contrafake.images import Picture

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*", re.ASCII)


@dataclass(frozen=True)
class Exported:
    """What an export has done.

    Attributes:
        folder: Where the files are.
        images: Number of images by label, 0 = real, 1 = generated; those that could be read.
        files: Number of files by variant.
        kept: How many of the files an earlier call had written.
        bytes: Size of all files.
        failures: Images that could not be read.
        notes: What a reader should know about the choice of images.
    """

    folder: Path
    images: Counter[int]
    files: Counter[str]
    kept: int
    bytes: int
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]


class _Job(NamedTuple):
    image: ListedImage
    before: tuple[Written | None, ...]


class _Done(NamedTuple):
    """Files with their sizes, in the order of the variants, None where the set has no copy to make one from.

    There are fewer than variants where there is a cause.
    """

    files: tuple[tuple[Written, int] | None, ...] = ()
    kept: int = 0
    cause: str = ""


def export_images(
    source: Source,
    folder: str | os.PathLike[str],
    variants: Sequence[Variant],
    *,
    split: str | None = None,
    limit: int | None = None,
    format: FileFormat = "kept",  # noqa: A002 - what it is
    workers: int | None = None,
    report: Callable[[int, int], None] = silent,
) -> Exported:
    """Writes every variant of every image to a file of its own, and a manifest of them all.

    A file is ``VARIANT/KEY.suffix``, with the key as `exported_names.file_name` writes it and the bytes as
    `as_file.as_file` makes them. ``manifest.csv`` has one row for each, with the columns
    `export_manifest.COLUMNS`. A call that was cut off goes on when it is made again.

    Args:
        source: The set.
        folder: A new or empty folder, or that of the same export, begun before.
        variants: What the images undergo; `image_list.list_images` says what becomes of sets that bring changed copies.
        split: Only the images of that split.
        limit: Only so many images of each class, the same that an evaluation with that limit takes.
        format: "png" writes untouched images as PNG, too; else they keep their own bytes.
        workers: Processes; None takes one for each core.
        report: Called with the number of images done and of all.

    Raises:
        UsageError: The variants or the limit make no sense.
        DataError: The set cannot be listed or is none of real and generated images, no image is left or can be read,
            or the folder holds or meanwhile got something else, or cannot be written.
    """
    found = list_images(source, variants, split=split, limit=limit)
    images, changes = found.images, found.variants
    _check_names(changes)
    done, failures = list[_Done](), list[Failure]()
    with Journal(Path(folder), _fingerprint(images, changes, format)) as journal:
        journal.sweep(change.name for change in changes)
        jobs = (_Job(one, tuple(journal.of(one.sample.key, change.name) for change in changes)) for one in images)
        make = partial(_make, folder=str(folder), variants=changes, format=format)
        for one, result in zip(images, map_in_order(make, jobs, workers or default_workers()), strict=True):
            for change, file in zip(changes, result.files, strict=False):
                if file is not None:
                    journal.note(one.sample.key, change.name, file[0])
            if result.cause:
                failures.append(Failure(one.sample.key, result.cause))
            done.append(result)
            report(len(done), len(images))
        if len(failures) == len(images):
            cause = f"none of the {len(images):,} images can be read; the first: {failures[0].cause}"
            raise DataError(str(source.root), cause)
        rows = [
            (one.sample, change, file[0])
            for one, result in zip(images, done, strict=True)
            for change, file in zip(changes, () if result.cause else result.files, strict=False)
            if file is not None
        ]
        journal.write_table(ORIGINS, origin_table(source.origins, (one.sample for one in images)).encode())
        journal.write_table(MANIFEST, manifest(source.origins, rows).encode())
    whole = [(one, result.files) for one, result in zip(images, done, strict=True) if not result.cause]
    sizes = [[None if file is None else file[1] for file in files] for _, files in whole]
    return Exported(
        folder=Path(folder),
        images=Counter(int(one.sample.label) for one, _ in whole),
        files=Counter(c.name for of_one in sizes for c, size in zip(changes, of_one, strict=True) if size is not None),
        kept=sum(result.kept for result in done),
        bytes=sum(size for of_one in sizes for size in of_one if size is not None),
        failures=tuple(failures),
        notes=found.notes,
    )


def _check_names(variants: Iterable[Variant]) -> None:
    for variant in variants:
        if not _NAME.fullmatch(variant.name):
            raise UsageError(f"variant {variant.name!r}", "is no name for a folder")


def _make(job: _Job, *, folder: str, variants: tuple[Variant, ...], format: FileFormat) -> _Done:  # noqa: A002
    """One image under all variants; runs in a worker process."""
    image, name = job.image, file_name(job.image.sample.key)
    if len(name) > LONGEST:
        return _Done(cause=f"its key is too long for a file name: {len(name):,} characters, at most {LONGEST:,}")
    files: list[tuple[Written, int] | None] = []
    copies: dict[bool, tuple[bytes, Picture]] = {}
    kept = 0
    for variant, written in zip(variants, job.before, strict=True):
        copy = image.delivered if variant.delivered else image.untouched
        if copy is None:
            files.append(None)
            continue
        if written is not None and (size := _size(Path(folder), written)) is not None:
            files.append((written, size))
            kept += 1
            continue
        if variant.delivered not in copies:
            try:
                data = read_bytes(copy.image)
                copies[variant.delivered] = data, read(data, name=copy.image.address)
            except ContrafakeError as error:
                return _Done(tuple(files), kept, error.cause)
        made, suffix = as_file(variant, image.sample.key, *copies[variant.delivered], format)
        path = f"{variant.name}/{name}.{suffix}"
        _write(Path(folder, path), made)
        files.append((Written(path, sha256(made).hexdigest()), len(made)))
    return _Done(tuple(files), kept)


def _size(folder: Path, written: Written) -> int | None:
    """Size of a file that was written before; None where it is gone."""
    path = folder / written.path
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from error
    if sha256(data).hexdigest() != written.sha256:
        raise _foreign(path)
    return len(data)


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():  # of a run that was killed before it could note it
            if path.read_bytes() != data:
                raise _foreign(path)
            return
    except OSError as error:
        raise DataError(str(path), f"cannot be written: {error.strerror or error}") from error
    write_whole(path, data)


def _foreign(path: Path) -> DataError:
    return DataError(str(path), "is not what this export writes there", "move it away, and export again")


def _fingerprint(images: Iterable[ListedImage], variants: Iterable[Variant], format: str) -> str:  # noqa: A002
    digest = sha256()
    for one in images:
        sample = one.sample
        facts: list[object] = [sample.key, sample.label, sample.origin, sample.source, sample.group, sample.split]
        copies = [copy.image for copy in (one.untouched, one.delivered) if copy is not None]
        facts += [(location.address, size_in_bytes(location)) for location in copies]
        digest.update(json.dumps(facts).encode())
    settings = [__version__, format, [variant.to_dict() for variant in variants], digest.hexdigest()]
    return sha256(json.dumps(settings).encode()).hexdigest()
