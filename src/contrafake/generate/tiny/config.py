"""What a training of the own diffusion model is made from: YAML file, overrides and Python argument in one."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from contrafake.settings import Section


class TinyConfig(Section):
    """Everything that decides a trained model; saved with it.

    Attributes:
        name: Name of the model and of its run.
        seed: Of weights, noise, crops and the choice of photographs.
        data: Shards, patterns or folders as `contrafake data info` takes them; real images only are used. Paths may
            hold ``${CONTRAFAKE_DATA}``.
        keep: Only images whose metadata has one of the values, by name: {"content": ["real-photo"]}.
        limit: Training photographs at most, chosen by a hash of their keys; None takes all.
        held_out: Photographs that are set apart, by the same hash, to measure distances to.
        image_size: Side of the squares trained on, in pixels.
        shorter_side: Larger photographs are scaled down to this shorter side first, in pixels; none is scaled up.
        autoencoder: Folder or hub name of a latent autoencoder; None trains on pixels.
        channels: Channels of the network at each level; each further level has half the resolution.
        layers: Residual blocks at each level.
        attention: Levels with self-attention, counted from the coarsest.
        prediction: What the network predicts. "v_prediction" goes with a noise schedule that ends in noise alone;
            "epsilon" cannot (it would divide by a signal of zero), so its schedule keeps a rest of signal.
        steps: Training steps.
        batch: Crops in a step.
        learning_rate: At its peak; it falls to a tenth along a cosine.
        warmup: Steps until the peak.
        weight_decay: Of AdamW.
        ema: Share of the averaged weights that a step keeps, once enough steps are done.
        device: "auto" takes a GPU where there is one.
        precision: Of the network's forward pass; weights stay in fp32. "auto" is bf16 on a GPU that has it.
        threads: Threads of the processor; 0 leaves torch's choice.
        checkpoint_every: Steps between checkpoints.
        sample_every: Steps between sheets of samples.
        sampler_steps: Denoising steps of these samples and of the report.
        report_images: Images of each kind that the final distances are measured on.
    """

    name: str
    seed: int = Field(default=42, ge=0, lt=2**32)
    data: list[str] = Field(min_length=1)
    keep: dict[str, list[Any]] = Field(default={})
    limit: int | None = Field(default=None, ge=1)
    held_out: int = Field(default=200, ge=0)
    image_size: int = Field(default=192, ge=16, le=2048)
    shorter_side: int = Field(default=288, ge=16, le=8192)
    autoencoder: str | None = None
    channels: list[int] = Field(default=[64, 128, 192], min_length=1, max_length=8)
    layers: int = Field(default=2, ge=1, le=8)
    attention: int = Field(default=1, ge=0, le=8)
    prediction: Literal["epsilon", "v_prediction"] = "v_prediction"
    steps: int = Field(default=4000, ge=1)
    batch: int = Field(default=16, ge=1, le=4096)
    learning_rate: float = Field(default=4e-4, gt=0, le=1)
    warmup: int = Field(default=200, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: int = Field(default=0, ge=0, le=1024)
    checkpoint_every: int = Field(default=250, ge=1)
    sample_every: int = Field(default=500, ge=1)
    sampler_steps: int = Field(default=50, ge=1, le=1000)
    report_images: int = Field(default=128, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.shorter_side < self.image_size:
            raise ValueError("shorter_side is below image_size: no photograph would hold a crop")
        if self.attention > len(self.channels):
            raise ValueError("attention counts more levels than channels has")
        if any(channels % 4 or channels < 4 for channels in self.channels):
            raise ValueError("channels are multiples of 4")
        return self
