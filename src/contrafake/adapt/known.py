"""Published models that are no bundles yet, and the command that makes one of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class KnownModel:
    """A model that can be had.

    Attributes:
        name: Where it is published, as OWNER/NAME of the Hub.
        licence: Its terms, as its authors state them.
        about: What it is, in a few words.
        command: What makes a bundle of it.
    """

    name: str
    licence: str
    about: str
    command: str

    def to_dict(self) -> dict[str, str]:
        """Plain JSON types."""
        return asdict(self)


KNOWN: tuple[KnownModel, ...] = (
    KnownModel(
        name="aimagelab/CoDE",
        licence="MIT",
        about="CoDE as its authors published it (Baraldi et al., ECCV 2024)",
        command="contrafake models import aimagelab/CoDE --out code",
    ),
)
