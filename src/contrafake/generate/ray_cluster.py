"""A Ray cluster to work on: one that is there already, or a private one of this machine."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from contrafake.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECTS = 100 << 20  # bytes of shared memory; images go to the store, not through Ray
_SECONDS = 10.0


@contextmanager
def joined(address: str, actors: int) -> Iterator[Any]:
    """Connects to a cluster; it is left again afterwards, or ended if it was started here.

    Args:
        address: "local" starts one of this machine's processes alone, without a dashboard, that asks for a key; "auto"
            is the cluster that this machine belongs to; else the address of one. In a process that has called
            `ray.init`, that cluster is used, and left as it is.
        actors: Processor cores that a local one has at least.

    Yields:
        The module `ray`, connected.

    Raises:
        DataError: There is no such cluster.
        MissingExtraError: Ray is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address == "local":
        _secure()
    try:
        import ray  # noqa: PLC0415 - heavy, and only for builds on a cluster
    except ImportError as error:
        raise MissingExtraError("cluster", "ray is not installed", 'pip install "contrafake[cluster]"') from error
    if ray.is_initialized():
        yield ray
        return
    local: dict[str, Any] = {}
    if address == "local":
        cores = max(os.cpu_count() or 1, actors)
        local = {"num_cpus": cores, "include_dashboard": False, "object_store_memory": _OBJECTS}
    _check_reachable(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
    except (OSError, RuntimeError, ValueError) as error:
        ray.shutdown()
        cause = f"no Ray cluster can be reached: {in_short(str(error))}"
        raise DataError(address, cause, "start one with ray start, or use local") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def in_short(text: str) -> str:
    """The last line of a message of Ray, where the reason stands, without the advice that follows it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["unknown"]
    return lines[-1].split(" Some common causes", 1)[0].split(" There are some potential", 1)[0][:300].rstrip(".")


def _check_reachable(address: str) -> None:
    """Tries the port of a named cluster, which Ray would do for many minutes.

    Raises:
        DataError: Nothing answers there.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise DataError(address, f"no Ray cluster can be reached: {error}", "start one with ray start") from error


def _secure() -> None:
    """Has a private cluster ask for a key, since other users and machines reach Ray's ports.

    Ray reads this once, when it is imported, so it stays for the life of the process. Ray before 2.52 ignores it.
    """
    if "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        os.environ.update({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
