"""Trying out a training step that leaves no trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from concord.distributed import local
from concord.types import tensors_in

_PLAIN = (bool, int, float, str, type(None))


@contextmanager
def untouched(module: nn.Module, optimizers: Iterable[Optimizer]) -> Iterator[None]:
    """Whatever happens inside to weights, buffers, gradients, optimizers and plain attributes of modules is undone, to the bit.

    The copies lie in the memory of the host, so that on an accelerator a step has as much room inside as outside.

    Args:
        module: with all its parts.
        optimizers: of its parameters.
    """
    optimizers = list(optimizers)
    tensors = [(local(tensor), _copy(tensor)) for tensor in (*module.parameters(), *module.buffers())]
    gradients = [(parameter, parameter.grad) for parameter in module.parameters()]
    attributes = [(part, _plain_attributes(part)) for part in module.modules()]
    states = [{key: dict(state) for key, state in optimizer.state.items()} for optimizer in optimizers]
    kept = [(local(tensor), _copy(tensor)) for tensor in tensors_in(states)]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, before in (*tensors, *kept):
                tensor.copy_(before)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for part, values in attributes:
            for name in _plain_attributes(part).keys() - values.keys():
                del part.__dict__[name]
            part.__dict__.update(values)
        for optimizer, state in zip(optimizers, states, strict=True):
            optimizer.state.clear()
            optimizer.state.update(state)


def _plain_attributes(part: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(part).items() if isinstance(value, _PLAIN)}


def _copy(tensor: Tensor) -> Tensor:
    return local(tensor).detach().to("cpu", copy=True)
