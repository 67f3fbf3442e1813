"""Reads files while an audit hook watches: prints what each led to, and every event that touches the world outside.

    python inert_watch.py WARM FOLDER

WARM is a harmless file: with it, and with a harmless refusal, what the reader itself imports (the codecs of
texts) is there before the hook looks. A last file,
`control.pkl`, is loaded by pickle itself, to show that the hook and the canary notice what they should.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

from contrafake.errors import BundleError
from contrafake.model.inert import read_estimator

WATCHED = ("os.", "subprocess.", "exec", "compile", "import", "socket.", "ctypes.", "shutil.", "pickle.", "marshal.")


def main(warm: str, folder: Path) -> None:
    """Warm up, watch, report."""
    events: list[str] = []
    watching = False

    def hook(event: str, args: tuple[object, ...]) -> None:
        if watching and (event.startswith(WATCHED) or (event == "open" and args[1] not in ("r", "rb"))):
            events.append(event)

    read_estimator(warm)
    unknown = folder / "unknown"
    unknown.write_bytes(b"cno\nsuch\n.")
    try:
        read_estimator(unknown)
    except BundleError as error:
        str(error)
    sys.addaudithook(hook)
    told: dict[str, tuple[str, list[str]]] = {}
    for path in sorted(folder.glob("*.pkl")):
        events.clear()
        watching = True
        outcome = "read"
        try:
            if path.stem == "control":
                with path.open("rb") as file:
                    pickle.load(file)  # noqa: S301 -- the control: it must be noticed
            else:
                read_estimator(path)
        except BundleError as error:
            outcome = str(error)
        watching = False
        told[path.stem] = (outcome, list(events))
    print(json.dumps({"told": told, "modules": [name for name in ("sklearn", "joblib") if name in sys.modules]}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
