"""Tiny pipelines of true diffusers classes with random weights, saved to folders as the published ones are."""

from __future__ import annotations

import importlib
import json
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

# Taken as Any: neither library has types that hold.
diffusers: Any = importlib.import_module("diffusers")
transformers: Any = importlib.import_module("transformers")

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,-'"
WORDS = ("<pad>", "</s>", "<unk>", "a", "the", "red", "blue", "cat", "dog", "house", "photo", "of")


def save_tiny_stable_diffusion(folder: Path) -> Path:
    """A StableDiffusionPipeline that makes 32x32 images by default, 2 pixels a latent step, without a checker."""
    with _built_alike():
        pipeline = diffusers.StableDiffusionPipeline(
            **_stable_diffusion_parts(channels=4),
            scheduler=diffusers.PNDMScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, skip_prk_steps=True
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_tiny_checked(folder: Path, *, flags: bool) -> Path:
    """As `save_tiny_stable_diffusion`, with a safety checker that flags every image, or none."""

    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    with _built_alike():
        checker = diffusers.pipelines.stable_diffusion.StableDiffusionSafetyChecker(
            transformers.CLIPConfig(
                vision_config={**vision, "image_size": 30, "patch_size": 15}, text_config=vision, projection_dim=16
            )
        )
        # Cosines are compared with these: all are above -2, and none is above 2.
        for threshold in (checker.concept_embeds_weights, checker.special_care_embeds_weights):
            threshold.data.fill_(-2.0 if flags else 2.0)
        pipeline = diffusers.StableDiffusionPipeline(
            **_stable_diffusion_parts(channels=4),
            scheduler=diffusers.DDIMScheduler(beta_schedule="scaled_linear"),
            safety_checker=checker,
            feature_extractor=transformers.CLIPImageProcessor(
                size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30}, do_convert_rgb=True
            ),
        )
        pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_tiny_inpainting(folder: Path) -> Path:
    """A StableDiffusionInpaintPipeline whose network sees the mask and the masked image (9 channels)."""
    with _built_alike():
        pipeline = diffusers.StableDiffusionInpaintPipeline(
            **_stable_diffusion_parts(channels=9),
            scheduler=diffusers.DDIMScheduler(beta_schedule="scaled_linear"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_tiny_unconditional(folder: Path, side: int = 16) -> Path:
    """A DDIMPipeline without any input: images of `side` pixels."""
    with _built_alike():
        network = diffusers.UNet2DModel(
            sample_size=side,
            layers_per_block=1,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
        )
        diffusers.DDIMPipeline(network, diffusers.DDIMScheduler()).save_pretrained(folder, safe_serialization=True)
    return folder


def save_tiny_if(first: Path, second: Path) -> tuple[Path, Path]:
    """DeepFloyd's two stages: IFPipeline with its text encoder, IFSuperResolutionPipeline, which has none, as used."""
    with _built_alike():
        diffusers.IFPipeline(
            tokenizer=_word_tokenizer(),
            text_encoder=_t5(),
            unet=_if_network(channels=3, side=16),
            scheduler=_if_scheduler(),
            safety_checker=None,
            feature_extractor=None,
            watermarker=None,
            requires_safety_checker=False,
        ).save_pretrained(first, safe_serialization=True)
        diffusers.IFSuperResolutionPipeline(
            tokenizer=_word_tokenizer(),
            text_encoder=_t5(),
            unet=_if_network(channels=6, side=32, class_embed_type="timestep"),
            scheduler=_if_scheduler(),
            image_noising_scheduler=diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
            safety_checker=None,
            feature_extractor=None,
            watermarker=None,
            requires_safety_checker=False,
        ).save_pretrained(second, safe_serialization=True)
    return first, second


def save_tiny_upscaler(folder: Path) -> Path:
    """A StableDiffusionUpscalePipeline: doubles the sides (the published one gives four times)."""
    with _built_alike():
        diffusers.StableDiffusionUpscalePipeline(
            **_stable_diffusion_parts(channels=7, num_class_embeds=1000),
            low_res_scheduler=diffusers.DDPMScheduler(),
            scheduler=diffusers.DDIMScheduler(prediction_type="v_prediction"),
            max_noise_level=350,
        ).save_pretrained(folder, safe_serialization=True)
    return folder


def save_tiny_pixart(folder: Path) -> Path:
    """A PixArtAlphaPipeline: a transformer whose prompts pass through T5."""
    with _built_alike():
        diffusers.PixArtAlphaPipeline(
            tokenizer=_word_tokenizer(),
            text_encoder=_t5(),
            vae=_autoencoder(),
            transformer=diffusers.PixArtTransformer2DModel(
                sample_size=16,
                num_layers=1,
                patch_size=2,
                attention_head_dim=8,
                num_attention_heads=2,
                caption_channels=16,
                in_channels=4,
                out_channels=8,
                cross_attention_dim=16,
            ),
            scheduler=diffusers.DDIMScheduler(),
        ).save_pretrained(folder, safe_serialization=True)
    return folder


def save_tiny_sd3(folder: Path) -> Path:
    """A StableDiffusion3Pipeline: flow matching with three text encoders."""
    with _built_alike():
        diffusers.StableDiffusion3Pipeline(
            tokenizer=_clip_tokenizer(),
            tokenizer_2=_clip_tokenizer(),
            tokenizer_3=_word_tokenizer(),
            text_encoder=_clip_text(projected=True),
            text_encoder_2=_clip_text(projected=True),
            text_encoder_3=_t5(hidden=32),
            vae=_autoencoder(shift_factor=0.06, scaling_factor=1.5),
            transformer=diffusers.SD3Transformer2DModel(
                sample_size=16,
                patch_size=1,
                in_channels=4,
                out_channels=4,
                num_layers=1,
                attention_head_dim=8,
                num_attention_heads=2,
                caption_projection_dim=16,
                joint_attention_dim=32,
                pooled_projection_dim=32,
            ),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        ).save_pretrained(folder, safe_serialization=True)
    return folder


def save_tiny_autoencoder(folder: Path, kind: str = "AutoencoderKL") -> Path:
    """An AutoencoderKL (2 pixels a latent step) or AutoencoderTiny (4 pixels), 4 channels."""
    with _built_alike():
        if kind == "AutoencoderTiny":
            model = diffusers.AutoencoderTiny(
                encoder_block_out_channels=(8, 8, 8),
                decoder_block_out_channels=(8, 8, 8),
                num_encoder_blocks=(1, 1, 1),
                num_decoder_blocks=(1, 1, 1),
            )
        else:
            model = _autoencoder()
        model.save_pretrained(folder, safe_serialization=True)
    return folder


@contextmanager
def _built_alike() -> Iterator[None]:
    """The same random weights each time, the caller's own random state kept, and no notices on the terminal."""
    before = [(lib, lib.utils.logging.get_verbosity()) for lib in (diffusers, transformers)]
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        for lib, _ in before:
            lib.utils.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        try:
            yield
        finally:
            for lib, level in before:
                lib.utils.logging.set_verbosity(level)


def _stable_diffusion_parts(channels: int, **network: Any) -> dict[str, Any]:

    unet = diffusers.UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        **network,
    )
    return {"unet": unet, "vae": _autoencoder(), "text_encoder": _clip_text(), "tokenizer": _clip_tokenizer()}


def _autoencoder(**facts: float) -> Any:

    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=4,
        sample_size=32,
        **facts,
    )


def _clip_text(*, projected: bool = False) -> Any:

    config = transformers.CLIPTextConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=2 * len(LETTERS) + 2,
        bos_token_id=2 * len(LETTERS),
        eos_token_id=2 * len(LETTERS) + 1,
        pad_token_id=2 * len(LETTERS) + 1,
        projection_dim=16,
        max_position_embeddings=77,
    )
    return transformers.CLIPTextModelWithProjection(config) if projected else transformers.CLIPTextModel(config)


def _clip_tokenizer() -> Any:
    """Every letter is a token; there are no merges."""

    tokens = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
        (Path(folder) / "merges.txt").write_text("#version: 0.2\n")
        (Path(folder) / "tokenizer_config.json").write_text(
            json.dumps({"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"})
        )
        return transformers.CLIPTokenizer.from_pretrained(folder)


def _word_tokenizer() -> Any:
    """Few words, split at spaces; all others are one unknown token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token=WORDS[2]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=WORDS[0], eos_token=WORDS[1], unk_token=WORDS[2], model_max_length=77
    )


def _t5(hidden: int = 16) -> Any:

    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=len(WORDS),
            d_model=hidden,
            d_kv=4,
            d_ff=16,
            num_layers=1,
            num_heads=2,
            feed_forward_proj="gated-gelu",
        )
    )


def _if_network(channels: int, side: int, **more: Any) -> Any:

    return diffusers.UNet2DConditionModel(
        sample_size=side,
        in_channels=channels,
        out_channels=6,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        cross_attention_dim=16,
        encoder_hid_dim=16,
        attention_head_dim=4,
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        resnet_time_scale_shift="scale_shift",
        time_embedding_type="positional",
        act_fn="gelu",
        **more,
    )


def _if_scheduler() -> Any:

    return diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range", thresholding=True)
