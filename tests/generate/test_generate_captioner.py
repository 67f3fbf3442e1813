"""Captions by small models of transformers' own classes, saved to a folder and loaded from there."""

from __future__ import annotations

import importlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from contrafake.data.location import File
from contrafake.errors import ConfigError, DataError
from contrafake.generate.config import CaptionerSettings
from contrafake.generate.reals.captioner import Captioner, fill_captions
from contrafake.generate.record import CaptionedReal

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]", "a", "red", "blue", "wall", "photo", "of"]
SIDE = 32


def hub() -> Any:
    """The library, whose classes are typed for nobody."""
    return importlib.import_module("transformers")


def painted(colour: str, width: int = 40, height: int = 30) -> NDArray[np.uint8]:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0 if colour == "red" else 2] = 220
    return pixels


def save_words(folder: Path) -> Any:

    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS))
    special = {"bos_token": "[DEC]", "additional_special_tokens": ["[ENC]"]}
    tokens = hub().BertTokenizer(str(vocabulary), **special)
    tokens.save_pretrained(folder)
    return tokens


def image_processor(kind: str) -> Any:

    size = {"height": SIDE, "width": SIDE} if kind == "Blip" else {"shortest_edge": SIDE}
    if kind == "ViT":
        size = {"height": SIDE, "width": SIDE}
    options = {} if kind != "CLIP" else {"crop_size": {"height": SIDE, "width": SIDE}}
    return getattr(hub(), f"{kind}ImageProcessor")(size=size, **options)


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BLIP of 16 dimensions that learned to say which of two colours it sees."""
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("blip")
    tokens = save_words(folder)
    layer = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    numbers = {"bos_token_id": 5, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    config = hub().BlipConfig(
        text_config={
            **layer,
            **numbers,
            "vocab_size": len(WORDS),
            "encoder_hidden_size": 16,
            "max_position_embeddings": 32,
        },
        vision_config={**layer, "image_size": SIDE, "patch_size": 16},
        projection_dim=16,
        image_text_hidden_size=16,
    )
    model = hub().BlipForConditionalGeneration(config)
    processor = hub().BlipProcessor(image_processor("Blip"), tokens)
    images = [Image.fromarray(painted(colour)) for colour in ("red", "blue")]
    inputs = processor(images=images, text=["a red wall", "a blue wall"], return_tensors="pt")
    inputs["input_ids"][:, 0] = 5
    optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(25):
        optimiser.zero_grad()
        loss = model(**inputs, labels=inputs["input_ids"]).loss
        loss.backward()
        optimiser.step()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def captioner(blip: Path) -> Captioner:
    return Captioner(CaptionerSettings(model=str(blip), batch=2, most_tokens=6, device="cpu"))


def test_a_model_that_learned_two_colours_names_them(captioner: Captioner) -> None:
    pictures = [painted("blue"), painted("red", 64, 20), painted("red"), painted("blue", 25, 80), painted("blue")]
    assert captioner.caption(pictures) == ["a blue wall", "a red wall", "a red wall", "a blue wall", "a blue wall"]
    assert captioner.caption([]) == []


def test_the_prompt_begins_the_caption(blip: Path) -> None:
    asked = Captioner(CaptionerSettings(model=str(blip), prompt="a blue", most_tokens=6, device="cpu"))
    assert asked.caption([painted("red")]) == ["a blue wall"]


def real(key: str, path: Path, caption: str = "") -> CaptionedReal:
    return CaptionedReal(key, caption, File(str(path)), "o", "s")


def test_only_missing_captions_are_written_and_order_stays(tmp_path: Path, captioner: Captioner) -> None:
    for colour in ("red", "blue"):
        Image.fromarray(painted(colour)).save(tmp_path / f"{colour}.png")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    red, blue = tmp_path / "red.png", tmp_path / "blue.png"
    given = [
        real("1", red, "its own"),
        real("2", blue),
        real("3", tmp_path / "torn.png"),
        real("4", red),
        real("5", tmp_path / "gone.png", "kept unseen"),
        real("6", tmp_path / "gone.png"),
        real("7", blue),
        real("8", red),
    ]
    known, steps = {"6": "from before"}, list[int]()
    filled = list(fill_captions(given, captioner, known, steps.append, lambda made: made.key == "7"))
    assert [(found.key, found.caption) for found in filled] == [
        ("1", "its own"),
        ("2", "a blue wall"),
        ("3", ""),
        ("4", "a red wall"),
        ("5", "kept unseen"),
        ("6", "from before"),
        ("8", "a red wall"),
    ]
    assert sum(steps) == len(given)
    assert known == {"6": "from before"}
    assert filled[0] is given[0]


def test_images_are_taken_as_they_are_needed(captioner: Captioner, tmp_path: Path) -> None:
    taken = 0

    def endless() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield real(str(taken), tmp_path / "any.png", "known")

    stream = fill_captions(endless(), captioner, {})
    assert next(stream).key == "1"
    assert taken < 200


def save_git(folder: Path) -> None:

    layer = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**layer, "image_size": SIDE, "patch_size": 16}
    config = hub().GitConfig(
        vision_config=vision, **layer, vocab_size=len(WORDS), bos_token_id=2, eos_token_id=3, pad_token_id=0
    )
    hub().GitForCausalLM(config).save_pretrained(folder)
    hub().GitProcessor(image_processor("CLIP"), save_words(folder)).save_pretrained(folder)


def save_encoder_decoder(folder: Path) -> None:

    layer = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = hub().VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        hub().ViTConfig(**layer, image_size=SIDE, patch_size=16), hub().BertConfig(**layer, vocab_size=len(WORDS))
    )
    model = hub().VisionEncoderDecoderModel(config=config)
    numbers = {"decoder_start_token_id": 2, "pad_token_id": 0, "eos_token_id": 3, "bos_token_id": 2}
    for name, number in numbers.items():
        setattr(model.generation_config, name, number)
    model.save_pretrained(folder)
    image_processor("ViT").save_pretrained(folder)
    save_words(folder)


@pytest.mark.parametrize("save", [save_git, save_encoder_decoder])
def test_other_kinds_write_what_a_plain_search_finds(tmp_path: Path, save: Any) -> None:
    """Greedy decoding written out: the likeliest word, again and again, of a forward pass over all words so far."""
    import torch

    torch.manual_seed(1)
    save(tmp_path)
    model = hub().AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    pixels = hub().AutoImageProcessor.from_pretrained(tmp_path)(images=[Image.fromarray(noise)], return_tensors="pt")
    words, name = [2, 11, 12], "decoder_input_ids" if model.config.is_encoder_decoder else "input_ids"
    with torch.inference_mode():
        for _ in range(5):
            logits = model(**pixels, **{name: torch.tensor([words])}).logits[0, -1]
            words.append(int(logits.argmax()))
            if words[-1] == 3:
                break
    expected = " ".join(WORDS[word] for word in words if WORDS[word][0] != "[")
    settings = CaptionerSettings(model=str(tmp_path), prompt="photo of", most_tokens=5, device="cpu")
    assert Captioner(settings).caption([noise, noise]) == [expected, expected]
    assert expected.startswith("photo of")
    bare = Captioner(settings.model_copy(update={"prompt": ""})).caption([noise])
    assert len(bare) == 1


CHAT = (
    "{% for message in messages %}a {% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %} wall{% endfor %}"
)


def save_chat(folder: Path) -> None:
    tokens = save_words(folder)
    tokens.add_special_tokens({"additional_special_tokens": ["[ENC]", "<image>"]})
    layer = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = hub().CLIPVisionConfig(**layer, image_size=SIDE, patch_size=16, projection_dim=16)
    numbers = {"bos_token_id": 5, "eos_token_id": 3, "pad_token_id": 0}
    text = hub().LlamaConfig(**layer, **numbers, vocab_size=len(tokens), max_position_embeddings=64)
    image = tokens.convert_tokens_to_ids("<image>")
    config = hub().LlavaConfig(vision_config=vision, text_config=text, image_token_index=image)
    hub().LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor = hub().LlavaProcessor(
        image_processor("CLIP"),
        tokens,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    )
    processor.save_pretrained(folder)


def test_a_chat_model_is_asked_and_only_its_answer_counts(tmp_path: Path) -> None:
    import torch

    torch.manual_seed(2)
    save_chat(tmp_path)
    settings = CaptionerSettings(model=str(tmp_path), prompt="photo of", most_tokens=4, batch=2, device="cpu")
    found = Captioner(settings).caption([painted("red"), painted("blue")])
    processor = hub().AutoProcessor.from_pretrained(tmp_path)
    model = hub().AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    for colour, caption in zip(("red", "blue"), found, strict=True):
        image = Image.fromarray(painted(colour))
        inputs = processor(images=[image], text=["a <image>photo of wall"], return_tensors="pt")
        words, asked = inputs["input_ids"], inputs["input_ids"].shape[1]
        with torch.inference_mode():
            for _ in range(4):
                logits = model(input_ids=words, pixel_values=inputs["pixel_values"]).logits[0, -1]
                words = torch.cat([words, logits.argmax().view(1, 1)], dim=1)
        answer = words[0, asked:].tolist()
        answer = answer[: answer.index(3)] if 3 in answer else answer
        assert caption == " ".join(WORDS[word] for word in answer if word < len(WORDS) and WORDS[word][0] != "[")


def test_what_cannot_be_loaded_is_named(tmp_path: Path, blip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"captioner\.model: .*nothing-here: cannot be loaded"):
        Captioner(CaptionerSettings(model=str(tmp_path / "nothing-here")))
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    monkeypatch.setenv("TINY_MODELS", str(tmp_path))
    with pytest.raises(ConfigError, match="no model that transformers knows for images to text"):
        Captioner(CaptionerSettings(model="${TINY_MODELS}"))
    for file in blip.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    pickled = io.BytesIO()
    import torch

    torch.save({}, pickled)
    (tmp_path / "pytorch_model.bin").write_bytes(pickled.getvalue())
    with pytest.raises(DataError, match="cannot be loaded"):
        Captioner(CaptionerSettings(model=str(tmp_path)))
