"""The report of an evaluation for people: `report.html`, one file that needs nothing else, and `report.md`."""

from contrafake.evaluate.report.page import write_report

__all__ = ["write_report"]
