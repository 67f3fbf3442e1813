from __future__ import annotations

import json
import os
import re
import signal
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_service import request

from contrafake.errors import ConfigError, DataError, UsageError
from contrafake.generate.generators import placeholders
from contrafake.generate.generators.call import call
from contrafake.generate.generators.generator import GenerationError, Made, open_generator
from contrafake.generate.generators.program import ProgramCaller
from contrafake.generate.generators.settings import Program

if TYPE_CHECKING:
    from pathlib import Path

# Writes an image without any library, so that the program starts fast.
BMP = """
import json, os, struct, subprocess, sys, time
def bmp(path, width, height, colour):
    rows = (bytes(colour[::-1]) * width + b"\\0" * (-3 * width % 4)) * height
    head = struct.pack("<IHHIIiiHHIIiiII", 54 + len(rows), 0, 0, 54, 40, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0)
    open(path, "wb").write(b"BM" + head + rows)
"""


def program(folder: Path, code: str, *words: str, **settings: Any) -> ProgramCaller:
    script = folder / "maker.py"
    script.write_text(BMP + textwrap.dedent(code))
    command = [sys.executable, "-S", "-E", str(script), *words]
    made = open_generator(Program(name="made", kind="program", command=command, **settings))
    assert isinstance(made, ProgramCaller)
    return made


def image(result: Made | GenerationError) -> Made:
    assert isinstance(result, Made), result
    return result


def cause(result: Made | GenerationError) -> str:
    assert isinstance(result, GenerationError), result
    return result.cause


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def gone(pid: int) -> bool:
    end = time.monotonic() + 5
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


SAVES_ARGUMENTS = """
    open(sys.argv[1], "w").write(json.dumps([sys.argv[3:], dict(os.environ), sys.stdin.read()]))
    bmp(sys.argv[2], 24, 16, (1, 2, 3))
"""


@pytest.mark.parametrize(
    "caption",
    ["; rm -rf . #", "{width} {output} {{seed}}", "$(touch x) `touch x` $HOME", "two\nlines\t'\"", "", "日本 é"],
)
def test_captions_of_all_kinds_arrive_as_they_are(caption: str, tmp_path: Path) -> None:
    seen = tmp_path / "seen.json"
    words = ["--prompt={prompt}", "{negative_prompt}", "{width}x{height}", "{seed}", '{"a":{"b":1}}', "{{prompt}}"]
    caller = program(tmp_path, SAVES_ARGUMENTS, str(seen), "{output}", *words)
    [result] = caller.make([request(caption, "blurred", seed=2**32 - 1)])
    assert image(result).pixels.shape == (16, 24, 3)
    assert (image(result).pixels == (1, 2, 3)).all()
    arguments, _, standard_input = json.loads(seen.read_text())
    assert arguments == [f"--prompt={caption}", "blurred", "24x16", str(2**32 - 1), '{"a":{"b":1}}', "{prompt}"]
    assert standard_input == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["maker.py", "seen.json"]


def test_only_named_variables_reach_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_ANOTHER", "hush")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("HOME", str(tmp_path))
    named = ["CUDA_VISIBLE_DEVICES", "NOT_SET_ANYWHERE"]
    caller = program(tmp_path, SAVES_ARGUMENTS, str(tmp_path / "seen"), "{output}", environment=named)
    image(caller.make([request()])[0])
    _, environment, _ = json.loads((tmp_path / "seen").read_text())
    assert environment["CUDA_VISIBLE_DEVICES"] == "3"
    assert environment["HOME"] == str(tmp_path)
    assert set(environment) <= {"PATH", "HOME", "LANG", "TMPDIR", "CUDA_VISIBLE_DEVICES", "LC_CTYPE"}


def test_real_image_goes_in_and_comes_back(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    caller = program(tmp_path, "import shutil; shutil.copy(sys.argv[1], sys.argv[2])", "{input}", "{output}")
    [result] = caller.make([request(image=pixels)])
    np.testing.assert_array_equal(image(result).pixels, pixels)
    with pytest.raises(UsageError, match="without a real image"):
        caller.make([request()])


def test_several_images_by_one_call_and_missing_ones_fail_alone(tmp_path: Path) -> None:
    code = """
        jobs = json.load(open(sys.argv[1]))
        assert all(os.path.isabs(job["output"]) and job["input"] is None for job in jobs)
        with open(sys.argv[2], "a") as log: log.write(f"{len(jobs)} ")
        for job in jobs:
            if "skip" not in job["prompt"]:
                bmp(job["output"], job["width"], job["height"], (job["seed"], 0, len(job["negative_prompt"])))
    """
    caller = program(tmp_path, code, "{jobs}", str(tmp_path / "log"), batch=3)
    prompts = ["-a", "skip \0 \ud800", "c {seed}", "d"]
    results = caller.make([request(prompt, "no", seed=i) for i, prompt in enumerate(prompts)])
    assert [tuple(image(results[i]).pixels[0, 0]) for i in (0, 2, 3)] == [(0, 0, 2), (2, 0, 2), (3, 0, 2)]
    assert cause(results[1]) == "no image came, it ended with status 0"
    assert (tmp_path / "log").read_text() == "3 1 "


def test_what_a_crash_left_whole_is_kept_only_from_a_list(tmp_path: Path) -> None:
    code = """
        outputs = [job["output"] for job in json.load(open(sys.argv[1]))] if "jobs" in sys.argv[1] else sys.argv[1:]
        bmp(outputs[0], 8, 8, (9, 9, 9))
        sys.exit("out of memory in " + outputs[-1])
    """
    first, second = program(tmp_path, code, "{jobs}", batch=2).make([request(), request()])
    assert image(first).pixels.shape == (8, 8, 3)  # a size that was not asked for is the caller's affair
    said = "it ended with status 1: out of memory in FOLDER/output-1.png"
    assert cause(second) == f"no image came, {said}"
    [single] = program(tmp_path, code, "{output}").make([request()])
    assert cause(single) == said.replace("1.png", "0.png")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pass", "no image came, it ended with status 0"),
        ("os.kill(os.getpid(), 11)", "it was ended by SIGSEGV"),
        ("open(sys.argv[1], 'w').write('no image')", "no image came: not an image"),
        ("open(sys.argv[1], 'w')", "no image came: the file is empty"),
        ("os.mkfifo(sys.argv[1])", "no image came: is a named pipe"),
        ("os.mkdir(sys.argv[1])", "no image came: is a directory"),
        ("bmp(sys.argv[1], 30000, 30000, ())", "no image came: 30000 x 30000 pixels are more"),
        ("print('SECRET', os.environ['TOKEN'], file=sys.stderr); sys.exit(2)", "status 2: SECRET ${TOKEN}"),
    ],
)
def test_failures_have_causes(code: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "tok-1234567890")
    [result] = program(tmp_path, code, "{output}", environment=["TOKEN"]).make([request()])
    assert expected in cause(result)
    assert "1234567890" not in str(result)


def test_much_output_on_both_streams_neither_blocks_nor_is_kept(tmp_path: Path) -> None:
    code = """
        for _ in range(300):
            os.write(1, b"x" * 65536); os.write(2, b"y" * 65536)
        sys.exit("the end\\n\\x1b[31m")
    """
    [result] = program(tmp_path, code, "{output}").make([request()])
    said = cause(result)
    assert said.endswith("y" * 50 + "the end \x1b[31m")
    assert len(said) < 500


CHILD = """
    leaves = sys.argv[3:] == ["leaves"]
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], start_new_session=leaves)
    open(sys.argv[2], "w").write(f"{os.getpid()} {child.pid}")
"""
HANGS = (
    CHILD
    + """
    time.sleep(60)
"""
)


def test_hanging_program_ends_in_time_with_its_children(tmp_path: Path) -> None:
    caller = program(
        tmp_path,
        HANGS,
        "{output}",
        str(tmp_path / "pids"),
        seconds=0.5,
    )
    begun = time.monotonic()
    [result] = caller.make([request()])
    assert 0.5 <= time.monotonic() - begun < 10
    assert cause(result) == "its time was over"
    assert all(gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_time_counts_for_each_image_and_closed_streams_do_not_hide_a_hang(tmp_path: Path) -> None:
    code = "os.close(1); os.close(2); time.sleep(60)"
    begun = time.monotonic()
    results = program(tmp_path, code, "{jobs}", batch=2, seconds=0.3).make([request(), request()])
    assert 0.6 <= time.monotonic() - begun < 10
    assert [cause(result) for result in results] == ["no image came, its time was over"] * 2


@pytest.mark.parametrize("leaves", [False, True])
def test_child_that_holds_the_pipe_does_not_hold_the_build(tmp_path: Path, leaves: bool) -> None:
    code = CHILD + "\n    bmp(sys.argv[1], 8, 8, (0, 0, 0))"
    words = ["leaves"] if leaves else []
    caller = program(tmp_path, code, "{output}", str(tmp_path / "pids"), *words, seconds=30)
    begun = time.monotonic()
    image(caller.make([request()])[0])
    assert time.monotonic() - begun < 10
    child = int((tmp_path / "pids").read_text().split()[1])
    if leaves:  # documented: what leaves its group on purpose is not found
        assert alive(child)
        os.kill(child, signal.SIGKILL)
    assert gone(child)


def test_interrupt_ends_the_program(tmp_path: Path) -> None:
    caller = program(tmp_path, HANGS, "{output}", str(tmp_path / "pids"))

    def interrupt() -> None:
        end = time.monotonic() + 20
        while not ((tmp_path / "pids").exists() and (tmp_path / "pids").read_text()) and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        caller.make([request()])
    thread.join()
    assert all(gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_prompts_that_no_argument_can_hold(tmp_path: Path) -> None:
    words = ["{output}", "--prompt={prompt}"]
    caller = program(tmp_path, "bmp(sys.argv[1], 8, 8, (0, 0, 0))", *words)
    results = caller.make(
        [request("a\0b"), request("\ud800"), request("x" * 3_000_000), request("fine"), request("-o x")]
    )
    assert cause(results[0]) == "the prompt holds a NUL character, which no argument can"
    assert cause(results[1]) == "the prompt holds characters that no argument can"
    assert cause(results[2]) == "the prompt is too long for an argument"
    image(results[3])
    image(results[4])


@pytest.mark.parametrize(
    ("words", "taken"), [(["-p", "{prompt}"], False), (["--", "{prompt}"], True), (["-p{prompt}"], True)]
)
def test_prompt_never_becomes_an_option(words: list[str], taken: bool, tmp_path: Path) -> None:
    caller = program(tmp_path, "bmp(sys.argv[1], 8, 8, (0, 0, 0))", "{output}", *words)
    [result] = caller.make([request("--output=/elsewhere")])
    if taken:
        image(result)
    else:
        assert "could be taken for an option" in cause(result)


def test_the_program_is_found_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no such program"):
        ProgramCaller(Program(name="a", kind="program", command=["no-such-program-here", "{output}"]))
    own = tmp_path / "own-maker"
    own.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('own')\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    caller = ProgramCaller(Program(name="a", kind="program", command=["own-maker", "{output}"], version="2.1"))
    assert caller.facts == {"program": "own-maker", "version": "2.1"}
    assert cause(caller.make([request()])[0]) == "it ended with status 1: own"
    own.unlink()
    with pytest.raises(DataError, match="own-maker: cannot be started: No such file"):
        caller.make([request()])


@pytest.mark.parametrize(
    ("command", "batch", "words"),
    [
        (["{prompt}", "{output}"], 1, "the program itself"),
        (["true", "{prompt}"], 1, "says nowhere where the image goes"),
        (["true", "{output}", "{promt}"], 1, "{promt} is no placeholder"),
        (["true", "{output}"], 4, "batch is 4"),
        (["true", "{jobs}", "{seed}"], 4, "{seed} is no placeholder"),
        (["true", "{output}", "\0"], 1, "NUL"),
        ([""], 1, "no name"),
    ],
)
def test_commands_that_make_no_sense(command: list[str], batch: int, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        ProgramCaller(Program(name="a", kind="program", command=command, batch=batch))


@given(st.text(), st.text(), st.integers(0, 2**32 - 1))
def test_filling_in_is_one_pass_whatever_the_caption(caption: str, negative: str, seed: int) -> None:
    values: dict[str, str | int] = {"prompt": caption, "negative_prompt": negative, "seed": seed}
    template = {"a": ["{prompt}|{negative_prompt}", "{seed}", 1.5, None], "{prompt}": {"b": "s{seed} {{prompt}} {x y}"}}
    filled = placeholders.fill_tree(template, values)
    assert filled == {"a": [f"{caption}|{negative}", seed, 1.5, None], "{prompt}": {"b": f"s{seed} {{prompt}} {{x y}}"}}
    assert placeholders.names(template) == {"prompt", "negative_prompt", "seed"}


def test_call_gives_status_and_last_words() -> None:
    ended = call([sys.executable, "-S", "-c", "import sys; sys.exit('bye')"], {}, 20)
    assert (ended.status, ended.said, ended.how) == (1, "bye\n", "it ended with status 1")
