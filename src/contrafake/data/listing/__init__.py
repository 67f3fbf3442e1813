"""Labelled images of many shards in columns: millions fit, any of them is read at the cost of one range of bytes."""

from contrafake.data.listing.listing import Listing
from contrafake.data.listing.names import Names

__all__ = ["Listing", "Names"]
