from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cli_stub
import pytest

import contrafake
from contrafake import cli
from contrafake.cli import records, table
from contrafake.detect.verdict import Label, ModelId, Verdict
from contrafake.errors import ContrafakeError
from contrafake.model.calibration import OperatingPoint

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
ANSI = re.compile(rb"\x1b")

BRACKETS = b"[red]x[/red].jpg"
ESCAPES = b"\x1b]0;owned\x07\x1b[31m.jpg"
NEWLINE = b"two\nlines.jpg"
LATIN1 = b"caf\xe9_fake.jpg"
HOSTILE = [BRACKETS, ESCAPES, NEWLINE, LATIN1, b"\xe2\x80\xaegpj.jpg", b"=1+1,\"x\".jpg", b":smile:.jpg"]  # fmt: skip


@dataclass
class Command:
    """The entry point in a process of its own, with the stub in place of a model."""

    cwd: Path

    def words(self, prelude: str = "") -> list[str]:
        stub = f"import sys; sys.path.insert(0, {str(HERE)!r}); import cli_stub; cli_stub.install(); "
        return [sys.executable, "-c", f"{stub}{prelude}\nfrom contrafake.cli import main; main()"]

    def __call__(
        self, *arguments: str | bytes, stdin: bytes = b"", prelude: str = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        words: list[str | bytes] = [*self.words(prelude), *arguments]
        env = {**os.environ, **(env or {})}
        return subprocess.run(words, cwd=self.cwd, input=stdin, capture_output=True, timeout=60, check=False, env=env)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    for name in ("b_fake.JPG", "a_real.jpg", "sub/c_unsure.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")
    (tmp_path / "broken.jpg").write_bytes(b"half")
    return Command(tmp_path)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in HOSTILE:
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.parent.mkdir(exist_ok=True)  # the slash of [/red] makes a folder
        path.write_bytes(b"image")
    return folder


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contrafake, "load", cli_stub.load, raising=False)


# --- exit codes ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("stub")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["photos"], 0),
        (["photos", "--fail-on", "generated"], 1),
        (["photos/a_real.jpg", "--fail-on", "generated"], 0),
        (["photos", "broken.jpg"], 3),
        (["photos", "missing.jpg"], 3),
        (["photos", "broken.jpg", "--fail-on", "generated"], 3),
        (["empty"], 3),
        ([], 2),
        (["photos", "--fail-on", "real"], 2),
        (["photos", "--unknown"], 2),
        (["photos", "--json", "--jsonl"], 2),
        (["photos", "--json", "--csv", "-"], 2),
        (["photos", "--jsonl", "--csv", "-"], 2),
        (["photos", "--threshold", "1", "--false-alarm-rate", "0.01"], 2),
        (["photos", "--threshold", "nan"], 2),
        (["photos", "--false-alarm-rate", "0"], 2),
        (["photos", "--false-alarm-rate", "1"], 2),
        (["photos", "--false-alarm-rate", "five"], 2),
        (["photos", "--prior", "1"], 2),
        (["photos", "--prior", "nan"], 2),
        (["photos", "--crops", "0"], 2),
        (["photos", "--workers", "0"], 2),
        (["photos", "--head", "none"], 2),
        (["photos", "--model", "none"], 2),
        (["photos", "--csv", "missing/out.csv"], 2),
        (["photos", "--csv", "photos"], 2),
        (["photos", "--null"], 2),
        (["--from-file", "missing"], 2),
        (["-", "--from-file", "-"], 2),
        (["-", "-"], 2),
    ],
)
def test_exit_codes(
    arguments: list[str],
    code: int,
    command: Command,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (command.cwd / "empty").mkdir()
    monkeypatch.chdir(command.cwd)
    assert cli.run(["detect", *arguments]) == code
    out, err = capfd.readouterr()
    if code == 2:
        assert out == ""
        assert re.fullmatch(r"contrafake: .+\n", err)
    else:
        assert err == ""


def test_exit_code_and_streams_of_a_process(command: Command) -> None:
    for arguments, code in ((["photos"], 0), (["photos", "--fail-on", "generated"], 1), (["broken.jpg"], 3)):
        done = command("detect", *arguments)
        assert (done.returncode, done.stderr) == (code, b"")
    done = command("detect", "photos", "--prior", "2")
    assert done.returncode == 2
    assert done.stdout == b""
    expected = b"contrafake: --prior: 2 does not lie between 0 and 1 (0.01 is one in a hundred)\n"
    assert done.stderr == expected


def test_usage_comes_before_any_work(command: Command) -> None:
    done = command("detect", "photos", "--csv", "out.csv", "--head", "none")
    assert done.stderr == b"contrafake: head none: not in this model (it has linear, nearest, svm)\n"
    assert sorted(path.name for path in command.cwd.iterdir()) == ["broken.jpg", "photos"]


def test_help_and_version(command: Command) -> None:
    done = command("--version")
    assert done.stdout.decode() == f"contrafake {contrafake.__version__}\n"
    done = command("--help")
    assert done.returncode == 0
    assert all(verb.encode() in done.stdout for verb in cli.VERBS)
    assert command("detect", "--help").stdout.startswith(b"Usage: contrafake detect")
    assert (command().returncode, command().stdout) == (2, done.stdout)
    done = command("detetc")
    assert done.returncode == 2
    assert b"detect" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_negative_threshold(command: Command) -> None:
    document = json.loads(command("detect", "photos", "--threshold", "-1.5", "--json").stdout)
    assert {verdict["operating_point"]["threshold"] for verdict in document["verdicts"]} == {-1.5}


def test_full_disk_is_one_line(command: Command) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        process = subprocess.run(
            [*command.words(), "detect", "photos"], cwd=command.cwd, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (process.returncode, process.stderr) == (74, b"contrafake: output: No space left on device\n")


def test_a_bug_is_not_a_flag(command: Command) -> None:
    done = command("detect", "photos", prelude="cli_stub.StubDetector.detect_each = None")
    assert done.returncode == 70
    assert b"Traceback" in done.stderr


# --- what goes where ----------------------------------------------------------------------------------------------


def test_json_is_one_document(command: Command) -> None:
    done = command("detect", "photos", "broken.jpg", "--json", "--prior", "0.2")
    document = json.loads(done.stdout)
    assert list(document) == ["schema_version", "model", "summary", "verdicts"]
    assert document["model"]["name"] == "stub"
    assert document["summary"] == {
        "images": 4, "real": 1, "generated": 1, "uncertain": 1, "error": 1, "prior": 0.2,
    }  # fmt: skip
    assert [verdict["name"] for verdict in document["verdicts"]] == [
        "photos/a_real.jpg", "photos/b_fake.JPG", "photos/sub/c_unsure.png", "broken.jpg",
    ]  # fmt: skip
    assert done.stderr == b""


def test_warnings_are_one_line_on_stderr(command: Command) -> None:
    done = command("detect", "photos", "--jsonl", "--crops", "3")
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 3
    assert done.stderr == b"contrafake: warning: the model is not calibrated for 3 crops\n"
    assert command("detect", "photos", "--crops", "3", "--quiet").stderr == b""


def test_json_lines_come_at_once(command: Command) -> None:
    process = subprocess.Popen(
        [*command.words(), "detect", "photos/a_real.jpg", "-", "--jsonl"],
        cwd=command.cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())  # while standard input is still open
    process.stdin.write(b"image")
    process.stdin.close()
    second = json.loads(process.stdout.readline())
    assert [first["name"], second["name"]] == ["photos/a_real.jpg", "<stdin>"]
    process.stdout.close()
    assert process.wait(60) == 0


def test_standard_input_and_lists(command: Command) -> None:
    assert b"<stdin>" in command("detect", "-", stdin=b"image").stdout
    assert command("detect", "-", stdin=b"").returncode == 3
    done = command("detect", "broken.jpg", "--from-file", "-", "-0", "--jsonl", stdin=b"photos/sub\0two\nlines\0")
    names = [json.loads(line)["name"] for line in done.stdout.splitlines()]
    assert names == ["broken.jpg", "photos/sub/c_unsure.png", "two\nlines"]
    done = command("detect", "--from-file", "-", stdin=b"")
    assert (done.returncode, done.stdout) == (0, b"0 images\n")


def test_quiet_leaves_the_exit_code(command: Command) -> None:
    done = command("detect", "photos", "--quiet", "--fail-on", "generated", "--csv", "out.csv")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
    assert len(rows(command.cwd / "out.csv")) == 3


# --- names --------------------------------------------------------------------------------------------------------


def test_json_names_give_the_bytes_back(command: Command, hostile: Path) -> None:
    document = json.loads(command("detect", "hostile", "--json").stdout.decode("ascii"))
    names = {os.fsencode(verdict["name"]) for verdict in document["verdicts"]}
    assert names == {b"hostile/" + name for name in HOSTILE}


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}])
def test_table_is_harmless_and_whole(command: Command, hostile: Path, locale: dict[str, str]) -> None:
    done = command("detect", "hostile", *[os.fsencode(hostile) + b"/" + name for name in (LATIN1, ESCAPES)], env=locale)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode("ascii" if locale else "utf-8")
    assert all(line.isprintable() for line in text.splitlines())
    assert len(text.splitlines()) == 2 + len(HOSTILE) + 2 + 3
    shown = (
        "[red]x[/red].jpg", r"\x1b]0;owned\x07\x1b[31m.jpg", r"two\x0alines.jpg", r"caf\xe9_fake.jpg", ":smile:.jpg",
        r"\xe2\x80\xaegpj.jpg" if locale else r"\u202egpj.jpg",
    )  # fmt: skip
    assert all(f"hostile/{name} " in text for name in shown)


def test_hostile_names_in_errors(command: Command) -> None:
    done = command("detect", "photos", "--model", b"\x1b[31m\xff\n")
    assert done.stderr == b"contrafake: \\x1b[31m\\xff\\x0a: no such model\n"
    done = command("detect", "photos", b"--\x1b[31m\xff=\n")
    assert done.returncode == 2
    assert not ANSI.search(done.stderr)
    assert done.stderr.count(b"\n") == 1


# --- CSV ----------------------------------------------------------------------------------------------------------


def rows(source: Path | bytes) -> list[dict[str, str]]:
    content = source if isinstance(source, bytes) else source.read_bytes()
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def test_csv_file_beside_the_table(command: Command, hostile: Path) -> None:
    done = command("detect", "photos", "hostile", "broken.jpg", "--csv", "out.csv")
    assert b"P(generated)" in done.stdout
    table_rows = rows(command.cwd / "out.csv")
    assert list(table_rows[0]) == list(records.COLUMNS)
    names = [row["name"] for row in table_rows]
    assert names[1] == "photos/b_fake.JPG"
    assert {"hostile/two\nlines.jpg", 'hostile/=1+1,"x".jpg', r"hostile/caf\xe9_fake.jpg"} <= set(names)
    assert table_rows[-1]["error"] == "the data end early (the file is damaged)"
    assert table_rows[-1]["probability"] == ""
    assert float(table_rows[1]["probability"]) == 0.999


def test_csv_guards_formulas_without_renaming_files(command: Command) -> None:
    for name in ("=1+1.jpg", "@sdxl.jpg", "+a.jpg"):
        (command.cwd / name).write_bytes(b"image")
    done = command("detect", "--csv", "-", "--", "-missing.jpg", "=1+1.jpg", "@sdxl.jpg", "+a.jpg")
    written = rows(done.stdout)
    assert [row["name"] for row in written] == ["./-missing.jpg", "./=1+1.jpg", "./@sdxl.jpg", "./+a.jpg"]
    assert (command.cwd / written[1]["name"]).exists()
    assert written[2]["origin"] == "'=sdxl [turbo]"
    assert written[2]["score"] == "-2.5"


def test_csv_appears_whole_or_not_at_all(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    target = command.cwd / "out.csv"
    target.write_text("old")
    target.chmod(0o640)
    verdict = Verdict("a", None, "real", 0.1, -1.0, -2.0, None, "linear", 1, ModelId("m", "1", ""))
    with contextlib.suppress(KeyboardInterrupt), records.csv_rows(str(target)) as write:
        write(verdict)
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert len(list(command.cwd.glob(".out*"))) == 0
    link = command.cwd / "link.csv"
    link.symlink_to(target)
    with records.csv_rows(str(link)) as write:
        write(verdict)
    assert link.is_symlink()
    assert len(rows(target)) == 1
    assert target.stat().st_mode & 0o777 == 0o640

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(ContrafakeError, match=r"out\.csv: this file cannot be written: No space"),
        records.csv_rows(str(target)),
    ):
        pass
    assert len(rows(target)) == 1


def test_csv_to_a_device(command: Command) -> None:
    assert command("detect", "photos", "--csv", "/dev/null", "-q").returncode == 0
    assert not Path("/dev/null").is_file()


# --- leaving early ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", [["--jsonl"], ["--json"], [], ["--csv", "-"]])
def test_a_reader_that_leaves_is_no_error(command: Command, output: list[str]) -> None:
    process = subprocess.Popen(
        [*command.words(), "detect", *output, *["photos/a_real.jpg"] * 3000],
        cwd=command.cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 141


def test_interrupt_is_quiet_and_leaves_no_csv(command: Command) -> None:
    process = subprocess.Popen(
        [*command.words(), "detect", "photos", "-", "--jsonl", "--csv", "out.csv"],
        cwd=command.cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(3):
            process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
        assert process.wait(60) == 130
    assert sorted(path.name for path in command.cwd.iterdir()) == ["broken.jpg", "photos"]


# --- the table ----------------------------------------------------------------------------------------------------


def in_terminal(command: Command, width: int, *arguments: str) -> tuple[int, str]:
    """Run in a pseudo terminal of some width; everything that stdout and stderr print."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(command.cwd)
        os.environ.update(COLUMNS=str(width), TERM="xterm-256color")
        os.environ.pop("NO_COLOR", None)
        words = [*command.words(), *arguments]
        os.execv(words[0], words)  # noqa: S606
    printed = b""
    with contextlib.suppress(OSError):  # Linux says EIO at the end
        while chunk := os.read(terminal, 65536):
            printed += chunk
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), printed.decode()


LONG = "a/rather/long/way/to/the/pictures/of/the/summer/holiday/by/the/sea/" + "é" * 40 + "_fake.jpg"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_table_fits_a_terminal(command: Command, width: int) -> None:
    path = command.cwd / LONG
    path.parent.mkdir(parents=True)
    path.write_bytes(b"image")
    code, printed = in_terminal(command, width, "detect", "photos", LONG, "broken.jpg")
    assert code == 3
    assert "\x1b[" in printed
    lines = re.sub(r"\x1b\[[0-9;]*m", "", printed).splitlines()
    assert all(len(line) <= width for line in lines)
    (row,) = [line for line in lines if "é" in line]
    assert ("…" in row) == (width < 200)
    assert "the data end early (the file is damaged)" in " ".join(" ".join(lines).split())
    assert "_fake.jpg" in row
    assert "generated" in row
    assert ">0.99" in row


def test_table_in_a_pipe_is_whole_and_plain(command: Command) -> None:
    path = command.cwd / LONG
    path.parent.mkdir(parents=True)
    path.write_bytes(b"image")
    done = command("detect", "photos", LONG, "broken.jpg", env={"COLUMNS": "40"})
    lines = done.stdout.decode().splitlines()
    assert not ANSI.search(done.stdout)
    assert lines[5].split() == [LONG, "generated", ">0.99"]
    assert lines[6].split(maxsplit=3) == ["broken.jpg", "error", "-", "the data end early (the file is damaged)"]
    assert lines[8] == "5 images: 2 generated, 1 uncertain, 1 real, 1 failed"
    assert lines[9] == (
        "Operating point: 5% false alarms, about 1 in 20 real photos flagged, 3 to 8 in 100 at 95 %. "
        "Model stub 1.0, prior 0.5."
    )
    assert all(line == line.rstrip() for line in lines)


def test_origin_and_notes_have_columns_only_when_needed(command: Command) -> None:
    (command.cwd / "photos" / "anim_sdxl.gif").write_bytes(b"image")
    assert b"Looks like" not in command("detect", "photos/a_real.jpg").stdout
    assert b"Notes" not in command("detect", "photos/a_real.jpg").stdout
    text = command("detect", "photos").stdout.decode()
    assert "Looks like" in text
    assert re.search(r"anim_sdxl.gif +real +0.07 +=sdxl \[turbo\] +first of 12 frames", text)


def test_a_note_on_every_image_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    both = ("calibrated at 5 crops, judged at 3", "first of 12 frames")
    model = ModelId("m", "1", "")
    rows: list[tuple[str, Label, tuple[str, ...], str | None]] = [
        ("a", "real", both[:1], None), ("b", "uncertain", both, None), ("c", "error", (), "no such file"),
    ]  # fmt: skip
    verdicts = [
        Verdict(name, None, label, None, None, None, None, "linear", 3, model, notes=notes, error=error)
        for name, label, notes, error in rows
    ]
    table.print_table(verdicts, [])
    out = capsys.readouterr().out
    assert out.count("calibrated at 5") == 1
    assert out.endswith("All images: calibrated at 5 crops, judged at 3.\n")
    assert re.search("b +uncertain +- +first of 12 frames\n", out)


def test_a_threshold_without_real_images_promises_nothing() -> None:
    point = OperatingPoint("custom threshold", 1.0, 1.0, float("nan"), (0.0, 1.0), 0)
    verdict = Verdict("a", None, "real", None, None, 0.0, point, "linear", 1, ModelId("m", "1", ""))
    assert (
        table.model_line([verdict], 0.5)
        == "Operating point: custom threshold, false alarms unknown. Model m 1, prior 0.5."
    )


def test_progress_bar_only_on_a_terminal_and_for_many(command: Command) -> None:
    many = ["photos/a_real.jpg"] * 12
    assert "12/12" in in_terminal(command, 80, "detect", *many)[1]
    assert "12/12" not in in_terminal(command, 80, "detect", *many, "--no-progress")[1]
    assert "12/12" not in in_terminal(command, 80, "detect", *many, "--jsonl")[1]
    assert "3/3" not in in_terminal(command, 80, "detect", *many[:3])[1]
    assert command("detect", *many).stderr == b""


@pytest.mark.parametrize(
    ("probability", "words"),
    [(None, "-"), (0.0, "<0.01"), (0.0049, "<0.01"), (0.005, "0.01"), (0.934, "0.93"), (0.994, "0.99"), (1.0, ">0.99")],
)
def test_probability_in_words(probability: float | None, words: str) -> None:
    assert table.probability_in_words(probability) == words


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("photo.jpg", 9, "photo.jpg"),
        ("a/very/long/photo.jpg", 12, "a/v…hoto.jpg"),
        ("写真写真写真.jpg", 9, "写…真.jpg"),
    ],
)
def test_shorten(text: str, width: int, short: str) -> None:
    assert table.shorten(text, width) == short


# --- cost of starting ---------------------------------------------------------------------------------------------


def modules_after(command: Command, *arguments: str) -> set[str]:
    prelude = "import atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    return set(command(*arguments, prelude=prelude).stderr.decode().split())


def test_a_verb_imports_only_what_it_needs(command: Command) -> None:
    loaded = modules_after(command, "detect", "photos", "--json")
    assert not loaded & {"torch", "transformers", "sklearn", "rich", "contrafake.train", "contrafake.cli.table"}
    assert "torch" not in modules_after(command, "--help")
    assert "rich.progress" not in modules_after(command, "detect", "photos")


# --- the real detector ----------------------------------------------------------------------------------------


def real_command(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    program = "from contrafake.cli import main; main()"
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, timeout=120, check=False)


def test_real_model_judges_pictures(tiny_bundle: Path, tmp_path: Path) -> None:
    from PIL import Image

    for at, colour in enumerate(("red", "green")):
        Image.effect_noise((320, 240), 40 + at).convert("RGB").save(tmp_path / f"{colour}.jpg")
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "red.jpg").read_bytes()[:400])
    done = real_command("detect", str(tmp_path), "--model", str(tiny_bundle), "--json")
    assert done.returncode == 3, done.stderr
    verdicts: Sequence[dict[str, Any]] = json.loads(done.stdout)["verdicts"]
    assert [Path(verdict["name"]).name for verdict in verdicts] == ["broken.jpg", "green.jpg", "red.jpg"]
    assert verdicts[0]["label"] == "error"
    assert all(0 <= verdict["probability"] <= 1 for verdict in verdicts[1:])
    done = real_command("detect", str(tmp_path / "red.jpg"), "--model", str(tiny_bundle))
    assert done.returncode == 0, done.stderr
    assert b"1 image:" in done.stdout
    done = real_command("detect", str(tmp_path / "red.jpg"), "--model", str(tiny_bundle), "--crops", "3")
    assert re.fullmatch(rb"contrafake: warning: .+ calibrated at .+\n", done.stderr)


def test_real_model_usage_errors(tiny_bundle: Path, tmp_path: Path) -> None:
    done = real_command("detect", "x.jpg", "--model", str(tiny_bundle), "--head", "none")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert real_command("detect", "x.jpg", "--model", str(tmp_path / "none")).returncode == 2
