"""Hostile pickles are refused by name, and nothing of them runs: watched by an audit hook in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from inert_streams import HEAD, STOP, called, hostile, name, text

from contrafake.errors import BundleError
from contrafake.model.inert import read_estimator

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
WARM = HERE / "fixtures" / "sklearn-1.3.2" / "LogisticRegression.protocol2.pkl"
ATTACKS = hostile("canary")


@pytest.mark.parametrize("attack", ATTACKS)
def test_each_attack_is_refused_by_name_and_place(attack: str, tmp_path: Path) -> None:
    stream, expected = ATTACKS[attack]
    path = tmp_path / "classifier.sav"
    path.write_bytes(stream)
    with pytest.raises(BundleError) as caught:
        read_estimator(path)
    assert caught.value.subject == str(path)
    assert expected in caught.value.cause
    assert caught.value.remedy
    assert caught.value.cause.isascii()
    assert caught.value.cause.isprintable()


def test_nothing_of_any_attack_runs(tmp_path: Path) -> None:
    canary, control = tmp_path / "canary", tmp_path / "noticed"
    for index, (stream, _) in enumerate(hostile(str(canary)).values()):
        (tmp_path / f"{index:02}.pkl").write_bytes(stream)
    run = called(name("os", "system"), text(f"touch {control}"))
    (tmp_path / "control.pkl").write_bytes(HEAD + run + STOP)
    ran = subprocess.run(
        [sys.executable, HERE / "inert_watch.py", WARM, tmp_path], capture_output=True, text=True, check=True,
    )  # fmt: skip
    report: dict[str, Any] = json.loads(ran.stdout)
    noticed = report["told"].pop("control")
    assert "os.system" in noticed[1]
    assert control.exists()
    assert len(report["told"]) == len(ATTACKS)
    assert [told for told in report["told"].values() if told[0] == "read" or told[1]] == []
    assert not canary.exists()
    assert report["modules"] == []


def saved_tree(path: Path) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    dump(KNeighborsClassifier(1, algorithm="kd_tree").fit([[0.0], [1.0], [3.0]], [0, 1, 1]), path)


def saved_ball(path: Path) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    dump(KNeighborsClassifier(1, algorithm="ball_tree").fit([[0.0], [1.0], [3.0]], [0, 1, 1]), path)


def saved_objects(path: Path) -> None:
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    dump(LogisticRegression().fit([[0.0], [1.0]], np.array(["real", "generated"], dtype=object)), path)


def saved_pipeline(path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    dump(make_pipeline(LogisticRegression()), path)


def saved_dict(path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    dump({"C": 1.0, "model": LogisticRegression()}, path)


def saved_random_state(path: Path) -> None:
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    dump(LogisticRegression(random_state=np.random.RandomState(0)), path)


def saved_list(path: Path) -> None:
    dump([1, 2.0, "three"], path)


def dump(thing: object, path: Path) -> None:
    import joblib  # type: ignore[import-untyped]

    joblib.dump(thing, path)


@pytest.mark.parametrize(
    ("save", "cause", "remedy"),
    [
        (saved_tree, "sklearn.neighbors._kd_tree", "metric='cosine'"),
        (saved_ball, "sklearn.neighbors._ball_tree", "algorithm='brute'"),
        (saved_objects, "array of objects", "numbers"),
        (saved_pipeline, "sklearn.pipeline.Pipeline", "LogisticRegression"),
        (saved_dict, "holds a value of type dict", "LogisticRegression"),
        (saved_random_state, "numpy.random", "LogisticRegression"),
        (saved_list, "holds a value of type list", "LogisticRegression"),
    ],
)
def test_what_scikit_learn_saves_beyond_the_three_is_refused(
    save: Callable[[Path], None], cause: str, remedy: str, tmp_path: Path
) -> None:
    path = tmp_path / "other.joblib"
    save(path)
    with pytest.raises(BundleError) as caught:
        read_estimator(path)
    assert cause in caught.value.cause
    assert remedy in caught.value.remedy
