"""Validation: figures known by hand, the drawn images, and the table of one generator against each."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from conftest import tiny_settings, write_paired_shard
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.svm import OneClassSVM
from torch import Tensor, nn

from contrafake.data import Listing, ShardWriter
from contrafake.errors import DataError
from contrafake.train.config import FitConfig
from contrafake.train.config_file import parse_config
from contrafake.train.cross_table import CrossTable
from contrafake.train.watch import Watch, draw_fitting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.train.config import TrainConfig

Angles = dict[tuple[int, str], list[int]]
"""Directions of embeddings, 0 to 359 degrees, by label and origin."""

FIT: Angles = {(0, "phone"): [0] * 25, (1, "a"): [90] * 20, (1, "b"): [180] * 22, (1, "few"): [270] * 19}
VALIDATION: Angles = {
    (0, "phone"): [10, 40, 50, 350],
    (1, "a"): [100, 80, 30],
    (1, "b"): [170, 120],
    (1, "c"): [200, 340],
}


class Directions(nn.Module):
    """Embeds a crop as the direction that its colour spells, with a length that it spells as well."""

    dimension = 2

    def __init__(self) -> None:
        super().__init__()
        self.length = nn.Parameter(torch.ones(1))

    def forward(self, crops: Tensor) -> Tensor:
        colour = crops[:, 4, 4].float()
        angle = torch.deg2rad(colour[:, 0] + 256 * colour[:, 1])
        return self.length * torch.stack([angle.cos(), angle.sin()], dim=1)


ENCODER: Any = Directions()


def listing(path: Path, angles: Angles) -> Listing:
    with ShardWriter(path) as shard:
        for (label, origin), degrees in angles.items():
            for i, degree in enumerate(degrees):
                buffer = io.BytesIO()
                Image.new("RGB", (8, 8), (degree % 256, degree // 256, 0)).save(buffer, "PNG")
                facts = {"label": "fake" if label else "real", "origin": origin, "source": "s"}
                shard.write(f"{origin}-{label}-{i}", {"png": buffer.getvalue(), "json": json.dumps(facts).encode()})
    return Listing.of([str(path)], cache=False)


def configuration(**validation: Any) -> TrainConfig:
    settings = tiny_settings(
        # No path is opened here: the listings are handed over.
        Path("nowhere"),
        encoder={"image_size": 8},
        views={"max_operations": 0},
        validation={"fit_images": 500, **validation},
    )
    return parse_config(settings)


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    train, validation = listing(tmp_path / "t.tar", FIT), listing(tmp_path / "v.tar", VALIDATION)
    return Watch(configuration(), train, validation)


def unit(angles: Angles, label: int) -> NDArray[np.float64]:
    degrees = [degree for (own, _), found in angles.items() if own == label for degree in found]
    radians = np.deg2rad(np.array(degrees, float))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def apart(one: int, other: int) -> float:
    """Cosine distance of two directions in degrees."""
    return 1 - math.cos(math.radians(one - other))


# --- figures --------------------------------------------------------------------------------------------------------


def test_the_nearest_neighbour_by_hand(watch: Watch) -> None:
    found = watch.measure(ENCODER)
    # References at 0 (real), 90, 180 and 270: of the real images only 50 degrees is nearer to 90; of the generated
    # ones 30 and 340 are nearer to 0.
    assert found["nearest/untransformed/accuracy_real"] == 3 / 4
    assert found["nearest/untransformed/accuracy_generated"] == 5 / 7
    assert found["nearest/untransformed/balanced_accuracy"] == pytest.approx((3 / 4 + 5 / 7) / 2)

    def score(degree: int) -> float:
        return apart(degree, 0) - min(apart(degree, other) for other in (90, 180, 270))

    real, generated = [score(x) for x in (10, 40, 50, 350)], [score(x) for x in (100, 80, 30, 170, 120, 200, 340)]
    pairs = [(x < y) + 0.5 * (abs(x - y) < 1e-9) for x in real for y in generated]
    assert found["nearest/untransformed/auc"] == pytest.approx(sum(pairs) / len(pairs))


def test_linear_and_svm_are_those_of_scikit_learn(watch: Watch) -> None:
    found = watch.measure(ENCODER)
    fit = np.concatenate([unit(FIT, 0), unit(FIT, 1)])
    labels = np.repeat([0, 1], [25, 61])
    test, truth = np.concatenate([unit(VALIDATION, 0), unit(VALIDATION, 1)]), np.repeat([0, 1], [4, 7])
    linear = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced", random_state=42).fit(fit, labels)
    right = linear.predict(test) == truth
    assert found["linear/transformed/accuracy_real"] == right[:4].mean()
    assert found["linear/transformed/accuracy_generated"] == pytest.approx(right[4:].mean())
    assert found["linear/transformed/auc"] == pytest.approx(roc_auc_score(truth, linear.decision_function(test)))
    svm = OneClassSVM(kernel="poly", gamma="auto", nu=0.1).fit(unit(FIT, 0).astype(np.float32))
    right = (svm.predict(test) == -1) == truth
    assert found["svm/untransformed/accuracy_generated"] == pytest.approx(right[4:].mean())
    assert found["svm/untransformed/auc"] == pytest.approx(roc_auc_score(truth, -svm.decision_function(test)))


@pytest.mark.parametrize("heads", [["linear", "nearest", "svm"], ["nearest", "linear"], ["svm"]])
def test_the_first_head_gives_the_headline(tmp_path: Path, heads: list[str]) -> None:
    train, validation = listing(tmp_path / "t.tar", FIT), listing(tmp_path / "v.tar", VALIDATION)
    config = configuration(heads=heads)
    config = config.model_copy(update={"views": config.views.model_copy(update={"max_operations": 3})})
    found = Watch(config, train, validation).measure(ENCODER)
    metrics = ("auc", "balanced_accuracy", "accuracy_real", "accuracy_generated")
    conditions = ("untransformed", "transformed")
    expected = {f"{head}/{condition}/{metric}" for head in heads for condition in conditions for metric in metrics}
    expected |= {f"{condition}/{metric}" for condition in conditions for metric in metrics}
    assert set(found) == expected | {"auc", "balanced_accuracy"}
    for metric in metrics:
        for condition in conditions:
            assert found[f"{condition}/{metric}"] == found[f"{heads[0]}/{condition}/{metric}"]
    for metric in ("auc", "balanced_accuracy"):
        mean = (found[f"untransformed/{metric}"] + found[f"transformed/{metric}"]) / 2
        assert found[metric] == pytest.approx(mean)
    # Transformed images have other colours, so that the encoder sees other directions.
    assert any(found[f"untransformed/{metric}"] != found[f"transformed/{metric}"] for metric in metrics)


def test_heads_are_fitted_on_the_copies_asked_for(tmp_path: Path) -> None:
    train, validation = listing(tmp_path / "t.tar", FIT), listing(tmp_path / "v.tar", VALIDATION)
    config = configuration(heads=["nearest"])
    config = config.model_copy(update={"views": config.views.model_copy(update={"max_operations": 3})})
    watch = Watch(config, train, validation)
    untouched = FitConfig(untouched_copy=True, transformed_copies=0)
    assert watch.measure(ENCODER, copies=untouched) == watch.measure(ENCODER)
    transformed = watch.measure(ENCODER, copies=FitConfig(untouched_copy=False, transformed_copies=2))
    assert transformed != watch.measure(ENCODER)


def test_heads_are_fitted_on_the_fitting_images_where_there_are_any(tmp_path: Path) -> None:
    train, validation = listing(tmp_path / "t.tar", FIT), listing(tmp_path / "v.tar", VALIDATION)
    turned = listing(tmp_path / "f.tar", {(0, "phone"): [180] * 5, (1, "a"): [0] * 5})
    found = Watch(configuration(heads=["nearest"]), train, validation, turned).measure(ENCODER)
    assert found["untransformed/accuracy_real"] == 0
    # Nearer to 0 than to 180 are 80, 30 and 340.
    assert found["untransformed/accuracy_generated"] == pytest.approx(3 / 7)


def test_a_class_without_images_is_told_before_training(tmp_path: Path) -> None:
    whole = listing(tmp_path / "w.tar", {(0, "x"): [1, 2], (1, "y"): [3]})
    for label, missing in ((0, "generated"), (1, "real")):
        half = listing(tmp_path / f"{label}.tar", {(label, "x"): [1, 2]})
        with pytest.raises(DataError, match=f"validation data: there is no {missing} image among 2 "):
            Watch(configuration(), whole, half)
        with pytest.raises(DataError, match=f"fitting data: there is no {missing} image"):
            Watch(configuration(), whole, whole, half)


def test_unreadable_images_are_noted_and_strictly_an_error(tmp_path: Path) -> None:
    validation = listing(tmp_path / "v.tar", VALIDATION)
    with ShardWriter(tmp_path / "t.tar") as shard:
        for i in range(6):
            buffer = io.BytesIO()
            Image.new("RGB", (8, 8), (i, 0, 0)).save(buffer, "PNG")
            facts = {"label": "fake" if i % 2 else "real"}
            data = buffer.getvalue()[: 40 if i == 4 else None]
            shard.write(f"k{i}", {"png": data, "json": json.dumps(facts).encode()})
    train = Listing.of([str(tmp_path / "t.tar")], cache=False)
    watch = Watch(configuration(heads=["linear"]), train, validation)
    watch.measure(ENCODER)
    assert list(watch.broken) == [f"{tmp_path}/t.tar: k4.png"]
    config = configuration(heads=["linear"])
    strict = config.model_copy(update={"data": config.data.model_copy(update={"strict": True})})
    with pytest.raises(DataError, match="k4"):
        Watch(strict, train, validation).measure(ENCODER)


# --- drawn images ---------------------------------------------------------------------------------------------------


def test_lone_images_are_drawn_by_class_and_seed(tmp_path: Path) -> None:
    found = listing(tmp_path / "t.tar", FIT)
    one, same, other = (draw_fitting(found, 20, seed) for seed in (1, 1, 2))
    assert Counter(found.label[one].tolist()) == {0: 20, 1: 20}
    assert len(set(one.tolist())) == 40
    np.testing.assert_array_equal(one, same)
    assert set(one.tolist()) != set(other.tolist())
    assert Counter(found.label[draw_fitting(found, 1000, 1)].tolist()) == {0: 25, 1: 61}


def test_paired_records_are_drawn_whole(tmp_path: Path) -> None:
    write_paired_shard(tmp_path / "p.tar", 12, 3)
    found = Listing.of([str(tmp_path / "p.tar")], cache=False)
    rows = draw_fitting(found, 5, 1)
    assert Counter(found.label[rows].tolist()) == {0: 5, 1: 10}
    assert set(Counter(found.record[rows].tolist()).values()) == {3}
    assert len(draw_fitting(found, 100, 1)) == 36
    assert any(draw_fitting(found, 5, 1).tolist() != draw_fitting(found, 5, seed).tolist() for seed in (2, 3))


# --- one generator against each -------------------------------------------------------------------------------------


def row(table: CrossTable, head: str, generator: str | None, condition: str = "untransformed") -> Any:
    [found] = [r for r in table.rows if (r.head, r.generator, r.condition) == (head, generator, condition)]
    return found


def test_the_cross_table_by_hand(watch: Watch) -> None:
    table = watch.cross_table(ENCODER)
    assert (table.fitted, table.fitted_real, table.left_out) == ({"a": 20, "b": 22}, 25, {"few": 19})
    assert (table.tested, table.tested_real) == ({"a": 3, "b": 2, "c": 2}, 4)
    # Real at 0, a at 90: generated is what lies between 45 and 225 degrees.
    a = row(table, "nearest", "a")
    assert (a.real, a.generated) == (3 / 4, {"a": pytest.approx(2 / 3), "b": 1.0, "c": 0.5})
    # Real at 0, b at 180: generated is what lies between 90 and 270 degrees.
    b = row(table, "nearest", "b")
    assert (b.real, b.generated) == (1.0, {"a": pytest.approx(1 / 3), "b": 1.0, "c": 0.5})
    # Both, and not the one that was left out.
    both = row(table, "nearest", None)
    assert (both.real, both.generated) == (3 / 4, {"a": pytest.approx(2 / 3), "b": 1.0, "c": 0.5})
    linear = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced", random_state=42)
    fitting = np.concatenate([unit(FIT, 0), unit({(1, "a"): [90] * 20}, 1)])
    linear.fit(fitting, np.repeat([0, 1], [25, 20]))
    for name, degrees in (("a", [100, 80, 30]), ("b", [170, 120]), ("c", [200, 340])):
        expected = linear.predict(unit({(1, name): degrees}, 1)).mean()
        assert row(table, "linear", "a").generated[name] == pytest.approx(expected)
    assert [(head, condition) for head, condition, _ in table.parts()] == [
        ("linear", "untransformed"), ("linear", "transformed"), ("nearest", "untransformed"), ("nearest", "transformed")
    ]  # fmt: skip
    assert [r.generator for r in next(table.parts())[2]] == ["a", "b", None]


def test_generators_are_thinned_each_by_itself(tmp_path: Path) -> None:
    train = listing(tmp_path / "t.tar", {(0, "phone"): [0] * 60, (1, "a"): [90] * 70, (1, "b"): [180] * 21})
    validation = listing(tmp_path / "v.tar", VALIDATION)
    table = Watch(configuration(fit_images=30), train, validation).cross_table(ENCODER)
    assert (table.fitted, table.fitted_real) == ({"a": 30, "b": 21}, 30)


def test_paired_siblings_are_taken_from_the_drawn_records(tmp_path: Path) -> None:
    write_paired_shard(tmp_path / "p.tar", 26, 3)
    train, validation = Listing.of([str(tmp_path / "p.tar")], cache=False), listing(tmp_path / "v.tar", VALIDATION)
    table = Watch(configuration(fit_images=22), train, validation).cross_table(ENCODER)
    assert (table.fitted, table.fitted_real) == ({"gen_0": 22, "gen_1": 22}, 22)


def test_without_a_generator_of_enough_images_there_are_no_rows(tmp_path: Path) -> None:
    train = listing(tmp_path / "t.tar", {(0, "phone"): [0] * 60, (1, "a"): [90] * 19})
    table = Watch(configuration(), train, listing(tmp_path / "v.tar", VALIDATION)).cross_table(ENCODER)
    assert (table.rows, table.left_out) == ([], {"a": 19})
    assert table.means("linear", "untransformed") == (None, None)


def test_means_over_generators_tested_on_enough_images(tmp_path: Path) -> None:
    validation: Angles = {
        (0, "phone"): [0, 60],
        (1, "a"): [90] * 15 + [10] * 5,
        (1, "b"): [170] * 20,
        (1, "c"): [1] * 19,
    }
    train = listing(tmp_path / "t.tar", FIT)
    table = Watch(configuration(), train, listing(tmp_path / "v.tar", validation)).cross_table(ENCODER)
    # Head of a: real 1/2, a 3/4, b 1. Head of b: real 1, a 0 (90 degrees is as near to both, and a tie is real), b 1.
    a, b = row(table, "nearest", "a"), row(table, "nearest", "b")
    own, others = table.means("nearest", "untransformed")
    assert own == pytest.approx(((a.real + 0.75) / 2 + (b.real + 1) / 2) / 2)
    assert others == pytest.approx(((a.real + 1) / 2 + (b.real + b.generated["a"]) / 2) / 2)
    assert (a.real, b.real) == (0.5, 1.0)


def test_a_table_survives_being_written(watch: Watch) -> None:
    table = watch.cross_table(ENCODER)
    assert CrossTable.from_dict(json.loads(json.dumps(table.to_dict()))) == table


def test_the_end_of_a_run_leaves_table_and_picture(watch: Watch, tmp_path: Path) -> None:
    class Board:
        def __init__(self) -> None:
            self.images: list[Any] = []

        def add_image(self, tag: str, image: Any, step: int, dataformats: str) -> None:
            self.images.append((tag, image.shape[2], step, dataformats))

    board: Any = Board()
    watch.conclude(ENCODER, tmp_path, board, 30)
    assert CrossTable.from_dict(json.loads((tmp_path / "cross_table.json").read_text())) == watch.cross_table(ENCODER)
    assert (tmp_path / "figures" / "embedding.png").read_bytes().startswith(b"\x89PNG")
    assert board.images == [("embedding", 3, 30, "HWC")]


def test_no_cross_table_where_none_is_wanted(tmp_path: Path) -> None:
    train, validation = listing(tmp_path / "t.tar", FIT), listing(tmp_path / "v.tar", VALIDATION)
    Watch(configuration(per_generator=False), train, validation).conclude(ENCODER, tmp_path)
    assert not (tmp_path / "cross_table.json").exists()
    assert (tmp_path / "figures" / "embedding.png").exists()
