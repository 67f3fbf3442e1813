"""What a bundle keeps of its validation images, so that it can be calibrated and tested anew without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.model.bundle_config import ValidationNames
from contrafake.model.validation_memory import ValidationMemory
from contrafake.train.attribution import family

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contrafake.train.embedded import Embedded


def remember(embedded: Embedded, crops: int, families: Mapping[str, str]) -> tuple[ValidationMemory, ValidationNames]:
    """Puts embeddings into the form in which a bundle keeps them.

    Args:
        embedded: The validation images; an image's first row is its centre crop.
        crops: Most crops of an image.
        families: Family by origin.
    """
    origins, origin_codes = np.unique(embedded.origins.astype(str), return_inverse=True)
    sources, source_codes = np.unique(embedded.sources.astype(str), return_inverse=True)
    names = ValidationNames(
        crops=crops,
        origins=origins.tolist(),
        families=[family(origin, families) for origin in origins.tolist()],
        sources=sources.tolist(),
    )
    memory = ValidationMemory(
        vectors=embedded.vectors,
        owner=embedded.owner,
        labels=embedded.labels,
        origins=origin_codes.astype(np.int64),
        sources=source_codes.astype(np.int64),
    )
    return memory, names
