"""Trains the own diffusion model: denoising at random times (Ho et al. 2020), stoppable and resumable at any step."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contrafake.data.whole_file import write_whole
from contrafake.generate.tiny.checkpoint import load_state, save_state
from contrafake.generate.tiny.photographs import Cache, Chosen, choose, fill_cache

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from contrafake.generate.tiny.config import TinyConfig
    from contrafake.generate.tiny.watching import Watching

STATE, LOG, PIPELINE = "checkpoint.safetensors", "loss.jsonl", "pipeline"


@dataclass(frozen=True)
class Trained:
    """What a training leaves.

    Attributes:
        pipeline: A `TinyPipeline` with the averaged weights.
        chosen: The photographs of training and those set apart.
        cache: What was kept of the former.
    """

    pipeline: Any
    chosen: Chosen
    cache: Cache


def train(config: TinyConfig, run: Path, watching: Watching) -> Trained:
    """Trains to the last step, from wherever an earlier call was interrupted, and saves the pipeline.

    Crops, times and noise of a step follow from the seed and the step's number, so that an interrupted training takes
    the same steps as one that was not.

    Args:
        config: The settings.
        run: Folder of the run: cache, checkpoint, log of losses (JSON lines), sheets of samples, pipeline.
        watching: Is told how it goes.

    Raises:
        ConfigError: The settings do not fit each other, or not those of the steps so far.
        DataError: The photographs or the autoencoder cannot be used, or something cannot be written.
    """
    import torch  # noqa: PLC0415

    from contrafake.generate.generators.torch_place import place  # noqa: PLC0415
    from contrafake.generate.tiny.learner import Learner  # noqa: PLC0415

    if config.threads:
        torch.set_num_threads(config.threads)
    device, dtype = place(config)
    run.mkdir(parents=True, exist_ok=True)
    settings = config.model_dump(mode="json")
    write_whole(run / "config.json", json.dumps(settings, indent=1).encode())
    chosen = choose(config)
    pipeline = build(config, device)
    with watching.phase("reading photographs", len(chosen.training)) as advance:
        cache = fill_cache(run / "cache", chosen.training, config, pipeline.autoencoder, advance)
    watching.left_out(cache.left_out)
    pipeline.register_to_config(latent_mean=cache.mean, latent_deviation=cache.deviation)
    learner = Learner(config, pipeline, cache, dtype)
    state: dict[str, Any] = {
        "config": settings,
        "network": pipeline.unet,
        "average": learner.average,
        "optimizer": learner.optimizer,
    }
    done = load_state(run / STATE, **state)
    _cut_log(run / LOG, done)
    began = time.monotonic()
    with watching.phase("training", config.steps) as advance, (run / LOG).open("a", encoding="utf-8") as log:
        advance(done)
        for step in range(done, config.steps):
            loss = learner.take(step)
            log.write(json.dumps({"step": step, "loss": round(loss, 6)}) + "\n")
            log.flush()
            advance(1)
            watching.step(step + 1, config.steps, loss, (time.monotonic() - began) / (step + 1 - done))
            if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
                save_state(run / STATE, step + 1, **state)
            if (step + 1) % config.sample_every == 0:
                with learner.averaged():
                    watching.sheet(pipeline, config, chosen, run / f"samples-{step + 1:07d}.png")
    pipeline.unet.load_state_dict(learner.average)
    pipeline.unet.eval()
    pipeline.save_pretrained(run / PIPELINE)
    return Trained(pipeline, chosen, cache)


def build(config: TinyConfig, device: torch.device) -> Any:
    """The untrained `TinyPipeline`: weights by the seed, noise schedule by the kind of prediction.

    The schedule is the cosine one (Nichol and Dhariwal 2021). With "v_prediction" it is shifted to end in noise alone
    and sampling begins there (Lin et al. 2024), else a sample would begin with a brightness that training never met.

    Raises:
        ConfigError: The channels do not fit.
        DataError: The autoencoder cannot be opened.
    """
    from pathlib import Path  # noqa: PLC0415

    import torch  # noqa: PLC0415
    from diffusers import DDIMScheduler, UNet2DModel  # noqa: PLC0415

    from contrafake.generate.generators.autoencoder import open_autoencoder  # noqa: PLC0415
    from contrafake.generate.tiny.pipeline import TinyPipeline  # noqa: PLC0415
    from contrafake.settings import expand  # noqa: PLC0415

    path = None if config.autoencoder is None else Path(expand(config.autoencoder))
    opened = None if path is None else open_autoencoder(str(path), device=device, dtype=torch.float32)
    channels, factor = (3, 1) if opened is None else (int(opened.channels), int(opened.factor))
    unet: Any = UNet2DModel
    plain = len(config.channels) - config.attention
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network: Any = unet(
            sample_size=config.image_size // factor,
            in_channels=channels,
            out_channels=channels,
            block_out_channels=tuple(config.channels),
            layers_per_block=config.layers,
            down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",) * config.attention,
            up_block_types=("AttnUpBlock2D",) * config.attention + ("UpBlock2D",) * plain,
            norm_num_groups=math.gcd(16, *config.channels),
            attention_head_dim=math.gcd(32, *config.channels),
            add_attention=config.attention > 0,
        )
    network.to(device, memory_format=torch.channels_last)
    ends_in_noise = config.prediction == "v_prediction"
    schedule: Any = DDIMScheduler
    scheduler = schedule(
        beta_schedule="squaredcos_cap_v2",
        prediction_type=config.prediction,
        rescale_betas_zero_snr=ends_in_noise,
        timestep_spacing="trailing",
        clip_sample=opened is None,
    )
    pipeline = TinyPipeline(network, scheduler)
    pipeline.autoencoder_path = path
    return pipeline


def _cut_log(path: Path, steps: int) -> None:
    """Drops what was logged after the checkpoint, or only half."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()[:steps]
        write_whole(path, "".join(f"{line}\n" for line in lines).encode())
