"""Labelled images: where they lie, samples, paired records, and the WebDataset shards that hold them."""

from contrafake.data.listing import Listing
from contrafake.data.location import Location, Member
from contrafake.data.sample import LABELS, Record, Sample, parse_label
from contrafake.data.shard_writer import ShardWriter
from contrafake.data.shards import ShardSet

__all__ = ["LABELS", "Listing", "Location", "Member", "Record", "Sample", "ShardSet", "ShardWriter", "parse_label"]
