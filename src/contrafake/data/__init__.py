"""Labelled images: samples, paired records, and the WebDataset shards that hold them."""

from contrafake.data.sample import LABELS, Member, Record, Sample, parse_label
from contrafake.data.shards import ShardSet, ShardWriter

__all__ = ["LABELS", "Member", "Record", "Sample", "ShardSet", "ShardWriter", "parse_label"]
