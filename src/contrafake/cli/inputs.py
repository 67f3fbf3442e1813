"""From what stands on the command line to the images to judge."""

from __future__ import annotations

import os
import sys
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from contrafake.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from contrafake.detect.verdict import Verdict

STDIN = "-"
STDIN_NAME = "<stdin>"

IMAGE_SUFFIXES = frozenset(
    {".apng", ".avif", ".avifs", ".bmp", ".dib", ".gif", ".heic", ".heics", ".heif", ".hif", ".jfif", ".jpe", ".jpeg"}
    | {".jpg", ".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
    | {".j2k", ".jp2", ".jxl"}  # photographs that cannot be read here; said, rather than passed over
)


@dataclass(frozen=True)
class Failure:
    """An input that led to no image.

    Attributes:
        name: The input as it was named.
        cause: Cause and remedy in one line.
    """

    name: str
    cause: str


Image: TypeAlias = "str | tuple[str, bytes]"
"""What a detector takes: the path of a file, or a name and the bytes."""


def expand(paths: Iterable[str], max_stdin_bytes: int = -1) -> Iterator[Image | Failure]:
    """The images that the paths stand for, in the order of the paths.

    A folder stands for the images below it, sorted by name, recognised by suffix; hidden files and folders are left
    out, and a folder that can be reached in two ways (links) is listed once. Any other path is one image, whatever its
    suffix, and `-` is an image on standard input.

    Args:
        paths: Files, folders and `-`.
        max_stdin_bytes: Where to stop reading standard input; -1 for never.

    Yields:
        A file's path, or the name and bytes of standard input, or what went wrong with a folder.
    """
    for path in paths:
        if path == STDIN:
            yield STDIN_NAME, sys.stdin.buffer.read(max_stdin_bytes)
        elif "\0" in path:
            yield Failure(path, "the name contains a NUL byte (a NUL-separated list is read with --null)")
        elif os.path.isdir(path):  # noqa: PTH112 - pathlib would rewrite names such as ./a or a//b
            yield from _walk(path)
        else:
            yield path


def read_list(path: str, *, null: bool = False) -> list[str]:
    """The names in a list file; undecodable bytes survive as surrogate escapes.

    Args:
        path: The list, or `-` for standard input.
        null: Names end with NUL bytes instead of line ends.

    Returns:
        The names, without empty ones.

    Raises:
        UsageError: The list cannot be read.
    """
    try:
        if path == STDIN:
            content = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:  # noqa: PTH123 - a plain name, surrogates included
                content = file.read()
    except OSError as error:
        raise UsageError(path, f"this list cannot be read: {error.strerror or error}") from error
    names = content.split(b"\0") if null else [line.removesuffix(b"\r") for line in content.split(b"\n")]
    return [os.fsdecode(name) for name in names if name]


def judge(
    inputs: Iterable[Image | Failure],
    detect_each: Callable[[Iterator[Image]], Iterator[Verdict]],
    as_verdict: Callable[[Failure], Verdict],
) -> Iterator[Verdict]:
    """Verdicts in the order of the inputs, with failures at the place where they happened.

    Args:
        inputs: Images and failures.
        detect_each: Turns images into verdicts, one each and in order; it may read ahead.
        as_verdict: Turns a failure into a verdict.
    """
    failures: deque[tuple[int, Failure]] = deque()

    def images() -> Iterator[Image]:
        before = 0
        for item in inputs:
            if isinstance(item, Failure):
                failures.append((before, item))
            else:
                before += 1
                yield item

    for judged, verdict in enumerate(detect_each(images())):
        while failures and failures[0][0] <= judged:
            yield as_verdict(failures.popleft()[1])
        yield verdict
    yield from (as_verdict(failure) for _, failure in failures)


def _walk(top: str) -> Iterator[str | Failure]:
    seen: set[tuple[int, int]] = set()
    waiting = [(top, True)]
    anything = False
    while waiting:
        path, is_folder = waiting.pop()
        if not is_folder:
            anything = True
            yield path
            continue
        try:
            status = os.stat(path)  # noqa: PTH116 - as above
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(path) as entries:
                wanted = sorted((entry.name, kind) for entry in entries if (kind := _kind(entry)))
        except OSError as error:
            anything = True
            yield Failure(path, f"this folder cannot be read: {error.strerror or error}")
            continue
        waiting.extend((os.path.join(path, name), kind == "folder") for name, kind in reversed(wanted))  # noqa: PTH118
    if not anything:
        yield Failure(top, "no images in this folder (they are known by suffix; a file named directly is always tried)")


def _kind(entry: os.DirEntry[str]) -> Literal["folder", "image"] | None:
    if entry.name.startswith("."):
        return None
    try:
        if entry.is_dir():
            return "folder"
        # A pipe or a device in a folder would block, so only regular files are taken.
        regular = entry.is_file() or not os.path.exists(entry.path)  # noqa: PTH110 - a dead link shall be reported
    except OSError:
        regular = True
    is_image = os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - as above
    return "image" if regular and is_image else None
