"""CLIP as OpenAI published it: one TorchScript archive per model, read without running its program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from concord.errors import CheckpointError
from concord.models.interop import torchscript
from concord.models.interop.contents import Contents
from concord.models.interop.open_clip import make_contents

_SIZES = ("input_resolution", "context_length", "vocab_size")
_HEAD = 64  # width of a head in all of OpenAI's towers


def read(source: str) -> Contents | None:
    """A model in a file that OpenAI published, ViT or ResNet; None for what is no TorchScript archive.

    The archive does not say how it is built: that follows from the shapes of its weights.

    Raises:
        CheckpointError: for an archive that is damaged, or of another model.
        MissingExtraError: where neither the file's folder nor OpenCLIP has CLIP's vocabulary.
    """
    path = Path(source)
    if not path.is_file() or not torchscript.is_archive(path):
        return None
    weights = {name: value for name, value in torchscript.read_archive(path).items() if name not in _SIZES}
    try:
        config = make_config(weights)
    except (KeyError, IndexError, ZeroDivisionError):
        raise CheckpointError(f"{path} is a TorchScript archive, but not of OpenAI's CLIP") from None
    return make_contents(config, {}, weights, path.parent)


def make_config(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """What OpenCLIP's configuration of a model with these weights would be.

    Raises:
        KeyError: for weights of another model.
    """
    width = weights["ln_final.weight"].shape[0]
    return {
        "embed_dim": weights["text_projection"].shape[1],
        "quick_gelu": True,
        "vision_cfg": _transformer(weights) if "visual.proj" in weights else _resnet(weights),
        "text_cfg": {
            "context_length": weights["positional_embedding"].shape[0],
            "vocab_size": weights["token_embedding.weight"].shape[0],
            "width": width,
            "heads": width // _HEAD,
            "layers": _count(weights, "transformer.resblocks."),
        },
    }


def _transformer(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    width, _, patch, _ = weights["visual.conv1.weight"].shape
    side = _side(weights["visual.positional_embedding"])
    layers = _count(weights, "visual.transformer.resblocks.")
    return {"image_size": side * patch, "patch_size": patch, "width": width, "layers": layers, "head_width": _HEAD}


def _resnet(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    width = weights["visual.layer1.0.conv1.weight"].shape[0]
    layers = [_count(weights, f"visual.layer{stage}.") for stage in (1, 2, 3, 4)]
    return {"image_size": 32 * _side(weights["visual.attnpool.positional_embedding"]), "width": width, "layers": layers}


def _side(positions: Tensor) -> int:
    """Places along one side of a square grid, besides which there is one for the class."""
    return round((positions.shape[0] - 1) ** 0.5)


def _count(weights: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered parts there are below a prefix."""
    return len({name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)})
