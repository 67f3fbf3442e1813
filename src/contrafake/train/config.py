"""One model per verb is at once the YAML file, the command-line overrides and the Python argument."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from contrafake.images.crops import MAX_CROPS
from contrafake.images.transforms import POOLS
from contrafake.model.encoder import EncoderConfig
from contrafake.settings import Section, expand


def _ordered_shares(area: tuple[float, float]) -> tuple[float, float]:
    if not 0 < area[0] <= area[1] <= 1:
        raise ValueError("an area is two shares of the image, 0 < smallest <= largest <= 1")
    return area


HeadName = Literal["linear", "nearest", "svm", "kernel"]
Area = Annotated[tuple[float, float], AfterValidator(_ordered_shares)]


class LeaveOutConfig(Section):
    """Images that a run does not see, though they stand in its shards; out of training, fitting and validation alike.

    Of a paired record the generated images go one by one, and the whole record goes with its real image or its last
    generated one. A name that none of the run's shards holds is refused.

    Attributes:
        families: Families of generators, as the table `data.origins` names them; a generator that the table does not
            name, or any without a table, is its own family.
        origins: Generators.
        sources: Sources of real images.
    """

    families: list[str] = Field(default=[])
    origins: list[str] = Field(default=[])
    sources: list[str] = Field(default=[])


class DataConfig(Section):
    """Which shards, and in which order; paths may hold ``${CONTRAFAKE_DATA}`` and be fsspec addresses (``s3://...``).

    Attributes:
        train: Patterns of training shards: paired records or lone samples, not both.
        validation: Patterns of validation shards of either kind; used for early stopping, calibration and thresholds.
        fitting: Patterns of shards that the heads are fitted on; None fits them on training shards.
        origins: Table of origins with the columns `label`, `origin` and `family`; names the families for attribution
            and `leave_out`.
        order: "resampled" draws every record anew, with replacement, as the official code draws its shards; "epoch"
            shows each record once before any is shown again.
        window: Under "epoch", the number of shards whose records are shuffled together, after the shards have been
            shuffled; neighbours in the order then lie in few shards, which suits remote and spinning storage. 0
            shuffles all records together.
        generated_per_record: Generated images drawn for each real one, without repetition where a record has enough.
        strict: Stop at the first damaged shard, incomplete sample or unreadable image instead of naming and leaving it
            out.
        leave_out: Generators and sources that the run does not see.
    """

    train: list[str]
    validation: list[str]
    fitting: list[str] | None = None
    origins: str | None = None
    order: Literal["resampled", "epoch"] = "resampled"
    window: int = Field(default=0, ge=0)
    generated_per_record: int = Field(default=1, ge=1, le=16)
    strict: bool = False
    leave_out: LeaveOutConfig = LeaveOutConfig()

    def expanded(self) -> DataConfig:
        """The same with environment variables filled in; saved configurations keep the names.

        Raises:
            ConfigError: If a variable is not set.
        """
        lists = {name: getattr(self, name) for name in ("train", "validation", "fitting")}
        update: dict[str, Any] = {
            name: None if patterns is None else [expand(pattern) for pattern in patterns]
            for name, patterns in lists.items()
        }
        return self.model_copy(update={**update, "origins": None if self.origins is None else expand(self.origins)})


class ViewConfig(Section):
    """How views are cut (CoDE, section 3, and the official training code).

    Attributes:
        geometry: "crop" takes native pixels; "resize-crop" scales the shorter side to size / crop_pct first.
        crop_pct: Share of the resized side that the centre crop keeps.
        global_area: Smallest and largest share of the image's area in a global crop.
        local_area: The same for a local crop.
        pool: "official": CoDE's nineteen operations; "extended": also what happens to images on their way through the
            world (JPEG twice, WebP, AVIF, noise, rescaling, screenshots).
        max_operations: K, the largest number of transformations of a view.
        native_locals: Local views at native resolution, beside the official one that is scaled up.
        native_size: Their side in pixels.
        transforms: Who cuts and transforms: "pillow" in worker processes, "torch" for a whole batch on the device;
            "auto" takes torch on a GPU.
    """

    geometry: Literal["crop", "resize-crop"] = "crop"
    crop_pct: float = Field(default=0.9, gt=0, le=1)
    global_area: Area = (0.4, 1.0)
    local_area: Area = (0.05, 0.4)
    pool: Literal["official", "extended"] = "official"
    max_operations: int = Field(default=2, ge=0)
    native_locals: int = Field(default=0, ge=0, le=8)
    native_size: int = Field(default=96, gt=0)
    transforms: Literal["auto", "pillow", "torch"] = "auto"

    @field_validator("max_operations")
    @classmethod
    def _within_the_pool(cls, value: int, given: ValidationInfo) -> int:
        pool = given.data.get("pool", "official")
        if value > len(POOLS[pool]):
            raise ValueError(f"{value} operations of the {pool} pool, which has {len(POOLS[pool])}")
        return value


class LossConfig(Section):
    """The contrastive loss.

    Attributes:
        temperature: tau of the softmax over cosine similarities.
        generated_term: False drops the loss of the generated class, as the published training code does by a slip.
        multi_scale: Whether local views are drawn to their image's global view.
        positives: "one": the transformed view of one other image of the class (CoDE); "label": those of all other
            images of the class; "origin": of all other images of the origin, real images counting as one origin.
        negatives: "local": each process contrasts its own images; "gathered": all processes' images together, with
            gradient.
        queue: Further negatives of each class and kind, embedded in earlier steps, without gradient; 0 keeps none.
    """

    temperature: float = Field(default=0.1, gt=0)
    generated_term: bool = True
    multi_scale: bool = True
    positives: Literal["one", "label", "origin"] = "one"
    negatives: Literal["local", "gathered"] = "local"
    queue: int = Field(default=0, ge=0)


class OptimizerConfig(Section):
    """AdamW with linear warm-up and a cosine to zero, stepped at every step.

    Attributes:
        steps: Optimiser steps in all.
        records: Records per step over all processes: one real image each, its generated ones, at least eight views.
        accumulate: Parts that a process computes one after another, adding up their gradients. Each part is contrasted
            by itself: more parts mean fewer negatives, not the same loss in less memory.
        learning_rate: Peak rate.
        backbone_rate: Rate of the backbone, as a share of `learning_rate`; 0 leaves it as it began, its running
            statistics too. What lies on top of it (norm, projection) has the whole rate.
        weight_decay: Decoupled weight decay.
        decay_all: Also decay biases, norms, tokens and position embeddings, as the official code does.
        warmup_steps: Steps of linear warm-up from `learning_rate` / 2000.
        clip: Largest norm of the gradient; None does not clip.
        ema: Decay per step of an exponential moving average of the weights, which is then what is validated and kept;
            0 keeps none.
    """

    steps: int = Field(gt=0)
    records: int = Field(default=256, ge=2)
    accumulate: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    backbone_rate: float = Field(default=1.0, ge=0, le=1)
    weight_decay: float = Field(default=2e-5, ge=0)
    decay_all: bool = True
    warmup_steps: int = Field(default=0, ge=0)
    clip: float | None = Field(default=None, gt=0)
    ema: float = Field(default=0.0, ge=0, lt=1)


class RuntimeConfig(Section):
    """Where and how it runs.

    Attributes:
        device: "auto" takes a GPU where there is one.
        precision: "bf16" and "fp16" compute the encoder in autocast, "fp16" with the loss scaled.
        workers: Processes of each training process that read images and cut views; 0 does it in the training process.
        threads: Threads of the model on a CPU; 0 leaves torch's default.
        compile: Whether `torch.compile` compiles the encoder.
        gradient_checkpointing: Whether activations are computed again instead of kept: less memory, a third more time.
        checkpoint_every: Steps between checkpoints.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    workers: int = Field(default=2, ge=0)
    threads: int = Field(default=0, ge=0, le=1024)
    compile: bool = False
    gradient_checkpointing: bool = False
    checkpoint_every: int = Field(default=200, gt=0)


class ValidationConfig(Section):
    """How training is watched.

    Attributes:
        every: Steps between validations.
        fit_images: Images per class on which the watching heads are fitted; more than there are takes all.
        heads: The heads that are fitted and scored; the first decides.
        per_generator: Whether heads of one generator each are fitted as well at the end, and scored on every other.
        metric: What early stopping and the choice of weights go by: of the first head, the mean of untransformed and
            transformed images.
        patience: Validations without a better value before training stops; 0 never stops.
    """

    every: int = Field(default=500, gt=0)
    fit_images: int = Field(default=500, gt=1)
    heads: list[Literal["linear", "nearest", "svm"]] = Field(default=["linear", "nearest", "svm"], min_length=1)
    per_generator: bool = True
    metric: Literal["auc", "balanced_accuracy"] = "balanced_accuracy"
    patience: int = Field(default=6, ge=0)


class FitConfig(Section):
    """How heads, calibration and operating points are made from a trained encoder.

    Attributes:
        crop_size: Side of the crops that `detect` will cut, in pixels; a convolutional backbone may use more than it
            was trained on. None takes `encoder.image_size`.
        untouched_copy: Whether the heads see each fitting image as it is.
        transformed_copies: Transformed copies of each fitting image; the official code fits on one and no untouched.
        default_crops: Crops per image when the user names no number.
        crops: All numbers of crops to calibrate.
        false_alarm_rates: Operating points to store; the first is the default.
        default_head: Head used when the user names none; None takes the best by validation AUC.
        heads: The heads that are fitted: the paper's three, unless told; "kernel", a support vector machine of both
            classes, is ours. Without "nearest" there are no names of generators, and nothing to refit from.
        nearest_references: Largest number of reference embeddings kept by the nearest-neighbour head.
        svm_nu: nu of the one-class SVM.
        as_strangers: Whether calibration and thresholds come from heads that saw neither an image's family of
            generators nor its source (`unseen_folds`): heads are then fitted once more for each family.
        together: Families that are taken out together then, for example [[sd, sdxl]].
        keep_weights: Whether the bundle keeps the encoder's torch weights, which `contrafake refit --last-block` needs.
    """

    crop_size: int | None = Field(default=None, gt=0)
    untouched_copy: bool = True
    transformed_copies: int = Field(default=1, ge=0)
    default_crops: int = Field(default=5, ge=1, le=MAX_CROPS)
    crops: list[Annotated[int, Field(ge=1, le=MAX_CROPS)]] = Field(default=[1, 5])
    false_alarm_rates: list[Annotated[float, Field(gt=0, le=0.5)]] = Field(default=[0.05, 0.01], min_length=1)
    default_head: HeadName | None = None
    heads: list[HeadName] = Field(default=["linear", "nearest", "svm"], min_length=1)
    nearest_references: int = Field(default=20000, gt=1)
    svm_nu: float = Field(default=0.1, gt=0, lt=1)
    as_strangers: bool = False
    together: list[list[str]] = Field(default=[])
    keep_weights: bool = True

    @model_validator(mode="after")
    def _heads_agree(self) -> FitConfig:
        if len(set(self.heads)) < len(self.heads):
            raise ValueError("heads names one twice")
        if self.default_head is not None and self.default_head not in self.heads:
            raise ValueError(f"default_head is {self.default_head}, which is not among heads")
        return self


class TrainConfig(Section):
    """Everything that decides a training run; saved, resolved, with its results."""

    name: str
    seed: int = Field(default=42, ge=0, lt=2**32)
    data: DataConfig
    encoder: EncoderConfig = EncoderConfig()
    views: ViewConfig = ViewConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig
    runtime: RuntimeConfig = RuntimeConfig()
    validation: ValidationConfig = ValidationConfig()
    fit: FitConfig = FitConfig()
