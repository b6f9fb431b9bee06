"""What a built model tells of how it was built."""

from __future__ import annotations

from timm.layers import GELU, GELUTanh
from timm.layers import QuickGELU as TimmQuickGELU
from torch import nn

from concord.errors import IncompatibleError
from concord.models.dual_encoder import Projection
from concord.models.transformer import Activation, QuickGELU


def projection_of(module: nn.Module) -> Projection:
    """Which of a dual encoder's projections a module is."""
    if isinstance(module, nn.Linear):
        return "linear" if module.bias is None else "affine"
    if isinstance(module, nn.Sequential):
        if isinstance(module[1], nn.ReLU):
            return "mlp"
        return "hf_mlp" if module[0].bias is None else "gelu_mlp"
    return "none"


def activation_of(module: nn.Module) -> Activation:
    """Which of our activations a layer is, ours, torch's or timm's.

    Raises:
        IncompatibleError: for any other.
    """
    if isinstance(module, QuickGELU | TimmQuickGELU):
        return "quick_gelu"
    if isinstance(module, GELUTanh) or (isinstance(module, nn.GELU) and module.approximate == "tanh"):
        return "gelu_tanh"
    if isinstance(module, GELU | nn.GELU):
        return "gelu"
    raise IncompatibleError(f"activation {type(module).__name__} has no counterpart in the other library")


def mlp_ratio(first: nn.Linear, width: int) -> float:
    """The ratio that gives the hidden width again, whether it is then rounded or cut."""
    ratio = first.out_features / width
    return ratio if int(width * ratio) == first.out_features else (first.out_features + 0.25) / width
