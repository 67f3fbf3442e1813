"""The real images of a build: listed, captioned where captions are missing, looked at once, and written down."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING

from contrafake.errors import DataError
from contrafake.generate.project import RECORDS_NAME
from contrafake.generate.reals.listing import list_reals
from contrafake.generate.reals.records_file import read_records, write_records
from contrafake.generate.reals.survey import Unused, survey
from contrafake.generate.store import WORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from contrafake.generate.config import RealsSettings
    from contrafake.generate.reals.listing import RealListing
    from contrafake.generate.reals.records_file import Records
    from contrafake.generate.record import BuildRecord, CaptionedReal
    from contrafake.generate.store import Store

CENSUS_NAME = "reals.json"
_CAPTIONS = f"{WORK}/captions"
_KEPT_AT_ONCE = 500


def open_records(
    settings: RealsSettings, store: Store, workers: int, advance: Callable[[str, int, int | None], None]
) -> Records:
    """The records of a build; the first call writes them down, and they stay as they are from then on.

    Args:
        settings: Which real images.
        store: Where the build lies.
        workers: Processes that look at them.
        advance: Called with what is being done, the steps since the last call and their number where it is known.

    Raises:
        DataError: There is no usable real image, or what was written down cannot be read.
    """
    with store.room() as room:
        file = room / RECORDS_NAME
        if RECORDS_NAME not in store.names():
            listing = list_reals(settings)
            reals: Iterable[CaptionedReal] = listing
            if settings.captioner is not None:
                reals = _captioned(settings, listing, store, advance)
            unused: Counter[str] = Counter()
            found = survey(
                reals, settings.least_side, workers, lambda steps: advance("looking at photographs", steps, None)
            )
            used = write_records(file, _used(found, unused))
            skipped = Counter(listing.skipped) + unused
            if not used:
                lost = "; ".join(f"{number} skipped: {reason}" for reason, number in skipped.most_common())
                raise DataError(", ".join(settings.data), f"no usable real image ({lost or 'nothing was skipped'})")
            census = {"listed": used + skipped.total(), "used": used, "skipped": dict(skipped)}
            if RECORDS_NAME not in store.names():  # another machine may have been faster; then its list is everybody's
                store.write(CENSUS_NAME, json.dumps(census, indent=1).encode())
                store.put(file, RECORDS_NAME)
        return read_records(store.fetch(RECORDS_NAME, file))


def _used(found: Iterable[BuildRecord | Unused], unused: Counter[str]) -> Iterator[BuildRecord]:
    seen: set[bytes] = set()
    for entry in found:
        if isinstance(entry, Unused):
            unused[entry.reason] += 1
        elif (digest := bytes.fromhex(entry.facts.sha256)) in seen:
            unused["the same file as an earlier one"] += 1
        else:
            seen.add(digest)
            yield entry


def _captioned(
    settings: RealsSettings,
    listing: RealListing,
    store: Store,
    advance: Callable[[str, int, int | None], None],
) -> Iterator[CaptionedReal]:
    """Fills in captions; those that were written before a kill are taken from the store."""
    from contrafake.generate.reals.captioner import Captioner, fill_captions  # noqa: PLC0415 - torch

    assert settings.captioner is not None  # noqa: S101
    # Captions that another model wrote, or for other data, are none of these.
    decisive = {"model", "revision", "prompt", "most_tokens"}
    said = settings.model_dump_json(include={"data": True, "layout": True, "columns": True, "captioner": decisive})
    folder = f"{_CAPTIONS}/{sha256(said.encode()).hexdigest()[:16]}"
    names = sorted(store.names(folder))
    known: dict[str, str] = dict(pair for name in names for pair in json.loads(store.read(f"{folder}/{name}")))
    pieces = count(len(names))
    waiting: list[tuple[str, str]] = []
    missing: set[str] = set()

    def keep() -> None:
        if waiting:
            store.write(f"{folder}/{next(pieces):06d}.json", json.dumps(waiting).encode())
            waiting.clear()

    def told(steps: int) -> None:
        advance("captioning", steps, None)

    def listed() -> Iterator[CaptionedReal]:
        for real in listing:
            if not real.caption and real.key not in known:
                missing.add(real.key)
            yield real

    for real in fill_captions(listed(), Captioner(settings.captioner), known, told, listing.refuses):
        if real.key in missing:
            missing.discard(real.key)
            if real.caption:
                waiting.append((real.key, real.caption))
        yield real
        if len(waiting) >= _KEPT_AT_ONCE:
            keep()
    keep()
