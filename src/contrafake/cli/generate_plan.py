"""What `contrafake generate` says before it makes anything: the plan as a table, counts, disk and time."""

from __future__ import annotations

import tempfile
from json import dumps
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from contrafake.cli.escape import as_text, for_terminal
from contrafake.cli.progress import phase_bar
from contrafake.data.parallel import default_workers

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.generate.config import GenerateConfig
    from contrafake.generate.estimate import BuildEstimate, GeneratorEstimate

_UNBOUNDED = 1_000_000
_SIZES = 4


def look_ahead(
    config: GenerateConfig, plan: Path | None, trial: int | None, workers: int | None, *, json: bool
) -> None:
    """Writes the plan, tries the generators, or both; nothing of it goes into a set.

    Args:
        config: What would be built.
        plan: Table to write, None for none.
        trial: Images of each generator to make; None gives no estimate.
        workers: Processes that look at the real images, None for one a core.
        json: Whether the estimate is printed as JSON.
    """
    processes = default_workers() if workers is None else workers
    if plan is not None:
        from contrafake.generate.plan_table import check_plan_name  # noqa: PLC0415

        check_plan_name(plan)
        rows = _write(config, plan, processes)
        if trial is None:
            print(f"{rows} rows written to {for_terminal(str(plan))}")
            return
    from contrafake.generate.estimate import estimate  # noqa: PLC0415 - torch

    with phase_bar() as advance:
        found = estimate(config, trial=trial or 0, workers=processes, advance=advance)
    if json:
        print(dumps(found.to_dict(), indent=1, default=str))
    else:
        print_estimate(found)


def _write(config: GenerateConfig, path: Path, workers: int) -> int:
    from contrafake.generate.plan import Planner  # noqa: PLC0415
    from contrafake.generate.plan_table import plan_rows, write_plan  # noqa: PLC0415
    from contrafake.generate.prepare import open_records  # noqa: PLC0415
    from contrafake.generate.project import Project  # noqa: PLC0415
    from contrafake.generate.store import Store  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, phase_bar() as advance:
        store = Store(folder)
        project = Project(config, store, open_records(config.reals, store, workers, advance))
        records = (project.records[place] for place in range(len(project.records)))
        return write_plan(path, plan_rows(Planner(config, project.donors), records, config.generators))


def print_estimate(found: BuildEstimate) -> None:
    """Prints an estimate for people: one generator a line, then the sums."""
    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("generator", "images", "s/image", "hours", "disk", "sizes"):
        table.add_column(as_text(name), justify="left" if name in {"generator", "sizes"} else "right", no_wrap=True)
    for entry in found.generators:
        table.add_row(*(as_text(cell) for cell in _cells(entry)))
    with console.capture() as capture:
        console.print(table)
    print(f"{_records(found.records)} of {for_terminal(found.name)}")
    for reason, count in found.left_out.items():
        print(f"left out: {count:,}, {for_terminal(reason)}")
    for line in capture.get().splitlines():
        print(line.rstrip())
    for entry in found.generators:
        for reason, count in entry.skipped.items():
            print(f"{for_terminal(entry.name)}: {_records(count)} skipped: {for_terminal(reason)}")
        if entry.lost:
            print(
                f"{for_terminal(entry.name)}: {entry.lost} of {entry.tried} images of the trial failed or were filtered"
            )
    if found.hours is not None:
        devices = sorted({str((entry.facts or {}).get("device", "")) for entry in found.generators} - {""})
        on = f" on one device like this ({for_terminal(', '.join(devices))})" if devices else ""
        print(f"in all {_hours(found.hours)}{on}, {_size(found.disk)} of shards")


def _cells(entry: GeneratorEstimate) -> list[str]:
    sizes = [f"{size} ({count:,})" for size, count in list(entry.sizes.items())[:_SIZES]]
    more = f" and {len(entry.sizes) - _SIZES} more" if len(entry.sizes) > _SIZES else ""
    seconds = "-" if entry.seconds is None or entry.name == "real" else f"{entry.seconds:.3g}"
    hours = "-" if entry.hours is None or entry.name == "real" else _hours(entry.hours)
    return [entry.name, f"{entry.images:,}", seconds, hours, _size(entry.disk), ", ".join(sizes) + more]


def _records(count: int) -> str:
    return f"{count:,} record" if count == 1 else f"{count:,} records"


def _hours(hours: float) -> str:
    return f"{hours:,.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"


def _size(value: float | None) -> str:
    if value is None:
        return "-"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"
