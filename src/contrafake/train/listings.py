"""The images of a training run, by what they are for, without those that it leaves out."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Literal

import numpy as np

from contrafake.data.listing import Listing
from contrafake.data.listing.listing import silent
from contrafake.data.origins import OriginTable, read_origins
from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from numpy.typing import NDArray

    from contrafake.train.config import DataConfig, LeaveOutConfig

Role = Literal["train", "validation", "fitting"]
ROLES: tuple[Role, ...] = ("train", "validation", "fitting")
_WORDS = {
    "families": "no generated image of such a family in the run's shards",
    "origins": "no generated image of such an origin in the run's shards",
    "sources": "no real image of such a source in the run's shards",
}

# By setting of `data.leave_out`, each name that could stand there, and the origins or sources that it means.
_Choices = dict[str, dict[str, set[str]]]


def list_images(data: DataConfig, *roles: Role, report: Callable[[int, int], None] = silent) -> dict[Role, Listing]:
    """Lists the images that a run sees; whatever it trains, fits or validates on comes from here.

    Args:
        data: The run's shards, expanded; `strict` and `leave_out` hold for all of them.
        roles: What the images are for; all that the run has unless told.
        report: See `Listing.of`.

    Returns:
        The listings by role; without "fitting" where the run has no shards for it.

    Raises:
        DataError: See `Listing.of`; or families are left out, and the table of origins cannot be read.
        ConfigError: `data.leave_out` names what none of the run's shards holds, whatever roles are asked for; the
            nearest known name is told.
    """
    patterns: dict[Role, list[str] | None] = {role: getattr(data, role) for role in ROLES}

    def listed(wanted: Collection[Role]) -> dict[Role, Listing]:
        return {
            role: Listing.of(found, strict=data.strict, report=report)
            for role, found in patterns.items()
            if found is not None and role in wanted
        }

    listings = listed(roles or ROLES)
    names = data.leave_out
    if not (names.families or names.origins or names.sources):
        return listings
    table = read_origins(data.origins) if data.origins is not None and names.families else OriginTable()
    choices = {role: _choices(listing, table) for role, listing in listings.items()}
    if _unknown(names, choices.values()):  # it may stand in the shards that were not asked for
        others = listed(set(ROLES) - set(listings))
        known = [*choices.values(), *(_choices(listing, table) for listing in others.values())]
        for setting, name in _unknown(names, known):
            nearest = difflib.get_close_matches(name, sorted(_names(known, setting)), n=1, cutoff=0.0)
            remedy = f"the nearest known one is {nearest[0]}" if nearest else ""
            raise ConfigError(f"data.leave_out.{setting}: {name}", _WORDS[setting], remedy)
    return {role: _left(listing, names, choices[role]) for role, listing in listings.items()}


def _choices(listing: Listing, table: OriginTable) -> _Choices:
    origins = _present(listing, GENERATED, listing.origin, listing.origins)
    families: dict[str, set[str]] = {}
    for name in origins:
        families.setdefault(table.get(GENERATED, name).family, set()).add(name)
    sources = _present(listing, REAL, listing.source, listing.sources)
    return {
        "families": families,
        "origins": {name: {name} for name in origins},
        "sources": {name: {name} for name in sources},
    }


def _present(listing: Listing, label: int, codes: NDArray[np.int32], names: list[str]) -> list[str]:
    """The names that images of a label have."""
    return [names[code] for code in np.unique(codes[listing.label == label])]


def _names(known: Iterable[_Choices], setting: str) -> set[str]:
    return {name for choices in known for name in choices[setting]}


def _unknown(names: LeaveOutConfig, known: Iterable[_Choices]) -> list[tuple[str, str]]:
    """Setting and name of all that is to be left out and stands nowhere."""
    found = {setting: _names(known, setting) for setting in _WORDS}
    return [(setting, name) for setting in _WORDS for name in getattr(names, setting) if name not in found[setting]]


def _left(listing: Listing, names: LeaveOutConfig, choices: _Choices) -> Listing:
    def meant(setting: str) -> set[str]:
        return {one for name in getattr(names, setting) for one in choices[setting].get(name, ())}

    return listing.without(
        origins=[(GENERATED, name) for name in meant("families") | meant("origins")],
        sources=[(REAL, name) for name in meant("sources")],
    )
