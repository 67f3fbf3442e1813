"""The baseline: what the official CoDE demo does with an image, one at a time.

`AutoModel.from_pretrained`, a full decode by Pillow converted to RGB, a centre crop of 224 pixels padded with black,
ImageNet normalisation, the raw class token, then `predict` of a scikit-learn classifier unpickled by joblib. Of the
three published classifiers only the linear one is run: it is the demo's default. Two torch threads.

It is kinder to the baseline than the demo is: the demo also imports faiss, timm and torchvision and asks the Hub for
the files; here `CenterCrop` and `ToTensor` are written out in a few lines, and the folder is local.

    python benchmarks/official_recipe.py FOLDER IMAGE...

FOLDER has the layout of the Hub repository: `config.json`, `model.safetensors` and the classifier under `sklearn/`. The
benchmarks make one with random weights (`models.py`): neither time nor memory depends on the weights' values.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import joblib  # type: ignore[import-untyped]
import numpy as np
import torch
from PIL import Image
from transformers import AutoModel
from transformers.utils import logging

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSIFIER = "sklearn/linear_tot_classifier_epoch-32.sav"
CROP = 224
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
THREADS = 2


class OfficialRecipe:
    """The published model with its linear classifier, batch 1."""

    def __init__(self, folder: Path) -> None:
        """Loads the encoder and unpickles the classifier, which this benchmark has fitted itself."""
        torch.set_num_threads(THREADS)
        quiet: Any = logging
        quiet.set_verbosity_error()
        quiet.disable_progress_bar()
        self.model: Any = AutoModel.from_pretrained(folder)
        self.model.pooler = torch.nn.Identity()
        self.model.eval()
        self.classifier: Any = joblib.load(folder / CLASSIFIER)

    def __call__(self, path: str | Path) -> int:
        """The label of one image file: 0 = real, 1 = generated."""
        with Image.open(path) as file:
            image = file.convert("RGB")
        pixels = np.asarray(center_crop(image), np.float32) / 255
        tensor = torch.from_numpy(((pixels - MEAN) / STD).transpose(2, 0, 1)[None].copy())
        with torch.inference_mode():
            features: NDArray[np.float32] = self.model(tensor).last_hidden_state[:, 0].numpy()
        return int(self.classifier.predict(features)[0])


def center_crop(image: Image.Image, size: int = CROP) -> Image.Image:
    """Torchvision's CenterCrop: black padding where the image is smaller, the odd pixel at the right and bottom."""
    width, height = image.size
    if width < size or height < size:
        left, top = max(size - width, 0) // 2, max(size - height, 0) // 2
        padded = Image.new("RGB", (max(width, size), max(height, size)))
        padded.paste(image, (left, top))
        image, (width, height) = padded, padded.size
    top, left = round((height - size) / 2.0), round((width - size) / 2.0)
    return image.crop((left, top, left + size, top + size))


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit("usage: python official_recipe.py FOLDER IMAGE...")
    recipe = OfficialRecipe(Path(sys.argv[1]))
    for path in sys.argv[2:]:
        print(path, "generated" if recipe(path) else "real", sep="\t", flush=True)


if __name__ == "__main__":
    main()
