"""Crops in, embeddings out: the backbones, by name, most of them on `transformers`.

Normalisation lives inside the encoder, so that the exported graph takes raw pixels and cannot be fed wrongly.
"""

from __future__ import annotations

import difflib
import inspect
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from contrafake.errors import ConfigError
from contrafake.model.efficientnet_lite import EfficientNetLite, LiteConfig
from contrafake.model.statistics import StageStatistics

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_Level = Annotated[float, Field(allow_inf_nan=False)]
_Spread = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class EncoderConfig(BaseModel):
    """Which backbone, at which input size.

    Attributes:
        backbone: A name of `BACKBONES`, or ``hub:NAME`` for any vision model that `transformers.AutoModel` loads with
            its weights, from a folder or a hub.
        image_size: Side of the square crops it is trained on, in pixels.
        options: Values that override the backbone's own configuration (for example ``{"num_hidden_layers": 2}``).
        mean: Of red, green and blue on a scale of 0 to 1, subtracted from the pixels; ImageNet's unless told.
        std: What they are then divided by.
        pooling: What of a convolutional backbone becomes the embedding: "last", the mean of its last map; or "stages",
            mean and deviation of the maps after every stage, see `StageStatistics` (`LITE` alone).
        projection: With "stages", the width of the embedding that is learned from these statistics; None takes the
            statistics themselves.
        start: Weights that training begins from: "imagenet" (`LITE` alone), or None for random ones. Whoever loads
            trained weights afterwards does not need it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = "vit-tiny-16"
    image_size: int = 224
    options: dict[str, Any] = {}
    mean: tuple[_Level, _Level, _Level] = IMAGENET_MEAN
    std: tuple[_Spread, _Spread, _Spread] = IMAGENET_STD
    pooling: Literal["last", "stages"] = "last"
    projection: int | None = Field(default=None, ge=2, le=4096)
    start: Literal["imagenet"] | None = None

    @model_validator(mode="after")
    def _of_the_backbone(self) -> EncoderConfig:
        if self.backbone != LITE and (self.pooling != "last" or self.start):
            raise ValueError(f"pooling over stages and a start from ImageNet are for {LITE}")
        if self.projection is not None and self.pooling != "stages":
            raise ValueError("a projection needs pooling: stages")
        return self


LITE = "efficientnet-lite0"
"""The backbone that training can begin from ImageNet's weights; `options: {stages: N}` cuts it off after a stage."""

# Name -> (model type of transformers, configuration). ViT sizes are those of DeiT (Touvron et al., 2021); timm trains
# with layer_norm_eps 1e-6 where transformers' default is 1e-12.
_VIT = {"patch_size": 16, "num_hidden_layers": 12, "layer_norm_eps": 1e-6}
BACKBONES: dict[str, tuple[str, dict[str, Any]]] = {
    "vit-tiny-16": ("vit", {**_VIT, "hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}),
    "vit-small-16": ("vit", {**_VIT, "hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}),
    "vit-base-16": ("vit", {**_VIT, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}),
    "dinov2-small-14": (
        "dinov2",
        {"hidden_size": 384, "num_attention_heads": 6, "num_hidden_layers": 12, "patch_size": 14},
    ),
    "resnet-mini": (
        "resnet",
        {"embedding_size": 32, "hidden_sizes": [32, 64, 128, 192], "depths": [2, 2, 2, 2], "layer_type": "basic"},
    ),
    "resnet-18": (
        "resnet",
        {"embedding_size": 64, "hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2], "layer_type": "basic"},
    ),
    "resnet-50": ("resnet", {}),
    "convnext-tiny": ("convnextv2", {}),
}


class Encoder(nn.Module):
    """A backbone that maps raw crops to embeddings.

    The embedding of a transformer is its raw class token after the last norm, without a projection head (CoDE, section
    3); that of a convolutional backbone is the spatial mean of its last feature map, layer-normalised, because means of
    rectified features are never negative and would leave the cosine only half its range; or what `StageStatistics`
    makes of all its maps.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        """Builds the backbone with random weights, or with those of ``hub:NAME``.

        Raises:
            ConfigError: If the backbone or one of its options is unknown, or the hub's model cannot be loaded.
        """
        super().__init__()
        self.config = config
        self._frozen = False
        self.backbone = _backbone(config)
        if hasattr(self.backbone, "pooler") and self._is_transformer:
            self.backbone.pooler = None
        self.dimension: int = self._find_dimension()
        # Some read any size without being told (DINOv2), some need to be told (ViT).
        self._interpolates = "interpolate_pos_encoding" in inspect.signature(self.backbone.forward).parameters
        self.stages: StageStatistics | None = None
        if config.pooling == "stages":
            self.stages = StageStatistics(self.backbone.config.hidden_sizes, config.projection)
            self.dimension = self.stages.dimension
        plain = self._is_transformer or self.stages is not None
        self.norm: nn.Module = nn.Identity() if plain else nn.LayerNorm(self.dimension, eps=1e-6)
        self.register_buffer("mean", torch.tensor(config.mean).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("scale", 1 / (torch.tensor(config.std).view(1, 3, 1, 1) * 255), persistent=False)

    @property
    def _is_transformer(self) -> bool:
        return hasattr(self.backbone.config, "num_attention_heads")

    def checkpoint_gradients(self) -> None:
        """Computes activations again in the backward pass instead of keeping them.

        Raises:
            ConfigError: If the backbone cannot.
        """
        try:
            # Its name before transformers 5.
            newer = hasattr(self.backbone, "activation_checkpointing_enable")
            name = "activation_checkpointing_enable" if newer else "gradient_checkpointing_enable"
            getattr(self.backbone, name)({"use_reentrant": False})
        except ValueError as error:
            cause = f"{self.config.backbone} cannot compute activations again"
            raise ConfigError("runtime.gradient_checkpointing", cause, "leave it off") from error

    def freeze_backbone(self) -> None:
        """Leaves the backbone's weights and running statistics as they are, whatever is trained on top of it."""
        self._frozen = True
        self.backbone.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Encoder:
        """As any module's; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self._frozen:
            self.backbone.eval()
        return self

    def _find_dimension(self) -> int:
        settings = self.backbone.config
        try:
            return int(settings.hidden_size if self._is_transformer else settings.hidden_sizes[-1])
        except AttributeError:
            raise ConfigError("encoder.backbone", f"{settings.model_type} models are of a kind unknown here") from None

    def forward(self, crops: Tensor) -> Tensor:
        """Embeds crops.

        Args:
            crops: (N, S, S, 3) uint8 RGB. A transformer reads sides other than its own, multiples of its patch, by
                interpolating its position embeddings.

        Returns:
            (N, D) float32 raw embeddings.
        """
        pixels = (crops.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        if isinstance(self.backbone, EfficientNetLite):
            maps = self.backbone(pixels)
            pooled = maps[-1].float().mean(dim=(2, 3)) if self.stages is None else self.stages(maps)
            return self.norm(pooled)  # type: ignore[no-any-return]
        other_size = self._is_transformer and crops.shape[1] != self.config.image_size
        options = {"interpolate_pos_encoding": True} if other_size and self._interpolates else {}
        hidden = self.backbone(pixels, **options).last_hidden_state
        pooled = hidden[:, 0] if self._is_transformer else hidden.float().mean(dim=(2, 3))
        return self.norm(pooled.float())  # type: ignore[no-any-return]


def _backbone(config: EncoderConfig) -> Any:
    from transformers import AutoConfig, AutoModel  # noqa: PLC0415 (seconds of import, needed only here)

    if config.backbone.startswith("hub:"):
        name = config.backbone.removeprefix("hub:")
        try:
            # Only safetensors: other weight files are pickles.
            return AutoModel.from_pretrained(name, use_safetensors=True, **config.options)
        except (OSError, ValueError, TypeError) as error:
            cause = (str(error) or type(error).__name__).splitlines()[0]
            raise ConfigError("encoder.backbone", f"{name} cannot be loaded: {cause}") from error
    if config.backbone == LITE:
        if unknown := config.options.keys() - {"stages"}:
            raise ConfigError(f"encoder.options.{min(unknown)}", f"unknown to {LITE}", "it knows stages")
        return EfficientNetLite(LiteConfig(**config.options))
    if config.backbone not in BACKBONES:
        names = ", ".join([*BACKBONES, LITE])
        raise ConfigError("encoder.backbone", f"unknown name {config.backbone!r}", f"one of {names}, or hub:NAME")
    kind, values = BACKBONES[config.backbone]
    known = AutoConfig.for_model(kind).to_dict()
    for option in config.options:
        if option not in known:
            near = difflib.get_close_matches(option, known, n=1, cutoff=0.0)[0]
            raise ConfigError(
                f"encoder.options.{option}", f"unknown to {config.backbone}", f"the nearest known one is {near}"
            )
    settings = AutoConfig.for_model(kind, **{"image_size": config.image_size, **values, **config.options})
    return AutoModel.from_config(settings)  # type: ignore[no-untyped-call]
