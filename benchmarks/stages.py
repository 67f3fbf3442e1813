"""Where the time of one `contrafake` command goes: runs it with a stopwatch in its joints.

    python benchmarks/stages.py OUT.json detect PHOTO [OPTIONS]

The command runs as it always does; imports (by top package) and a few functions are wrapped so that each stretch of
time is booked once, on the innermost stage that is open. `cold_start.py` starts this file and reads OUT.json. Nothing
but the standard library's smallest parts is imported here before the clock runs.
"""

from __future__ import annotations

import sys
import time

BEGAN = time.monotonic()  # before anything else: what came earlier is the interpreter's start

from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

# Module -> names in it to wrap once it is imported -> stage they are booked on.
JOINTS = {
    "contrafake.detect.load": {"read_bundle": "model: read, verify hashes"},
    "contrafake.model.bundle": {
        "Bundle.head": "model: heads, calibration",
        "Bundle.calibration": "model: heads, calibration",
        "Bundle.stored_point": "model: heads, calibration",
    },
    "contrafake.model.runtime": {"OnnxEncoder.__init__": "model: load the graph", "OnnxEncoder.embed": "inference"},
    "contrafake.images.read": {"file_bytes": "image: read the file", "jpeg_pixels": "image: decode"},
    "contrafake.detect.detector": {"read": "image: headers, hash", "cut": "image: crops"},
    "contrafake.model.heads": {
        "LinearHead.score": "head",
        "NearestHead.score": "head",
        "SupportVectorHead.score": "head",
    },
    "contrafake.cli.table": {"print_table": "print the table"},
}
REST = "the rest of the command"


class Stopwatch:
    """Books every moment on exactly one stage: the innermost open one."""

    def __init__(self) -> None:
        self.booked: dict[str, float] = {}
        self._open = [REST]
        self._since = BEGAN

    def enter(self, stage: str) -> None:
        """Opens a stage inside the current one."""
        self._book()
        self._open.append(stage)

    def leave(self) -> None:
        """Closes the current stage."""
        self._book()
        self._open.pop()

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, booked on a stage."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            self.enter(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self.leave()

        return timed

    def finish(self) -> dict[str, float]:
        """Seconds by stage."""
        self._book()
        return self.booked

    def _book(self) -> None:
        now = time.monotonic()
        stage = self._open[-1]
        self.booked[stage] = self.booked.get(stage, 0.0) + now - self._since
        self._since = now


def watch_imports(stopwatch: Stopwatch) -> None:
    """Books imports on their top package, and wraps the joints of a module as soon as it is there."""
    # The one function of the import system that both `import x` and `importlib.import_module` go through.
    system: Any = sys.modules["_frozen_importlib"]
    original = system._find_and_load

    def find_and_load(name: str, import_: Any) -> Any:
        top = name.partition(".")[0]
        stopwatch.enter(f"import {'standard library' if top in sys.stdlib_module_names else top}")
        try:
            module = original(name, import_)
        finally:
            stopwatch.leave()
        for path, stage in JOINTS.get(name, {}).items():
            *owners, last = path.split(".")
            owner = module
            for part in owners:
                owner = getattr(owner, part)
            setattr(owner, last, stopwatch.wrap(stage, getattr(owner, last)))
        return module

    system._find_and_load = find_and_load


def main() -> None:
    out, *arguments = sys.argv[1:]
    stopwatch = Stopwatch()
    watch_imports(stopwatch)
    from contrafake.cli import run

    code = run(arguments)
    booked = stopwatch.finish()
    ended = time.monotonic()
    import json

    with open(out, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib would be one more import
        json.dump({"code": code, "began": BEGAN, "ended": ended, "stages": booked}, file)


if __name__ == "__main__":
    main()
