"""STUB: a detector that decides by file name: labels of every kind on demand. `test_cli_real.py` runs the real one.

It keeps to the contract of `contrafake.detect.detector.Detector`: fake -> generated, unsure -> uncertain, broken or
missing -> error, anything else -> real; other crops than 5 warn; an unknown head or model is refused.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import contrafake
from contrafake.detect.verdict import Attribution, Label, ModelId, Verdict
from contrafake.errors import BundleError, UsageError
from contrafake.model.calibration import OperatingPoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class StubWarning(UserWarning):
    """Stands for CalibrationWarning."""


class StubDetector:
    model = ModelId("stub", "1.0", "0" * 64)
    heads = ("linear", "nearest", "svm")
    default_head = "linear"
    default_crops = 5

    def detect_each(
        self,
        images: Iterable[str | tuple[str, bytes]],
        *,
        crops: int | None = None,
        head: str | None = None,
        false_alarm_rate: float | None = None,
        threshold: float | None = None,
        prior: float | None = None,
        workers: int | None = None,
    ) -> Iterator[Verdict]:
        if head is not None and head not in self.heads:
            raise UsageError(f"head {head}", "not in this model", "it has linear, nearest, svm")
        if crops not in {None, self.default_crops}:
            warnings.warn(StubWarning(f"the model is not calibrated for {crops} crops"), stacklevel=2)
        rate = false_alarm_rate or 0.05
        point = OperatingPoint(f"{100 * rate:g}% false alarms", threshold or 1.5, -0.5, rate, (0.03, 0.08), 400)
        for image in images:
            yield self._judge(image, point, head or self.default_head, crops or self.default_crops)

    def _judge(self, image: str | tuple[str, bytes], point: OperatingPoint, head: str, crops: int) -> Verdict:
        name = image if isinstance(image, str) else image[0]
        common: dict[str, Any] = {"name": name, "head": head, "crops": crops, "model": self.model}
        nothing: dict[str, Any] = {
            "probability": None,
            "llr": None,
            "score": None,
            "operating_point": None,
            "sha256": None,
        }
        try:
            content = Path(image).read_bytes() if isinstance(image, str) else image[1]
        except OSError as error:
            return Verdict(**common, **nothing, label="error", error=f"cannot be read: {error.strerror}")
        short = os.path.basename(name)  # noqa: PTH119
        if "broken" in short or not content:
            return Verdict(**common, **nothing, label="error", error="the data end early (the file is damaged)")
        label: Label = "generated" if "fake" in short else "uncertain" if "unsure" in short else "real"
        probability, score = {"generated": (0.999, 3.0), "uncertain": (0.6, 0.4)}.get(label, (0.07, -2.5))
        return Verdict(
            **common,
            sha256=hashlib.sha256(content).hexdigest(),
            label=label,
            probability=probability,
            llr=score,
            score=score,
            operating_point=point,
            attribution=Attribution("=sdxl [turbo]", 0.2) if "sdxl" in short else None,
            notes=("first of 12 frames",) if "anim" in short else (),
        )


def load(name_or_path: str = "default", variant: str | None = None) -> StubDetector:
    if name_or_path != "default":
        raise BundleError(name_or_path, "no such model")
    return StubDetector()


def install() -> None:
    """Put the stub in place of the real detector, in this process."""
    vars(contrafake)["load"] = load
