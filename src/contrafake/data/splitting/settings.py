"""How a set is divided: the arguments of `contrafake data split`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from contrafake.errors import UsageError

By = Literal["source", "origin", "family", "group", "keep"]
Duplicates = Literal["repair", "refuse", "ignore"]


@dataclass(frozen=True)
class SplitSettings:
    """How a set is divided.

    Attributes:
        by: What stays together: images of one "source"; of one "origin" or "family" if generated, of one source if
            real; of one record or "group" only; "keep" takes the splits that the data or `list_file` has.
        fractions: Share of each class in train, val and test; two numbers are train and test.
        seed: Another seed gives another division.
        duplicates: "repair" unites what looks the same ("keep": leaves out the image in the less protected split),
            "refuse" fails where it would stand on two sides, "ignore" looks at no image.
        leave_one_out: Whether to make a list for each family of generators.
        list_file: With "keep": a list as this package writes it.
    """

    by: By = "source"
    fractions: tuple[float, ...] = (0.8, 0.1, 0.1)
    seed: int = 0
    duplicates: Duplicates = "repair"
    leave_one_out: bool = False
    list_file: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for what makes no sense."""
        for name, value, known in (
            ("by", self.by, ("source", "origin", "family", "group", "keep")),
            ("duplicates", self.duplicates, ("repair", "refuse", "ignore")),
        ):
            if value not in known:
                raise UsageError(name, f"{value!r} is unknown", f"one of {', '.join(known)}")
        wrong = [f for f in self.fractions if not 0 <= f < 1] or abs(sum(self.fractions) - 1) > 1e-6
        if wrong or len(self.fractions) not in {2, 3} or not self.fractions[0] or not self.fractions[-1]:
            shown = ",".join(f"{f:g}" for f in self.fractions)
            cause = f"{shown} is no division into train, val and test, or train and test"
            raise UsageError("fractions", cause, "give two or three numbers that sum to 1: 0.8,0.1,0.1")
        if self.leave_one_out and self.by == "keep":
            raise UsageError("leave-one-out", "its lists divide the set anew", "choose --by source, origin or family")
        if self.list_file is not None and self.by != "keep":
            raise UsageError("list", f"a list gives the splits, --by {self.by} makes them", "leave --by out")

    @property
    def parts(self) -> tuple[float, float, float]:
        """Fractions of train, val and test."""
        return (self.fractions[0], 0.0, self.fractions[1]) if len(self.fractions) == 2 else self.fractions  # type: ignore[return-value]
