"""Turns a trained encoder into a bundle: heads on training images, calibration and thresholds on validation images."""

from __future__ import annotations

import csv
import hashlib
import json
import platform
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.svm import OneClassSVM

from contrafake import __version__
from contrafake.data import ShardSet
from contrafake.data.shards import expand_patterns
from contrafake.errors import DataError
from contrafake.measure import auc
from contrafake.model.attribution import vote
from contrafake.model.bundle import AttributionRule, Bundle, BundleConfig, CalibrationFacts, Preprocessing, write_bundle
from contrafake.model.calibration import Calibration, fit_calibration
from contrafake.model.encoder import Encoder
from contrafake.model.heads import HEADS, Head, LinearHead, NearestHead, SupportVectorHead
from contrafake.train.card import NOTICE, model_card
from contrafake.train.embedding import Embedded, cutter, embed_samples
from contrafake.train.export import export_onnx
from contrafake.train.watch import every_sample

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from contrafake.train.config import FitConfig, TrainConfig

NEIGHBOURS = 15
LEAST_PRECISION = 0.8  # of the origin names given on validation; below it no rule is stored
LEAST_NAMED = 20


def fit_bundle(
    config: TrainConfig,
    run: str | os.PathLike[str],
    out: str | os.PathLike[str],
    report: Callable[[str], None] = lambda line: None,
) -> Bundle:
    """Fits the three heads on a run's best weights, calibrates them and writes the bundle.

    Args:
        config: The run's configuration.
        run: The run's folder, with `best.safetensors` and `state.json`.
        out: Folder of the bundle.
        report: Told in one line what is being done.

    Returns:
        The written bundle.

    Raises:
        DataError: If the run has no weights or those of another encoder, or data is missing.
    """
    run = Path(run)
    weights = run / "best.safetensors"
    if not weights.exists():
        raise DataError(str(run), "has no best.safetensors", "train until the first validation")
    encoder = Encoder(config.encoder)
    try:
        encoder.load_state_dict(load_file(weights))
    except RuntimeError as error:
        raise DataError(str(weights), "belongs to another encoder", "fit with the run's configuration") from error
    on_gpu = config.runtime.device != "cpu" and torch.cuda.is_available()
    encoder.to("cuda" if on_gpu else "cpu").eval()
    size = config.fit.crop_size or config.encoder.image_size

    def crops(count: int) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
        return cutter(config.views.geometry, size, count, config.views.crop_pct)

    default_crops, counts = config.fit.default_crops, sorted({*config.fit.crops, config.fit.default_crops})
    if config.views.geometry == "resize-crop":  # the one view there is
        default_crops, counts = 1, [1]
    data = config.data.expanded()
    families = _families(data.origins)
    train = ShardSet(data.train)
    validation = ShardSet(data.validation)
    parts = []
    for copy in range(1 + config.fit.transformed_copies):
        report(f"embedding {len(every_sample(train))} training images, {'transformed' if copy else 'untouched'}")
        seed = None if copy == 0 else config.seed + copy
        operations = config.views.max_operations
        parts.append(
            embed_samples(encoder, train, every_sample(train), crops(1), transform_seed=seed, max_operations=operations)
        )
    origins = sorted({family(sample.origin, families) for part in parts for sample in part.samples})
    report("fitting the heads")
    heads = fit_heads(parts, config.fit, origins, families, config.seed)
    calibrations: dict[tuple[str, int], Calibration] = {}
    facts: list[CalibrationFacts] = []
    attribution = None
    for count in counts:
        report(f"calibrating on validation at {count} crop{'s' if count > 1 else ''}")
        embedded = embed_samples(encoder, validation, every_sample(validation), crops(count))
        for name, head in heads.items():
            calibration = _calibrate(head, embedded)
            calibrations[name, count] = calibration
            facts.append(_facts(name, count, calibration, config.fit))
        if count == default_crops:
            attribution = fit_attribution(heads["nearest"], embedded, origins, families)
    training = _training_facts(config, run, train, validation)

    default = {known.head: known.auc for known in facts if known.crops == default_crops}
    best = max(HEADS, key=default.__getitem__)
    bundle = BundleConfig(
        method="code",
        name=f"contrafake-{config.name}",
        version=__version__,
        architecture={**config.encoder.model_dump(), "dimension": encoder.dimension},
        preprocessing=Preprocessing(
            geometry=config.views.geometry,
            crop_size=size,
            crop_pct=config.views.crop_pct,
            default_crops=default_crops,
        ),
        heads=list(HEADS),
        default_head=config.fit.default_head or best,
        origins=origins,
        calibrations=facts,
        attribution=attribution,
        training=training,
    )
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        export_onnx(encoder, graph, size)
        texts = {"README.md": model_card(bundle), "NOTICE": NOTICE}
        return write_bundle(out, bundle, model=graph, heads=heads, calibrations=calibrations, texts=texts)


def fit_heads(
    parts: Sequence[Embedded], config: FitConfig, origins: list[str], families: dict[str, str], seed: int
) -> dict[str, Head]:
    """Fits linear, nearest-neighbour and one-class SVM heads with the paper's settings (official code).

    Args:
        parts: Embedded training images: untouched, and transformed copies.
        config: Sizes and nu.
        origins: Names that `NearestHead.origins` index.
        families: Family of each origin.
        seed: Of the choice of references, where there are more than may be kept.
    """
    vectors = np.concatenate([part.vectors for part in parts])
    labels = np.concatenate([part.labels[part.owner] for part in parts])
    names = [family(part.samples[owner].origin, families) for part in parts for owner in part.owner]

    logistic = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced", random_state=42)
    logistic.fit(vectors.astype(np.float64), labels)
    svm = OneClassSVM(kernel="poly", degree=3, gamma="auto", nu=config.svm_nu)
    svm.fit(vectors[labels == 0].astype(np.float64))
    kept = np.arange(len(vectors))
    if len(kept) > config.nearest_references:
        kept = np.sort(np.random.default_rng(seed).choice(kept, config.nearest_references, replace=False))
    position = {name: i for i, name in enumerate(origins)}
    return {
        "linear": LinearHead(logistic.coef_[0].astype(np.float64), float(logistic.intercept_[0])),
        "nearest": NearestHead(
            np.ascontiguousarray(vectors[kept]),
            labels[kept].astype(np.uint8),
            np.array([position[names[i]] for i in kept], np.int32),
        ),
        "svm": SupportVectorHead(
            vectors=np.ascontiguousarray(svm.support_vectors_, np.float64),
            coefficients=svm.dual_coef_[0].astype(np.float64),
            intercept=float(svm.intercept_[0]),
            gamma=1 / vectors.shape[1],
            coef0=0.0,
            degree=3,
        ),
    }


def fit_attribution(
    head: Head, embedded: Embedded, origins: list[str], families: dict[str, str]
) -> AttributionRule | None:
    """The weakest vote that names the right origin in 8 of 10 cases on generated validation images, if there is one.

    Returns:
        The rule with its precision, which is measured on the images it was chosen on and so a little flattering.
    """
    if not isinstance(head, NearestHead):
        return None
    votes: list[tuple[float, bool]] = []
    for position, sample in enumerate(embedded.samples):
        if sample.label == 1:
            winner, share, _ = vote(head, embedded.vectors[embedded.owner == position], NEIGHBOURS)
            votes.append((share, origins[winner] == family(sample.origin, families)))
    # Rounded, because a share of exactly the least must count here as it will in use.
    for least in (round(0.05 * twentieths, 2) for twentieths in range(4, 21)):
        right = [correct for share, correct in votes if share >= least]
        if len(right) < LEAST_NAMED:
            return None
        if np.mean(right) >= LEAST_PRECISION:
            return AttributionRule(
                neighbours=NEIGHBOURS,
                least_share=least,
                precision=float(np.mean(right)),
                given=len(right) / len(votes),
                images=len(votes),
            )
    return None


def family(origin: str, families: dict[str, str]) -> str:
    """The family of an origin, the origin itself where no table names one."""
    return families.get(origin, origin)


def _families(path: str | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            return {row["origin"]: row["family"] for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(path, f"is no table of origins: {error}", "it needs the columns origin and family") from error


def _calibrate(head: Head, embedded: Embedded) -> Calibration:
    scores = embedded.image_scores(head.score(embedded.vectors))
    labels = embedded.labels
    sources = {name: i for i, name in enumerate(sorted({sample.source for sample in embedded.samples}))}
    source = np.array([sources[sample.source] for sample in embedded.samples], np.int32)
    return fit_calibration(scores[labels == 0], scores[labels == 1], source[labels == 0])


def _facts(name: str, crops: int, calibration: Calibration, config: FitConfig) -> CalibrationFacts:
    return CalibrationFacts(
        head=name,
        crops=crops,
        slope=calibration.slope,
        intercept=calibration.intercept,
        bound=calibration.bound,
        auc=auc(calibration.real_scores, calibration.generated_scores),
        operating_points=[calibration.operating_point(rate) for rate in config.false_alarm_rates],
    )


def _training_facts(config: TrainConfig, run: Path, train: ShardSet, validation: ShardSet) -> dict[str, Any]:
    state = json.loads((run / "state.json").read_text(encoding="utf-8")) if (run / "state.json").exists() else {}

    def count(shards: ShardSet) -> dict[str, int]:
        names = (f"{'generated' if sample.label else 'real'}/{sample.origin}" for sample in every_sample(shards))
        return dict(sorted(Counter(names).items()))

    data = config.data.expanded()
    return {
        "configuration": _portable(config).model_dump(),
        "images": {"train": count(train), "validation": count(validation)},
        "shards": {
            "train": [_fingerprint(shard) for shard in expand_patterns(data.train)],
            "validation": [_fingerprint(shard) for shard in expand_patterns(data.validation)],
        },
        "draws": state.get("draws", {}),
        "steps": state.get("step"),
        "best_step": state.get("best_step"),
        "validations": state.get("validations", []),
        "seconds": state.get("seconds"),
        "hardware": state.get("hardware") or f"{platform.machine()} processor",
        "changes": state.get("changes", []),
        "software": {name: version(name) for name in ("torch", "transformers", "scikit-learn", "numpy", "pillow")},
    }


def _portable(config: TrainConfig) -> TrainConfig:
    """The configuration without the folders of this machine; ``${NAME}`` stays."""

    def bare(pattern: str) -> str:
        return Path(pattern).name if Path(pattern).is_absolute() else pattern

    data = config.data
    update = {
        "train": [bare(pattern) for pattern in data.train],
        "validation": [bare(pattern) for pattern in data.validation],
        "origins": None if data.origins is None else bare(data.origins),
    }
    return config.model_copy(update={"data": data.model_copy(update=update)})


def _fingerprint(shard: str) -> dict[str, str]:
    with Path(shard).open("rb") as file:
        return {"name": Path(shard).name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
