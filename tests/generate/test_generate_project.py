"""What a build remembers: settings of what was begun, captions that were written, damage that is mended."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from small_build import built, painter, settings, write_photographs

from contrafake.errors import ConfigError, DataError
from contrafake.generate.build import build, make_here
from contrafake.generate.prepare import open_records
from contrafake.generate.project import note_begun, save_config, settled
from contrafake.generate.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from contrafake.generate.build import Pending
    from contrafake.generate.config import CaptionerSettings, GenerateConfig
    from contrafake.generate.project import Project

pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("reals") / "photos")


def begun(config: GenerateConfig, folder: Path, *names: str) -> Store:
    """A build as far as `settled` looks at it."""
    store = Store(folder)
    save_config(config, store)
    store.write("records.parquet", b"")
    for name in names:
        given = [generator for generator in config.generators if generator.name == name]
        note_begun(given[0] if given else None, name, store)
    return store


def test_a_generator_that_was_left_out_for_a_while_goes_on(photographs: Path, tmp_path: Path) -> None:
    first, second = painter("painter", tmp_path), painter("other", tmp_path, salt=9)
    out, single = tmp_path / "set", {"output": {"chunk": 1}}

    def cut(project: Project, pending: Pending, advance: Callable[[str, int, int | None], None]) -> None:
        make_here(project, [(generator, todo[:5]) for generator, todo in pending], advance)

    assert build(settings(photographs, first, second, **single), out, workers=1, make=cut) is None
    assert built(settings(photographs, first, **single), out).summary["generators"] == ["painter"]
    [chunk] = (out / ".work/chunks").rglob("0*.tar")
    assert chunk.parent.name == "train-other-00001.tar"
    made = (out / "train-other-00000.tar").stat().st_mtime_ns
    with pytest.raises(DataError, match=r"generators\.other\.prompt"):
        build(settings(photographs, second | {"prompt": "{caption}"}, **single), out, workers=1)
    grown = built(settings(photographs, second, **single), out)
    assert grown.summary["counts"]["other"]["made"] == grown.summary["counts"]["painter"]["made"]
    assert (out / "train-other-00000.tar").stat().st_mtime_ns == made


def test_a_generator_called_like_a_section_hides_no_change(photographs: Path, tmp_path: Path) -> None:
    store = begun(settings(photographs, painter("law", tmp_path)), tmp_path / "set", "real", "law")
    with pytest.raises(DataError, match=r"law\.longest 96, now 80"):
        settled(settings(photographs, painter("law", tmp_path), law={"longest": 80}), store)


def test_what_changes_no_image_may_change(photographs: Path, tmp_path: Path) -> None:
    old, new = {"captioner": {"model": "m"}}, {"captioner": {"model": "m", "batch": 2, "device": "cpu"}}
    store = begun(settings(photographs, painter("a", tmp_path), reals=old), tmp_path / "set", "real", "a")
    now = settings(photographs, painter("a", tmp_path, family="b", base_model="c", seconds=9), reals=new)
    assert settled(now, store) == now


def test_a_damaged_note_can_be_removed(photographs: Path, tmp_path: Path) -> None:
    config = settings(photographs, painter("painter", tmp_path))
    before, out = built(config, tmp_path / "set"), tmp_path / "set"
    (out / "audit.json").write_text("{}")  # of an audit that this configuration does not ask for
    note = out / ".work/notes/train-painter-00000.tar.json"
    note.write_text(note.read_text()[:100])
    with pytest.raises(DataError, match="remove it and start again"):
        built(config, out)
    note.unlink()
    assert built(config, out).summary["digest"] == before.summary["digest"]
    assert not (out / "audit.json").exists()


def test_a_folder_of_folders_is_refused(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "letters" / "1999").mkdir(parents=True)
    with pytest.raises(DataError, match="something else"):
        build(settings(photographs, painter("painter", tmp_path)), tmp_path / "letters", workers=1)


def test_captions_are_kept_once_and_only_for_the_same_model(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Namer:
        def __init__(self, said: CaptionerSettings) -> None:
            self.settings = said

        def caption(self, pictures: list[NDArray[np.uint8]]) -> list[str]:
            asked.extend(self.settings.model for _ in pictures)
            if len(asked) == 3:
                raise KeyboardInterrupt
            return [f"by {self.settings.model}" for _ in pictures]

    monkeypatch.setattr("contrafake.generate.reals.captioner.Captioner", Namer)
    monkeypatch.setattr("contrafake.generate.prepare._KEPT_AT_ONCE", 1)
    few = tmp_path / "few"
    few.mkdir()
    for place in range(4):
        (few / f"p{place}.jpg").write_bytes((photographs / f"photo-{place}.jpg").read_bytes())
    (few / "p0.txt").write_text("known")

    def records(model: str) -> list[str]:
        captioner = {"model": model, "batch": 1}
        said = settings(few, painter("a", tmp_path), reals={"captioner": captioner, "layout": "captioned-folder"}).reals
        found = open_records(said, Store(tmp_path / "set"), 1, lambda _doing, _steps, _total: None)
        return [record.real.caption for record in found]

    with pytest.raises(KeyboardInterrupt):
        records("a")
    kept = [json.loads(piece.read_text()) for piece in sorted((tmp_path / "set/.work/captions").rglob("*.json"))]
    assert [caption for piece in kept for _, caption in piece] == ["by a"] * len(kept)
    assert len(kept) >= 1
    assert records("b") == ["known", "by b", "by b", "by b"]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"headers": {"Authorization": "Bearer abc"}}, "headers: Authorization holds a key itself"),
        ({"headers": {"x-api-key": "abc"}}, "x-api-key holds a key"),
        ({"url": "https://host/make?version=2&api_key=abc"}, "url: api_key holds a key"),
    ],
)
def test_a_key_in_the_configuration_is_refused(photographs: Path, said: dict[str, Any], named: str) -> None:
    service = {"name": "s", "kind": "service", "url": "https://host/make?version=2"}
    fine = {"headers": {"Authorization": "Bearer ${KEY}", "Api-Version": "3", "Accept": "image/png"}}
    settings(photographs, service | fine)
    with pytest.raises(ConfigError, match=named) as refused:
        settings(photographs, service | said)
    assert "abc" not in str(refused.value)


@pytest.mark.slow
def test_a_kill_between_any_two_writes_changes_nothing(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    count, end = 0, -1

    def counted(call: Callable[..., None]) -> Callable[..., None]:
        def counting(*arguments: Any) -> None:
            nonlocal count
            count += 1
            if count == end:
                raise KilledError
            call(*arguments)

        return counting

    for name in ("write", "put", "remove", "remove_all"):
        monkeypatch.setattr(Store, name, counted(getattr(Store, name)))
    program = tmp_path / "twice.py"  # each image but for three has been there before, so that shards are written anew
    program.write_text(
        "import random, sys\n"
        "data = random.Random(int(sys.argv[2]) % 3).randbytes(27648)\n"
        "open(sys.argv[1], 'wb').write(b'P6 96 96 255\\n' + data)"
    )
    command = [sys.executable, "-S", "-E", str(program), "{output}", "{seed}"]
    copier = {"name": "copier", "kind": "program", "command": command, "prompt": "", "sizes": [(96, 96)]}
    config = settings(photographs, painter("painter", tmp_path), copier)
    undisturbed = built(config, tmp_path / "undisturbed")
    for end in range(1, count + 1, 3):
        count = 0
        with pytest.raises(KilledError):
            build(config, tmp_path / f"set-{end}", workers=1)
        again = built(config, tmp_path / f"set-{end}")
        assert (again.summary["digest"], again.summary["counts"]) == (
            undisturbed.summary["digest"],
            undisturbed.summary["counts"],
        )
