"""Writes the layout in which CoDE was published, with a tiny ViT, and scores images as its authors' code does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import torch
import transformers
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import OneClassSVM

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WIDTH, SIDE = 24, 32
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FILES = {
    "linear": "linear_tot_classifier_epoch-32.sav",
    "nearest": "knn_tot_classifier_epoch-32.sav",
    "svm": "ocsvm_kernel_poly_gamma_auto_nu_0_1_crop.joblib",
}


@dataclass(frozen=True)
class Layout:
    """A written folder, and what its files were made from."""

    folder: Path
    model: Any
    classifiers: dict[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fitted_on: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S, 3) -> (N, D), as `ViTImageProcessor` without resizing and the published recipe have it."""
        pixels = (crops.astype(np.float64) / 255 - self.mean) / self.std
        tensor = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32))
        with torch.inference_mode():
            found: NDArray[np.float32] = self.model(tensor).last_hidden_state[:, 0].numpy()
        return found


def write_layout(
    folder: Path,
    *,
    mean: tuple[float, ...] = MEAN,
    std: tuple[float, ...] = STD,
    pooler: bool = False,
    preprocessor: dict[str, Any] | None = None,
    **changes: Any,
) -> Layout:
    """The network's weights are wide, so that images lie apart; the classifiers are fitted as the authors did."""
    torch.manual_seed(3)
    form = {
        "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
        "image_size": SIDE, "patch_size": 8, "initializer_range": 0.4, "layer_norm_eps": 1e-12,
    }  # fmt: skip
    model: Any = transformers.ViTModel(transformers.ViTConfig(**{**form, **changes}), add_pooling_layer=pooler)
    model.eval()
    model.save_pretrained(folder)
    write_preprocessor(folder, **({"image_mean": list(mean), "image_std": list(std)} | (preprocessor or {})))
    rng = np.random.default_rng(4)
    labels = rng.permutation(np.arange(60) % 2)
    crops = rng.integers(0, 256, (60, SIDE, SIDE, 3)).astype(np.float64)
    crops[labels == 0] = crops[labels == 0] * 0.5 + 60
    layout = Layout(folder, model, {}, mean, std, crops.astype(np.uint8), labels)
    vectors = layout.embed(layout.fitted_on)
    linear = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced", random_state=42)
    layout.classifiers["linear"] = linear.fit(vectors, labels)
    layout.classifiers["nearest"] = KNeighborsClassifier(1, metric="cosine").fit(vectors, labels)
    layout.classifiers["svm"] = OneClassSVM(nu=0.1, kernel="poly", gamma="auto").fit(vectors[labels == 0])
    (folder / "sklearn").mkdir()
    for name, classifier in layout.classifiers.items():
        joblib.dump(classifier, folder / "sklearn" / FILES[name])
    return layout


def write_preprocessor(folder: Path, **changes: Any) -> None:
    """A preprocessor_config.json of transformers 4; None takes a key away."""
    values = {
        "_valid_processor_keys": ["images", "do_resize", "size"],
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(MEAN),
        "image_processor_type": "ViTImageProcessor",
        "image_std": list(STD),
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": SIDE, "width": SIDE},
    } | changes
    text = json.dumps({key: value for key, value in values.items() if value is not None})
    (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")


def center_crop(pixels: NDArray[np.uint8], size: int = SIDE) -> NDArray[np.uint8]:
    """Torchvision's CenterCrop written out pixel by pixel: black around what is too small."""
    height, width = pixels.shape[:2]
    crop = np.zeros((size, size, 3), np.uint8)
    for row in range(size):
        for column in range(size):
            y, x = row + _shift(height, size), column + _shift(width, size)
            if 0 <= y < height and 0 <= x < width:
                crop[row, column] = pixels[y, x]
    return crop


def _shift(length: int, size: int) -> int:
    # Padding on the left is (size - length) // 2; a cut starts at the rounded half (to even) of what is too much.
    return -((size - length) // 2) if length < size else round((length - size) / 2)
