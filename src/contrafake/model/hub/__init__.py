"""Bundles and other models on the Hub: fetched, kept in its client's own cache, and given.

Only what is asked for here goes to the network: judging images never does (`cached` looks into the cache alone).
"""

from contrafake.model.hub.address import Address, is_address, parse_address
from contrafake.model.hub.fetching import BUNDLE_FILES, Fetched, cached, fetch
from contrafake.model.hub.pulling import Pulled, copy_out, pull
from contrafake.model.hub.pushing import Pushed, plan_upload, upload

__all__ = [
    "BUNDLE_FILES",
    "Address",
    "Fetched",
    "Pulled",
    "Pushed",
    "cached",
    "copy_out",
    "fetch",
    "is_address",
    "parse_address",
    "plan_upload",
    "pull",
    "upload",
]
