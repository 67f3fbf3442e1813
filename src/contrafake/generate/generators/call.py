"""One call of a program: bounded in time and in what it says, and nothing of it is left running."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOOK = 0.1  # seconds; a child that holds the pipe open hides that the program itself has ended
_TAIL, _CHUNK = 8_192, 1 << 16


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes:
        status: Its exit status, negative for the number of the signal that ended it; None where its time was over.
        said: The end of what it wrote to standard error, at most 8 KiB.
    """

    status: int | None
    said: str

    @property
    def how(self) -> str:
        """The status in words, as one clause."""
        if self.status is None:
            return "its time was over"
        if self.status < 0:
            names = {number.value: number.name for number in signal.Signals}
            return f"it was ended by {names.get(-self.status, f'signal {-self.status}')}"
        return f"it ended with status {self.status}"


def call(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> Ended:
    """Calls a program and waits for its end.

    It has a process group of its own. Whatever is left of that group is killed when the program has ended, when its
    time is over, and when the wait is broken off by an exception such as KeyboardInterrupt; a process that leaves its
    group on purpose is not found. Standard input is closed and standard output thrown away.

    Args:
        command: The program's path and its arguments, without NUL characters; no shell sees them.
        environment: All environment variables that it has.
        seconds: Time after which it is killed.

    Raises:
        OSError: It cannot be started.
    """
    process = subprocess.Popen(  # noqa: S603 - a list of arguments, never a line for a shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(environment),
        start_new_session=True,
    )
    pipe = process.stderr
    assert pipe is not None  # noqa: S101 - for the type checker
    over, said = False, b""
    with pipe:
        try:
            said, over = _listen(process, pipe, time.monotonic() + seconds)
        finally:
            # PermissionError: on macOS, that of a group whose members have all ended.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said = _rest(pipe, said)
    return Ended(None if over else process.returncode, said.decode("utf-8", "replace"))


def _listen(process: subprocess.Popen[bytes], pipe: IO[bytes], end: float) -> tuple[bytes, bool]:
    """What was said until the program ended, and whether its time was over before that."""
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while process.poll() is None:
            left = end - time.monotonic()
            if left <= 0:
                return said, True
            if not selector.get_map():  # the program has closed its standard error and goes on
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(left)
            elif selector.select(min(left, _LOOK)):
                chunk = os.read(pipe.fileno(), _CHUNK)
                said = (said + chunk)[-_TAIL:]
                if not chunk:
                    selector.unregister(pipe)
    return said, False


def _rest(pipe: IO[bytes], said: bytes) -> bytes:
    os.set_blocking(pipe.fileno(), False)
    for _ in range(64):  # a bound, should a process that was not found go on writing
        try:
            chunk = os.read(pipe.fileno(), _CHUNK)
        except BlockingIOError:
            break
        if not chunk:
            break
        said = (said + chunk)[-_TAIL:]
    return said
