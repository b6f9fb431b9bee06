"""OpenCLIP's models: by name, as a file of weights with a name, or as a folder with its configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import Tensor

from concord.errors import CheckpointError, MissingExtraError, nearest
from concord.images import Preprocess
from concord.models.interop.contents import Contents, describe
from concord.models.interop.open_clip_names import fold_class_position, rules, under_text
from concord.models.interop.open_clip_spec import MEAN, STD, make_spec
from concord.models.interop.open_clip_tokenizers import make_tokenizer
from concord.models.interop.weights import first_line, read_weights

SCHEME = "open_clip:"
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
WEIGHT_FILES = (WEIGHTS, "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin", "model.safetensors", "pytorch_model.bin")

_RESIZES = {"shortest": "crop", "longest": "pad", "squash": "squash"}


def read(source: str) -> Contents | None:
    """A model of OpenCLIP: "open_clip:ARCHITECTURE/TAG", "open_clip:ARCHITECTURE/FILE", or a folder with open_clip_config.json.

    Raises:
        CheckpointError: an architecture or a tag that OpenCLIP does not have, an option that our towers do not have, or weights
            that are missing or damaged.
        MissingExtraError: a name, where OpenCLIP is not installed.
    """
    if source.startswith(SCHEME):
        return _read_named(source.removeprefix(SCHEME))
    return _read_folder(Path(source)) if (Path(source) / CONFIG).is_file() else None


def make_contents(config: Mapping[str, Any], preprocess: Mapping[str, Any], weights: Mapping[str, Tensor], folder: Path | None) -> Contents:
    """What OpenCLIP's configuration and weights say.

    Args:
        config: theirs, with embed_dim, vision_cfg, text_cfg and so on.
        preprocess: theirs, with mean, std, interpolation, resize_mode and fill_color, each of which may be missing.
        weights: theirs by name.
        folder: where the files of the tokenizer may lie; None for no such folder.
    """
    named = fold_class_position(under_text(weights))
    view = _make_preprocess(config["vision_cfg"], preprocess)
    tokenizer = make_tokenizer(config["text_cfg"], folder)
    spec, shape = make_spec(config, named, tokenizer.pad_id)
    spec["image"] |= {"mean": _channels(preprocess.get("mean") or MEAN), "std": _channels(preprocess.get("std") or STD)}
    return Contents(describe(spec, tokenizer, view), named, rules(shape))


def _read_folder(folder: Path) -> Contents:
    try:
        description = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        config, preprocess = dict(description["model_cfg"]), dict(description.get("preprocess_cfg") or {})
        config["vision_cfg"], config["text_cfg"] = dict(config["vision_cfg"]), dict(config["text_cfg"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / CONFIG} is not a configuration of OpenCLIP: {first_line(error)}") from None
    found = next((folder / name for name in WEIGHT_FILES if (folder / name).is_file()), None)
    if found is None:
        raise CheckpointError(f"{folder} holds {CONFIG} and no weights; one of {', '.join(WEIGHT_FILES)} is wanted")
    return make_contents(config, preprocess, read_weights(found), folder)


def _read_named(name: str) -> Contents:
    architecture, _, tag = name.partition("/")
    library = _library()
    config = deepcopy(library.get_model_config(architecture))
    if config is None:
        raise CheckpointError(f"OpenCLIP has no architecture {architecture}; {nearest(architecture, library.list_models())}")
    if Path(tag).is_file():
        return make_contents(config, {}, read_weights(Path(tag)), Path(tag).parent)
    published = library.get_pretrained_cfg(architecture, tag)
    if not published:
        tags = library.list_pretrained_tags_by_model(architecture)
        raise CheckpointError(f"{SCHEME}{name}: {tag or 'nothing'} is neither a file nor a tag of {architecture}; {nearest(tag, tags)}")
    # The tag knows with which activation the weights were trained; OpenCLIP itself only warns where the two disagree.
    config["quick_gelu"] = config.get("quick_gelu", False) or published.get("quick_gelu", False)
    try:
        weights = library.download_pretrained(published)
    except Exception as error:  # hub, network and file errors share no class
        raise CheckpointError(f"cannot fetch {SCHEME}{name}: {first_line(error)}") from None
    return make_contents(config, published, read_weights(Path(weights)), None)


def _library() -> Any:
    try:
        import open_clip
    except ImportError:
        raise MissingExtraError("open_clip_torch", "open_clip") from None
    return open_clip


def _make_preprocess(vision: Mapping[str, Any], preprocess: Mapping[str, Any]) -> Preprocess:
    size = vision.get("image_size", 224)
    sides = {size} if isinstance(size, int) else set(size)
    mode, interpolation = preprocess.get("resize_mode") or "shortest", preprocess.get("interpolation") or "bicubic"
    if len(sides) > 1:
        raise CheckpointError(f"vision_cfg.image_size={size}: only square images are read")
    if mode not in _RESIZES:
        raise CheckpointError(f"preprocess_cfg.resize_mode={mode}: {nearest(str(mode), _RESIZES)}")
    fill = int(preprocess.get("fill_color") or 0)
    return Preprocess(
        image_size=sides.pop(),
        resize=_RESIZES[mode],  # type: ignore[arg-type]
        interpolation="bilinear" if interpolation == "bilinear" else "bicubic",
        **({"background": (fill, fill, fill)} if mode == "longest" else {}),  # type: ignore[arg-type]
    )


def _channels(values: Any) -> list[float]:
    return [float(values)] * 3 if isinstance(values, int | float) else [float(value) for value in values]
