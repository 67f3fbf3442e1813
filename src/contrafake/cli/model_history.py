"""What was done to a model, each step on one line with what it brought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONGEST = 240
"""Characters of a step that are shown."""
_DEEPEST = 4
_KNOWN = frozenset({"step", "from", "contrafake"})


def history_lines(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """The steps of a bundle's history, oldest first; the whole of it is in config.json.

    Args:
        history: As config.json has it. It may come from outside: what has another form than our own commands write is
            shown as it is.
    """
    return [_line(entry) for entry in history] or ["as it was first written"]


def _line(entry: Mapping[str, Any]) -> str:
    before = entry.get("from")
    version = before.get("version") if isinstance(before, dict) else None
    rest = {key: value for key, value in entry.items() if key not in _KNOWN}
    try:
        told = {"calibrate": _calibrated, "refit": _refitted}.get(str(entry.get("step")), _in_words)(rest)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        told = _in_words(rest)
    line = f"{entry.get('step', 'unknown step')} of {version or 'an unknown version'}: {told}"
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _calibrated(facts: Mapping[str, Any]) -> str:
    images = f"by {facts['photographs']:,} photographs and {facts['generated']:,} generated images"
    first = facts["comparisons"][0]
    alarms, found = (
        f"{100 * first[f'{kind}_before']['share']:.1f} -> {100 * first[f'{kind}_after']['share']:.1f} %"
        for kind in ("alarms", "found")
    )
    at = f"{first['head']} at {first['crops']} crops, rate {first['rate']:g}"
    return f"{images}; {at}: false alarms {alarms}, generated images found {found}"


def _refitted(facts: Mapping[str, Any]) -> str:
    added = ", ".join(f"{name} ({images['fitted']:,} images)" for name, images in facts["added"].items())
    figures = [
        f"{figure['origin']} {figure['auc']['before']:.3f} -> {figure['auc']['after']:.3f}"
        for figure in facts["figures"]
        if figure["head"] == facts["default_head"] and (figure["new"] or figure["origin"].startswith("all "))
    ]
    return f"added {added}; AUC on images held back: {', '.join(figures)}" if figures else f"added {added}"


def _in_words(value: Any, depth: int = 0) -> str:
    """Plain JSON on one line: "images 50, rate 0.05"."""
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_in_words(inner, depth + 1)}" for key, inner in value.items())
    if isinstance(value, list):
        return " ".join(_in_words(inner, depth + 1) for inner in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
