"""What int8 and bf16 graphs of the model inside the package cost, and what they bring.

    python benchmarks/variants.py

The variants are made and measured by `contrafake models export` on the validation images of the corpus (needs
${CONTRAFAKE_DATA}), which the thresholds come from but no weight; speed by turns in one process, one thread, on random
crops, for this model and for a ViT-Tiny/16 with random weights. `--page` writes the tables of docs/models/variants.md
from the result alone, `--check` compares them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import RESULTS, write_result

NAME = "variants"
PAGE = Path(__file__).parent.parent / "docs" / "models" / "variants.md"
BLOCK = re.compile(r"(<!-- table: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
ROUNDS, BATCH = 12, 5
GRAPHS = ("fp32", "int8", "bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", action="store_true", help="write the tables of the page and leave")
    parser.add_argument("--check", action="store_true", help="compare the tables of the page with the result and leave")
    options = parser.parse_args()
    if options.page or options.check:
        raise SystemExit(page(json.loads((RESULTS / f"{NAME}.json").read_text()), write=options.page))
    data = os.environ["CONTRAFAKE_DATA"] + "/corpus/val-*.tar"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bundle"
        command = [sys.executable, "-m", "contrafake", "models", "export", "default", "--data", data]
        done = subprocess.run([*command, "--out", str(out), "--json"], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        measured = json.loads(done.stdout)
        del measured["bundle"]
        paths = {"fp32": out / "model.onnx", **{name: out / f"model.{name}.onnx" for name in GRAPHS[1:]}}
        vit = _vit(Path(folder))
        result = {
            "data": "corpus, validation images",
            "measured": measured,
            "bytes": {name: path.stat().st_size for name, path in paths.items()},
            "speed": {
                "the model inside the package": _speed(paths, 224),
                "ViT-Tiny/16, random weights": _speed(vit, 224),
            },
        }
    write_result(NAME, result)


def _vit(folder: Path) -> dict[str, Path]:
    """Graphs of a ViT-Tiny/16 with random weights, of use for its speed alone."""
    import torch

    from contrafake.adapt.half_weights import store_bf16
    from contrafake.adapt.quantizing import quantize_int8
    from contrafake.model.encoder import Encoder, EncoderConfig
    from contrafake.train.export import export_onnx

    torch.manual_seed(0)
    paths = {name: folder / f"vit.{name}.onnx" for name in GRAPHS}
    export_onnx(Encoder(EncoderConfig()), paths["fp32"], 224)
    crops = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
    quantize_int8(paths["fp32"], paths["int8"], crops)
    store_bf16(paths["fp32"], paths["bf16"])
    return paths


def _speed(paths: dict[str, Path], size: int) -> dict[str, float]:
    """Median crops a second of each graph, measured by turns."""
    from contrafake.model.runtime import OnnxEncoder

    encoders = {name: OnnxEncoder(path, 1) for name, path in paths.items()}
    crops = np.random.default_rng(1).integers(0, 256, (BATCH, size, size, 3), dtype=np.uint8)
    seconds: dict[str, list[float]] = {name: [] for name in paths}
    for turn in range(ROUNDS + 1):
        for name, encoder in encoders.items():
            start = time.process_time()
            encoder.embed(crops)
            if turn:  # the first one warms up
                seconds[name].append(time.process_time() - start)
    return {name: BATCH / float(np.median(found)) for name, found in seconds.items()}


def page(result: dict[str, Any], *, write: bool) -> int:
    """Puts the tables into their places on the page; returns 1 if others stood there and nothing is written."""
    tables = {"cost": _cost(result), "speed": _speeds(result)}
    text = PAGE.read_text(encoding="utf-8")
    done = BLOCK.sub(lambda place: f"{place[1]}\n{tables[place[2]]}\n\n{place[3]}", text)
    if done == text:
        return 0
    if not write:
        print(f"{PAGE.name}: its tables are not those of the result", file=sys.stderr)
        return 1
    PAGE.write_text(done, encoding="utf-8")
    return 0


def _cost(result: dict[str, Any]) -> str:
    measured = result["measured"]
    lines = [
        "| graph | MB | AUC | AUC lost (95 %) | score change, mean (largest) | verdicts changed |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        f"| fp32 | {result['bytes']['fp32'] / 1e6:.1f} | {measured['fp32']['auc']:.4f} | | | |",
    ]
    for name, one in measured["variants"].items():
        low, high = one["auc_lost_interval"]
        mean, most = (value / one["score_spread"] for value in one["score_change"])
        lines.append(
            f"| {name} | {result['bytes'][name] / 1e6:.1f} | {one['auc']:.4f} | {one['auc_lost']:.4f} ({low:.4f} to "
            f"{high:.4f}) | {mean:.3f} ({most:.2f}) | {100 * one['flips']:.1f} % |"
        )
    real, generated = measured["variants"]["int8"]["images"]
    return "\n".join(lines) + f"\n\n{real} real and {generated} generated images that fixed no scale."


def _speeds(result: dict[str, Any]) -> str:
    lines = ["| encoder | fp32 | int8 | bf16 |", "| --- | ---: | ---: | ---: |"]
    for name, found in result["speed"].items():
        ratios = [f"{found[graph]:.0f} ({found[graph] / found['fp32']:.2f})" for graph in GRAPHS]
        lines.append(f"| {name} | {' | '.join(ratios)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
