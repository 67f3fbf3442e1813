"""Measuring detectors: which images, which changes to them, which figures, and a report that others can rebuild."""
