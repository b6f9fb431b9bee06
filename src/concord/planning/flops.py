"""Arithmetic of one operation: PyTorch's own formulas, and those of the operators that it has none for.

A multiplication and an addition are two FLOPs, as everywhere. What is no matrix product, convolution or attention counts nothing:
its cost is the memory that it moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count

_aten, _mkldnn = torch.ops.aten, torch.ops.mkldnn
_Shape = Sequence[int]


def _linear(x: _Shape, weight: _Shape, *_: Any, **__: Any) -> int:
    """x [..., I], weight [O, I]."""
    return 2 * math.prod(x) * weight[0]


def _attention(query: _Shape, key: _Shape, value: _Shape, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _attention_backward(grad: _Shape, query: _Shape, key: _Shape, value: _Shape, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(grad, query, key, value))  # type: ignore[no-untyped-call]


OWN_FORMULAS: Mapping[Any, Callable[..., int]] = {
    _aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    **({_mkldnn._linear_pointwise: _linear} if hasattr(_mkldnn, "_linear_pointwise") else {}),
}
"""Of shapes, for `torch.utils.flop_counter.FlopCounterMode(custom_mapping=...)`: attention and linear layers on CPUs."""


def flops_of(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """Floating-point operations of one call of an operator of PyTorch."""
    packet = operator._overloadpacket
    if packet in OWN_FORMULAS:
        return OWN_FORMULAS[packet](*(value.shape if isinstance(value, Tensor) else value for value in args))
    formula = flop_registry.get(packet)
    return int(formula(*args, **kwargs, out_val=out)) if formula is not None else 0
