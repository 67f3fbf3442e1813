"""Files that appear whole, though several write them at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "note"
    contents = [bytes([value]) * 5000 for value in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda place: write_whole(path, contents[place % 2]), range(400)))
    assert path.read_bytes() in contents
    assert [file.name for file in tmp_path.iterdir()] == ["note"]


def test_what_stood_there_stays_when_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        write_whole(tmp_path / "folder", b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]
