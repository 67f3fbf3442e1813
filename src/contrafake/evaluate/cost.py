"""What a detector costs: processor seconds for 1,000 untouched images, decoding included."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import numpy as np

from contrafake.data.location import read_bytes
from contrafake.evaluate.data_facts import processor
from contrafake.images import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.evaluate.cache import Cache
    from contrafake.evaluate.contestant import Contestant
    from contrafake.evaluate.image_list import ListedImage

TIMED: Final = 20
"""Images that must have been decoded and measured in this run before a cost is stated."""


def processor_seconds(
    contestant: Contestant, spent: Sequence[float], images: Sequence[ListedImage], cache: Cache | None
) -> float | None:
    """The cost in this run or, where too little was measured, in a former one on such a processor.

    Args:
        contestant: The detector.
        spent: Processor seconds of one thread for each image that was decoded and measured in this run, without those
            that loaded the model.
        images: Images of the set.
        cache: Holds what a run found, for the next.

    Returns:
        Processor seconds for 1,000 images; None where they were never measured. Our own bundles run on the thread that
        is timed. Any other detector may start threads of its own: `TIMED` images are measured again, one after the
        other, and the whole process is timed. Work on a GPU is never counted.
    """
    found: float | None = None
    if len(spent) >= TIMED:
        found = 1000 * float(np.mean(spent))
        if contestant.columns[0].kind != "bundle":
            there = [image for image in images if image.untouched is not None]
            found = _one_by_one(contestant, there[:: max(1, len(there) // TIMED)][: TIMED + 1])
    if cache is None or not contestant.identity:
        return found
    if found is None:
        return cache.seconds(contestant.identity, processor())
    cache.keep_seconds(contestant.identity, processor(), found)
    return found


def _one_by_one(contestant: Contestant, images: Sequence[ListedImage]) -> float | None:
    spent = []
    for image in images:
        began = time.process_time()
        try:
            contestant.measure(read(read_bytes(image.sample.image)))
        except Exception:  # noqa: BLE001, S112 - the run has said it
            continue
        spent.append(time.process_time() - began)
    # The first one is for warming up.
    return 1000 * float(np.mean(spent[1:])) if len(spent) > 1 else None
