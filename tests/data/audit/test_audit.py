"""The whole audit on sets made here, and on the corpus."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import jpeg, picture
from PIL import Image

from contrafake.data.audit import joint, measure
from contrafake.data.audit.audit import _chosen, audit
from contrafake.data.origins import OriginTable
from contrafake.data.sources import Source, open_data
from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.data.audit.result import AuditReport
    from contrafake.data.sources import Item

USED = {"format", "bytes", "width", "height", "jpeg_quality", "mean_red", "name_pattern", "luma_00", "red_11"}


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "TREES", 15)


@pytest.fixture
def few_features(monkeypatch: pytest.MonkeyPatch) -> None:
    # In this process only: other workers would still measure everything.
    monkeypatch.setattr(measure, "FEATURES", tuple(f for f in measure.FEATURES if f.name in USED))


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def biased(root: Path) -> Path:
    """Real JPEG from 5 cameras; generated images, PNG but for one in ten, from 4 programs. Same pictures otherwise."""
    rng = np.random.default_rng(0)
    for place in range(40):
        camera, program = root / f"train/real/camera{place % 5}", root / f"train/fake/program{place % 4}"
        camera.mkdir(parents=True, exist_ok=True)
        program.mkdir(parents=True, exist_ok=True)
        (camera / f"{place}.jpg").write_bytes(jpeg(picture(rng, generated=False)))
        pixels = picture(rng, generated=False)
        if place % 10:
            (program / f"{place}.png").write_bytes(png(pixels))
        else:
            (program / f"{place}.jpg").write_bytes(jpeg(pixels))
    return root


@pytest.mark.usefixtures("few_features")
def test_a_biased_set_is_called_biased(tmp_path: Path) -> None:
    root = biased(tmp_path / "set")
    (root / "train/real/camera0/broken.jpg").write_bytes(b"\xff\xd8 this is no JPEG")
    (root / "train/real/camera0/0 again.jpg").write_bytes((root / "train/real/camera0/0.jpg").read_bytes())
    (root / "train/real/camera0/notes.txt").write_text("no image")
    (root / "test/fake/program9").mkdir(parents=True)
    (root / "test/fake/program9/x.jpg").write_bytes((root / "train/real/camera0/0.jpg").read_bytes())
    done: Counter[tuple[str, int | None]] = Counter()
    report = audit(
        open_data([str(root)]), name="set", workers=1, on_progress=lambda doing, n, of: done.update({(doing, of): n})
    )
    # Each phase counts up to the total that it named.
    assert [doing for doing, _ in done] == ["measuring", "comparing"]
    assert all(steps == total for (_, total), steps in done.items())
    assert done["measuring", 83] == 83
    assert report.images == {"train": {"real": 41, "generated": 40}, "test": {"real": 0, "generated": 1}}
    assert list(report.images) == ["train", "test"]
    assert report.sources == {"real": 5, "generated": 5}
    assert report.unreadable_count == 1
    assert report.unreadable[0][0].endswith("broken")
    assert report.sampled is None
    assert any("notes.txt" in line for line in report.skipped)
    best = {feature.name: feature for feature in report.features}
    assert report.features == sorted(report.features, key=lambda f: -f.auc)
    assert best["format"].auc > 0.85
    assert best["format"].sentence == "88 % of generated images are PNG, 0 % of real ones"
    assert report.without_content.auc.value > 0.85
    assert "name_pattern" not in report.without_content.features + report.content_only.features
    assert set(report.content_only.features) == {"luma_00", "red_11"}
    assert 0.2 < report.content_only.auc.value < 0.8
    assert report.verdict.startswith("Your labels can ")
    assert "without looking at the content" in report.verdict
    found = report.duplicates
    assert (found.exact, found.near, found.across_splits, found.across_labels) == (2, 0, 1, 1)
    assert found.examples[0].labels == (0, 1)
    json.dumps(report.to_dict(), allow_nan=False)


def test_the_report_does_not_depend_on_workers_or_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "TREES", 3)
    source = open_data([str(biased(tmp_path / "set"))])

    def found(workers: int, folder: Path | None) -> AuditReport:
        return audit(source, name="set", workers=workers, folder=folder)

    first = found(1, tmp_path / "kept")
    assert (tmp_path / "kept/images.parquet").is_file()
    assert first == found(2, None)


class Turned(Source):
    """Another set with its items backwards."""

    layout = "turned"

    def __init__(self, given: Source) -> None:
        super().__init__(given.root)
        self.given = given

    @property
    def origins(self) -> OriginTable:
        return OriginTable()

    def _list(self) -> Iterator[Item]:
        yield from reversed(list(self.given))


@pytest.mark.usefixtures("few_features")
def test_the_sample_is_chosen_by_key_and_noted(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for place in range(130):
        folder = tmp_path / ("real" if place % 2 else "fake") / f"s{place % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{place}.png").write_bytes(png(picture(rng, generated=False, side=24)))
    report = audit(open_data([str(tmp_path)]), name="x", workers=1, sample=50)
    assert report.sampled == 100
    assert "models were fitted on 100 of 130 images, at most 50 of each class" in report.notes
    turned = audit(Turned(open_data([str(tmp_path)])), name="x", workers=1, sample=50)
    assert turned.sampled == 100
    assert [f.distribution for f in turned.features if f.name == "format"] == [
        f.distribution for f in report.features if f.name == "format"
    ]
    keys = [str(i) for i in range(1000)]
    label = np.arange(1000) % 2
    chosen = _chosen(keys, label, 60, 0)
    assert np.bincount(label[chosen]).tolist() == [60, 60]
    backwards = _chosen(keys[::-1], label[::-1], 60, 0)
    assert {keys[i] for i in chosen} == {keys[::-1][i] for i in backwards}
    assert {keys[i] for i in chosen} != {keys[i] for i in _chosen(keys, label, 60, 1)}


@pytest.mark.usefixtures("few_features")
def test_a_class_without_readable_images_is_refused(tmp_path: Path) -> None:
    root = biased(tmp_path / "set")
    for path in root.glob("train/fake/*/*"):
        path.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"no readable generated image \(40 could not be read\)"):
        audit(open_data([str(root)]), name="set", workers=1)


def test_settings_out_of_range_are_refused(tmp_path: Path) -> None:
    source = open_data([str(biased(tmp_path / "set"))])
    with pytest.raises(UsageError, match="folds"):
        audit(source, name="set", folds=1)
    with pytest.raises(UsageError, match="sample"):
        audit(source, name="set", sample=10)


@pytest.mark.corpus
@pytest.mark.slow
def test_untouched_originals_give_their_labels_away() -> None:
    corpus = Path(os.environ.get("CONTRAFAKE_DATA", "missing")) / "corpus"
    if not corpus.is_dir():
        pytest.skip("needs ${CONTRAFAKE_DATA}/corpus")
    report = audit(open_data([str(corpus / "test-0001.tar"), str(corpus / "test-0000.tar")]), name="test")
    # Untouched originals: photographs are JPEG, many generated images PNG.
    formats = next(feature for feature in report.features if feature.name == "format")
    assert formats.sentence == "96 % of real images are JPEG, 70 % of generated ones"
    assert report.without_content.auc_same_sources > 0.7
    assert report.duplicates.exact == 0
