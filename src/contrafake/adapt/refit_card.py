"""What a model card says of heads that were fitted anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.adapt.refit_memory import OWN
from contrafake.data.html_page import as_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from contrafake.adapt.refit_names import Naming
    from contrafake.adapt.refit_result import Outcome
    from contrafake.model.bundle_config import BundleConfig


def card_with(card: str, before: BundleConfig, after: BundleConfig, outcome: Outcome) -> str:
    """A model card with a section "Refitted" after its title; older ones stay below it.

    Args:
        card: The card as it was.
        before: Description of the old bundle.
        after: That of the new one.
        outcome: What is told.
    """
    title, _, rest = card.partition("\n")
    if not title.startswith("# "):
        title, rest = f"# {as_markdown(after.name)} {after.version}", card
    if title.endswith(f" {before.version}"):
        title = title.removesuffix(before.version) + after.version
    section = _section(before, after, outcome)
    return "\n".join([title, "", *section, "", rest.lstrip("\n")])


def _section(before: BundleConfig, after: BundleConfig, outcome: Outcome) -> list[str]:
    head = after.default_head
    added = ", ".join(
        f"{'photographs of the user' if name == OWN else as_markdown(name)} ({one.fitted} images to fit on, "
        f"{one.held_back} held back)"
        for name, one in outcome.found.items()
    )
    lines = [
        f"## Refitted: {before.version} to {after.version}",
        "",
        f"The heads were fitted anew with {added}. What follows below describes the model before, where it speaks of "
        "heads, thresholds and names.",
        "",
        f"The {head} head before and after, on images that it was not fitted on, against "
        f"{outcome.figures.real_images} real ones; caught is the share above the threshold of 5 % false alarms. The "
        "intervals (95 %) are those of the change.",
        "",
        "| images of | number | AUC | caught |",
        "|---|---:|---|---|",
    ]
    lines += [
        f"| {as_markdown(row.origin)}{' (new)' if row.new else ''} | {row.images} | {row.auc.describe()} | "
        f"{row.caught.describe()} |"
        for row in outcome.figures.rows
        if row.head == head
    ]
    told = [name for name in outcome.names if name.new and name.after]
    if told:
        lines += ["", *(f"- {name_line(name, as_markdown)}" for name in told)]
    if outcome.notes:
        lines += ["", *(f"- {as_markdown(note)}" for note in outcome.notes)]
    return lines


def name_line(naming: Naming, shown: Callable[[str], str] = str) -> str:
    """Which names the images of an origin got, before and after.

    Args:
        naming: The names.
        shown: Makes a name harmless where it will stand.
    """

    def counted(names: Mapping[str, int]) -> str:
        return ", ".join(f"{count} {shown(name)}" for name, count in list(names.items())[:4]) or "no names at all"

    return (
        f"{naming.images} images of {shown(naming.origin)}: before, {counted(naming.before)}; now, "
        f"{counted(naming.after)}"
    )
