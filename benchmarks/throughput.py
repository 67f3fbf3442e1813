"""Images per second on photographs of 0.3 to 12 megapixels, decoding included, against the official recipe.

What is measured: 200 baseline JPEGs (`photographs.py` makes them, always the same) judged on two cores by
long-running processes: contrafake's Python interface with two workers, at one crop and at the model's default crops;
the same with a ViT-Tiny bundle of the official model's architecture (random weights), like for like in model cost;
and the official recipe (`official_recipe.py`: one image at a time, two torch threads). Every process is given the
same chunk of images in turn, in an order that rotates, so that noise hits all alike. The command line is timed on the
whole folder as well, start included. Files are in the page cache.

Then, on the first images, where contrafake's time goes (milliseconds of processor time per image, one worker; an
origin is looked for in images called generated), and how far it is from the floor: two threads that do nothing but
decode (simplejpeg) and run the graph (ONNX Runtime on crops cut before).

    python benchmarks/throughput.py [--model PATH] [--work DIR]

Writes results/throughput.json. The images take about 160 MB in --work and a minute or two to make the first time.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import models
import numpy as np
from machine import RESULTS, shown, table, write_result
from photographs import LEAST, MOST, photographs

import contrafake
from contrafake.images import cut, jpeg_facts, read
from contrafake.images.container import identify
from contrafake.images.jpeg_pixels import check_scans, jpeg_pixels
from contrafake.model.attribution import ReferenceSpace
from contrafake.model.calibration import probability
from contrafake.model.heads import NearestHead
from contrafake.model.runtime import OnnxEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    from numpy.typing import NDArray

CORES = 2
BASELINE = "official recipe"
WARM_UP = 4
CHUNK = 8


@dataclass
class Contender:
    """A long-running process that judges the chunks it is sent."""

    name: str
    pipe: Connection
    process: multiprocessing.process.BaseProcess
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    images: int = 0
    peak_mb: float = 0.0

    def judge(self, chunk: Sequence[str], *, count: bool = True) -> None:
        """Sends a chunk and waits for its figures."""
        self.pipe.send(list(chunk))
        try:
            seconds, cpu, self.peak_mb = self.pipe.recv()
        except EOFError:
            sys.exit(f"{self.name}: the process died")
        if count:
            self.seconds.append(seconds)
            self.cpu.append(cpu)
            self.images += len(chunk)

    def figures(self, passes: int) -> dict[str, Any]:
        """Images per second, over all chunks and by pass."""
        chunks = len(self.seconds) // passes
        by_pass = [sum(self.seconds[at : at + chunks]) for at in range(0, len(self.seconds), chunks)]
        return {
            "images_per_s": self.images / sum(self.seconds),
            "images_per_s_by_pass": [self.images / passes / seconds for seconds in by_pass],
            "cores_busy": sum(self.cpu) / sum(self.seconds),
            "peak_mb": self.peak_mb,
        }


def start(name: str, target: Callable[..., None], *arguments: Any) -> Contender:
    """Starts a contender in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=target, args=(there, *arguments), daemon=True)
    process.start()
    there.close()
    return Contender(name, here, process)


def serve_contrafake(pipe: Connection, model: str, crops: int | None) -> None:
    """Judges chunks through the public interface."""
    detector = contrafake.load(model)
    _serve(pipe, lambda chunk: _checked(detector.detect(chunk, crops=crops, workers=CORES)))


def serve_official(pipe: Connection, folder: str) -> None:
    """Judges chunks as the demo does, image after image."""
    from official_recipe import OfficialRecipe

    recipe = OfficialRecipe(Path(folder))
    _serve(pipe, lambda chunk: [recipe(path) for path in chunk])


def _serve(pipe: Connection, judge: Callable[[list[str]], Any]) -> None:
    while chunk := pipe.recv():
        began, cpu = time.perf_counter(), time.process_time()
        judge(chunk)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000 * 1.024
        pipe.send((seconds, cpu, peak))


def _checked(verdicts: list[contrafake.Verdict]) -> None:
    for verdict in verdicts:
        if verdict.error:
            raise RuntimeError(f"{verdict.name}: {verdict.error}")


def compete(model: str, official: Path, vit: Path, images: list[str], *, chunk: int, passes: int) -> dict[str, Any]:
    """All contenders on all images, in turns."""
    contenders = [
        start("contrafake, default crops", serve_contrafake, model, None),
        start("contrafake, 1 crop", serve_contrafake, model, 1),
        start("contrafake with ViT-Tiny, default crops", serve_contrafake, str(vit), None),
        start("contrafake with ViT-Tiny, 1 crop", serve_contrafake, str(vit), 1),
        start(BASELINE, serve_official, str(official)),
    ]
    for contender in contenders:
        contender.judge(images[:WARM_UP], count=False)
    turn = 0
    for _ in range(passes):
        for first in range(0, len(images), chunk):
            at = turn % len(contenders)
            for contender in [*contenders[at:], *contenders[:at]]:
                contender.judge(images[first : first + chunk])
            turn += 1
    for contender in contenders:
        contender.pipe.send([])
        contender.process.join(10)
    found = {contender.name: contender.figures(passes) for contender in contenders}
    for figures in found.values():
        figures["times_the_recipe"] = figures["images_per_s"] / found[BASELINE]["images_per_s"]
    return found


def command_line_rate(model: str, images: list[Path], scratch: Path) -> float:
    """Images per second of `contrafake detect FOLDER`, start included."""
    script = Path(sysconfig.get_path("scripts")) / "contrafake"
    command = [str(script), "detect", str(images[0].parent), "--model", model, "-q", "--csv", str(scratch / "out.csv")]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return len(images) / (time.perf_counter() - began)


def stages(model: str, crops: int, images: list[str]) -> dict[str, float]:
    """Milliseconds of processor time per image by stage, each stage called as the detector calls it.

    Processor time, since wall time on a shared machine also holds what others do; the files are in the page cache, so
    that reading them is processor time as well. "everything else" is what the detector takes beyond the stages.
    """
    detector = contrafake.load(model)
    encoder = OnnxEncoder(detector.bundle.graph(), 1)
    head = detector.bundle.head(detector.default_head)
    calibration = detector.bundle.calibration(detector.default_head, crops)
    rule, point = detector.bundle.config.attribution, detector.bundle.stored_point(detector.default_head, crops, None)
    references = None if rule is None else detector.bundle.head("nearest")
    space = ReferenceSpace.of(references) if isinstance(references, NearestHead) else None
    names = ("read the file", "headers", "hash", "decode", "crops", "inference", "head, calibration", "origin")
    spent = dict.fromkeys(names, 0.0)
    encoder.embed(cut(read(images[0]).pixels, crops, detector.size))  # warms up
    detector.detect(images[:2], crops=crops, workers=1)

    def took(stage: str, since: float) -> float:
        now = time.process_time()
        spent[stage] += now - since
        return now

    def by_hand(image: str) -> None:
        clock = time.process_time()
        data = Path(image).read_bytes()
        clock = took("read the file", clock)
        identify(data)
        facts = jpeg_facts(data, image)
        check_scans(data, image)
        clock = took("headers", clock)
        hashlib.sha256(data).hexdigest()
        clock = took("hash", clock)
        pixels = None if facts is None else jpeg_pixels(data, facts, image)
        if pixels is None:
            raise RuntimeError(f"{image} is no ordinary JPEG")
        clock = took("decode", clock)
        crop = cut(pixels, crops, detector.size)
        clock = took("crops", clock)
        vectors = encoder.embed(crop)
        clock = took("inference", clock)
        score = float(head.score(vectors).mean())
        if calibration is not None:
            probability(calibration.llr(score))
        clock = took("head, calibration", clock)
        if rule and point and space is not None and point.label(score) == "generated":
            space.stand(vectors, np.zeros(len(vectors), np.int64), rule.neighbours)
        took("origin", clock)

    whole = 0.0
    for first in range(0, len(images), CHUNK):  # in turns, so that noise hits both alike
        chunk = images[first : first + CHUNK]
        for image in chunk:
            by_hand(image)
        began = time.process_time()
        _checked(detector.detect(chunk, crops=crops, workers=1))
        whole += time.process_time() - began
    whole /= len(images)
    found = {name: 1000 * seconds / len(images) for name, seconds in spent.items()}
    return {**found, "everything else": 1000 * whole - sum(found.values()), "whole": 1000 * whole}


def floor(model: str, crops: int, images: list[str]) -> dict[str, float]:
    """Images per second on two threads that only decode, only run the graph, and do all that a verdict needs."""
    import simplejpeg

    detector = contrafake.load(model)
    encoder = OnnxEncoder(detector.bundle.graph(), 1)
    data = [Path(image).read_bytes() for image in images]
    cached = [cut(read(image).pixels, crops, detector.size) for image in images]

    def decode(content: bytes) -> tuple[int, ...]:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "RGB", fastdct=False, fastupsample=False)
        return pixels.shape

    def rate(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return len(images) / (time.perf_counter() - began)

    with ThreadPoolExecutor(CORES) as pool:
        decoding = rate(lambda: list(pool.map(decode, data)))
        running = rate(lambda: list(pool.map(encoder.embed, cached)))
    detector.detect(images[:WARM_UP], crops=crops, workers=CORES)
    whole = rate(lambda: _checked(detector.detect(images, crops=crops, workers=CORES)))
    both = 1 / (1 / decoding + 1 / running)
    return {
        "decode alone": decoding,
        "inference alone": running,
        "both, one after the other": both,
        "detector": whole,
        "detector / both": whole / both,
    }


def _columns(parts: dict[str, dict[str, float]]) -> str:
    rows = [[name, *(f"{part[name]:.2f}" for part in parts.values())] for name in next(iter(parts.values()))]
    return table(["", *parts], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="default", help='"default" or the folder of a bundle')
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "contrafake-photographs")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--largest", type=float, default=MOST / 1e6, help="megapixels of the largest image")
    parser.add_argument("--sample", type=int, default=40, help="images for the stages and the floor")
    parser.add_argument("--chunk", type=int, default=20, help="images a process judges before the next one's turn")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    model = options.model if options.model == "default" else str(Path(options.model).resolve())
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])

    contrafake.load(model)  # a wrong --model fails here, before the images are made
    files = photographs(options.work, options.images, LEAST, options.largest * 1e6)
    images = [str(file) for file in files]
    pictures = map(read, images)
    sizes = np.array([(picture.width * picture.height, Path(picture.name).stat().st_size) for picture in pictures])
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        official, vit = models.make(scratch)
        found = compete(model, official, vit, images, chunk=options.chunk, passes=options.passes)
        cli = command_line_rate(model, files, scratch)
        default = contrafake.load(model).default_crops
        settings = [
            ("model", model, default),
            ("model", model, 1),
            ("ViT-Tiny", str(vit), 5),
            ("ViT-Tiny", str(vit), 1),
        ]
        sample = images[: options.sample]
        parts = {f"{name} x{crops}": stages(path, crops, sample) for name, path, crops in settings}
        floors = {f"{name} x{crops}": floor(path, crops, sample) for name, path, crops in settings}

    megapixels = sizes[:, 0] / 1e6
    about = {
        "count": len(images),
        "megapixels_least": float(megapixels.min()),
        "megapixels_mean": float(megapixels.mean()),
        "megapixels_most": float(megapixels.max()),
        "bits_per_pixel": float(8 * sizes[:, 1].sum() / sizes[:, 0].sum()),
        "megabytes": float(sizes[:, 1].sum() / 1e6),
    }
    print(
        f"{len(images)} JPEGs of {megapixels.min():.2f} to {megapixels.max():.1f} megapixels, "
        f"mean {megapixels.mean():.2f}, {about['bits_per_pixel']:.2f} bits per pixel; {CORES} cores\n"
    )
    rows = [
        [
            name, f"{f['images_per_s']:.1f}", f"{f['times_the_recipe']:.2f}",
            f"{min(f['images_per_s_by_pass']):.1f}-{max(f['images_per_s_by_pass']):.1f}",
            f"{f['cores_busy']:.2f}", f"{f['peak_mb']:.0f}",
        ]
        for name, f in found.items()
    ]  # fmt: skip
    print(table(["", "images/s", "times the recipe", "by pass", "cores busy", "peak MB"], rows))
    print(f"\ncontrafake detect FOLDER, default crops, start included: {cli:.1f} images/s\n")
    print(
        f"Where contrafake's time goes, one worker, first {len(sample)} images, processor ms per image (x5: 5 crops):"
    )
    print(_columns(parts), end="\n\n")
    print(f"Against the floor, two threads, first {len(sample)} images, images/s:")
    print(_columns(floors), end="\n\n")
    written = write_result(
        "throughput",
        {
            "model": shown(Path(model)),
            "default_crops": default,
            "cores": CORES,
            "passes": options.passes,
            "photographs": about,
            "contenders": found,
            "command_line_images_per_s": cli,
            "sample": len(sample),
            "stages_cpu_ms_per_image": parts,
            "floor_images_per_s": floors,
        },
        options.results,
    )
    print(f"written: {written.name}")


if __name__ == "__main__":
    main()
