from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

EXAMPLES = Path(__file__).parents[1] / "examples"
IMAGES = sorted(path for path in EXAMPLES.rglob("*") if path.suffix in {".jpg", ".jpeg", ".png", ".webp"})


def names() -> set[str]:
    return {path.relative_to(EXAMPLES).as_posix() for path in IMAGES}


def test_the_readme_lists_every_image_and_no_other() -> None:
    table = re.findall(r"^\| `([^`]+)` \|", (EXAMPLES / "README.md").read_text("utf-8"), flags=re.MULTILINE)
    assert len(table) == len(set(table))
    assert set(table) == names()
    assert {name.split("/")[0] for name in table} == {"real", "generated"}


@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg"])
def test_scikit_learn_photographs_are_unchanged(name: str) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    source = Path(datasets.__file__).parent / "images" / name
    assert (EXAMPLES / "real" / name).read_bytes() == source.read_bytes()


def test_matplotlib_photograph_is_unchanged() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    source = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    assert (EXAMPLES / "real" / "grace_hopper.jpg").read_bytes() == source.read_bytes()


def test_compression_does_not_give_the_generated_images_away() -> None:
    for path in (EXAMPLES / "generated").iterdir():
        origin = EXAMPLES / "real" / f"{path.stem.split('_')[0]}.jpg"
        with Image.open(path) as image, Image.open(origin) as photograph:
            assert isinstance(image, JpegImageFile)
            assert isinstance(photograph, JpegImageFile)
            assert image.quantization == photograph.quantization
            assert get_sampling(image) == get_sampling(photograph)
            assert image.info["icc_profile"] == photograph.info["icc_profile"]
            assert max(image.size) <= 640
            assert all(side % 8 == 0 for side in image.size)


def test_the_examples_stay_small() -> None:
    assert sum(path.stat().st_size for path in EXAMPLES.rglob("*") if path.is_file()) < 1_500_000


def test_the_network_has_the_shapes_the_weights_want() -> None:
    torch = pytest.importorskip("torch")
    script = runpy.run_path(str(EXAMPLES / "make_generated.py"))
    encoder, decoder = script["make_encoder"](), script["make_decoder"]()
    latents = encoder(torch.zeros(1, 3, 16, 24))
    assert latents.shape == (1, 32, 2, 3)
    assert decoder(latents).shape == (1, 3, 16, 24)
    assert [name for name, _ in encoder.named_children()][-1] == "14"
    assert [name for name, _ in decoder.named_children()][-1] == "19"
