"""What a build's summary says of its generators, as cells of the datasheet's tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from contrafake.data.audit.shown import share_in_words
from contrafake.generate.datasheet_facts import QUANTILES

if TYPE_CHECKING:
    from contrafake.generate.datasheet_facts import Side

OWN, NOTHING = "its own", "–"
STATUSES = ("failed", "filtered", "skipped")
_SIZES = {"frame": "the record's frame", "paper": "the paper's four"}
_AMOUNTS = {"strength": "strength {}", "noise": "noise {}", "levels": "{} levels"}
_LIBRARIES = ("diffusers", "transformers", "torch")


@dataclass(frozen=True)
class Row:
    """One generator.

    Attributes:
        name: Its name, "real" for the real images.
        settings: (title, text) of what the configuration and the loaded model say.
        made: Number of images, None where the summary does not say.
        lost: Number of images that failed, were filtered and were skipped, by status.
        causes: (status, cause, number), the most frequent first within a status.
        seconds: Processor or wall time an image took; None where it was not measured.
        prompt: Template of the prompt where it is more than the caption, and of the negative one.
    """

    name: str
    settings: list[tuple[str, str]]
    made: int | None
    lost: dict[str, int]
    causes: list[tuple[str, str, int]]
    seconds: float | None
    prompt: list[tuple[str, str]]


def table(value: Any) -> dict[str, Any]:
    """A table of a summary that may lack it."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[dict[str, Any]]:
    """The tables in a list of a summary that may lack it."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def in_words(value: Any) -> str:
    """A setting as text: numbers short, sizes as "512 x 512", a dash for nothing."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        if len(value) == 2 and all(isinstance(side, int) for side in value):
            return f"{value[0]} x {value[1]}"
        return ", ".join(map(in_words, value))
    return str(value)


def generator_rows(build: dict[str, Any]) -> list[Row]:
    """The generators in their order, after the real images.

    Args:
        build: Content of `build.json`; every key may be missing.
    """
    settings = {str(entry.get("name")): entry for entry in listed(table(build.get("config")).get("generators"))}
    names = build.get("generators")
    found = [str(name) for name in names] if isinstance(names, list) else list(settings)
    return [_row(name, settings.get(name, {}), build) for name in ("real", *found)]


def libraries(build: dict[str, Any]) -> list[tuple[str, str]]:
    """(library, versions) that the generators ran on."""
    found: dict[str, set[str]] = {}
    for facts in table(build.get("facts")).values():
        for name in _LIBRARIES:
            if version := table(facts).get(name):
                found.setdefault(name, set()).add(str(version))
    return [(name, ", ".join(sorted(found[name]))) for name in _LIBRARIES if name in found]


def side_in_words(side: Side) -> dict[str, str]:
    """What a class's or a generator's files are, by title.

    Args:
        side: Counted from the index.
    """

    def spread(numbers: list[float], unit: str = "") -> str:
        return " / ".join(f"{number:,.0f}" for number in numbers) + unit if len(numbers) == len(QUANTILES) else NOTHING

    return {
        "images": f"{side.images:,}",
        "formats": ", ".join(f"{name} {share_in_words(share)}" for name, share in side.formats) or NOTHING,
        "JPEG quality": spread(side.quality),
        "width": spread(side.width, " px"),
        "height": spread(side.height, " px"),
        "size of a file": spread(side.bytes, " bytes"),
    }


def without_folders(path: Any) -> str:
    """A model or data set as the datasheet names it: a path of the machine by its last part, a name as it is."""
    text = str(path or "")
    if PurePath(text).is_absolute() or PureWindowsPath(text).is_absolute() or text.startswith(("~", ".")):
        return PureWindowsPath(text).name or PurePath(text).name or text
    return text


def _row(name: str, settings: dict[str, Any], build: dict[str, Any]) -> Row:
    facts, counts = table(table(build.get("facts")).get(name)), table(table(build.get("counts")).get(name))
    seconds = table(build.get("seconds")).get(name)
    made = counts.get("made")
    prompt = [(key, settings.get(key)) for key in ("prompt", "negative_prompt")]
    return Row(
        name=name,
        settings=_settings(settings, facts),
        made=made if isinstance(made, int) else None,
        lost={status: _number(counts.get(status)) for status in STATUSES},
        causes=_causes(name, build),
        seconds=float(seconds) if isinstance(seconds, int | float) and not isinstance(seconds, bool) else None,
        prompt=[(key.replace("_", " "), str(text)) for key, text in prompt if text not in {None, "", "{caption}"}],
    )


def _settings(settings: dict[str, Any], facts: dict[str, Any]) -> list[tuple[str, str]]:
    """What a reader compares generators by; a default of the model's own is told where the model was asked for it."""
    defaults = list(table(facts.get("defaults")).values())

    def own(name: str, place: int) -> str:
        value = settings.get(name)
        if value is not None or name not in settings:
            return in_words(value)
        return f"{OWN} ({in_words(defaults[place])})" if place < len(defaults) else OWN

    sizes = settings.get("sizes")
    program = settings["command"][:1] if isinstance(settings.get("command"), list) else []
    model = settings.get("model") or settings.get("url") or next(iter(program), "")
    amounts = [
        words.format(in_words(settings[key])) for key, words in _AMOUNTS.items() if settings.get(key) is not None
    ]
    return [
        ("kind", in_words(settings.get("kind"))),
        ("model", in_words(without_folders(model))),
        ("revision", in_words(settings.get("revision") or settings.get("version") or facts.get("commit"))),
        ("weights (SHA-256)", in_words(facts.get("fingerprint"))),
        ("made by", in_words(facts.get("pipeline") or facts.get("class"))),
        ("steps", own("steps", 0)),
        ("guidance", own("guidance", 1)),
        ("scheduler", in_words(settings.get("scheduler") or facts.get("scheduler_class"))),
        ("strength or noise", ", ".join(amounts) or NOTHING),
        ("sizes asked for", in_words(_SIZES.get(sizes, sizes) if isinstance(sizes, str) else sizes)),
        ("precision", in_words(facts.get("precision") or settings.get("precision"))),
        ("licence", in_words(settings.get("licence"))),
        ("reported apart", in_words(settings.get("apart") is True)),
    ]


def _causes(name: str, build: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Why images are missing: as counted, else as far as single ones are named."""
    counted = table(table(build.get("causes")).get(name))
    skipped = table(table(build.get("skipped")).get(name))
    found: list[tuple[str, str, int]] = []
    for status, key in (("failed", "failures"), ("filtered", "filtered"), ("skipped", "")):
        causes = dict(table(counted.get(status))) or (dict(skipped) if status == "skipped" else {})
        if not causes:
            for entry in listed(build.get(key)):
                if entry.get("generator") == name:
                    cause = str(entry.get("cause"))
                    causes[cause] = causes.get(cause, 0) + 1
        found += sorted(
            ((status, str(cause), _number(n)) for cause, n in causes.items()), key=lambda row: (-row[2], row[1])
        )
    return found


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
