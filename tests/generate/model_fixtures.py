"""Fixtures that tests of generators share, as a plugin: small models, each saved once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """On a busy machine, the threads of so small a model wait for each other most of the time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def kl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AutoencoderKL."""
    from tiny_pipelines import save_tiny_autoencoder

    return save_tiny_autoencoder(tmp_path_factory.mktemp("kl"))


@pytest.fixture(scope="session")
def sequential(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An autoencoder of TAEF2's layout."""
    import torch

    from contrafake.generate.generators.sequential_autoencoder import SequentialAutoencoder, save_sequential

    folder = tmp_path_factory.mktemp("sequential")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_sequential(SequentialAutoencoder(8, 6, 12), folder)
    return folder
