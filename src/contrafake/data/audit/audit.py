"""The audit of a data set: measure every image, then ask how well its label can be predicted, and by what."""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.audit import measure as measuring
from contrafake.data.audit.distribution import category_distribution, number_distribution
from contrafake.data.audit.duplicates import WINDOW
from contrafake.data.audit.folds import CLASS, by_image, by_source
from contrafake.data.audit.joint import joint_result
from contrafake.data.audit.leakage import single_auc
from contrafake.data.audit.result import AuditReport, FeatureResult
from contrafake.data.audit.table import measure_all
from contrafake.data.audit.twins import Images, count_duplicates
from contrafake.data.audit.wording import sentence, verdict
from contrafake.data.origins import SPLITS
from contrafake.data.parallel import default_workers
from contrafake.data.sample import GENERATED, REAL
from contrafake.data.sources.source import samples_of
from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from contrafake.data.audit.feature import Feature
    from contrafake.data.audit.folds import Folds
    from contrafake.data.audit.table import Table
    from contrafake.data.sources.source import Source

MOST_UNREADABLE = 200
INNER_FOLDS = 3
JOINT_STEPS = 60
"""What fitting a joint model counts in the progress, in single features."""


def audit(
    source: Source,
    *,
    name: str,
    workers: int | None = None,
    folder: Path | None = None,
    sample: int = 20_000,
    seed: int = 0,
    folds: int = 5,
    on_progress: Callable[[str, int, int | None], None] = lambda _doing, _steps, _total: None,
) -> AuditReport:
    """Measures a whole data set and tells what separates its classes without looking at the picture.

    Distributions and duplicates are those of all images; models are fitted on at most `sample` of each class.

    Args:
        source: The images.
        name: The data as the user named it.
        workers: Processes that measure; as many as cores by default. The result does not depend on it.
        folder: Where measurements are kept, so that a killed audit goes on and a second one is quick; a temporary
            folder by default.
        sample: Most images of a class that the models are fitted on, chosen by a hash of their keys; 50 or more.
        seed: Seed of that choice, of folds, models and intervals.
        folds: Folds of the cross-validation, 2 or more; fewer where the sources allow no more.
        on_progress: Called with what is being done ("measuring" or "comparing"), the number of steps of it since the
            last call, and of all.

    Raises:
        DataError: A class has no readable image, or too few to cross-validate; or the folder cannot be written.
        UsageError: `sample` or `folds` is out of range, or the set is not of real and generated images.
    """
    if sample < 50:
        raise UsageError("sample", f"{sample} is below 50")
    if folds < 2:
        raise UsageError("folds", f"{folds} is below 2")
    if source.task != "detection":
        raise UsageError(name, "it holds anomalies, not real and generated images", "audit a set for detection")
    workers = default_workers() if workers is None else workers
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="contrafake-audit-")))
        total = sum(len(samples_of(item)) for item in source)  # an empty class shows now, and not after hours
        table = measure_all(source, folder, workers, lambda steps: on_progress("measuring", steps, total))
        return _report(table, source, name=name, sample=sample, seed=seed, folds=folds, on_progress=on_progress)


def _report(
    table: Table,
    source: Source,
    *,
    name: str,
    sample: int,
    seed: int,
    folds: int,
    on_progress: Callable[[str, int, int | None], None],
) -> AuditReport:
    label = table.integers("label").astype(np.int64)
    unreadable, unreadable_count = table.unreadable(MOST_UNREADABLE)
    for number, word in CLASS.items():
        if not (label == number).any():
            lost = [f"{unreadable_count} could not be read"] if unreadable_count else []
            lost += source.census.describe_skipped()
            cause = f"there is no readable {word} image" + (f" ({'; '.join(lost)})" if lost else "")
            raise DataError(name, cause, "an audit compares two classes")
    keys, (sources, _), group = table.texts("key"), table.codes("source"), _groups(table)
    split = table.codes("split")
    chosen = _chosen(keys, label, sample, seed)
    division = by_source(label[chosen], sources[chosen], group[chosen], folds, seed)
    images = by_image(label[chosen], group[chosen], folds, seed)
    features, values = [], {}
    steps = len(measuring.FEATURES) + JOINT_STEPS * 2
    for feature in measuring.FEATURES:
        on_progress("comparing", 1, steps)
        result, values[feature.name] = _feature(feature, table, label, chosen, division=division, images=images)
        features.append(result)
    features.sort(key=lambda result: -result.auc)
    divide = {
        "source": lambda at: by_source(label[chosen[at]], sources[chosen[at]], group[chosen[at]], INNER_FOLDS, seed),
        "image": lambda at: by_image(label[chosen[at]], group[chosen[at]], INNER_FOLDS, seed),
    }
    joint = {}
    for title, content in (("without the content", False), ("content only", True)):
        joint[title] = joint_result(
            title,
            [f for f in measuring.FEATURES if (f.room == "content") is content and f.room != "name"],
            values,
            label[chosen],
            sources[chosen],
            by_source=division,
            by_image=images,
            divide=divide,
            seed=seed,
        )
        on_progress("comparing", JOINT_STEPS, steps)
    texts = [split[1][code] for code in split[0]]
    hashes = (table.integers(column).astype(np.uint64) for column in ("phash", "phash2"))
    duplicates, crowded = count_duplicates(Images(keys, label, texts, group, table.texts("sha256"), *hashes))
    without_content = joint["without the content"]
    return AuditReport(
        name=name,
        images=_census(label, *split),
        sources={word: int(np.unique(sources[label == number]).size) for number, word in CLASS.items()},
        unreadable=unreadable,
        unreadable_count=unreadable_count,
        skipped=source.census.describe_skipped(),
        features=features,
        without_content=without_content,
        content_only=joint["content only"],
        duplicates=duplicates,
        verdict=verdict(without_content, features),
        notes=_notes(
            source,
            label,
            chosen,
            sample=sample,
            folds=without_content.note,
            crowded=crowded,
        ),
        sampled=int(chosen.size) if chosen.size < label.size else None,
    )


def _feature(
    feature: Feature,
    table: Table,
    label: NDArray[np.int64],
    chosen: NDArray[np.int64],
    *,
    division: Folds,
    images: Folds,
) -> tuple[FeatureResult, NDArray[Any]]:
    """A feature's figures, and its values on the chosen images."""
    values: NDArray[Any]
    if feature.kind == "category":
        values, names = table.codes(feature.name)
        distribution = category_distribution(values, names, label)
        # Codes follow the order of the listing; by name, they do not depend on it.
        values = np.append(np.argsort(np.argsort(names)), -1)[values] if names else values
    else:
        values = table.numbers(feature.name)
        distribution = number_distribution(values, label)
    values, truth = values[chosen], label[chosen]
    result = FeatureResult(
        name=feature.name,
        title=feature.title,
        room=feature.room,
        kind=feature.kind,
        auc=single_auc(values, feature.kind, truth, division),
        auc_same_sources=single_auc(values, feature.kind, truth, images),
        distribution=distribution,
        sentence=sentence(feature, distribution),
    )
    return result, values


def _groups(table: Table) -> NDArray[np.int64]:
    codes, names = table.codes("group")
    return np.array([-1 if name == "" else place for place, name in enumerate(names)], np.int64)[codes]


def _chosen(keys: Any, label: NDArray[np.int64], sample: int, seed: int) -> NDArray[np.int64]:
    """Positions of at most `sample` images a class, in order: those whose keys have the least hashes."""
    kept = []
    for number in (REAL, GENERATED):
        members = np.flatnonzero(label == number)
        if members.size > sample:
            found = (hashlib.blake2b(f"{seed} {keys[m]}".encode(), digest_size=8).digest() for m in members)
            hashes = np.frombuffer(b"".join(found), ">u8")
            members = members[np.argsort(hashes, kind="stable")[:sample]]
        kept.append(members)
    return np.sort(np.concatenate(kept))


def _census(label: NDArray[np.int64], codes: NDArray[np.int64], names: list[str]) -> dict[str, dict[str, int]]:
    order = {name: place for place, name in enumerate(SPLITS)}
    images = {}
    for name in sorted(names, key=lambda name: (order.get(name, len(order)), name)):
        counts = np.bincount(label[codes == names.index(name)], minlength=2)
        if counts.sum():
            images[name] = {word: int(counts[number]) for number, word in CLASS.items()}
    return images


def _notes(
    source: Source,
    label: NDArray[np.int64],
    chosen: NDArray[np.int64],
    *,
    sample: int,
    folds: str,
    crowded: int,
) -> list[str]:
    notes = [folds] if folds else []
    if chosen.size < label.size:
        notes.append(f"models were fitted on {chosen.size} of {label.size} images, at most {sample} of each class")
    small = min(int(np.sum(label == number)) for number in CLASS)
    if small < 100:
        notes.append(f"the smaller class has {small} images: every figure is rough")
    if crowded:
        notes.append(
            f"{crowded} images look so much like many others that each was compared with {WINDOW} neighbours at a time:"
            " some near duplicates may be missing"
        )
    return notes + source.census.notes
