"""docs/packing.md says what benchmarks/results/packing.json says."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_figures_of_the_page_are_those_of_the_results_file() -> None:
    page = " ".join((ROOT / "docs" / "packing.md").read_text(encoding="utf-8").split())
    result = json.loads((ROOT / "benchmarks" / "results" / "packing.json").read_text(encoding="utf-8"))
    for name, found in result["speed"].items():
        rates = (found["decoding_images_per_s"], found["packing_images_per_s"])
        assert f"| {name} | {rates[0]:.0f} | {rates[1]:.0f} | {found['packing_to_decoding']:.2f} |" in page
    for name in ("in order", "shuffled"):
        small, large = (result["memory"][name][count] for count in ("1000", "10000"))
        cells = [f"{peak[key]:.0f} MB" for key in ("all_processes_mb", "first_process_mb") for peak in (small, large)]
        assert f"| {name} | {' | '.join(cells)} |" in page
    assert f"{result['memory']['kilobytes_an_image_to_shuffle']:.1f} kB an image" in page
