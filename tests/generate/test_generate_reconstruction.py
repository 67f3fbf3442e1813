"""Reconstructions: sizes, noise, rounding, and that images of one batch do not see each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from contrafake.errors import ContrafakeError  # noqa: E402
from contrafake.generate.generators.generator import GenerationError, Made, Request, open_generator  # noqa: E402
from contrafake.generate.generators.identity import fingerprint  # noqa: E402
from contrafake.generate.generators.reconstruction import Reconstructor  # noqa: E402
from contrafake.generate.generators.sequential_autoencoder import (  # noqa: E402
    SequentialAutoencoder,
    save_sequential,
)
from contrafake.generate.generators.settings import Reconstruction  # noqa: E402
from contrafake.generate.job import Job, Treatment  # noqa: E402

pytest_plugins = ["model_fixtures"]
pytestmark = pytest.mark.usefixtures("one_thread")


def reconstructor(model: Path, **options: Any) -> Reconstructor:
    return Reconstructor(Reconstruction(kind="reconstruction", name="r", model=str(model), device="cpu", **options))


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def request(image: NDArray[np.uint8] | None, seed: int = 0) -> Request:
    height, width = (8, 8) if image is None else image.shape[:2]
    treatment = Treatment(None, None, 1.0, None)
    box = (0, 0, width, height)
    job = Job("k", "a", "r", "reconstruction", "", "", "", "", box, width, height, None, None, 0.0, "", seed, treatment)
    return Request(job, seed, image)


def pixels(outcome: Made | GenerationError) -> NDArray[np.uint8]:
    assert isinstance(outcome, Made), outcome
    return outcome.pixels


def test_it_is_opened_by_its_kind(kl: Path) -> None:
    settings = Reconstruction(kind="reconstruction", name="r", model=str(kl), device="cpu", levels=16)
    generator = open_generator(settings)
    [made] = generator.make([request(picture(8, 8))])
    assert isinstance(made, Made)
    assert made.facts["class"] == "AutoencoderKL"
    assert made.facts["levels"] == 16
    assert (made.flagged, made.mask) == (None, None)
    assert generator.facts["device"] == "cpu"
    generator.close()


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (3, 17), (16, 9)])
def test_every_size_comes_back(sequential: Path, size: tuple[int, int]) -> None:
    made = pixels(reconstructor(sequential).make([request(picture(*size))])[0])
    assert made.shape == (*size, 3)
    assert made.dtype == np.uint8


def test_padding_mirrors_the_right_and_lower_side(sequential: Path) -> None:
    image = picture(13, 18)
    mirrored = np.concatenate([image, image[-2:-5:-1]])
    mirrored = np.concatenate([mirrored, mirrored[:, -2:-8:-1]], axis=1)
    assert mirrored.shape == (16, 24, 3)
    generator = reconstructor(sequential)
    small, whole = (pixels(made) for made in (generator.make([request(shown)])[0] for shown in (image, mirrored)))
    np.testing.assert_array_equal(small, whole[:13, :18])


def test_without_noise_the_seed_does_not_matter(kl: Path) -> None:
    generator = reconstructor(kl)
    image = picture(16, 16)
    first, second = (pixels(generator.make([request(image, seed)])[0]) for seed in (1, 2))
    np.testing.assert_array_equal(first, second)


def test_noise_follows_the_seed(sequential: Path) -> None:
    image = picture(32, 32)
    one, same, other = (pixels(reconstructor(sequential, noise=2.0).make([request(image, s)])[0]) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_noise_is_a_share_of_the_latents_deviation(kl: Path) -> None:
    from contrafake.generate.generators.autoencoder import open_autoencoder

    image = picture(16, 16)
    autoencoder = open_autoencoder(str(kl), device="cpu", dtype=torch.float32)
    latent = autoencoder.encode(torch.from_numpy(image).permute(2, 0, 1)[None] / 255).numpy()
    noise = torch.randn(latent.shape[1:], generator=torch.Generator().manual_seed(7)).numpy()
    moved = torch.from_numpy(latent + 0.5 * latent.std() * noise)
    expected = (autoencoder.decode(moved)[0].permute(1, 2, 0).numpy() * 255).round()
    made = pixels(reconstructor(kl, noise=0.5).make([request(image, 7)])[0])
    assert np.abs(made - expected).max() <= 1


def test_more_noise_leads_further_away(kl: Path) -> None:
    image = picture(32, 32)
    clean = pixels(reconstructor(kl).make([request(image)])[0]).astype(float)
    away = [
        np.abs(pixels(reconstructor(kl, noise=noise).make([request(image)])[0]) - clean).mean()
        for noise in (0.2, 0.6, 1.8)
    ]
    assert 0 < away[0] < away[1] < away[2]


def test_two_levels_leave_two_values(kl: Path) -> None:
    from contrafake.generate.generators.autoencoder import open_autoencoder

    image = picture(16, 16)
    autoencoder = open_autoencoder(str(kl), device="cpu", dtype=torch.float32)
    latent = autoencoder.encode(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)
    low, high = latent.min(), latent.max()
    rounded = torch.where(latent > (low + high) / 2, high, low)
    expected = (autoencoder.decode(rounded)[0].permute(1, 2, 0).numpy() * 255).round()
    made = pixels(reconstructor(kl, levels=2).make([request(image)])[0])
    assert np.abs(made - expected).max() <= 1


def test_images_of_a_batch_do_not_see_each_other(sequential: Path) -> None:
    generator = reconstructor(sequential, noise=1.0, batch=3)
    requests = [request(picture(16 + 8 * (i % 2), 16, i), i) for i in range(7)]
    together = [pixels(made) for made in generator.make(requests)]
    for asked, made in zip(requests, together, strict=True):
        alone = pixels(generator.make([asked])[0])
        assert alone.shape == made.shape
        assert np.abs(alone.astype(int) - made).max() <= 1


def test_a_request_without_an_image_fails_alone(kl: Path) -> None:
    failed, made = reconstructor(kl).make([request(None), request(picture(8, 8))])
    assert isinstance(failed, GenerationError)
    assert isinstance(made, Made)


def test_numbers_out_of_range_fail_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network: Any = SequentialAutoencoder(8, 6, 12)
    with torch.no_grad():
        network.encoder[0].weight.mul_(1e30)
        network.encoder[0].bias.zero_()
        network.encoder[1].conv[0].weight.mul_(1e30)
    save_sequential(network, tmp_path)
    black, other = reconstructor(tmp_path, batch=2).make([request(0 * picture(8, 8)), request(picture(8, 8))])
    assert isinstance(black, Made)
    assert isinstance(other, GenerationError)
    assert "left their range" in str(other)


def test_a_folder_has_a_fingerprint_that_its_images_do_not_repeat(sequential: Path) -> None:
    generator = reconstructor(sequential)
    [made] = generator.make([request(picture(8, 8))])
    assert isinstance(made, Made)
    assert generator.facts["fingerprint"] == fingerprint(sequential)
    assert "fingerprint" not in made.facts
    assert str(sequential) not in str(generator.facts)


def test_a_broken_gpu_ends_the_run_and_any_other_failure_only_the_image(kl: Path) -> None:
    generator: Any = reconstructor(kl, batch=4)
    words = "CUDA error: device-side assert triggered"

    def broken(images: Any) -> Any:
        raise RuntimeError(words)

    generator._autoencoder.encode = broken
    with pytest.raises(ContrafakeError, match="the GPU: stopped working"):
        generator.make([request(picture(8, 8))])
    words = "no file /home/somebody/kernels/a.cu\nand more."
    [failed] = generator.make([request(picture(8, 8))])
    assert failed.cause == "the autoencoder failed: RuntimeError: no file a.cu and more"


def test_half_precision_stays_near(sequential: Path) -> None:
    image = picture(16, 16)
    full, half = (pixels(reconstructor(sequential, precision=p).make([request(image)])[0]) for p in ("fp32", "bf16"))
    assert np.abs(full.astype(int) - half).max() <= 4
