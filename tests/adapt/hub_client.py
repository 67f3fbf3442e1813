"""Commands of contrafake in a process of its own, since the Hub's client reads the environment when it is imported."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub_server import TOKEN

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it wrote as JSON."""
        assert self.code == 0, self.err
        return json.loads(self.out)


class Client:
    """One process with an empty cache in `home`; each call runs one command in it."""

    def __init__(self, home: Path, endpoint: str, **environment: str) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        own = {
            "HF_HOME": str(home / "hf"),
            "HF_ENDPOINT": endpoint,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **environment,
        }
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=home,
            env={**inherited, **own},
        )

    def __call__(self, *arguments: str | Path, token: str | None = TOKEN) -> Done:
        """Runs one command, known to the Hub by a token or not at all."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        call = {"arguments": [*map(str, arguments)], "token": token}
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        return Done(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate()


def serve() -> None:
    """Runs one command for each line of standard input."""
    answers = sys.stdout
    for line in sys.stdin:
        call = json.loads(line)
        if call["token"] is None:
            os.environ.pop("HF_TOKEN", None)
        else:
            os.environ["HF_TOKEN"] = call["token"]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = one(*call["arguments"])
        answers.write(json.dumps({"code": code, "out": out.getvalue(), "err": err.getvalue()}) + "\n")
        answers.flush()


def one(verb: str, *arguments: str) -> int:
    """A command of contrafake, or "open" or "fetch" as Python offers them."""
    from contrafake.cli import run
    from contrafake.detect.load import find_bundle
    from contrafake.errors import ContrafakeError
    from contrafake.model.hub import fetch

    try:
        if verb == "open":  # what `contrafake.load` does before it runs the graph
            print(find_bundle(arguments[0]).hash)
        elif verb == "fetch":
            repo_id, patterns, max_bytes, max_files = arguments
            fetched = fetch(repo_id, None, patterns.split(), max_bytes=int(max_bytes), max_files=int(max_files))
            print(*sorted(str(path.relative_to(fetched.path)) for path in fetched.path.rglob("*") if path.is_file()))
        else:
            return run([verb, *arguments])
    except ContrafakeError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    serve()
