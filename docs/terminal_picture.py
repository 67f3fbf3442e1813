"""Draws what a command really prints on a terminal: `python docs/terminal_picture.py OUT.svg COMMAND...`."""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 96


def terminal_output(command: list[str]) -> str:
    """Runs a command on a pseudo-terminal and gives back all it writes, colours included."""
    parent, child = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdout=child, stderr=child, env=environment)  # noqa: S603
    os.close(child)
    chunks: list[bytes] = []
    while True:
        try:
            chunk = os.read(parent, 65536)
        except OSError:  # Linux ends a closed pseudo-terminal with an error
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(parent)
    process.wait()
    return b"".join(chunks).decode().replace("\r\n", "\n")


def main() -> None:
    """Writes the SVG; no font is fetched, the reader's monospace font is used."""
    target, *command = sys.argv[1:]
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {shlex.join(command)}", style="bold"))
    console.print(Text.from_ansi(terminal_output(command)))
    svg = console.export_svg(title="contrafake")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "monospace")
    Path(target).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
