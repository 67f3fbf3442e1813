"""Versions of a bundle that was changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from contrafake.model.bundle import read_bundle
from contrafake.model.bundle_writing import rewrite_bundle
from contrafake.model.lineage import changed, next_version

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("version", "following"), [("0.1.0", "0.1.0+1"), ("0.1.0+1", "0.1.0+2"), ("1+9", "1+10"), ("a+b", "a+b+1")]
)
def test_versions_count_up(version: str, following: str) -> None:
    assert next_version(version) == following


def test_a_rewritten_bundle_takes_over_all_that_was_not_given(tiny_bundle: Path, tmp_path: Path) -> None:
    old = read_bundle(tiny_bundle)
    config = old.config.model_copy(update=changed(old, "calibrate", {"images": 3}))
    new = rewrite_bundle(old, tmp_path / "new", config, texts={"README.md": "# new\n"})
    assert new.config.version == f"{old.config.version}+1"
    [step] = new.config.history
    assert (step["step"], step["images"], step["from"]["hash"]) == ("calibrate", 3, old.hash)
    assert new.config.files == old.config.files
    assert (new.path / "README.md").read_text() == "# new\n"
    assert (new.path / "NOTICE").read_bytes() == (old.path / "NOTICE").read_bytes()
    again = rewrite_bundle(new, new.path, new.config.model_copy(update=changed(new, "refit", {})))
    assert [step["step"] for step in again.config.history] == ["calibrate", "refit"]
    assert again.config.files == old.config.files


def test_what_the_new_configuration_does_not_list_is_left_behind(tiny_bundle: Path, tmp_path: Path) -> None:
    old = read_bundle(tiny_bundle)
    fewer = [facts for facts in old.config.calibrations if facts.head == "linear"]
    update = {"heads": ["linear"], "calibrations": fewer, "validation": None, "attribution": None}
    new = rewrite_bundle(old, tmp_path / "new", old.config.model_copy(update=update))
    assert new.validation_memory() is None
    assert new.calibrated_crops("linear") == old.calibrated_crops("linear")
    assert new.calibrated_crops("svm") == []
    vectors = np.zeros((2, int(old.config.architecture["dimension"])), np.float32)
    np.testing.assert_array_equal(new.head("linear").score(vectors), old.head("linear").score(vectors))
    json.loads((new.path / "config.json").read_text())
