"""`contrafake data download`: fetch the real images that D3 only names by address."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.progress import work_bar
from contrafake.errors import UsageError

ALL_STORED, SOME_MISSING = 0, 3


def download(
    data: Annotated[str, typer.Argument(metavar="DATA", help="D3's Parquet files: one, or a folder of them.")],
    out: Annotated[
        str | None, typer.Argument(metavar="OUT", help="Folder for the images; by default `real` beside the files.")
    ] = None,
    *,
    contact: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Your web page or mail address, sent with each request to every site."),
    ],
    delay: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="Least pause between two requests to one host.")
    ] = 1.0,
    hosts: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="Hosts asked at the same time.")] = 8,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="Longest time for one image, from first to last byte.")
    ] = 60.0,
    max_megabytes: Annotated[int, typer.Option(metavar="N", min=1, help="Largest image file in megabytes.")] = 64,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first N rows; all by default.")
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Ask again for what was dead, refused or failed in earlier runs.")
    ] = False,
) -> int:
    """Download the real images of D3, which its Parquet files only name by address.

    Sites that refuse (robots.txt, X-Robots-Tag: noai) are left alone, and only public addresses are asked. A run can
    be stopped and started again at any time. What could not be had is listed in dead-links.csv.

    Exit codes: 0 all images are there, 3 some are not, 2 wrong usage.
    """
    from contrafake.data.download.ask import Manners  # noqa: PLC0415 - keeps the command's help fast
    from contrafake.data.download.download import Download  # noqa: PLC0415
    from contrafake.data.download.fetch import Bounds  # noqa: PLC0415
    from contrafake.data.sources.d3 import D3Parquet  # noqa: PLC0415

    if not D3Parquet.recognises(Path(data)):
        cause = "no Parquet file of D3" if Path(data).exists() else "no such file or folder"
        raise UsageError(data, cause, "only layout d3-parquet names images by address")
    source = D3Parquet(Path(data))
    bounds = Bounds(seconds=timeout, bytes=max_megabytes * 2**20)
    manners = Manners(contact, delay=delay, hosts=hosts, bounds=bounds)
    with work_bar("downloading", limit) as advance:
        summary = Download(Path(out) if out else source.real, manners).run(
            islice(source.links(), limit), retry=retry, advance=advance
        )
    for line in source.census.describe_skipped():
        typer.echo(for_terminal(line), err=True)
    for status, reason, number in summary.counts:
        print(f"{number:>9}  {status:<8}  {for_terminal(reason)}".rstrip())
    contents, times = summary.repeated
    if contents:
        print(f"{times} of the stored files share {contents} contents: often a picture that says 'not available'")
    if summary.known:
        print(f"{summary.known} were known from earlier runs")
    if summary.missing:
        print(f"Not stored: {for_terminal(str(summary.report))}")
    return SOME_MISSING if summary.missing else ALL_STORED
