"""What every benchmark states beside its figures, and how it writes them.

No host names and no absolute paths: results are committed.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).parent / "results"
EXAMPLES = Path(__file__).parent.parent / "examples"

LIBRARIES = (
    "contrafake", "numpy", "onnxruntime", "pillow", "simplejpeg", "safetensors", "pydantic", "typer", "rich",
    "torch", "transformers", "accelerate", "scikit-learn", "joblib",
)  # fmt: skip


def facts() -> dict[str, Any]:
    """Processor, memory, Python, library versions, and how busy the machine was when asked."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cores_used": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def command_line() -> str:
    """The command as a reader of the repository would type it: absolute paths are cut to their last part."""
    arguments = [f"…/{Path(text).name}" if Path(text).is_absolute() else text for text in sys.argv[1:]]
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *map(shlex.quote, arguments)])


def write_result(name: str, figures: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Writes ``NAME.json``: the command, the date, the machine, then the figures, to six digits.

    Args:
        name: Name of the benchmark.
        figures: JSON-safe; numbers that are not finite become null.
        folder: Where to write.
    """
    return write_json(folder / f"{name}.json", _rounded({**circumstances(name), **figures}))


def circumstances(name: str) -> dict[str, Any]:
    """What stands at the head of every result: benchmark, command, date, machine."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {"benchmark": name, "command": command_line(), "date": today, "machine": facts()}


def write_json(target: Path, document: dict[str, Any]) -> Path:
    """Writes a file that appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(target)
    return target


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain text table; the first column to the left, the others to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def shown(path: Path) -> str:
    """A path as results may hold it: its last part."""
    return path.name


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if abs(value) < float("inf") else None  # NaN compares false, too
    return value


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown"
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
