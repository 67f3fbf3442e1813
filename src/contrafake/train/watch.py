"""Validation during training: a linear head on frozen embeddings, scored untransformed and transformed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression

from contrafake.errors import DataError
from contrafake.measure import auc, balanced_accuracy
from contrafake.train.embedding import cutter, embed_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.data import Sample, ShardSet
    from contrafake.model.encoder import Encoder
    from contrafake.train.config import TrainConfig

TRANSFORM_SEED = 7


class Watch:
    """Holds the images that training is watched on.

    The head is the official linear classifier (logistic regression, C 0.316, balanced), fitted on untransformed
    training images at one crop.
    """

    def __init__(self, config: TrainConfig, train: ShardSet, validation: ShardSet) -> None:
        """Draws the fitting images once, by the run's seed.

        Raises:
            DataError: If a class has no validation image; better now than at the first validation.
        """
        for label, name in ((0, "real"), (1, "generated")):
            if not any(sample.label == label for sample in every_sample(validation)):
                raise DataError("validation data", f"there is no {name} image", "both classes are needed")
        self._config = config
        self._train = train
        self._validation = validation
        rng = np.random.default_rng([config.seed, 1])
        self._fit: list[Sample] = []
        for label in (0, 1):
            images = [sample for sample in every_sample(train) if sample.label == label]
            count = min(len(images), config.validation.fit_images)
            self._fit.extend(images[i] for i in rng.choice(len(images), count, replace=False))

    def measure(self, encoder: Encoder) -> dict[str, float]:
        """AUC and balanced accuracy on validation images, per condition and on average over both."""
        config = self._config
        cut = cutter(config.views.geometry, config.encoder.image_size, 1, config.views.crop_pct)
        fit = embed_samples(encoder, self._train, self._fit, cut)
        head = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced", random_state=42)
        head.fit(fit.vectors, fit.labels)
        found: dict[str, float] = {}
        samples = every_sample(self._validation)
        for condition, seed in (("untransformed", None), ("transformed", TRANSFORM_SEED)):
            embedded = embed_samples(
                encoder,
                self._validation,
                samples,
                cut,
                transform_seed=seed,
                max_operations=config.views.max_operations,
            )
            scores = head.decision_function(embedded.vectors)
            real, generated = scores[embedded.labels == 0], scores[embedded.labels == 1]
            found[f"{condition}/auc"] = auc(real, generated)
            found[f"{condition}/balanced_accuracy"] = balanced_accuracy(real, generated, 0.0)
        for metric in ("auc", "balanced_accuracy"):
            found[metric] = (found[f"untransformed/{metric}"] + found[f"transformed/{metric}"]) / 2
        return found


def every_sample(shards: ShardSet) -> Sequence[Sample]:
    """Lone samples, then the real and generated images of paired records one by one."""
    paired = [sample for record in shards.records for sample in (record.real, *record.generated)]
    return [*shards.samples, *paired] if paired else shards.samples
