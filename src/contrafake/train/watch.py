"""Validation as the paper does it: heads on frozen embeddings, scored on untransformed and transformed images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError
from contrafake.measure import accuracy_at, auc
from contrafake.train.cross_table import CrossTable, draw_per_generator
from contrafake.train.embedding import cutter, embed_images
from contrafake.train.head_fitting import copies as copies_of
from contrafake.train.head_fitting import fit_heads, score_all
from contrafake.train.order import left_out
from contrafake.train.scatter import as_array, draw_scatter

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch.utils.tensorboard import SummaryWriter

    from contrafake.data.listing import Listing
    from contrafake.model.encoder import Encoder
    from contrafake.train.config import FitConfig, TrainConfig
    from contrafake.train.embedding import Embedded

TRANSFORM_SEED = 7
CONDITIONS: dict[str, int | None] = {"untransformed": None, "transformed": TRANSFORM_SEED}
METRICS = ("auc", "balanced_accuracy", "accuracy_real", "accuracy_generated")


class Watch:
    """Holds the images that training is watched on.

    The heads (linear, nearest neighbour, one-class SVM; CoDE, section 4) are fitted on untransformed fitting images at
    one crop and decide at score 0: the logit's even odds, the nearer neighbour, and the boundary of the one-class SVM,
    which by its nu leaves a tenth of the real fitting images outside.

    Attributes:
        broken: Cause by address, of fitting and validation images that could not be read so far.
    """

    def __init__(
        self, config: TrainConfig, train: Listing, validation: Listing, fitting: Listing | None = None
    ) -> None:
        """Draws the fitting images once, by the run's seed.

        Args:
            config: The run's configuration.
            train: Training images; the heads are fitted on some of them where `fitting` is None.
            validation: Images to score.
            fitting: Images that are there to fit the heads on.

        Raises:
            DataError: If a class has no validation or no fitting image; better now than at the first validation.
        """
        self._config = config
        self._fitting = train if fitting is None else fitting
        self._validation = validation
        for name, listing in (("validation", validation), ("fitting", self._fitting)):
            for label, kind in ((0, "real"), (1, "generated")):
                if not (listing.label == label).any():
                    cause = f"there is no {kind} image among {len(listing)}{left_out(listing.damage)}"
                    raise DataError(f"{name} data", cause, "both classes are needed")
        self._drawn = draw_fitting(self._fitting, config.validation.fit_images, config.seed)
        self.broken: dict[str, str] = {}

    def measure(self, encoder: Encoder, *, copies: FitConfig | None = None) -> dict[str, float]:
        """Fits the heads and scores the validation images.

        Args:
            encoder: What to validate, on the device it shall run on.
            copies: Which copies of the fitting images the heads are fitted on; None takes the untouched ones alone.

        Returns:
            `METRICS` by "head/condition/metric", each from 0 to 1; those of the first head again by
            "condition/metric", and as "auc" and "balanced_accuracy" its means over both conditions, which early
            stopping goes by.

        Raises:
            DataError: If an image is unreadable under `data.strict`, or all of a class are.
        """
        config = self._config
        seeds = [None] if copies is None else copies_of(copies, config.seed)
        parts = [self._embed(encoder, self._fitting, self._drawn, seed) for seed in seeds]
        heads = fit_heads(
            np.concatenate([part.vectors for part in parts]),
            np.concatenate([part.labels for part in parts]),
            config=config.fit,
            seed=config.seed,
            names=config.validation.heads,
        )
        found: dict[str, float] = {}
        for condition in CONDITIONS:
            embedded = self._embed_validation(encoder, condition)
            for name, head in heads.items():
                scores = score_all(head, embedded.vectors)
                real, generated = scores[embedded.labels == 0], scores[embedded.labels == 1]
                at_zero = accuracy_at(real, generated, 0.0)
                values = (auc(real, generated), at_zero.balanced, at_zero.real, at_zero.generated)
                found |= {f"{name}/{condition}/{metric}": value for metric, value in zip(METRICS, values, strict=True)}
        first = config.validation.heads[0]
        for metric in METRICS:
            found |= {f"{condition}/{metric}": found[f"{first}/{condition}/{metric}"] for condition in CONDITIONS}
        for metric in ("auc", "balanced_accuracy"):
            found[metric] = (found[f"untransformed/{metric}"] + found[f"transformed/{metric}"]) / 2
        return found

    def cross_table(self, encoder: Encoder) -> CrossTable:
        """Heads fitted on real images and one generator, scored on every generator, in both conditions."""
        return self._cross_table(encoder, {name: self._embed_validation(encoder, name) for name in CONDITIONS})

    def conclude(self, encoder: Encoder, run: Path, board: SummaryWriter | None = None, step: int = 0) -> None:
        """Writes what is looked at once, at the end: `cross_table.json` and `figures/embedding.png`.

        Args:
            encoder: With the weights that were kept.
            run: The run's folder.
            board: Gets the t-SNE figure as an image as well.
            step: Step of the weights.
        """
        embedded = {name: self._embed_validation(encoder, name) for name in CONDITIONS}
        if self._config.validation.per_generator:
            table = self._cross_table(encoder, embedded).to_dict()
            write_whole(run / "cross_table.json", json.dumps(table, indent=1).encode())
        untransformed = embedded["untransformed"]
        png = draw_scatter(untransformed.vectors, untransformed.labels, untransformed.origins, seed=self._config.seed)
        (run / "figures").mkdir(exist_ok=True)
        write_whole(run / "figures" / "embedding.png", png)
        if board is not None:
            board.add_image("embedding", as_array(png), step, dataformats="HWC")

    def _cross_table(self, encoder: Encoder, validation: dict[str, Embedded]) -> CrossTable:
        config = self._config
        rows, left_out = draw_per_generator(self._fitting, self._drawn, config.validation.fit_images, config.seed)
        fitting = self._embed(encoder, self._fitting, rows)
        return CrossTable.measure(fitting, validation, left_out, config.fit, config.seed)

    def _embed_validation(self, encoder: Encoder, condition: str) -> Embedded:
        every = np.arange(len(self._validation))
        return self._embed(encoder, self._validation, every, CONDITIONS[condition])

    def _embed(
        self, encoder: Encoder, listing: Listing, rows: NDArray[np.int64], transform_seed: int | None = None
    ) -> Embedded:
        views = self._config.views
        embedded = embed_images(
            encoder,
            listing,
            rows,
            cutter(views.geometry, self._config.encoder.image_size, 1, views.crop_pct),
            transform_seed=transform_seed,
            max_operations=views.max_operations,
            pool=views.pool,
            threads=max(1, self._config.runtime.workers),
            strict=self._config.data.strict,
        )
        self.broken |= embedded.broken
        return embedded


def draw_fitting(listing: Listing, images: int, seed: int) -> NDArray[np.int64]:
    """Draws the rows that the watching heads are fitted on.

    Args:
        listing: Lone images, paired records, or both.
        images: Of lone images, how many of each class; of paired records, how many whole records, as the official
            code does (one real image each and all its siblings). All where there are fewer.
        seed: The same seed draws the same rows.

    Returns:
        (N,) int64 rows.
    """
    rng = np.random.default_rng([seed, 1])
    lone = [np.flatnonzero((listing.label == label) & (listing.record < 0)) for label in (0, 1)]
    drawn = [found[rng.choice(len(found), min(len(found), images), replace=False)] for found in lone]
    records = np.unique(listing.record[listing.record >= 0])
    chosen = rng.choice(records, min(len(records), images), replace=False)
    return np.concatenate([*drawn, np.flatnonzero(np.isin(listing.record, chosen))])
