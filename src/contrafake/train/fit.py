"""Turns a trained encoder into a bundle: heads on training images, calibration and thresholds on validation images."""

from __future__ import annotations

import json
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file

from contrafake import __version__
from contrafake.errors import DataError
from contrafake.measure import auc
from contrafake.model.bundle_config import BundleConfig, CalibrationFacts, Preprocessing
from contrafake.model.bundle_writing import write_bundle
from contrafake.model.calibration import Calibration, exceeding, fit_calibration
from contrafake.model.encoder import Encoder
from contrafake.train.attribution import family, fit_attribution, read_families
from contrafake.train.card import model_card, terms
from contrafake.train.embedding import cutter, embed_images
from contrafake.train.export import export_onnx
from contrafake.train.head_fitting import copies, fit_heads, score_all
from contrafake.train.listings import list_images
from contrafake.train.remembering import remember
from contrafake.train.unseen import Provenance, UnseenFold, unseen_folds

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from contrafake.data import Listing
    from contrafake.model.bundle import Bundle
    from contrafake.model.heads import Head
    from contrafake.train.config import FitConfig, TrainConfig
    from contrafake.train.embedding import Embedded
    from contrafake.train.listings import Role


def check_fit(config: TrainConfig) -> None:
    """Whether the validation images can support the operating points; better asked before the training.

    Raises:
        UsageError: If they are too few.
        DataError: If they cannot be listed.
        ConfigError: If `data.leave_out` names what is not there.
    """
    data = config.data.expanded()
    real = int((list_images(data, "validation")["validation"].label == 0).sum())
    for rate in config.fit.false_alarm_rates:
        exceeding(rate, real)


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
        ConfigError: If `data.leave_out` names what is not there.
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

    default_crops, counts = config.fit.default_crops, sorted({*config.fit.crops, config.fit.default_crops})
    if config.views.geometry == "resize-crop":  # the one view there is
        default_crops, counts = 1, [1]
    data = config.data.expanded()
    families = read_families(data.origins)
    listings = list_images(data)
    validation, fitting = listings["validation"], listings.get("fitting", listings["train"])

    def embed(listing: Listing, count: int, seed: int | None = None) -> Embedded:
        return embed_images(
            encoder,
            listing,
            np.arange(len(listing)),
            cutter(config.views.geometry, size, count, config.views.crop_pct),
            transform_seed=seed,
            max_operations=config.views.max_operations,
            pool=config.views.pool,
            threads=max(1, config.runtime.workers),
            strict=data.strict,
        )

    parts = []
    for seed in copies(config.fit, config.seed):
        report(f"embedding {len(fitting)} fitting images, {'untouched' if seed is None else 'transformed'}")
        parts.append(embed(fitting, 1, seed))
    known: dict[int, Embedded] = {}
    for count in counts:
        report(f"embedding {len(validation)} validation images at {count} crop{'s' if count > 1 else ''}")
        known[count] = embed(validation, count)
    asked = known[default_crops]
    heads, origins, scores = _fit_and_score(config, parts, known, families, report)
    report("calibrating on validation")
    calibrations = {key: _calibrate(found, asked) for key, found in scores.items()}
    facts = [_facts(*key, calibration, config.fit) for key, calibration in calibrations.items()]
    attribution = fit_attribution(heads["nearest"], asked, origins, families) if "nearest" in heads else None
    memory, validation_names = remember(asked, default_crops, families)
    training = _training_facts(config, run, listings)

    default = {known.head: known.auc for known in facts if known.crops == default_crops}
    best = max(config.fit.heads, key=default.__getitem__)
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
        heads=list(config.fit.heads),
        default_head=config.fit.default_head or best,
        origins=origins,
        calibrations=facts,
        attribution=attribution,
        validation=validation_names,
        training=training,
    )
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        export_onnx(encoder, graph, size)
        texts = {"README.md": model_card(bundle), "NOTICE": terms(bundle)}
        return write_bundle(
            out, bundle, model=graph, heads=heads, calibrations=calibrations, texts=texts, memory=memory,
            weights=weights if config.fit.keep_weights else None,
        )  # fmt: skip


def _fit_and_score(
    config: TrainConfig,
    parts: Sequence[Embedded],
    known: Mapping[int, Embedded],
    families: Mapping[str, str],
    report: Callable[[str], None],
) -> tuple[dict[str, Head], list[str], dict[tuple[str, int], NDArray[np.float64]]]:
    """Heads on all copies of the fitting images, the origins they know, and scores of the validation images.

    The scores are of these heads, or, `as_strangers`, of heads fitted without an image's family and source; by head and
    number of crops.
    """
    names = np.array([family(origin, families) for part in parts for origin in part.origins], object)
    origins = sorted(set(names))
    codes = np.searchsorted(np.array(origins, str), names.astype(str)).astype(np.int32)
    vectors, labels, sources = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("vectors", "labels", "sources")
    )
    asked = next(iter(known.values()))
    asked_names = np.array([family(origin, families) for origin in asked.origins], object)
    folds = [UnseenFold(np.ones(len(labels), np.bool_), np.ones(len(asked.labels), np.bool_))]
    if config.fit.as_strangers:
        judged = Provenance(asked.labels, asked_names, asked.sources)
        folds = unseen_folds(Provenance(labels, names, sources), judged, config.fit.together)
    scores = {(str(name), count): np.zeros(len(asked.labels)) for count in known for name in config.fit.heads}
    heads: dict[str, Head] = {}
    for step, fold in enumerate(folds):
        report(f"fitting the heads, without family group {step} of {len(folds) - 1}" if step else "fitting the heads")
        made = fit_heads(
            vectors[fold.keep], labels[fold.keep], codes[fold.keep],
            config=config.fit, seed=config.seed, names=config.fit.heads,
        )  # fmt: skip
        heads = heads or made
        for (name, count), found in scores.items():
            one = known[count]
            found[fold.judged] = one.image_scores(score_all(made[name], one.vectors))[fold.judged]
    return heads, origins, scores


def _calibrate(scores: NDArray[np.float64], embedded: Embedded) -> Calibration:
    real = embedded.labels == 0
    source = np.unique(embedded.sources.astype(str), return_inverse=True)[1].astype(np.int32)
    return fit_calibration(scores[real], scores[~real], source[real])


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


def _training_facts(config: TrainConfig, run: Path, listings: Mapping[Role, Listing]) -> dict[str, Any]:
    state = json.loads((run / "state.json").read_text(encoding="utf-8")) if (run / "state.json").exists() else {}

    def count(listing: Listing) -> dict[str, int]:
        names, counts = np.unique([listing.label, listing.origin], axis=1, return_counts=True)
        found = {
            f"{'generated' if label else 'real'}/{listing.origins[origin]}": int(number)
            for (label, origin), number in zip(names.T, counts, strict=True)
        }
        return dict(sorted(found.items()))

    return {
        "configuration": _portable(config).model_dump(),
        "images": {role: count(listing) for role, listing in listings.items()},
        "shards": {role: listing.fingerprints(sha256=True) for role, listing in listings.items()},
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
        "fitting": None if data.fitting is None else [bare(pattern) for pattern in data.fitting],
        "origins": None if data.origins is None else bare(data.origins),
    }
    return config.model_copy(update={"data": data.model_copy(update=update)})
