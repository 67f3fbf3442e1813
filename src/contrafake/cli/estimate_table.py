"""What a training run would need, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from contrafake.cli.escape import as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from contrafake.train.estimate import Estimate

_UNBOUNDED = 1_000_000
_LIMITS = {
    "model": "the model",
    "feed": "reading and cutting views",
    "processor": "the processor, which the model and the feed share",
}


def print_estimate(found: Estimate) -> None:
    """Prints an estimate for people, one thing a line."""
    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _rows(found):
        table.add_row(as_text(name, "bold"), as_text(text))
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip())


def _rows(found: Estimate) -> list[tuple[str, str]]:
    first, peak = found.learning_rates
    several = f", each of {found.processes} processes" if found.processes > 1 else ""
    rows = [
        ("run", f"{found.name} on {found.hardware}{several}"),
        ("parameters", f"{sum(found.parameters.values()):,} ({_listed(found.parameters)})"),
        ("embedding", f"{found.dimension} numbers"),
        ("steps", f"{found.steps:,} of {found.records:,} records, {found.views:,} views"),
        ("in all", f"{found.steps * found.records:,} records, {found.steps * found.views:,} views"),
        ("data", _data(found)),
        ("rate", f"{first:.2g} to {peak:.2g} in {found.warmup_steps:,} steps, then a cosine to 0"),
        ("memory", f"{_size(sum(found.memory.values()))}: {_listed(found.memory, _size)}{several}"),
        ("disk", f"{_size(found.disk)} at most, {_size(found.checkpoint)} a checkpoint"),
        ("time a step", _seconds(found)),
        (
            "time in all",
            f"{_duration(found.hours)}, and {found.validations:,} validations; {_LIMITS[found.bottleneck]} decides",
        ),
    ]
    if found.untrained:
        rows.insert(2, ("untrained", f"{found.untrained:,} that the embedding does not depend on"))
    return rows + [("note", note) for note in found.notes]


def _data(found: Estimate) -> str:
    if found.images is None or found.epochs is None:
        return "unknown"
    return ", ".join(
        f"{count:,} {name} images" + (f" gone through {_number(found.epochs[name])} times" if count else "")
        for name, count in found.images.items()
    )


def _seconds(found: Estimate) -> str:
    parts = [
        f"{name} {_number(seconds)} s"
        for name, seconds in found.seconds.items()
        if seconds is not None and name != "step"
    ]
    return f"{_number(found.seconds['step'] or 0.0)} s ({', '.join(parts)})"


def _listed(counts: dict[str, int], form: Callable[[int], str] = "{:,}".format) -> str:
    return ", ".join(f"{name} {form(count)}" for name, count in counts.items())


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _duration(hours: float) -> str:
    if hours >= 48:
        return f"{_number(hours / 24)} days"
    return f"{hours:.2g} hours" if hours >= 1.5 else f"{60 * hours:.2g} minutes"
