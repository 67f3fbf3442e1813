"""What calibrating on one's own photographs brings where they come from a source that the model never saw.

    python benchmarks/calibrating.py [--model DIR] [--repeats 200]

Everything is computed from the validation images that the model remembers; no image is read. A source counts as held
out twice: training never saw it, and "before" is the model calibrated on the validation images without it. Then a
random half of its images are one's own photographs, and the others are tested; many such halves are drawn. Of the
generated images, likewise, one half is the model's and the other is tested.

    sources  each held-out source, and all of them as one user's photographs
    sizes    all of them, by the number of photographs that one calibrates on

`--page` writes the tables of docs/models/calibrating.md from the result alone, `--check` compares them.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import RESULTS, write_result

from contrafake.adapt.from_memory import memory_scores, recalibrate_from_memory
from contrafake.adapt.held_back import Counted, likelihood_ratios
from contrafake.detect.load import load
from contrafake.measure import cllr
from contrafake.model.calibration import exceeding, fit_calibration, least_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NAME = "calibrating"
PAGE = Path(__file__).parent.parent / "docs" / "models" / "calibrating.md"
BLOCK = re.compile(r"(<!-- table: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
HELD_OUT = ("vehicle-plates", "playing-cards", "photo-portfolios", "celeb-web")
"""Real origins of the validation images of which training saw no image, with at least 20 images."""
RATES = (0.05, 0.1)
SIZES = (10, 20, 50, 100)


@dataclass(frozen=True)
class Held:
    """Scores around one held-out set of photographs.

    Attributes:
        strange: (n,) of these photographs.
        generated: (m,) of the generated images.
        others: (k,) of the real images that the model is calibrated on before.
        sources: (k,) their sources.
    """

    strange: NDArray[np.float64]
    generated: NDArray[np.float64]
    others: NDArray[np.float64]
    sources: NDArray[np.int32]


def main() -> None:
    """Measures both tables and writes them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="a bundle that remembers its validation images")
    parser.add_argument("--repeats", type=int, default=200, help="halves drawn for each source")
    parser.add_argument("--page", action="store_true", help="write the tables of the page and leave")
    parser.add_argument("--check", action="store_true", help="compare the tables of the page with the result and leave")
    options = parser.parse_args()
    if options.page or options.check:
        raise SystemExit(page(loads((RESULTS / f"{NAME}.json").read_text("utf-8")), write=options.page))
    bundle = load(options.model).bundle
    sets = {name: held_out(options.model, [name]) for name in HELD_OUT}
    sets["all four"] = held_out(options.model, HELD_OUT)
    found = {
        "model": {"name": bundle.config.name, "version": bundle.config.version, "hash": bundle.hash},
        "head": bundle.config.default_head,
        "crops": bundle.config.preprocessing.default_crops,
        "repeats": options.repeats,
        "sources": {name: [halves(held, rate, options.repeats) for rate in RATES] for name, held in sets.items()},
        "sizes": [size(sets["all four"], n, rate, options.repeats) for rate in RATES for n in SIZES],
    }
    print(write_result(NAME, found))
    print(sources_table(found), sizes_table(found), sep="\n\n")


def held_out(model: str, names: Sequence[str]) -> Held:
    """The model's scores, with the images of some real origins set apart."""
    bundle = load(model).bundle
    memory, known = bundle.validation_memory(), bundle.config.validation
    if memory is None or known is None:
        raise SystemExit("the model keeps no validation images")
    scores, real = memory_scores(bundle), memory.labels == 0
    chosen = real & np.isin(np.array(known.origins)[memory.origins], list(names))
    before = recalibrate_from_memory(bundle, ~chosen)
    return Held(scores[chosen], before.generated_scores, before.real_scores, before.real_sources)


def halves(held: Held, rate: float, repeats: int) -> dict[str, Any]:
    """False alarms, fakes found and cost of the probability before and after, on the halves that are tested."""
    old = threshold(held.others, rate)
    n, m = len(held.strange), len(held.generated)
    own = n // 2
    supported = own >= least_images(rate)
    rows = []
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        real, fake = rng.permutation(held.strange), rng.permutation(held.generated)
        new = threshold(real[:own], rate) if supported else float("nan")
        maps = [
            fit_calibration(held.others, fake[: m // 2], held.sources),
            fit_calibration(real[:own], fake[: m // 2], np.zeros(own, np.int32)),
        ]
        costs = [cllr(likelihood_ratios(one, real[own:]), likelihood_ratios(one, fake[m // 2 :])) for one in maps]
        rows.append([(real[own:] > new).mean(), (held.generated > new).mean(), *costs])
    table = np.array(rows)
    return {
        "rate": rate,
        "photographs": n,
        "own": own,
        "supported": supported,
        "alarms_before": Counted.over(held.strange > old).to_dict(),
        "alarms_after": spread(table[:, 0]) if supported else None,
        "found_before": Counted.over(held.generated > old).to_dict(),
        "found_after": spread(table[:, 1]) if supported else None,
        "cllr_before": spread(table[:, 2]),
        "cllr_after": spread(table[:, 3]),
    }


def size(held: Held, own: int, rate: float, repeats: int) -> dict[str, Any]:
    """How far false alarms on other photographs are from the rate, by the number calibrated on."""
    supported = own >= least_images(rate)
    row: dict[str, Any] = {"rate": rate, "own": own, "supported": supported, "tested": len(held.strange) - own}
    old, alarms = threshold(held.others, rate), []
    for seed in range(repeats):
        real = np.random.default_rng(seed).permutation(held.strange)
        new = threshold(real[:own], rate) if supported else float("nan")
        alarms.append([(real[own:] > old).mean(), (real[own:] > new).mean()])
    before, after = np.array(alarms).T
    row["error_before"] = float(np.abs(before - rate).mean())  # on the same images: both err by chance, too
    if supported:
        row |= {
            "alarms": spread(after),
            "expected": exceeding(rate, own) / (own + 1),
            "error": float(np.abs(after - rate).mean()),
        }
    return row


def threshold(real: NDArray[np.float64], rate: float) -> float:
    """The rule of the package: the k-th largest score, k = floor(rate (n + 1))."""
    return float(np.sort(real)[len(real) - exceeding(rate, len(real))])


def spread(values: NDArray[np.float64]) -> dict[str, float]:
    """Mean over the draws, and where 95 % of them lie."""
    low, high = np.quantile(values, [0.025, 0.975])
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}


def page(result: dict[str, Any], *, write: bool) -> int:
    """Puts the tables into their places on the page; returns 1 if others stood there and nothing is written."""
    tables = {"sources": sources_table(result), "probability": probability_table(result), "sizes": sizes_table(result)}
    text = PAGE.read_text(encoding="utf-8")
    done = BLOCK.sub(lambda place: f"{place[1]}\n{tables[place[2]]}\n\n{place[3]}", text)
    if done != text and write:
        PAGE.write_text(done, encoding="utf-8")
    print("nothing differs" if done == text else f"{PAGE.name}: {'written anew' if write else 'not what was measured'}")
    return int(done != text and not write)


def sources_table(result: dict[str, Any]) -> str:
    """False alarms and fakes found by source."""
    lines = [
        "| photographs of | own / tested | aim | flagged before | flagged after | fakes found before | after |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, rows in result["sources"].items():
        for row in rows:
            before, found = row["alarms_before"], row["found_before"]
            cells = [
                f"{row['own']} / {row['photographs'] - row['own']}",
                f"{100 * row['rate']:g} %",
                _share(before["share"], *before["interval"]),
                _spread(row["alarms_after"]),
                f"{100 * found['share']:.0f} %",
                _spread(row["found_after"]),
            ]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def probability_table(result: dict[str, Any]) -> str:
    """Cost of the likelihood ratios by source."""
    lines = ["| photographs of | own | Cllr before | Cllr after |", "| --- | ---: | ---: | ---: |"]
    for name, rows in result["sources"].items():
        cells = [
            f"{one['mean']:.2f} ({one['low']:.2f} to {one['high']:.2f})"
            for one in (rows[0]["cllr_before"], rows[0]["cllr_after"])
        ]
        lines.append(f"| {name} | {rows[0]['own']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def sizes_table(result: dict[str, Any]) -> str:
    """False alarms by the number of photographs."""
    lines = [
        "| aim | photographs | flagged of the others | mean distance from the aim | without calibrating |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in result["sizes"]:
        aim = f"{100 * row['rate']:g} %"
        cells = [aim, str(row["own"]), "not supported", "-"]
        if row["supported"]:
            cells = [aim, str(row["own"]), _spread(row["alarms"]), f"{100 * row['error']:.1f} points"]
        cells.append(f"{100 * row['error_before']:.1f} points")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(found: dict[str, float] | None) -> str:
    return "not supported" if found is None else _share(found["mean"], found["low"], found["high"])


def _share(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} % ({100 * low:.0f} to {100 * high:.0f})"


if __name__ == "__main__":
    main()
