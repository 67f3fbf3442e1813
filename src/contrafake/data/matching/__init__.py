"""Matching: a copy of a set in which file facts and history no longer tell the classes apart."""
