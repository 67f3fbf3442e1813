"""What each switch of CoDE's contrast is worth on a family that nothing has seen, from views embedded once.

The trunk of configs/probe.yaml (ImageNet's filters, never trained further) sees every training view once, and its
statistics are kept; a projection is then trained on them by the package's own loss, for each fold and seed anew, in
seconds. So leaving a family out is exact, and the switches of views and loss can be told apart with several seeds. What
the contrast would do to the trunk itself it cannot tell. Train and val images alone.

    python benchmarks/contrast_ablation.py --data DIR [--also built/faces] [--work built/ablation] [--seeds 3]

Views are kept in --work, and results as they come: interrupted, it goes on where it was. DIR holds the shards and
origins.csv. Writes results/contrast_ablation.json, of which `development.py` makes the table.
"""

from __future__ import annotations

import argparse
import json
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from machine import write_result
from rich.console import Console

from contrafake.data.location import read_bytes
from contrafake.data.origins import read_origins
from contrafake.data.sample import REAL, Sample
from contrafake.data.sources import open_data, open_source, samples_of
from contrafake.evaluate.families import generated_of
from contrafake.evaluate.family_folds import FEW, Fold, fold_rows, plan_folds
from contrafake.images import read
from contrafake.images.crops import cut
from contrafake.images.encode import encode
from contrafake.measure import auc
from contrafake.model.encoder import Encoder, EncoderConfig
from contrafake.model.statistics import StageStatistics
from contrafake.train.config import LossConfig, ViewConfig
from contrafake.train.config_file import load_config
from contrafake.train.head_fitting import HeadFit, fit_heads, score_all
from contrafake.train.losses import Views, code_loss, derangement
from contrafake.train.optimization import learning_rate
from contrafake.train.start import load_start
from contrafake.train.views import cut_views, draw_views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent
SIDE, DRAWS, BATCH = 128, 2, 32
TOGETHER = [("sd", "sdxl")]
WAYS: dict[str, ViewConfig] = {
    # Areas as in configs/code-resnet-mini.yaml: the magnification of the paper's views at 128 pixels.
    "official, K = 2": ViewConfig(global_area=(0.15, 0.4), local_area=(0.03, 0.15)),
    "K = 0": ViewConfig(global_area=(0.15, 0.4), local_area=(0.03, 0.15), max_operations=0),
    "K = 5": ViewConfig(global_area=(0.15, 0.4), local_area=(0.03, 0.15), max_operations=5),
    "extended pool": ViewConfig(global_area=(0.15, 0.4), local_area=(0.03, 0.15), pool="extended"),
    "resized": ViewConfig(geometry="resize-crop", global_area=(0.4, 1.0), local_area=(0.05, 0.4)),
}
"""Ways of cutting views, by name."""


@dataclass(frozen=True)
class Variant:
    """One change against the base.

    Attributes:
        way: Name in `WAYS`.
        loss: Of the projection.
        records: Records of a step: their number is that of the negatives.
        contrast: False fits heads on the statistics themselves.
        also: Whether the reconstructions take part.
        copies: Which views heads are fitted on: "clean", "transformed" or both.
        generated: At most so many generated images beside the reconstructions, drawn by the seed; None for all.
        families: Of how many families these are, drawn by the seed; None for all.
    """

    way: str = "official, K = 2"
    loss: LossConfig = field(default_factory=LossConfig)
    records: int = 64
    contrast: bool = True
    also: bool = True
    copies: tuple[str, ...] = ("clean", "transformed")
    generated: int | None = None
    families: int | None = None


VARIANTS: dict[str, Variant] = {
    "base": Variant(),
    "no contrast: the statistics themselves": Variant(contrast=False),
    "slip: generated term dropped": Variant(loss=LossConfig(generated_term=False)),
    "no local-global term": Variant(loss=LossConfig(multi_scale=False)),
    "K = 0": Variant("K = 0"),
    "K = 5": Variant("K = 5"),
    "extended pool, K = 2": Variant("extended pool"),
    "resized instead of native crops": Variant("resized"),
    "positives by label": Variant(loss=LossConfig(positives="label")),
    "positives by origin": Variant(loss=LossConfig(positives="origin")),
    "16 records a step": Variant(records=16),
    "256 records a step": Variant(records=256),
    "heads on untouched views": Variant(copies=("clean",)),
    "heads on transformed views": Variant(copies=("transformed",)),
    "no reconstructions": Variant(also=False),
    **{
        f"no contrast, {number} generated images, {families or 'all'} families": Variant(
            contrast=False, generated=number, families=families
        )
        for number, families in ((200, 1), (200, 2), (200, 4), (200, None), (800, None))
    },
}


@dataclass(frozen=True, eq=False)
class Vectors:
    """Statistics of N images' views.

    Attributes:
        views: (N, DRAWS, 4, D) float32: clean, transformed, global and local.
        judged: (N, D) float32, of the centre crop of 224 pixels of the image saved once more as JPEG 90.
    """

    views: NDArray[np.float32]
    judged: NDArray[np.float32]


def main() -> None:
    """Runs what is not there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--also", type=Path)
    parser.add_argument("--work", type=Path, default=ROOT / "built" / "ablation")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--limit", type=int, help="images of each split, to try everything out")
    options = parser.parse_args()
    if options.data is None:
        parser.error("--data names the folder of the shards")
    console = Console(stderr=True)
    samples, count, sources = listed(options.data, options.also, options.limit)
    origins = read_origins(str(options.data / "origins.csv"))
    folds = plan_folds(samples[:count], origins, together=TOGETHER)
    families = np.array([origins.get(sample.label, sample.origin).family for sample in samples], str)
    task = Task(samples, count, sources, families, folds, options.steps)
    kept = options.work / "figures.json"
    figures: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    torch.set_num_threads(1)
    with ProcessPoolExecutor(initializer=torch.set_num_threads, initargs=(1,)) as executor:
        for name in options.only:
            variant = VARIANTS[name]
            vectors = embedded(samples, variant.way, options.work, executor, console)
            wanted = [seed for seed in range(options.seeds) if str(seed) not in figures.get(name, {})]
            run = partial(one_seed, variant, vectors, task)
            for seed, found in zip(wanted, map(run, wanted), strict=True):
                figures.setdefault(name, {})[str(seed)] = found
                kept.write_text(json.dumps(figures), encoding="utf-8")
                console.print(f"{name}, seed {seed}: {json.dumps(summary(found))}")
    facts = {"steps": options.steps, "seeds": options.seeds, "side": SIDE, "draws": DRAWS, "limit": options.limit}
    write_result("contrast_ablation", {**facts, "images": len(samples), "auc": figures})


def listed(data: Path, also: Path | None, limit: int | None) -> tuple[list[Sample], int, list[str]]:
    """All images, the reconstructions last; how many others there are; and the sources that reconstructions are of."""
    found = open_data([f"train={data / 'train-*.tar'}", f"val={data / 'val-*.tar'}"])
    samples = [sample for item in found for sample in samples_of(item)]
    if limit is not None:
        chosen = np.random.default_rng(0).permutation(len(samples))[: 2 * limit]
        samples = [samples[row] for row in sorted(chosen)]
    pairs = [] if also is None else [sample for item in open_source(str(also)) for sample in samples_of(item)]
    made, sources = generated_of(pairs)
    made, sources = made[:limit], sources[:limit]
    return [*samples, *made], len(samples), sources


def embedded(
    samples: Sequence[Sample], way: str, work: Path, executor: ProcessPoolExecutor, console: Console
) -> Vectors:
    """Statistics of all views, from the files in `work` or made now."""
    config = WAYS[way]
    path = work / f"{zlib.crc32(config.model_dump_json().encode()):08x}-{len(samples)}.npz"
    if not path.exists():
        parts = []
        for done, part in enumerate(executor.map(partial(_embed, config), samples, chunksize=BATCH)):
            parts.append(part)
            if done % 1000 == 0:
                console.print(f"views, {way}: {done} of {len(samples)}")
        work.mkdir(parents=True, exist_ok=True)
        views, judged = zip(*parts, strict=True)
        np.savez(path, views=np.stack(views), judged=np.stack(judged))
    with np.load(path) as stored:
        return Vectors(stored["views"].astype(np.float32), stored["judged"].astype(np.float32))


def _embed(config: ViewConfig, sample: Sample) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    encoder = _trunk()
    pixels = read(read_bytes(sample.image), name=sample.image.address).pixels
    rng = np.random.default_rng(zlib.crc32(sample.key.encode()))
    height, width = pixels.shape[:2]
    views = [
        view for _ in range(DRAWS) for view in cut_views(pixels, draw_views(config, height, width, SIDE, rng), config)
    ]
    again = read(encode(pixels, "JPEG", 90)).pixels
    with torch.inference_mode():
        of_views, judged = (_measured(encoder, crops) for crops in (np.stack(views), cut(again, 1, 224)))
    shape = (DRAWS, len(views) // DRAWS, -1)
    return of_views.reshape(shape).numpy().astype(np.float16), judged[0].numpy().astype(np.float16)


def _measured(encoder: Encoder, crops: NDArray[np.uint8]) -> torch.Tensor:
    pixels = (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - encoder.mean) * encoder.scale
    return StageStatistics.measured(encoder.backbone(pixels))


_TRUNK: list[Encoder] = []


def _trunk() -> Encoder:
    """Built once in each process."""
    if not _TRUNK:
        config = load_config(ROOT / "configs" / "probe.yaml").encoder
        encoder = Encoder(EncoderConfig(**config.model_dump()))
        load_start(encoder)
        _TRUNK.append(encoder.eval())
    return _TRUNK[0]


@dataclass(frozen=True)
class Task:
    """What every variant is tried on.

    Attributes:
        samples: All images, the reconstructions last.
        count: Images before the reconstructions.
        sources: Of the photographs that the reconstructions were made of.
        families: (N,) of each image's origin.
        folds: What is absent in turn.
        steps: Of the projection's training.
    """

    samples: Sequence[Sample]
    count: int
    sources: Sequence[str]
    families: NDArray[np.str_]
    folds: Sequence[Fold]
    steps: int

    def chosen(self, variant: Variant, rows: Sequence[int], seed: int) -> list[int]:
        """Of a fold's fitting images, the real ones and those generated ones that the variant allows."""
        if variant.generated is None:
            return list(rows)
        chance = np.random.default_rng(seed)
        generated = np.array([row for row in rows if self.samples[row].label != REAL])
        of_family = self.families[generated]
        drawn = chance.permutation(np.unique(of_family))[: variant.families]
        enough = chance.permutation(generated[np.isin(of_family, drawn)])[: variant.generated]
        return [*(row for row in rows if self.samples[row].label == REAL), *enough.tolist()]


def one_seed(variant: Variant, vectors: Vectors, task: Task, seed: int) -> dict[str, dict[str, float]]:
    """AUC by fold and head; what is trained and fitted has seen neither the family nor the sources."""
    samples, count = task.samples, task.count
    label = np.array([sample.label for sample in samples])
    origins = np.unique([sample.origin for sample in samples], return_inverse=True)[1]
    found: dict[str, dict[str, float]] = {}
    for fold in task.folds:
        rows = fold_rows(samples[:count], fold)
        made = [count + at for at, source in enumerate(task.sources) if source not in fold.sources]
        fitting = np.array([*task.chosen(variant, rows.fitting, seed), *(made if variant.also else [])])
        space = Space(vectors.views[fitting], variant.contrast, seed)
        if variant.contrast:
            space.teach(variant, label[fitting], origins[fitting], task.steps)
        places = [("clean", "transformed").index(name) for name in variant.copies]
        known = space(vectors.views[fitting][:, 0, places])
        heads = fit_heads(
            known.swapaxes(0, 1).reshape(-1, known.shape[-1]), np.tile(label[fitting], len(places)),
            config=HeadFit(), seed=seed,
        )  # fmt: skip
        judged = space(vectors.judged[np.array(rows.test)])
        real = label[np.array(rows.test)] == REAL
        for name, head in heads.items():
            scores = score_all(head, judged)
            found.setdefault(fold.name, {})[name] = auc(scores[real], scores[~real])
    return found


class Space:
    """The embedding space of a fold: statistics standardised and, with contrast, projected by what CoDE's loss taught.

    Args:
        views: (N, DRAWS, 4, D) float32, of the fold's fitting images.
        contrast: Whether there is a projection.
        seed: Of its first weights and of the training.
    """

    def __init__(self, views: NDArray[np.float32], contrast: bool, seed: int) -> None:
        torch.manual_seed(seed)
        self._views = torch.from_numpy(views)
        flat = self._views.flatten(0, 2)
        self._mean, self._std = flat.mean(dim=0), flat.std(dim=0) + 1e-4
        channels = [views.shape[-1] // 2]
        self._project = StageStatistics(channels, 128 if contrast else None).project.eval()

    def _standard(self, values: torch.Tensor) -> torch.Tensor:
        return ((values - self._mean) / self._std).clamp(-6, 6)

    def teach(self, variant: Variant, labels: NDArray[np.int64], origins: NDArray[np.int64], steps: int) -> None:
        """Trains the projection on (N,) labels and codes of origins."""
        views, codes = self._views, torch.from_numpy(origins)
        self._project.train()
        chance = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        optimizer = torch.optim.AdamW(self._project.parameters(), lr=1e-3, weight_decay=0.05)
        of_class = [torch.from_numpy(np.flatnonzero(labels == label)) for label in (0, 1)]
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps, steps // 10, 1e-3)
            rows = [part[torch.randint(len(part), (variant.records,), generator=chance)] for part in of_class]
            both = torch.cat(rows)
            drawn = views[both, torch.randint(views.shape[1], (len(both),), generator=chance)]
            space = self._project(self._standard(drawn))
            real, generated = (Views(*half.unbind(dim=1)) for half in space.chunk(2))
            orders = derangement(variant.records, chance), derangement(variant.records, chance)
            loss = code_loss(real, generated, orders, variant.loss, origins=(codes[rows[0]], codes[rows[1]])).total
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        self._project.eval()

    @torch.inference_mode()
    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., D) statistics to (..., E) embeddings."""
        return self._project(self._standard(torch.from_numpy(values))).numpy()  # type: ignore[no-any-return]


def summary(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """Mean over the counted folds by head."""
    counted = [by_head for fold, by_head in found.items() if fold != FEW]
    return {head: round(float(np.mean([by_head[head] for by_head in counted])), 3) for head in counted[0]}


if __name__ == "__main__":
    main()
