"""Noise against the statistics it states."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from contrafake.errors import UsageError
from contrafake.images.transforms import GaussianNoise, noise


def flat(level: int, width: int = 300, height: int = 200) -> Image.Image:
    return Image.new("RGB", (width, height), (level, level, level))


@pytest.mark.parametrize("sigma", [1.0, 3.5, 10.0, 20.0])
@pytest.mark.parametrize("per_channel", [True, False])
def test_the_spread_is_sigma_and_the_mean_stays(sigma: float, per_channel: bool) -> None:
    change = np.asarray(GaussianNoise(sigma, per_channel, 5)(flat(128)), dtype=float) - 128
    # Rounding to whole levels adds 1/12 of a squared level; the bounds are four standard errors.
    variance = sigma**2 + 1 / 12
    assert change.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / 60_000))
    assert abs(change.mean()) < 4 * np.sqrt(variance / 60_000)


def test_noise_is_gaussian() -> None:
    change = np.asarray(GaussianNoise(20.0, True, 1)(flat(128)), dtype=float) - 128
    for within in (5.5, 19.5, 40.5):  # between whole levels, where rounding decides nothing
        share = math.erf(within / 20 / math.sqrt(2))
        assert (np.abs(change) < within).mean() == pytest.approx(share, abs=0.005)
    assert ((change / 20) ** 3).mean() == pytest.approx(0, abs=0.05)


def test_channels_have_noise_of_their_own_or_all_the_same() -> None:
    own = np.asarray(GaussianNoise(8.0, True, 2)(flat(100)), dtype=float).reshape(-1, 3)
    assert np.abs(np.corrcoef(own.T)[np.triu_indices(3, 1)]).max() < 0.02
    coloured = Image.new("RGB", (80, 60), (90, 120, 150))
    common = np.asarray(GaussianNoise(8.0, False, 2)(coloured), dtype=int) - (90, 120, 150)
    assert (common == common[..., :1]).all()
    assert common.std() > 7


def test_neighbours_are_independent() -> None:
    change = np.asarray(GaussianNoise(8.0, False, 3)(flat(100)), dtype=float)[..., 0]
    for first, second in ((change[1:], change[:-1]), (change[:, 1:], change[:, :-1])):
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02


@pytest.mark.parametrize(("level", "kept"), [(0, 0), (255, 255)])
def test_levels_are_clipped_and_never_wrap(level: int, kept: int) -> None:
    noisy = np.asarray(GaussianNoise(10.0, True, 4)(flat(level)), dtype=int)
    assert (noisy == kept).mean() == pytest.approx(0.52, abs=0.02)
    assert np.abs(noisy - level).max() < 60


def test_the_seed_decides() -> None:
    first, again, other = (GaussianNoise(5.0, True, seed)(flat(50)).tobytes() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_no_noise_changes_nothing() -> None:
    assert GaussianNoise(0.0, True, 1)(flat(77)).tobytes() == flat(77).tobytes()


@pytest.mark.parametrize("strip", [1, 300, 1234])
def test_working_in_strips_does_not_show(strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = GaussianNoise(5.0, True, 9)(flat(50)).tobytes()
    monkeypatch.setattr(noise, "_STRIP", strip)
    assert GaussianNoise(5.0, True, 9)(flat(50)).tobytes() == whole


@pytest.mark.parametrize(("sigma", "seed"), [(-1.0, 1), (101.0, 1), (float("nan"), 1), (1.0, -1), (1.0, 2**32)])
def test_parameters_outside_their_range_are_refused(sigma: float, seed: int) -> None:
    with pytest.raises(UsageError, match="gaussian_noise"):
        GaussianNoise(sigma, True, seed)
