"""What a model is called in a data set, and what tells it from another of the same name."""

from __future__ import annotations

from hashlib import file_digest, sha256
from pathlib import Path, PurePath

from contrafake.errors import DataError


def model_name(name: str) -> str:
    """A model's name; of a folder the last part alone, since the folders of a machine belong into no data set.

    Args:
        name: As the configuration has it: names on a hub, relative paths and ``${NAME}`` stay as they are.
    """
    return PurePath(name).name if PurePath(name).is_absolute() else name


def fingerprint(folder: Path) -> str:
    """A hash of the weights in a local folder, which has no commit that would tell one state from another.

    Args:
        folder: Of the model. All its safetensors files count, those below it too, and no others; where they lie in it
            counts as well.

    Returns:
        SHA-256, in hex, of the lines that `sha256sum` prints for them, in the order of their paths.

    Raises:
        DataError: A file cannot be read.
    """
    lines = []
    for path in sorted(folder.rglob("*.safetensors"), key=lambda path: path.relative_to(folder).as_posix()):
        try:
            with path.open("rb") as file:
                found = file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(str(path), f"cannot be read: {error.strerror}") from error
        lines.append(f"{found}  {path.relative_to(folder).as_posix()}\n")
    return sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
