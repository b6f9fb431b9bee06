"""OpenCLIP's weights in our parts, by the table that loads its checkpoints, to compare what they compute."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from concord.models import DualEncoder, ImageTower, TextTower
from concord.models.interop.mapping import import_weights
from concord.models.interop.open_clip_names import TEXT, Shape, fold_class_position, rules, under_text

VISUAL = "visual."
TABLE = rules(Shape("transformer", pooling="class", projection="linear", text_projection="linear"))


def copy_dual_encoder(source: nn.Module, target: DualEncoder) -> None:
    """An OpenCLIP model with its own Vision Transformer -> a dual encoder of the same shapes."""
    _copy(under_text(source.state_dict()), target, "")


def copy_image_tower(source: nn.Module, target: ImageTower) -> None:
    _copy({VISUAL + name: weight for name, weight in source.state_dict().items() if name != "proj"}, target, "image.")


def copy_text_tower(source: nn.Module, target: TextTower) -> None:
    """Works for a CLIP's and for the text half of a CoCa, whose class token is an embedding and the last position."""
    weights = {TEXT + name: weight for name, weight in source.state_dict().items() if name != "text_projection"}
    _copy(fold_class_position(weights), target, "text.")


def _copy(theirs: Mapping[str, Tensor], target: nn.Module, place: str) -> None:
    """Into a part that stands in a dual encoder under this name."""
    wanted = {place + name: weight for name, weight in target.state_dict().items()}
    target.load_state_dict({name.removeprefix(place): weight for name, weight in import_weights(TABLE, theirs, wanted).items()})
