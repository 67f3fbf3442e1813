"""EfficientNet-Lite0, whole or cut off after a stage: the convolutional trunk that training can begin from ImageNet's.

Lite0 is EfficientNet-B0 (Tan and Le, 2019) without squeeze-and-excitation and with ReLU6, as published with TensorFlow
(tensorflow/tpu, models/official/efficientnet/lite, Apache-2.0). What tells generated images from photographs lies in
fine structure, which the early stages keep and the last ones trade for meaning; so an embedding may take its statistics
from all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from contrafake.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

STEM = 32
"""Channels after the first convolution."""


class _Stage(NamedTuple):
    kernel: int
    stride: int
    expansion: int
    channels: int
    blocks: int


STAGES = (
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)


@dataclass(frozen=True)
class LiteConfig:
    """What of the network is kept.

    Attributes:
        stages: Stages after the stem, 1 to 7.
        model_type: Its name.
    """

    stages: int = len(STAGES)
    model_type: str = "efficientnet-lite0"

    def __post_init__(self) -> None:
        """Raises ConfigError where there is no such stage."""
        if type(self.stages) is not int or not 1 <= self.stages <= len(STAGES):
            raise ConfigError("encoder.options.stages", f"{self.stages!r} is not within 1 and {len(STAGES)}")

    @property
    def hidden_sizes(self) -> list[int]:
        """Channels after the stem and after each stage."""
        return [STEM, *(stage.channels for stage in STAGES[: self.stages])]


class EfficientNetLite(nn.Module):
    """The stem and the first stages, with random weights.

    Args:
        config: How many stages.
    """

    def __init__(self, config: LiteConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = _unit(3, STEM, kernel=3, stride=2)
        self.stages = nn.ModuleList()
        channels = STEM
        for stage in STAGES[: config.stages]:
            blocks = []
            for at in range(stage.blocks):
                blocks.append(_Block(channels, stage, stride=1 if at else stage.stride))
                channels = stage.channels
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """(N, 3, H, W) normalised pixels to the maps after the stem and each stage, (N, C, h, w) each."""
        maps = [self.stem(pixels)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps

    def load_published(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes the weights of the stem and of the stages that there are, by their names in the published PyTorch port.

        Args:
            tensors: By names as in ``_blocks.0._depthwise_conv.weight``.

        Raises:
            DataError: A tensor is missing or has another shape.
        """
        units = [("_conv_stem", "_bn0", self.stem)]
        blocks = [block for stage in self.stages for block in stage.children()]
        for at, block in enumerate(blocks):
            units += [(f"_blocks.{at}.{conv}", f"_blocks.{at}.{norm}", unit) for conv, norm, unit in block.units()]  # type: ignore[operator]
        for conv, norm, unit in units:
            for part, name in zip(unit.children(), (conv, norm), strict=False):
                for key, own in part.state_dict(keep_vars=True).items():
                    found = tensors.get(f"{name}.{key}")
                    if found is None or found.shape != own.shape:
                        cause = f"has no {name}.{key} of shape {tuple(own.shape)}"
                        raise DataError("EfficientNet-Lite0's weights", cause, "give those of the published network")
                    own.data.copy_(found)


class _Block(nn.Module):
    """An inverted residual: expand, filter each channel, project; the shortcut goes where nothing changes shape."""

    def __init__(self, channels: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        inner = channels * stage.expansion
        self.shortcut = stride == 1 and channels == stage.channels
        self.expand = _unit(channels, inner) if stage.expansion > 1 else None
        self.depthwise = _unit(inner, inner, kernel=stage.kernel, stride=stride, groups=inner)
        self.project = _unit(inner, stage.channels, rectified=False)

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', h, w)."""
        inner = values if self.expand is None else self.expand(values)
        made: Tensor = self.project(self.depthwise(inner))
        return values + made if self.shortcut else made

    def units(self) -> list[tuple[str, str, nn.Sequential]]:
        """Convolution and norm by their published names, which count the norms."""
        expand = [("_expand_conv", "_bn0", self.expand)] if self.expand is not None else []
        return [*expand, ("_depthwise_conv", "_bn1", self.depthwise), ("_project_conv", "_bn2", self.project)]


class _SameConvolution(nn.Conv2d):
    """Pads as TensorFlow does: at stride 2 the odd pixel goes right and below."""

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in values.shape[-2:])
        padding = (width // 2, width - width // 2, height // 2, height - height // 2)
        return super().forward(functional.pad(values, padding) if any(padding) else values)


def _unit(
    given: int, made: int, *, kernel: int = 1, stride: int = 1, groups: int = 1, rectified: bool = True
) -> nn.Sequential:
    parts: list[nn.Module] = [
        _SameConvolution(given, made, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(made, eps=1e-3, momentum=0.01),
    ]
    return nn.Sequential(*parts, *([nn.ReLU6()] if rectified else []))
