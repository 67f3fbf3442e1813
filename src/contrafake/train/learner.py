"""One optimiser step: views in, embeddings, loss, gradients, new weights, on one device or on many."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from contrafake.errors import ConfigError, DataError
from contrafake.model.encoder import Encoder
from contrafake.train.checkpoint import Groups, optimizer_tensors, restore_optimizer
from contrafake.train.gather import Gather
from contrafake.train.losses import Views, code_loss, derangement
from contrafake.train.negatives import Queue
from contrafake.train.optimization import freeze_unreached, learning_rate, make_average, make_optimizer
from contrafake.train.start import load_start
from contrafake.train.views import VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from accelerate import Accelerator

    from contrafake.train.batch import Batch
    from contrafake.train.config import TrainConfig
    from contrafake.train.losses import LossTerms

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Embedder(nn.Module):
    """Embeds views of both sizes in one call: several processes then exchange gradients once."""

    def __init__(self, encoder: Encoder) -> None:
        """Wraps an encoder; its parameters stay its own."""
        super().__init__()
        self.encoder = encoder

    def forward(self, views: Tensor, native: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(N, S, S, 3) and (M, s, s, 3) uint8 -> (N, D) and (M, D) float32."""
        return self.encoder(views), None if native is None else self.encoder(native)


class Learner:
    """An encoder, its optimiser, and whatever else changes from step to step.

    All chance of a step, dropout and permutations too, follows from the seed and the step's number, so that nothing
    random has to be saved: a resumed run draws the same.

    Attributes:
        encoder: What is trained.
        unreached: Parameters that the embedding does not depend on; they are not trained.
    """

    def __init__(self, config: TrainConfig, accelerator: Accelerator) -> None:
        """Builds everything with the weights that the seed gives, alike in every process.

        Raises:
            ConfigError: If the backbone is unknown, or cannot do what the configuration asks for, or the weights to
                start from are not installed.
        """
        self._config = config
        self._accelerator = accelerator
        self._device = accelerator.device
        torch.manual_seed(config.seed)
        encoder = Encoder(config.encoder)
        if config.encoder.start:
            load_start(encoder)
        if config.optimizer.backbone_rate == 0:
            encoder.freeze_backbone()
        if config.runtime.gradient_checkpointing:
            encoder.checkpoint_gradients()
        encoder.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload] # as crops arrive
        if accelerator.num_processes > 1 and self._device.type == "cuda":
            encoder = nn.SyncBatchNorm.convert_sync_batchnorm(encoder)  # type: ignore[no-untyped-call]
        self.encoder: Encoder = encoder
        self._check_views(config)
        self.unreached = freeze_unreached(encoder, config.encoder.image_size)
        self._optimizer = make_optimizer(encoder, config.optimizer)
        self._names: dict[Tensor, str] = {parameter: name for name, parameter in encoder.named_parameters()}
        self._average = make_average(encoder, config.optimizer.ema) if config.optimizer.ema else None
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=config.runtime.precision == "fp16")
        self._everyone = Gather()
        self._gather = self._everyone if config.loss.negatives == "gathered" else None
        self._queue = Queue(config.loss.queue, encoder.dimension, self._device) if config.loss.queue else None
        embedder = Embedder(encoder)
        if config.runtime.compile:
            embedder.compile()
        self._embed: nn.Module = accelerator.prepare_model(embedder)

    def _check_views(self, config: TrainConfig) -> None:
        """Raises ConfigError where a backbone cannot embed views of a size, such as those smaller than its patches."""
        sizes = {"encoder.image_size": config.encoder.image_size}
        if config.views.native_locals:
            sizes["views.native_size"] = config.views.native_size
        self.encoder.eval()
        for name, side in sizes.items():
            try:
                with torch.no_grad():
                    self.encoder(torch.zeros(1, side, side, 3, dtype=torch.uint8, device=self._device))
            except (RuntimeError, ValueError) as error:
                cause = f"{config.encoder.backbone} cannot embed views of {side} pixels: {str(error).splitlines()[0]}"
                raise ConfigError(name, cause, "choose another size") from error
        self.encoder.train()

    @property
    def kept(self) -> Encoder:
        """The weights that are validated and kept: the moving average where there is one."""
        return self.encoder if self._average is None else self._average.module  # type: ignore[return-value]

    def step(self, number: int, fetch: Callable[[], Batch]) -> tuple[LossTerms, float]:
        """Takes one optimiser step.

        Args:
            number: The step's number, from 0.
            fetch: Gives the batches of this step's parts, one after another.

        Returns:
            The loss terms, mean over the parts, detached and still on the device; and the learning rate.
        """
        rates = self._config.optimizer
        rate = learning_rate(number, rates.steps, rates.warmup_steps, rates.learning_rate)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["share"]
        self.encoder.train()
        parts = [self._part(number, part, fetch()) for part in range(rates.accumulate)]
        if rates.clip is not None:
            self._scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self.encoder.parameters(), rates.clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.update_parameters(self.encoder)
        names = vars(parts[0])
        terms = {name: torch.stack([getattr(part, name) for part in parts]).mean() for name in names}
        return type(parts[0])(**terms), rate

    def _part(self, number: int, part: int, batch: Batch) -> LossTerms:
        """Embeds a part of the step's records and adds its share of the gradient."""
        config, device = self._config, self._device
        everyone = self._everyone
        contrast = part if self._gather else part * everyone.size + everyone.rank  # number of what is contrasted
        chance = torch.Generator().manual_seed(self._seed(number, contrast))
        torch.manual_seed(self._seed(number, part, self._accelerator.process_index))
        views, native = batch.cut(device, config.views)
        last = part == config.optimizer.accumulate - 1
        with nullcontext() if last else self._accelerator.no_sync(self._embed):
            precision = PRECISIONS[config.runtime.precision]
            with torch.autocast(device.type, precision, enabled=precision is not torch.float32):
                embeddings, of_native = self._embed(views, native)
            sides = split_views(embeddings.float(), None if of_native is None else of_native.float(), config)
            terms = code_loss(
                *sides,
                self._permutations(sides, chance),
                config.loss,
                origins=batch.origin_codes,
                gather=self._gather,
                queue=self._queue,
            )
            if terms.total.requires_grad:  # a frozen backbone without a projection only gathers running statistics
                self._scaler.scale(terms.total / config.optimizer.accumulate).backward()  # type: ignore[no-untyped-call]
        if self._queue is not None:
            self._queue.update(*sides, self._everyone)
        return type(terms)(**{name: term.detach() for name, term in vars(terms).items()})

    def _permutations(self, sides: tuple[Views, Views], chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """Derangements of both classes, over the joint batch where processes contrast together."""
        joint = 1 if self._gather is None else self._gather.size
        real, generated = (derangement(joint * len(side.clean), chance).to(self._device) for side in sides)
        return real, generated

    def _seed(self, *numbers: int) -> int:
        """One seed of the run's seed and further numbers."""
        seed = self._config.seed
        for number in numbers:
            seed = (seed * 1_000_003 + number) % 2**63
        return seed

    def tensors(self) -> Groups:
        """Everything to save; the inverse of `restore`."""
        groups: Groups = {
            "model": self.encoder.state_dict(),
            "optimizer": optimizer_tensors(self._optimizer, self._names),
        }
        if self._average is not None:
            groups["average"] = self._average.state_dict()
        if self._queue is not None:
            groups["queue"] = self._queue.state_dict()
        return groups

    def facts(self) -> dict[str, Any]:
        """What is saved beside the tensors: the loss scale of half precision."""
        return {"loss_scale": self._scaler.state_dict()}

    def restore(self, checkpoint: Path, groups: Groups, facts: dict[str, Any]) -> None:
        """Takes a checkpoint's tensors; a moving average or a queue that is new starts afresh.

        Raises:
            DataError: If the checkpoint does not fit the model.
        """
        try:
            self.encoder.load_state_dict(groups["model"])
            restore_optimizer(self._optimizer, groups["optimizer"], self._names)
            if self._average is not None and "average" in groups:
                self._average.load_state_dict(groups["average"])
            if self._queue is not None and "queue" in groups:
                self._queue.load_state_dict(groups["queue"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise DataError(
                str(checkpoint), "belongs to another model", "choose another --run, or remove it"
            ) from error
        if facts.get("loss_scale"):
            self._scaler.load_state_dict(facts["loss_scale"])


def split_views(embeddings: Tensor, native: Tensor | None, config: TrainConfig) -> tuple[Views, Views]:
    """Embeddings in the feed's order -> the views of the real and of the generated images.

    Args:
        embeddings: (4 B (1 + G), D): the four views of B real images, then of B G generated ones.
        native: (m B (1 + G), D), ordered alike, or None.
        config: Gives G.
    """
    kinds = len(VIEWS), config.views.native_locals
    images = len(embeddings) // (kinds[0] * (1 + config.data.generated_per_record))

    def side(first: int, last: int) -> Views:
        clean, transformed, wide, local = embeddings[kinds[0] * first : kinds[0] * last].chunk(kinds[0])
        if native is None:
            return Views(clean, transformed, wide, local)
        own = native[kinds[1] * first : kinds[1] * last]
        return Views(clean, transformed, wide, local, own.reshape(kinds[1], last - first, -1))

    return side(0, images), side(images, len(embeddings) // kinds[0])
