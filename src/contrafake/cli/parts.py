"""`--part I/N`: one share of work that several machines divide."""

from __future__ import annotations

from contrafake.errors import UsageError


def parse_part(text: str | None) -> tuple[int, int] | None:
    """Reads "1/4" as (1, 4); None stays None.

    Raises:
        UsageError: It has another form, or the part is not among them.
    """
    if text is None:
        return None
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise UsageError("--part", f"{text!r} makes no sense", "write it as 1/4")
    return int(number), int(of)
