"""What a reader of a refit should know beside its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.adapt.refit_memory import OWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contrafake.adapt.refit_images import Found
    from contrafake.model.bundle import Bundle


def notes_on(bundle: Bundle, found: Mapping[str, Found], kinds: Mapping[str, str], crops: int) -> tuple[str, ...]:
    """What is to be said of the images, and of what the new bundle lacks.

    Args:
        bundle: The old model.
        found: New images by name.
        kinds: Family by origin, where it has another name.
        crops: Crops that the new model is calibrated at, beside 1.
    """
    config = bundle.config
    notes = []
    for name in found:
        kind = kinds.get(name, name)
        if name != OWN and kind in config.origins:
            more = "" if kind == name else f", the family of {name}"
            notes.append(f"{kind} is known already{more}: these images are added to it")
    alike = {name: one.alike for name, one in found.items() if one.alike and name != OWN}
    for name, shape in alike.items():
        remedy = "" if OWN in found else ", add --reals of your own"
        notes.append(
            f"all images of {name} are {shape}: the heads may learn the files and not the generator; compare them with "
            f"photographs by contrafake data audit{remedy}"
        )
    for name, one in found.items():
        if one.broken:
            notes.append(f"{len(one.broken)} of {name} cannot be read and are left out")
        if one.repeated:
            notes.append(f"{one.repeated} of {name} repeat others and are left out")
        if one.held_back < 10:
            notes.append(f"only {one.held_back} images of {name} were held back: the figures for it say little")
    if config.variants:
        notes.append(
            f"variants are left out: {', '.join(one.name for one in config.variants)} were measured with the old heads"
        )
    if dropped := sorted({facts.crops for facts in config.calibrations} - {1, crops}):
        notes.append(f"the calibration at {', '.join(map(str, dropped))} crops is left out")
    if any(entry.get("step") == "calibrate" for entry in config.history):
        notes.append(
            "thresholds had been made from your own photographs and are now made from the bundle's validation images: "
            "run contrafake calibrate again"
        )
    return tuple(notes)
