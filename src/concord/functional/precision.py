"""Full precision for the mathematics of the losses, whatever the precision of the towers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def at_least_float32(tensor: Tensor) -> Tensor:
    """A half-precision tensor as float32; any other as it is."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function outside autocast, with half-precision tensors among its arguments raised to float32.

    A logit near 100 has a step of 0.5 in bfloat16, too coarse for a softmax. The first argument must be a tensor.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        first: Any = args[0]
        with torch.autocast(first.device.type, enabled=False):
            return function(*map(_raised, args), **{name: _raised(value) for name, value in kwargs.items()})  # type: ignore[arg-type]

    return run


def _raised(value: Any) -> Any:
    return at_least_float32(value) if isinstance(value, Tensor) else value
