"""Makes the two models that the benchmarks compare like for like: ViT-Tiny/16 at 224, random weights.

    python benchmarks/models.py FOLDER

writes `FOLDER/official` (the layout of the published Hub repository, for `official_recipe.py`) and `FOLDER/vit-tiny` (a
contrafake bundle of the same architecture with a linear head, calibrated on random numbers at 1 and 5 crops). Time and
memory do not depend on the values of weights; verdicts of these models mean nothing.

The benchmarks run this in a process of its own, so that a process which measures memory never holds torch.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

OFFICIAL, BUNDLE = "official", "vit-tiny"
SEED = 0


def make(folder: Path) -> tuple[Path, Path]:
    """Runs this file in a process of its own.

    Returns:
        The official folder and the bundle's folder.
    """
    done = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the models could not be made:\n{done.stderr}")
    return folder / OFFICIAL, folder / BUNDLE


def write_official(folder: Path) -> None:
    """The encoder as safetensors, and a logistic regression fitted on random vectors."""
    import joblib  # type: ignore[import-untyped]
    import numpy as np
    import torch
    from sklearn.linear_model import LogisticRegression
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(SEED)
    config = ViTConfig(
        hidden_size=192, num_attention_heads=3, num_hidden_layers=12, intermediate_size=768, image_size=224
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    rng = np.random.default_rng(SEED)
    classifier = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced", random_state=42)
    classifier.fit(rng.standard_normal((2000, 192)), rng.integers(0, 2, 2000))
    from official_recipe import CLASSIFIER

    (folder / CLASSIFIER).parent.mkdir()
    joblib.dump(classifier, folder / CLASSIFIER)


def write_vit_bundle(folder: Path) -> None:
    """The same architecture through contrafake's own encoder, export and bundle writer."""
    import numpy as np
    import torch

    from contrafake.model.bundle_config import BundleConfig, CalibrationFacts, Preprocessing
    from contrafake.model.bundle_writing import write_bundle
    from contrafake.model.calibration import Calibration, fit_calibration
    from contrafake.model.encoder import Encoder, EncoderConfig
    from contrafake.model.heads import LinearHead
    from contrafake.train.export import export_onnx

    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    architecture = EncoderConfig(backbone="vit-tiny-16", image_size=224)
    encoder = Encoder(architecture)
    calibrations: dict[tuple[str, int], Calibration] = {}
    facts: list[CalibrationFacts] = []
    for crops in (1, 5):
        real, generated = rng.normal(-1, 1, 500), rng.normal(1, 1, 500)
        found = fit_calibration(real, generated, rng.integers(0, 20, 500).astype(np.int32))
        calibrations["linear", crops] = found
        points = [found.operating_point(rate) for rate in (0.05, 0.01)]
        facts.append(
            CalibrationFacts(
                head="linear", crops=crops, slope=found.slope, intercept=found.intercept, bound=found.bound, auc=0.5,
                operating_points=points,
            )
        )  # fmt: skip
    config = BundleConfig(
        method="code",
        name="vit-tiny-random",
        version="0",
        architecture={**architecture.model_dump(), "dimension": encoder.dimension},
        preprocessing=Preprocessing(crop_size=224, crop_pct=0.9, default_crops=5),
        heads=["linear"],
        default_head="linear",
        calibrations=facts,
    )
    head = LinearHead(rng.normal(0, 0.1, encoder.dimension), 0.0)
    with tempfile.TemporaryDirectory() as scratch:
        graph = Path(scratch) / "model.onnx"
        export_onnx(encoder, graph, 224)
        write_bundle(folder, config, model=graph, heads={"linear": head}, calibrations=calibrations, texts={})


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python models.py FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_official(folder / OFFICIAL)
    write_vit_bundle(folder / BUNDLE)


if __name__ == "__main__":
    main()
