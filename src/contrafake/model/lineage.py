"""Versions of a bundle that was changed after it was made: what came from what, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrafake import __version__

if TYPE_CHECKING:
    from contrafake.model.bundle import Bundle
    from contrafake.model.bundle_config import BundleConfig


def next_version(version: str) -> str:
    """The version after a change: "0.1.0" -> "0.1.0+1" -> "0.1.0+2"."""
    base, plus, number = version.rpartition("+")
    return f"{base}+{int(number) + 1}" if plus and number.isdecimal() else f"{version}+1"


def changed(bundle: Bundle, step: str, facts: dict[str, Any]) -> dict[str, Any]:
    """What a change of a bundle sets in its configuration: the next version, and the history with one more entry.

    Args:
        bundle: The bundle as it was.
        step: "calibrate", "refit", "export".
        facts: What was done, and what it brought, as plain JSON types.
    """
    config = bundle.config
    entry = {"step": step, "from": {"version": config.version, "hash": bundle.hash}, "contrafake": __version__, **facts}
    return {"version": next_version(config.version), "history": [*config.history, entry]}


def encoder_was_taught(config: BundleConfig) -> bool:
    """Whether training may have changed the encoder's weights; False where its note says that none could learn.

    With a frozen backbone and nothing learned on top of it, only mean and deviation of its features were gathered.
    """
    noted: dict[str, Any] = config.training.get("configuration") or {}
    encoder, optimizer = noted.get("encoder") or {}, noted.get("optimizer") or {}
    frozen = encoder.get("start") is not None and optimizer.get("backbone_rate") == 0
    return not (frozen and encoder.get("pooling") == "stages" and encoder.get("projection") is None)
