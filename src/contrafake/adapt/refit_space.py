"""All embeddings of a refit: by the encoder as it is, or by one whose last block was trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrafake.adapt.from_memory import remembered
from contrafake.adapt.refit_heads import References, remembered_references
from contrafake.adapt.refit_memory import Judged
from contrafake.model.bundle_config import FP32

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from contrafake.adapt.refit_images import Copies, NewImages
    from contrafake.data.sample import Sample
    from contrafake.detect.detector import Detector
    from contrafake.model.bundle import Bundle
    from contrafake.train.embedded import Embedded

    Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class OldImages:
    """What training the last block needs beside the new images.

    Attributes:
        old: Labelled images like those that the encoder was trained on, such as the training shards: a path, or the
            samples.
        validation: Likewise, labelled images that it never saw: those remembered are known to the old encoder only, and
            images that are trained on cannot tell how often photographs are flagged.
        weights: The encoder's torch weights; None takes those in the bundle.
    """

    old: str | os.PathLike[str] | Sequence[Sample]
    validation: str | os.PathLike[str] | Sequence[Sample]
    weights: str | os.PathLike[str] | None = None


@dataclass(frozen=True, eq=False)
class Space:
    """All embeddings of a refit.

    Attributes:
        references: Old images to fit on.
        origins: What their codes of origins mean.
        fitting: New images to fit on.
        judged: Images that are never fitted on.
        graph: The encoder's ONNX graph.
        weights: Its torch weights, where they are new.
    """

    references: References
    origins: list[str]
    fitting: Embedded
    judged: Judged
    graph: Path
    weights: Path | None = None


def coded(
    images: Embedded, old: References, origins: list[str], kinds: Mapping[str, str]
) -> tuple[References, list[str]]:
    """New images under codes of origins, and the list that these codes mean, longer where a name is new.

    Args:
        images: New images, several rows for each.
        old: References remembered; one's own photographs get the code that most real ones have.
        origins: What their codes mean.
        kinds: Family by origin, where it has another name.
    """
    origins = list(origins)
    real = int(np.bincount(old.origins[old.labels == 0]).argmax())
    of_image = []
    for label, name in zip(images.labels.tolist(), images.origins.tolist(), strict=True):
        kind = kinds.get(name, name)
        if label == 1 and kind not in origins:
            origins.append(kind)
        of_image.append(origins.index(kind) if label == 1 else real)
    codes = np.array(of_image, np.int32)[images.owner]
    return References(images.vectors, images.labels[images.owner].astype(np.uint8), codes), origins


def remembered_space(bundle: Bundle, new: NewImages, kinds: dict[str, str]) -> Space:
    """Embeddings by the encoder of a bundle, which remembers its references and validation images.

    Args:
        bundle: The model.
        new: The new images.
        kinds: Family by origin, where it has another name.

    Raises:
        UsageError: The bundle keeps no validation images.
        BundleError: It has no nearest head.
    """
    references, origins = remembered_references(bundle)
    memory, names = remembered(bundle), bundle.config.validation
    assert names is not None  # noqa: S101 - it names the memory
    judged = Judged(names, (memory, memory), (new.held, new.held), kinds)
    return Space(references, origins, new.fitting, judged, bundle.graph(FP32))


def taught_space(  # noqa: PLR0917 - all of one call
    detector: Detector,
    new: NewImages,
    last_block: OldImages,
    copies: Copies,
    kinds: dict[str, str],
    folder: Path,
    seed: int,
    workers: int | None,
    report: Report,
) -> Space:
    """Embeddings by the encoder with a new last block, see `refit_last_block.teach` for arguments and errors."""
    from contrafake.adapt.refit_last_block import teach  # noqa: PLC0415 - torch, which the heads do without

    found = teach(
        detector, new, old=last_block.old, validation=last_block.validation, weights=last_block.weights, copies=copies,
        kinds=kinds, folder=folder, seed=seed, workers=workers, report=report,
    )  # fmt: skip
    references, origins = coded_old(found.old_images, kinds)
    return Space(references, origins, found.fitting, found.judged, found.graph, found.weights)


def coded_old(old: Embedded, kinds: Mapping[str, str]) -> tuple[References, list[str]]:
    """Old images, one row for each, as references, and what their codes of origins mean; all real ones have one.

    Args:
        old: The images.
        kinds: Family by origin, where it has another name.
    """
    real = "real"
    origins = [real, *sorted({kinds.get(one, one) for one in old.origins[old.labels == 1].tolist()} - {real})]
    codes = [
        0 if label == 0 else origins.index(kinds.get(origin, origin))
        for label, origin in zip(old.labels.tolist(), old.origins.tolist(), strict=True)
    ]
    return References(old.vectors, old.labels.astype(np.uint8), np.array(codes, np.int32)), origins
