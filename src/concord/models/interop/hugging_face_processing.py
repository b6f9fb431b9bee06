"""Hugging Face's tokenizers and image processors as ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import tokenizers

from concord.errors import CheckpointError, ConfigError
from concord.images import Preprocess
from concord.models.interop.weights import first_line
from concord.tokenizers import Cleaning, HFTokenizer, Tokenizer
from concord.tokenizers.hf import frame

TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
IMAGES, PROCESSOR = "preprocessor_config.json", "processor_config.json"

INTERPOLATIONS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""By Pillow's numbers, ours."""

_VOCABULARIES = ("vocab.json", "vocab.txt", "merges.txt", "spiece.model", "tokenizer.model")
"""Files from which transformers makes a tokenizer."""

_CLEANINGS: dict[str, Cleaning] = {"Siglip": "canonical", "Siglip2": "lower", "Gemma": "lower"}
"""What SigLIP's tokenizers do to a text beside their tokenizer.json, or what the model wants done, by the class of the tokenizer."""


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file.

    Raises:
        CheckpointError: for another file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {first_line(error)}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no mapping")
    return content


def read_tokenizer(folder: Path, context_length: int, fills: bool) -> Tokenizer:
    """The tokenizer of a folder.

    Args:
        folder: with tokenizer.json, or with other files of a tokenizer, which transformers turns into one.
        context_length: the most tokens of a text.
        fills: whether texts are filled up with padding that the model sees.

    Raises:
        CheckpointError: files that are missing or damaged, or padding on the left of a text where the model sees it.
        MissingExtraError: no tokenizer.json, and transformers is not installed.
    """
    settings = _settings(folder / TOKENIZER_CONFIG)
    if fills and settings.get("padding_side") == "left":
        raise CheckpointError(f"{folder / TOKENIZER_CONFIG}: padding_side=left: only padding behind the text is read")
    name = str(settings.get("tokenizer_class", ""))
    family = name.removesuffix("Fast").removesuffix("Tokenizer")
    cleaning = _CLEANINGS.get(family, "none")
    if not (folder / TOKENIZER).is_file():
        if not any((folder / file).is_file() for file in _VOCABULARIES):
            raise CheckpointError(f"{folder} has no {TOKENIZER}")
        try:
            return HFTokenizer(str(folder), context_length, cleaning)
        except ConfigError as error:
            raise CheckpointError(f"{folder} has no {TOKENIZER}, and of its other files none can be made: {error}") from None
    try:
        engine = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER))
        return _framed(engine, settings, context_length, cleaning)
    except CheckpointError:
        raise
    except Exception as error:  # the library raises the bare class
        raise CheckpointError(f"{folder / TOKENIZER} cannot be read: {first_line(error)}") from None


def read_pixels(folder: Path, image_size: int, cut: Literal["crop", "squash"]) -> tuple[Preprocess, list[float], list[float]]:
    """What is done to a picture, and the mean and standard deviation of the pixels.

    Pillow resizes here; the default processors of newer versions resize with torch, whose pixels differ by a level or two.

    Args:
        folder: with preprocessor_config.json, or processor_config.json.
        image_size: side of the pictures that the model takes, pixels.
        cut: how the family makes a square of a picture, where the files do not say.

    Raises:
        CheckpointError: no such file, or steps that ours do not have.
    """
    settings = _settings(folder / IMAGES) or _settings(folder / PROCESSOR).get("image_processor") or {}
    if not settings:
        raise CheckpointError(f"{folder} says in neither {IMAGES} nor {PROCESSOR} how pictures are prepared")
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if settings.get(step) is False:
            raise CheckpointError(f"{folder / IMAGES}: {step}=false: pictures are always resized, rescaled and normalised here")
    if abs(255 * float(settings.get("rescale_factor", 1 / 255)) - 1) > 1e-6:
        raise CheckpointError(f"{folder / IMAGES}: rescale_factor={settings['rescale_factor']}: only 1/255 is read")
    resample = settings.get("resample", 3)
    if resample not in INTERPOLATIONS:
        raise CheckpointError(f"{folder / IMAGES}: resample={resample}: one of {', '.join(map(str, INTERPOLATIONS))} is read")
    how = _cut(settings, image_size, cut, folder)
    preprocess = Preprocess(image_size, how, INTERPOLATIONS[resample], centre="floor")  # type: ignore[arg-type]
    default = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]) if cut == "crop" else ([0.5] * 3, [0.5] * 3)
    mean, std = (settings.get(key) or value for key, value in zip(("image_mean", "image_std"), default, strict=True))
    return preprocess, [float(value) for value in mean], [float(value) for value in std]


def _cut(settings: Mapping[str, Any], image_size: int, default: Literal["crop", "squash"], folder: Path) -> Literal["crop", "squash"]:
    """How a picture becomes a square of the model's size."""
    size = settings.get("size")
    if size is None:
        size = {"shortest_edge": image_size} if default == "crop" else {"height": image_size, "width": image_size}
    if isinstance(size, int):
        size = {"shortest_edge": size} if default == "crop" else {"height": size, "width": size}
    crops = settings.get("do_center_crop", default == "crop")
    if size == {"shortest_edge": image_size} and crops and _side(settings.get("crop_size", image_size)) == image_size:
        return "crop"
    if _side(size) == image_size and (not crops or _side(settings.get("crop_size", image_size)) == image_size):
        return "squash"
    raise CheckpointError(
        f"{folder / IMAGES}: size={size} with do_center_crop={crops} makes no squares of {image_size} pixels, as the model wants"
    )


def _side(size: Any) -> int | None:
    """The side of a square; None for anything else."""
    if isinstance(size, dict):
        sides = {size.get("height"), size.get("width")}
        size = sides.pop() if len(sides) == 1 else None
    return size if isinstance(size, int) else None


def _framed(engine: tokenizers.Tokenizer, settings: Mapping[str, Any], context_length: int, cleaning: Cleaning) -> Tokenizer:
    engine.no_padding()
    engine.no_truncation()
    prefix, suffix = frame(engine)
    end, pad = (_special(engine, settings, key) for key in ("eos_token", "pad_token"))
    if not suffix and end is not None:
        suffix = [end]
    if not suffix:
        raise CheckpointError("the tokenizer has no end token")
    return Tokenizer(engine, prefix, suffix, suffix[-1] if pad is None else pad, context_length, cleaning)


def _special(engine: tokenizers.Tokenizer, settings: Mapping[str, Any], key: str) -> int | None:
    token = settings.get(key)
    token = token.get("content") if isinstance(token, dict) else token
    return engine.token_to_id(token) if isinstance(token, str) else None


def _settings(path: Path) -> dict[str, Any]:
    """What a file of settings says; nothing where there is none."""
    return read_json(path) if path.is_file() else {}
