"""What one feature of an audit is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from contrafake.data.audit.result import Room

Value: TypeAlias = float | str | None
"""A measured value; None where the feature does not apply (the quality of a PNG)."""


@dataclass(frozen=True)
class Feature:
    """One feature.

    Attributes:
        name: Identifier, the column's name.
        title: A few words for tables and plots ("JPEG quality").
        room: Where it is seen.
        kind: "number" or "category".
        unit: Unit of a number, "" for none.
        phrase: How a sentence says it of a share of images. For a category, with `{value}`: "are {value}". For a
            number: the noun phrase that has the value: "a JPEG quality".
        absent: How a sentence says it of images without a value: "are no JPEG"; "have no <title>" where it is empty.
    """

    name: str
    title: str
    room: Room
    kind: Literal["number", "category"]
    unit: str = ""
    phrase: str = ""
    absent: str = ""
