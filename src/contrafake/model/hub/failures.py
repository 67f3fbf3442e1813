"""What went wrong between here and the Hub, in one clause instead of the client's traceback."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from contrafake.errors import BundleError, ContrafakeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.model.hub.address import Address

LOGIN = "log in with `hf auth login`, or set HF_TOKEN"
HTTP_LIBRARIES = {"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"}
NEVER_CONNECTED = {"ConnectError", "ConnectTimeout", "ProxyError", "ConnectionError", "SSLError", "UnsupportedProtocol"}
LONGEST = 160
_TOKEN = re.compile(r"hf_[A-Za-z0-9_]{8,}")


@contextmanager
def hub_words(address: Address) -> Iterator[None]:
    """Turns whatever the Hub's client raises inside into a `BundleError` about the address.

    Failures of the own file system other than a full disk go through as they are.

    Args:
        address: What was asked for.

    Raises:
        BundleError: In place of the client's own errors.
    """
    try:
        yield
    except ContrafakeError:
        raise
    except Exception as error:
        known = explain(address, error)
        if known is None:
            raise
        # The client's errors hold whole requests; nobody should have to read them, nor find a header in a log.
        raise known from None


def host() -> str:
    """Name of the host that is asked, without anything else that its address may hold."""
    from huggingface_hub import constants  # noqa: PLC0415 - costs a tenth of a second

    parts = urlsplit(constants.ENDPOINT)
    return (parts.hostname or constants.ENDPOINT) + (f":{parts.port}" if parts.port else "")


def explain(address: Address, error: BaseException) -> BundleError | None:
    """What an error of the client means; None where it is none of the network's.

    Args:
        address: What was asked for.
        error: What the client raised; what it was raised from is looked at, too.
    """
    for found in _chain(error):
        said = _of_the_hub(address, found) or _of_the_way(address, found)
        if said is not None:
            return said
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return None
    first = next(iter(str(error).strip().splitlines()), "")[:LONGEST]
    cause = f"{host()} did not answer as a model hub does: {type(error).__name__}: {_without_token(first)}"
    return BundleError(str(address), cause, "check HF_ENDPOINT, or try later")


def _of_the_hub(address: Address, error: BaseException) -> BundleError | None:
    """An answer of the Hub that says no."""
    from huggingface_hub import errors as hub  # noqa: PLC0415 - as above

    name, said = address.repo_id, ("", "")
    if isinstance(error, hub.OfflineModeIsEnabled):
        said = "the network may not be used: HF_HUB_OFFLINE is set", "unset it and try again"
    elif isinstance(error, hub.GatedRepoError):
        said = "is given only to those who accepted its terms on its page", f"then {LOGIN}"
    elif isinstance(error, hub.RepositoryNotFoundError):
        said = f"{host()} has no such model, or none that you may see", f"check the name; for a private one {LOGIN}"
    elif isinstance(error, hub.RevisionNotFoundError):
        said = f"has no revision {address.revision or 'main'!r}", "give a branch, a tag or a commit"
    elif isinstance(error, hub.HfHubHTTPError):
        said = _of_status(getattr(getattr(error, "response", None), "status_code", None))
        if words := _without_token(str(getattr(error, "server_message", None) or "").strip())[:LONGEST]:
            said = f"{said[0]} ({words})", said[1]
    return BundleError(name, *said) if said[0] else None


def _of_status(status: int | None) -> tuple[str, str]:
    known = {
        401: (f"{host()} does not accept the token", LOGIN),
        403: (f"{host()} does not let you do this", f"a token with the right to is needed: {LOGIN}"),
        404: (f"{host()} has nothing at that address", "check it"),
        409: ("was changed meanwhile, or is there already", "look at it, and try again"),
        412: ("was changed meanwhile", "look at it, and try again"),
        429: (f"{host()} wants fewer requests", "try again in some minutes"),
    }
    return known.get(status or 0, (f"{host()} failed with status {status}", "try later"))


def _of_the_way(address: Address, error: BaseException) -> BundleError | None:
    """A failure on the way: no network, a broken connection, a full disk."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        where = error.filename or "the cache"
        return BundleError(str(address), f"the disk is full at {where}", "free some space, or set HF_HOME elsewhere")
    if isinstance(error, OSError) and "Consistency check failed" in str(error):
        return BundleError(str(address), f"a file from {host()} ended early", "try again")
    if type(error).__module__.partition(".")[0] in HTTP_LIBRARIES or isinstance(error, ConnectionError):
        if any(kind.__name__ in NEVER_CONNECTED for kind in type(error).__mro__):
            return BundleError(str(address), f"cannot reach {host()}", "check the network, the proxy and HF_ENDPOINT")
        return BundleError(str(address), f"the connection to {host()} broke off", "try again")
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _without_token(text: str) -> str:
    """Not by asking the client for its token, which may go to the network for it."""
    own = os.environ.get("HF_TOKEN")
    return _TOKEN.sub("***", text.replace(own, "***") if own else text)
