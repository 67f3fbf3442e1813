"""Imports files of the published CoDE layout at their full size, and compares every score with the published recipe.

    python benchmarks/importing.py [--old-python PYTHON] [--work DIR] [--images 60] [--only STEP ...]

    today    a ViT-Tiny/16 with random weights; classifiers fitted on 48,000 embeddings by this Python's scikit-learn
    old      the same by PYTHON, which has the scikit-learn of the publication (1.3.2, numpy 1.26)
    hostile  the hostile pickles of the tests, read while an audit hook watches

Each set is imported by `contrafake models import` and judges images of the corpus by `contrafake detect`. The other
side is the published recipe: Pillow, a centre crop padded with black, transformers, scikit-learn in the version that
wrote the files. Needs ${CONTRAFAKE_DATA} with the corpus. `--page` writes the tables of docs/models/published-code.md
from the result alone, `--check` compares them.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import RESULTS, write_result
from published_heads import NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "importing"
HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "models" / "published-code.md"
INERT = HERE.parent / "tests" / "model" / "inert"
BLOCK = re.compile(r"(<!-- table: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
STEPS = ("today", "old", "hostile")
REAL, GENERATED = 9_600, 38_400
SEED = 7
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
SPREAD = 0.1
"""Standard deviation of the random weights: of transformers' usual 0.02 all images would have nearly one embedding."""


def main() -> None:
    """Runs the steps that were asked for and keeps the results of the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/importing"))
    parser.add_argument("--old-python", type=Path, help="interpreter with scikit-learn 1.3.2, for the step old")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--only", nargs="*", choices=STEPS, default=STEPS)
    parser.add_argument("--page", action="store_true", help="write the tables of the page and leave")
    parser.add_argument("--check", action="store_true", help="compare the tables of the page with the result and leave")
    options = parser.parse_args()
    if options.page or options.check:
        raise SystemExit(page(_steps(), write=options.page))
    options.work.mkdir(parents=True, exist_ok=True)
    for step in options.only:
        if step == "old" and options.old_python is None:
            print("old: left out, for it needs --old-python")
            continue
        python = {"today": Path(sys.executable), "old": options.old_python}.get(step)
        found = hostile(options.work) if python is None else layout(options, step, python)
        print(json.dumps({step: found}, indent=1), flush=True)
        steps = _steps() | {step: found}
        write_result(NAME, {"images": options.images, "steps": {key: steps[key] for key in STEPS if key in steps}})


def layout(options: argparse.Namespace, step: str, python: Path) -> dict[str, Any]:
    """One layout: written, imported from the command line, and compared."""
    folder, bundle = options.work / step, options.work / f"{step}-bundle"
    images = _images(options.work / "images", options.images)
    model = _write_encoder(folder)
    vectors = _embed(model, [center_crop(_pixels(path)) for path in images])
    np.save(options.work / "asked.npy", vectors)
    np.savez(options.work / "fitting.npz", **_fitting(vectors))
    _call(python, HERE / "published_heads.py", "fit", options.work / "fitting.npz", folder / "sklearn")
    answers = options.work / f"{step}-answers.npz"
    _call(python, HERE / "published_heads.py", "answer", folder / "sklearn", options.work / "asked.npy", answers)
    begun = time.perf_counter()
    _call(sys.executable, "-m", "contrafake", "models", "import", folder, "--out", bundle)
    seconds = time.perf_counter() - begun
    told = dict(np.load(answers))
    sklearn, numpy, joblib = told["versions"].tolist()
    return {
        "versions": {"scikit-learn": sklearn, "numpy": numpy, "joblib": joblib},
        "bytes": {name: (folder / "sklearn" / file).stat().st_size for name, file in NAMES.items()},
        "weights_bytes": (folder / "model.safetensors").stat().st_size,
        "seconds": seconds,
        "reading": _reading(folder),
        **_embeddings(bundle, images, vectors),
        "heads": {name: _compare(name, _scores(bundle, images, name), told) for name in NAMES},
        "images": len(images),
    }


def _reading(folder: Path) -> dict[str, float]:
    """Seconds to read each classifier without running it."""
    from contrafake.model.inert import read_estimator

    found = {}
    for name, file in NAMES.items():
        begun = time.perf_counter()
        read_estimator(folder / "sklearn" / file)
        found[name] = time.perf_counter() - begun
    return found


def _embeddings(bundle: Path, images: list[Path], expected: NDArray[np.float32]) -> dict[str, float]:
    from contrafake import load

    found = load(bundle).embed(images)
    return {
        "embedding_difference": float(np.abs(found - expected).max()),
        "embedding_deviation": float(expected.std(axis=0).mean()),
    }


def _compare(name: str, given: tuple[NDArray[np.float64], list[str]], told: dict[str, Any]) -> dict[str, Any]:
    scores, labels = given
    generated = -1 if name == "svm" else 1
    wanted = ["generated" if label == generated else "real" for label in told[f"{name}_label"].tolist()]
    same = sum(ours == theirs for ours, theirs in zip(labels, wanted, strict=True))
    facts = {"same_decisions": same, "called_generated": wanted.count("generated")}
    expected = -told["svm_score"] if name == "svm" else told[f"{name}_score"]
    return facts | {"difference": float(np.abs(scores - expected).max()), "spread": float(np.ptp(expected))}


def _scores(bundle: Path, images: list[Path], head: str) -> tuple[NDArray[np.float64], list[str]]:
    """What `contrafake detect` says of files."""
    lines = _call(
        sys.executable, "-m", "contrafake", "detect", "--jsonl", "--model", bundle, "--head", head, *images
    ).splitlines()
    told = [json.loads(line) for line in lines]
    return np.array([one["score"] for one in told]), [one["label"] for one in told]


def hostile(work: Path) -> dict[str, Any]:
    """The tests' hostile pickles, in a process that an audit hook watches; the control shows that it would notice."""
    sys.path.insert(0, str(INERT))
    streams: Any = importlib.import_module("inert_streams")
    folder = work / "hostile"
    folder.mkdir(parents=True, exist_ok=True)
    canary, control = folder / "canary", folder / "noticed"
    attacks = streams.hostile(str(canary))
    for index, (stream, _) in enumerate(attacks.values()):
        (folder / f"{index:02}.pkl").write_bytes(stream)
    run = streams.called(streams.name("os", "system"), streams.text(f"touch {control}"))
    (folder / "control.pkl").write_bytes(streams.HEAD + run + streams.STOP)
    warm = INERT / "fixtures" / "sklearn-1.3.2" / "LogisticRegression.protocol2.pkl"
    told = json.loads(_call(sys.executable, INERT / "inert_watch.py", warm, folder))["told"]
    noticed = bool(told.pop("control")[1]) and control.exists()
    return {
        "given": len(attacks),
        "refused": sum(outcome != "read" for outcome, _ in told.values()),
        "with_an_event": sum(bool(events) for _, events in told.values()),
        "canary": canary.exists(),
        "control_noticed": noticed,
        "attacks": list(attacks),
    }


def page(steps: dict[str, Any], *, write: bool) -> int:
    """Puts the tables into their places on the page; returns 1 if others stood there and nothing is written."""
    tables = {"equality": _equality_table(steps), "sizes": _size_table(steps), "hostile": _hostile_table(steps)}
    text = PAGE.read_text(encoding="utf-8")
    done = BLOCK.sub(lambda place: f"{place[1]}\n{tables[place[2]]}\n\n{place[3]}", text)
    if done != text and write:
        PAGE.write_text(done, encoding="utf-8")
    print("nothing differs" if done == text else f"{PAGE.name}: {'written anew' if write else 'not what was measured'}")
    return 1 if done != text and not write else 0


def _equality_table(steps: dict[str, Any]) -> str:
    lines = [
        "| classifiers of | head | largest difference of a score | spread of the scores | same decisions | "
        "of them generated |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for step in ("old", "today"):
        if step not in steps:
            continue
        found = steps[step]
        version = found["versions"]["scikit-learn"]
        for name, head in found["heads"].items():
            lines.append(
                f"| scikit-learn {version} | {name} | {head['difference']:.1e} | {head['spread']:.3g} | "
                f"{head['same_decisions']} of {found['images']} | {head['called_generated']} |"
            )
    return "\n".join(lines)


def _size_table(steps: dict[str, Any]) -> str:
    lines = [
        "| classifiers of | weights | linear | nearest | svm | read in | whole import | embeddings differ by |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for step in ("old", "today"):
        if step not in steps:
            continue
        found = steps[step]
        sizes = [found["weights_bytes"], *(found["bytes"][name] for name in NAMES)]
        lines.append(
            f"| scikit-learn {found['versions']['scikit-learn']}, numpy {found['versions']['numpy']} | "
            f"{' | '.join(_size(size) for size in sizes)} | {sum(found['reading'].values()):.2f} s | "
            f"{found['seconds']:.0f} s | {found['embedding_difference']:.1e} |"
        )
    return "\n".join(lines)


def _hostile_table(steps: dict[str, Any]) -> str:
    found = steps["hostile"]
    return "\n".join(
        [
            "| | |",
            "| --- | ---: |",
            f"| hostile pickles | {found['given']} |",
            f"| refused by name | {found['refused']} |",
            f"| with an event that the audit hook saw | {found['with_an_event']} |",
            f"| the control, loaded by pickle itself, was noticed | {'yes' if found['control_noticed'] else 'no'} |",
        ]
    )


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _write_encoder(folder: Path) -> Any:
    """ViT-Tiny/16 at 224 with random weights, and the two JSON files, as transformers writes them."""
    import torch
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(SEED)
    form = ViTConfig(
        hidden_size=192, num_attention_heads=3, num_hidden_layers=12, intermediate_size=768, image_size=224,
        initializer_range=SPREAD,
    )  # fmt: skip
    model: Any = ViTModel(form, add_pooling_layer=False)
    model.save_pretrained(folder)
    values = {
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": MEAN.tolist(),
        "image_processor_type": "ViTImageProcessor", "image_std": STD.tolist(), "resample": 2,
        "rescale_factor": 1 / 255, "size": {"height": 224, "width": 224},
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8")
    return model.eval()


def _fitting(vectors: NDArray[np.float32]) -> dict[str, Any]:
    """As many vectors as the authors fitted on, scattered as these are; half a deviation between the classes."""
    rng = np.random.default_rng(SEED)
    labels = rng.permutation(np.repeat([0, 1], [REAL, GENERATED]))
    low_rank = rng.normal(size=(len(labels), len(vectors))) @ (vectors - vectors.mean(axis=0)) / len(vectors) ** 0.5
    apart = 0.5 * vectors.std(axis=0) * rng.choice([-1, 1], vectors.shape[1])
    noise = 0.1 * vectors.std(axis=0) * rng.normal(size=low_rank.shape)
    return {
        "vectors": (vectors.mean(axis=0) + low_rank + noise + (labels[:, None] - 0.5) * apart).astype(np.float32),
        "labels": labels,
    }


def _embed(model: Any, crops: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    import torch

    found = []
    with torch.inference_mode():
        for crop in crops:
            pixels = ((crop / 255 - MEAN) / STD).astype(np.float32).transpose(2, 0, 1)
            found.append(model(torch.from_numpy(pixels[None])).last_hidden_state[0, 0].numpy())
    return np.stack(found)


def center_crop(pixels: NDArray[np.uint8], size: int = 224) -> NDArray[np.uint8]:
    """Torchvision's CenterCrop, written out: black around what is too small."""
    height, width = pixels.shape[:2]
    down, across = max(size - height, 0), max(size - width, 0)
    padded = np.zeros((height + down, width + across, 3), np.uint8)
    padded[down // 2 : down // 2 + height, across // 2 : across // 2 + width] = pixels
    top, left = round((padded.shape[0] - size) / 2), round((padded.shape[1] - size) / 2)
    return padded[top : top + size, left : left + size]


def _images(folder: Path, count: int) -> list[Path]:
    """So many images of a training shard as files, every third one cut smaller than a crop."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    with tarfile.open(Path(os.environ["CONTRAFAKE_DATA"]) / "corpus" / "train-0000.tar") as shard:
        for member in shard:
            if len(found) == count:
                break
            if member.name.endswith(".json"):
                continue
            file = shard.extractfile(member)
            assert file is not None  # noqa: S101
            data, number = file.read(), len(found)
            path = folder / f"{number:03}{Path(member.name).suffix}"
            if number % 3 == 2:
                path = path.with_suffix(".png")
                buffer = io.BytesIO()
                sides = (224 - 5 * number // 3, 230 - number)
                Image.open(io.BytesIO(data)).convert("RGB").crop((0, 0, *sides)).save(buffer, "PNG")
                data = buffer.getvalue()
            path.write_bytes(data)
            found.append(path)
    return found


def _pixels(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _call(python: Path | str, *arguments: Path | str) -> str:
    done = subprocess.run([str(python), *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{arguments[0]}: {done.stderr}")
    return done.stdout


def _steps() -> dict[str, Any]:
    """The steps that were measured so far."""
    committed = RESULTS / f"{NAME}.json"
    found: dict[str, Any] = json.loads(committed.read_text("utf-8"))["steps"] if committed.exists() else {}
    return found


if __name__ == "__main__":
    main()
