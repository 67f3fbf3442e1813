"""Teaches the heads of a bundle, and on request its last block, a new generator from a folder of images."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.adapt.from_memory import remembered
from contrafake.adapt.own_images import find_own
from contrafake.adapt.refit_calibration import calibrated, named_anew
from contrafake.adapt.refit_card import card_with
from contrafake.adapt.refit_figures import measure
from contrafake.adapt.refit_heads import refit_heads, remembered_references
from contrafake.adapt.refit_images import Copies, read_new
from contrafake.adapt.refit_memory import OWN, appended
from contrafake.adapt.refit_notes import notes_on
from contrafake.adapt.refit_result import Outcome, RefitResult
from contrafake.adapt.refit_space import OldImages, coded, remembered_space, taught_space
from contrafake.detect.detector import Detector
from contrafake.detect.load import load
from contrafake.errors import UsageError
from contrafake.model.bundle_config import FP32
from contrafake.model.bundle_writing import read_texts, rewrite_bundle
from contrafake.model.lineage import changed
from contrafake.train.head_fitting import HeadFit

__all__ = ["OldImages", "RefitResult", "check_name", "refit"]

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from contrafake.data.sample import Sample
    from contrafake.model.bundle import Bundle

    Report = Callable[[str, int, int | None], None]

_LONGEST = 64


def refit(
    model: Detector | str | os.PathLike[str],
    add: Mapping[str, str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str],
    reals: str | os.PathLike[str] | None = None,
    held_back: float = 0.3,
    copies: int = 1,
    last_block: OldImages | None = None,
    seed: int = 0,
    workers: int | None = None,
    report: Report = lambda doing, done, total: None,
) -> RefitResult:
    """Fits the heads anew on what the bundle remembers of its training and on new images.

    Thresholds and probabilities are made anew from the validation images that the bundle remembers, which are not
    fitted on; neither are the new images held back, which join them in the new bundle.

    Args:
        model: A model, or what `contrafake.load` takes.
        add: Folder (or labelled set) of generated images by the name of their generator; a name that is known adds to
            it, one whose origin belongs to a family adds to the family.
        out: Folder of the new bundle.
        reals: One's own photographs, as real images; worth it where the new images are of another kind than those the
            model knows.
        held_back: Share of the new images that is held back, 0 to 1 exclusive.
        copies: Copies of each image to fit on that go through random transformations, as in training.
        last_block: Trains the encoder's last block as well; None leaves the encoder as it is.
        seed: Of all chance.
        workers: Images at a time; None takes one for each core. The result does not depend on it.
        report: Called with what is being done, the steps done since the last call, and the number of all steps.

    Returns:
        The new bundle, with what was gained and lost.

    Raises:
        UsageError: A name or number makes no sense, the bundle keeps no validation images, or no weights to train.
        DataError: A folder has too few images that can be read, or an image stands under two names.
        BundleError: There is no such model, or it has no nearest head, which is the memory of its training images.
    """
    begun = time.perf_counter()
    if not 0 < held_back < 1:
        raise UsageError("held back", f"{held_back:g} is not between 0 and 1")
    if copies < 0:
        raise UsageError("copies", f"{copies} is below 0")
    given = {check_name(name): path for name, path in add.items()}
    if not given:
        raise UsageError("refit", "no generator to add", "give NAME=DIR")
    bundle = (model if isinstance(model, Detector) else load(model)).bundle
    if Path(out).resolve() == bundle.path.resolve():
        raise UsageError(str(out), "is the model itself", "choose another folder")
    detector = Detector(bundle, FP32)
    remembered_references(bundle)  # refused before any image is read
    if last_block is None:
        remembered(bundle)
    names, training = bundle.config.validation, _configuration(bundle)
    crops = bundle.config.preprocessing.default_crops if last_block or names is None else names.crops
    kinds = {} if names is None else dict(zip(names.origins, names.families, strict=True))

    samples: dict[str, list[Sample]] = {name: find_own(path, 1, name) for name, path in given.items()}
    if reals is not None:
        samples[OWN] = find_own(reals, 0, OWN)
    views = training.get("views", {})
    versions = Copies(copies, views.get("pool", "official"), views.get("max_operations", 2))
    new = read_new(
        detector, samples, crops, held_back=held_back, copies=versions, seed=seed, workers=workers, report=report
    )
    with tempfile.TemporaryDirectory() as folder:
        space = (
            remembered_space(bundle, new, kinds)
            if last_block is None
            else taught_space(detector, new, last_block, versions, kinds, Path(folder), seed, workers, report)
        )
        report("fitting the heads", 0, None)
        fresh, origins = coded(space.fitting, space.references, space.origins, kinds)
        fit, defaults = training.get("fit", {}), HeadFit()
        before = {name: bundle.head(name) for name in bundle.config.heads}
        after = refit_heads(
            before,
            space.references,
            fresh,
            nu=fit.get("svm_nu", defaults.svm_nu),
            most=fit.get("nearest_references", defaults.nearest_references),
            seed=seed,
            moved=last_block is not None,
        )
        report("measuring", 0, None)
        judged = space.judged
        figures = measure(before, after, judged, seed=seed)
        facts, calibrations = calibrated(bundle.config, after, judged.memory[1], crops)
        rule, named = named_anew(bundle, after, origins, judged)
        outcome = Outcome(new.found, figures, named, notes_on(bundle, new.found, kinds, crops))
        memory, memory_names = appended(judged.memory[1], judged.names, judged.held[1], kinds)
        config = bundle.config.model_copy(
            update={
                **changed(bundle, "refit", _history(bundle, outcome, copies, seed, last_block is not None)),
                "origins": origins,
                "calibrations": facts,
                "attribution": rule,
                "validation": memory_names,
                "variants": [],
                "default_variant": FP32,
            }
        )
        report("writing", 0, None)
        written = rewrite_bundle(
            bundle,
            Path(out),
            config,
            model=space.graph,
            heads=after,
            calibrations=calibrations,
            texts={"README.md": card_with(read_texts(bundle).get("README.md", ""), bundle.config, config, outcome)},
            memory=memory,
            weights=space.weights,
        )
    seconds = time.perf_counter() - begun
    return RefitResult(outcome.found, outcome.figures, outcome.names, outcome.notes, written, seconds)


def check_name(name: str) -> str:
    """A generator's name as it may be added.

    Raises:
        UsageError: It is empty, too long, not printable, or means something else.
    """
    name = name.strip()
    if not name or len(name) > _LONGEST or not name.isprintable():
        cause = f"{name[:_LONGEST]!r} cannot name a generator"
        raise UsageError("name", cause, f"1 to {_LONGEST} printable characters")
    if name.lower() in {"real", OWN}:
        raise UsageError("name", f"{name!r} means photographs", "give them by --reals")
    return name


def _configuration(bundle: Bundle) -> dict[str, Any]:
    found = bundle.config.training.get("configuration", {})
    return found if isinstance(found, dict) else {}


def _history(bundle: Bundle, outcome: Outcome, copies: int, seed: int, last_block: bool) -> dict[str, Any]:
    head = bundle.config.default_head
    return {
        "added": {
            name: {"fitted": found.fitted, "held_back": found.held_back} for name, found in outcome.found.items()
        },
        "copies": copies,
        "seed": seed,
        "last_block": last_block,
        "default_head": head,
        "figures": [row for row in outcome.figures.to_dict()["rows"] if row["head"] == head],
    }
