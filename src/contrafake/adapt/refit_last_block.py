"""Teaches the last block of an encoder a new generator, beside old images that keep the rest where it was."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save_file

from contrafake.adapt.last_block import LastBlock, load_encoder, steps_for, train_block
from contrafake.adapt.refit_heads import References, weigh
from contrafake.adapt.refit_images import digest_of, each, embed_several, joined, picture_of, with_copies
from contrafake.adapt.refit_memory import Judged
from contrafake.data.sources import open_source, samples_of
from contrafake.detect.detector import Detector
from contrafake.errors import DataError, ImageError, UsageError
from contrafake.images import cut, resize_crop
from contrafake.model.bundle_config import FP32
from contrafake.train.embedded import Embedded
from contrafake.train.export import export_onnx
from contrafake.train.remembering import remember

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from contrafake.adapt.last_block import BlockTraining
    from contrafake.adapt.refit_images import Copies, NewImages
    from contrafake.data.sample import Sample
    from contrafake.images import Picture
    from contrafake.model.bundle_config import Preprocessing

    Report = Callable[[str, int, int | None], None]

BYTES = 1 << 30
"""About how much is kept in memory of what enters the last block for old images."""

_CHUNK = 32


@dataclass(frozen=True, eq=False)
class Taught:
    """An encoder with a new last block, and all images as it embeds them.

    Attributes:
        graph: Its ONNX graph.
        weights: Its torch weights.
        old_images: Old images to fit the heads on, one crop each.
        fitting: The new images to fit on.
        judged: The images that heads are judged by, as both encoders embed them.
    """

    graph: Path
    weights: Path
    old_images: Embedded
    fitting: Embedded
    judged: Judged


def teach(
    detector: Detector,
    new: NewImages,
    *,
    old: str | os.PathLike[str] | Sequence[Sample],
    validation: str | os.PathLike[str] | Sequence[Sample],
    weights: str | os.PathLike[str] | None,
    copies: Copies,
    kinds: dict[str, str],
    folder: Path,
    seed: int = 0,
    workers: int | None = None,
    training: BlockTraining | None = None,
    report: Report = lambda doing, done, total: None,
) -> Taught:
    """Trains the last block on old and new images.

    Args:
        detector: The model.
        new: The new images, divided.
        old: Labelled images like those the encoder was trained on.
        validation: Labelled images that it never saw; heads and thresholds are judged by them.
        weights: The encoder's torch weights; None takes those in the bundle.
        copies: Transformed copies of the new images to fit on.
        kinds: Family by origin, where it has another name.
        folder: Where the graph and the weights are written.
        seed: Of all chance.
        workers: Images at a time.
        training: How it is trained; None takes the defaults.
        report: Called with what is being done, the steps done since the last call, and the number of all steps.

    Raises:
        UsageError: There are no torch weights.
        BundleError: The weights are of another encoder, or its last block is not known.
        DataError: One of the sets lacks real or generated images.
    """
    bundle = detector.bundle
    source = bundle.weights_path if weights is None else Path(weights)
    if source is None:
        raise UsageError("last block", "the bundle keeps no torch weights", "give --weights model.safetensors")
    facts, crops = bundle.config.preprocessing, bundle.config.preprocessing.default_crops
    torch.manual_seed(seed)
    block = LastBlock(load_encoder(bundle, source))

    tried = _labelled(validation, "validation")
    forbidden = {digest for _, digest in new.to_hold}
    seen, kept = _digests(tried, workers, forbidden)
    judged_samples = [sample for sample, keep in zip(tried, kept, strict=True) if keep]
    forbidden |= seen
    before = _embedded(detector, judged_samples, crops, workers, report)

    features, chosen = _old_images(
        block, _shuffled(_labelled(old, "old images"), seed), facts, forbidden, workers, report
    )
    if {sample.label for sample in chosen} != {0, 1}:
        raise DataError(
            "old images", "lacks real or generated images that can be used", "give a labelled set with both"
        )
    rows = [
        [_cut(picture, facts) for picture in with_copies(picture_of(sample), digest, copies, seed)]
        for sample, digest in new.to_fit
    ]
    fresh = [block.split(np.stack(versions))[0] for versions in rows]
    report("training the last block", 0, None)
    hidden = torch.cat([*features, *fresh])
    old_refs = _references([int(sample.label) for sample in chosen], [_kind(sample, kinds) for sample in chosen])
    per = copies.count + 1
    names = [origin for origin in new.fitting.origins.tolist() for _ in range(per)]
    new_labels = new.fitting.labels[new.fitting.owner].tolist()
    new_refs = _references(new_labels, [f"new {name}" for name in names])
    all_labels = np.concatenate([old_refs.labels, new_refs.labels])
    total = steps_for(len(all_labels), training)
    train_block(
        block,
        hidden,
        all_labels,
        weigh(old_refs, new_refs),
        np.arange(len(all_labels)) < len(chosen),
        training=training,
        seed=seed,
        step=lambda: report("training the last block", 1, total),
    )
    vectors = block.embed_all(hidden)
    graph, trained = folder / "model.onnx", folder / "model.safetensors"
    export_onnx(block.encoder, graph, facts.crop_size)
    save_file({name: value.contiguous() for name, value in block.encoder.state_dict().items()}, trained)
    after_detector = Detector(bundle, FP32)
    after_detector.graph = graph
    after = _embedded(after_detector, judged_samples, crops, workers, report)
    held = joined(
        embed_several(after_detector, [sample for sample, _ in new.to_hold], crops, workers, lambda: None),
        [sample for sample, _ in new.to_hold],
        new.held.origins.tolist(),
    )
    memories = [remember(images, crops, kinds) for images in (before, after)]
    judged = Judged(memories[0][1], (memories[0][0], memories[1][0]), (new.held, held), kinds)
    return Taught(
        graph,
        trained,
        joined([row[None] for row in vectors[: len(chosen)]], chosen, [sample.origin for sample in chosen]),
        Embedded(
            vectors[len(chosen) :], new.fitting.owner, new.fitting.labels, new.fitting.origins, new.fitting.sources, {}
        ),
        judged,
    )


def _old_images(  # noqa: PLR0917 - all of one call
    block: LastBlock,
    samples: list[Sample],
    facts: Preprocessing,
    forbidden: set[str],
    workers: int | None,
    report: Report,
) -> tuple[list[Tensor], list[Sample]]:
    """What enters the block, image by image, as far as there is room."""
    features: list[Tensor] = []
    chosen: list[Sample] = []
    room = BYTES
    crops = zip(samples, each(lambda one: _crop(one, facts, forbidden), samples, workers), strict=False)
    while room > 0 and (chunk := list(islice(crops, _CHUNK))):
        report("reading old images", len(chunk), len(samples))
        read = [(sample, crop) for sample, crop in chunk if crop is not None]
        if read:
            hidden, _ = block.split(np.stack([crop for _, crop in read]))
            room -= hidden.element_size() * hidden.numel()
            features.append(hidden)
            chosen += [sample for sample, _ in read]
    return features, chosen


def _labelled(given: str | os.PathLike[str] | Sequence[Sample], what: str) -> list[Sample]:
    samples = (
        [sample for item in open_source(str(given)) for sample in samples_of(item)]
        if isinstance(given, str | os.PathLike)
        else list(given)
    )
    if {sample.label for sample in samples} != {0, 1}:
        name = str(given) if isinstance(given, str | os.PathLike) else what
        raise DataError(name, "lacks real or generated images", "give a labelled set with both")
    return samples


def _shuffled(samples: list[Sample], seed: int) -> list[Sample]:
    """Classes in turn, so that any beginning is balanced as far as the set is."""
    order = np.random.default_rng(seed).permutation(len(samples))
    sides = [[samples[at] for at in order if samples[at].label == label] for label in (0, 1)]
    longest = max(map(len, sides))
    return [side[at] for at in range(longest) for side in sides if at < len(side)]


def _kind(sample: Sample, kinds: dict[str, str]) -> str:
    return "real" if sample.label == 0 else kinds.get(sample.origin, sample.origin)


def _cut(picture: Picture, facts: Preprocessing) -> NDArray[np.uint8]:
    """(S, S, 3) the centre crop."""
    if facts.geometry == "resize-crop":
        return np.asarray(resize_crop(picture.pixels, facts.crop_size, facts.crop_pct))
    return np.asarray(cut(picture.pixels, 1, facts.crop_size, facts.small_images)[0])


def _crop(sample: Sample, facts: Preprocessing, forbidden: set[str]) -> NDArray[np.uint8] | None:
    """The centre crop of an image; None where it cannot be read, or must not be fitted on."""
    try:
        picture = picture_of(sample)
    except (ImageError, DataError):
        return None
    return None if digest_of(picture) in forbidden else _cut(picture, facts)


def _digests(samples: list[Sample], workers: int | None, taken: set[str]) -> tuple[set[str], list[bool]]:
    """Digests of a set's images, and which of them can be read and are new."""

    def digest(sample: Sample) -> str:
        try:
            return digest_of(picture_of(sample))
        except (ImageError, DataError):
            return ""

    seen, kept = set[str](), []
    for found in each(digest, samples, workers):
        kept.append(bool(found) and found not in seen and found not in taken)
        seen.add(found)
    return seen, kept


def _embedded(
    detector: Detector,
    samples: Sequence[Sample],
    crops: int,
    workers: int | None,
    report: Report,
) -> Embedded:
    vectors = embed_several(
        detector, samples, crops, workers, lambda: report("embedding validation images", 1, len(samples))
    )
    return joined(vectors, samples, [sample.origin for sample in samples])


def _references(labels: Sequence[int], origins: Sequence[str]) -> References:
    """Rows without vectors, for their weights alone."""
    codes = np.unique(np.array(origins), return_inverse=True)[1].astype(np.int32)
    return References(np.empty((len(labels), 0), np.float32), np.array(labels, np.uint8), codes)
