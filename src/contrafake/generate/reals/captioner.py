"""Captions for images that have none, by any model that `transformers` has for images to text."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from contrafake.data.location import read_bytes
from contrafake.errors import ConfigError, ContrafakeError, DataError, MissingExtraError
from contrafake.generate.generators.quiet import quiet_libraries
from contrafake.generate.generators.said import said
from contrafake.generate.reals.reader import caption_of
from contrafake.images import read
from contrafake.settings import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from contrafake.generate.config import CaptionerSettings
    from contrafake.generate.record import CaptionedReal

_PER_BATCH = 32
"""Images held back for each one of a batch, so that a few without captions do not hold back millions."""


QUESTION = "Describe this image in one sentence."
"""What a chat model is asked where the configuration has no prompt."""

_FIRST_TOKENS: dict[str, tuple[str, str | None]] = {
    "git": ("input_ids", None),
    "vision-encoder-decoder": ("decoder_input_ids", "decoder_start_token_id"),
}
"""Kinds whose processor takes no beginning of a caption: the input it goes into, and its first token's name."""


class Captioner:
    """A model that looks at images and writes a line on each: BLIP, GIT, encoder-decoders, chat models with images.

    Weights are read from safetensors only, no code of a model's repository is run, and decoding is greedy: the same
    model and image give the same words, but for rounding in batches of another size.
    """

    def __init__(self, settings: CaptionerSettings) -> None:
        """Loads the model, once for many images.

        Raises:
            ConfigError: The model is of a kind that writes no captions, there is no GPU where one is asked for, or an
                environment variable is not set.
            DataError: The model is missing, damaged, has no safetensors, or cannot be fetched.
            MissingExtraError: A library is not installed.
        """
        try:
            import torch  # noqa: PLC0415 - only captioning needs it
            import transformers as library  # noqa: PLC0415 - as above
        except ImportError as error:
            remedy = 'pip install "contrafake[generate]"'
            raise MissingExtraError("captioner", f"not installed: {error.name}", remedy) from error
        transformers: Any = library
        self._torch: Any = torch
        self.settings = settings
        self._device = _device(settings.device, torch.cuda.is_available())
        name = os.path.expanduser(expand(settings.model))  # noqa: PTH111 - a hub name is no path
        try:
            with quiet_libraries():
                model = self._load(transformers, name)
        except ValueError as error:
            cause = f"no model that transformers knows for images to text: {said(error)}"
            raise ConfigError(f"captioner.model: {settings.model}", cause) from error
        except Exception as error:  # the loader raises whatever its readers raise
            cause = f"cannot be loaded: {said(error)}"
            raise DataError(f"captioner.model: {settings.model}", cause, "give a folder or hub name") from error
        self._model: Any = model.eval().to(self._device)
        self._chats = bool(getattr(self._processor, "chat_template", None))
        if self._chats:  # what is written follows the last token, so texts of several lengths end together
            self._tokens.padding_side = "left"

    def caption(self, pictures: Sequence[NDArray[np.uint8]]) -> list[str]:
        """Captions, at most `settings.batch` at once.

        Args:
            pictures: (H, W, 3) uint8 RGB each, of any sizes.

        Returns:
            One line for each, in order; "" where the model wrote nothing.

        Raises:
            DataError: The model fails on these images, for example because memory ran out.
        """
        captions: list[str] = []
        for start in range(0, len(pictures), self.settings.batch):
            try:
                captions += self._batch(pictures[start : start + self.settings.batch])
            except Exception as error:  # a model's code raises whatever it likes
                cause = f"fails: {type(error).__name__}: {said(error)}"
                raise DataError(f"captioner.model: {self.settings.model}", cause, "try a smaller batch") from error
        return captions

    def _load(self, transformers: Any, name: str) -> Any:
        place = {"revision": self.settings.revision, "trust_remote_code": False}
        model = transformers.AutoModelForImageTextToText.from_pretrained(name, use_safetensors=True, **place)
        self._processor: Any = transformers.AutoProcessor.from_pretrained(name, **place)
        if hasattr(self._processor, "image_processor"):
            self._images: Any = self._processor.image_processor
            self._tokens: Any = self._processor.tokenizer
        else:  # of a plain encoder and decoder, only half is found
            self._processor = None
            self._images = transformers.AutoImageProcessor.from_pretrained(name, **place)
            self._tokens = transformers.AutoTokenizer.from_pretrained(name, **place)
        return model

    def _batch(self, pictures: Sequence[NDArray[np.uint8]]) -> list[str]:
        from PIL import Image  # noqa: PLC0415 - only captioning needs it

        images = [Image.fromarray(picture) for picture in pictures]
        inputs = self._inputs(images).to(self._device)
        with self._torch.inference_mode():
            written = self._model.generate(
                **inputs, max_new_tokens=self.settings.most_tokens, do_sample=False, num_beams=1
            )
        if self._chats:  # else the prompt is the caption's beginning
            written = written[:, inputs["input_ids"].shape[1] :]
        return [caption_of(text) for text in self._tokens.batch_decode(written, skip_special_tokens=True)]

    def _inputs(self, images: list[Any]) -> Any:
        prompt, kind = self.settings.prompt, self._model.config.model_type
        if self._chats:
            said = [{"type": "image"}, {"type": "text", "text": prompt or QUESTION}]
            text = self._processor.apply_chat_template([{"role": "user", "content": said}], add_generation_prompt=True)
            texts, each = [text] * len(images), [[image] for image in images]
            return self._processor(images=each, text=texts, padding=True, return_tensors="pt")
        if prompt and kind not in _FIRST_TOKENS:
            return self._processor(images=images, text=[prompt] * len(images), return_tensors="pt")
        inputs = self._images(images=images, return_tensors="pt")
        if prompt:
            name, first = _FIRST_TOKENS[kind]
            # A whole text would end with the token that ends the caption.
            words = self._tokens(prompt, add_special_tokens=False)["input_ids"]
            start = self._tokens.cls_token_id if first is None else getattr(self._model.generation_config, first)
            inputs[name] = self._torch.tensor([[start, *words]] * len(images))
        return inputs


def fill_captions(
    reals: Iterable[CaptionedReal],
    captioner: Captioner,
    known: Mapping[str, str],
    advance: Callable[[int], None] = lambda _steps: None,
    refuses: Callable[[CaptionedReal], bool] = lambda _real: False,
) -> Iterator[CaptionedReal]:
    """The images in their order, each with a caption.

    One that cannot be read passes without a caption: whoever looks at it next says what is wrong with it.

    Args:
        reals: The images; those that have a caption keep it.
        captioner: Writes the others.
        known: Captions by key that were written before.
        advance: Called with the number of images done since the last call.
        refuses: Whether an image is left out for the caption that was written, as `RealListing.refuses` says.

    Raises:
        DataError: The model fails.
    """
    batch, iterator = captioner.settings.batch, iter(reals)
    while chunk := _until(iterator, known, batch):
        written = _written([real for real in chunk if not (real.caption or real.key in known)], captioner)
        for real in chunk:
            filled = real
            if not real.caption:
                filled = replace(real, caption=known.get(real.key) or written.get(real.key, ""))
            advance(1)
            if filled is real or not refuses(filled):
                yield filled


def _until(reals: Iterator[CaptionedReal], known: Mapping[str, str], batch: int) -> list[CaptionedReal]:
    """The next images, up to a full batch of those that need a caption."""
    chunk: list[CaptionedReal] = []
    missing = 0
    for real in islice(reals, batch * _PER_BATCH):
        chunk.append(real)
        missing += not (real.caption or real.key in known)
        if missing == batch:
            break
    return chunk


def _written(reals: list[CaptionedReal], captioner: Captioner) -> dict[str, str]:
    pictures = {}
    for real in reals:
        try:
            pictures[real.key] = read(read_bytes(real.image), name=real.image.address).pixels
        except ContrafakeError:
            continue
    return dict(zip(pictures, captioner.caption(list(pictures.values())), strict=True))


def _device(wanted: str, gpu: bool) -> str:
    if wanted == "cuda" and not gpu:
        raise ConfigError("captioner.device", "there is no GPU that torch can use", 'use "auto" or "cpu"')
    return "cuda" if gpu and wanted != "cpu" else "cpu"
