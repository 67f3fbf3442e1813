"""The last block of an encoder, trained alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import TINY_VIT, jpeg, picture

from contrafake.adapt.refit_figures import ALL_OLD
from contrafake.adapt.refitting import OldImages, refit
from contrafake.cli import run
from contrafake.detect.load import load
from contrafake.errors import BundleError, UsageError
from contrafake.images import read
from contrafake.model.bundle import read_bundle
from contrafake.model.bundle_writing import rewrite_bundle

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")

TINY_RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}


@pytest.mark.parametrize(("backbone", "options"), [("vit-tiny-16", TINY_VIT), ("resnet-mini", TINY_RESNET)])
def test_the_block_and_what_lies_before_it_make_the_encoder(backbone: str, options: dict[str, object]) -> None:
    from contrafake.adapt.last_block import BlockTraining, LastBlock, train_block
    from contrafake.model.encoder import Encoder, EncoderConfig

    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(backbone=backbone, image_size=32, options=options)).eval()
    block = LastBlock(encoder)
    crops = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    hidden, embeddings = block.split(crops)
    assert block.embed_all(hidden) == pytest.approx(embeddings.numpy(), abs=2e-2)  # kept in half precision
    trained = {id(parameter) for parameter in block.parameters()}
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    labels = np.array([0, 1] * 4, np.uint8)
    train_block(block, hidden, labels, np.ones(8), np.arange(8) < 6, training=BlockTraining(passes=24))
    changed = {name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])}
    free = {name for name, parameter in encoder.named_parameters() if id(parameter) in trained}
    assert changed
    assert changed <= free
    assert not encoder.training


def test_a_refit_of_the_last_block(tiny_bundle: Path, tiny_shards: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    folder = tmp_path / "stripes"
    folder.mkdir()
    for i in range(16):
        pixels = picture(rng, generated=False).astype(np.int16)
        pixels += 40 * (np.arange(72) // 2 % 2)[None, :, None].astype(np.int16)
        (folder / f"{i}.jpg").write_bytes(jpeg(np.clip(pixels, 0, 255).astype(np.uint8)))
    out = tmp_path / "out"
    sets = ["--old", str(tiny_shards / "train-0000.tar"), "--validation", str(tiny_shards / "val-0000.tar")]
    assert run(["refit", str(tiny_bundle), "--add", f"stripes={folder}", "--out", str(out), "--last-block", *sets]) == 0
    old, new = read_bundle(tiny_bundle), read_bundle(out)
    assert old.graph().read_bytes() != new.graph().read_bytes()
    assert new.weights_path is not None
    memory, before = new.validation_memory(), old.validation_memory()
    assert memory is not None
    assert before is not None
    held = new.config.history[-1]["added"]["stripes"]["held_back"]
    assert len(memory.labels) == len(before.labels) + held
    rows = {row["origin"]: row["auc"] for row in new.config.history[-1]["figures"]}
    assert rows["stripes"]["after"] > rows["stripes"]["before"] - 0.1
    assert rows[ALL_OLD]["after"] > rows[ALL_OLD]["before"] - 0.1
    names = new.config.validation
    assert names is not None
    assert "stripes" in names.origins
    # What the bundle remembers of the images is what its graph says of them.
    detector = load(out)
    vectors = detector.embed([read(path) for path in sorted(folder.iterdir())])
    gaps = np.linalg.norm(memory.centres()[-held:, None] - vectors[None], axis=2).min(axis=1)
    assert gaps == pytest.approx(np.zeros(held), abs=0.05)


def test_weights_of_another_encoder_are_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    from contrafake.adapt.last_block import load_encoder

    bundle = read_bundle(tiny_bundle)
    with pytest.raises(BundleError, match="no readable safetensors"):
        load_encoder(bundle, bundle.graph())
    with pytest.raises(BundleError, match="another encoder"):
        load_encoder(bundle, bundle.path / "heads.safetensors")
    bare = rewrite_bundle(bundle, tmp_path / "bare", bundle.config)
    assert bare.weights_path is not None


def test_what_the_last_block_needs_is_said(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["refit", str(tiny_bundle), "--add", f"a={tmp_path}", "--out", str(tmp_path / "out")]
    assert run([*call, "--last-block"]) == 2
    assert "give --old and --validation" in capsys.readouterr().err
    assert run([*call, "--old", "x"]) == 2
    assert "add --last-block" in capsys.readouterr().err


def test_a_bundle_without_weights_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    from contrafake.model.bundle_writing import write_bundle

    bundle = read_bundle(tiny_bundle)
    bare = write_bundle(
        tmp_path / "bare", bundle.config, model=bundle.graph(), texts={}, memory=bundle.validation_memory(),
        heads={name: bundle.head(name) for name in bundle.config.heads},
        calibrations={},
    )  # fmt: skip
    rng = np.random.default_rng(4)
    for i in range(6):
        (tmp_path / f"{i}.jpg").write_bytes(jpeg(picture(rng, generated=True)))
    with pytest.raises(UsageError, match="keeps no torch weights"):
        refit(bare.path, {"a": tmp_path}, out=tmp_path / "out", last_block=OldImages("x", "y"), workers=1)
