"""How a step is computed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from concord.errors import ConfigError
from concord.models import DualEncoder
from concord.models.layers import model_blocks
from concord.types import Batch, Tokens

COMPILERS = ("c++", "g++", "clang++")


@dataclass(frozen=True, kw_only=True)
class Compute:
    """How a step is computed: memory and time, never the value of the loss.

    Args:
        micro_batch: pairs per process that go through a tower at a time, at least 1. Only their features are kept, and each piece
            runs again in the backward pass (GradCache, Gao et al. 2021), so that activations take no more memory than those of
            one piece while negatives are those of the whole batch. None runs all pairs of a process at once.
        checkpoint_activations: of each layer of the towers and of the caption decoder, keep the input alone, and run the layer
            again in the backward pass (Chen et al. 2016), under the random state that it had.
        compile: run each of these layers through torch.compile. Benchmarks run as without it.
        text_step: with `compile`, captions are padded to the next multiple of this many tokens, at least 1, so that no more than
            context_length / text_step lengths are compiled.
    """

    micro_batch: int | None = None
    checkpoint_activations: bool = False
    compile: bool = False
    text_step: int = 16

    def __post_init__(self) -> None:
        if self.micro_batch is not None and self.micro_batch < 1:
            raise ValueError(f"micro_batch must be at least 1 or null, got {self.micro_batch}")
        if self.text_step < 1:
            raise ValueError(f"text_step must be at least 1, got {self.text_step}")

    def apply(self, model: DualEncoder) -> None:
        """Make the model compute in this way, in place. Parameters, and their names, stay as they are.

        Raises:
            ConfigError: compilation without a compiler, or of a model without layers.
        """
        if not (self.compile or self.checkpoint_activations):
            return
        blocks = model_blocks(model)
        if not blocks:
            raise ConfigError("compute: the towers have no layers that could be compiled or run again")
        if self.compile:
            _prepare_compiler(len({type(block) for block in blocks}) * (1 + model.text.context_length // self.text_step))
            model.text.packing = False  # packed rows come in as many numbers as there are batches
        for block in blocks:
            if self.compile:
                block.forward = torch.compile(block.forward, dynamic=False)  # type: ignore[method-assign]
            if self.checkpoint_activations:
                block.forward = _run_again(block, block.forward)  # type: ignore[method-assign]

    def padded(self, batch: Batch, longest: int) -> Batch:
        """The batch with its captions padded to one of a few lengths, of which `longest` is the last; as it is without `compile`."""
        if not self.compile:
            return batch
        return replace(batch, texts={view: _pad(tokens, self.text_step, longest) for view, tokens in batch.texts.items()})


@contextmanager
def uncompiled() -> Iterator[None]:
    """Inside, nothing is compiled: for what comes in many shapes, such as the texts of benchmarks."""
    with torch.compiler.set_stance("force_eager"):
        yield


def _pad(tokens: Tokens, step: int, longest: int) -> Tokens:
    length = tokens.ids.shape[-1]
    missing = min(-(-length // step) * step, longest) - length
    return tokens if missing <= 0 else Tokens(F.pad(tokens.ids, (0, missing)), F.pad(tokens.mask, (0, missing)))


def _run_again(block: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
    """The forward pass of a layer, which is made once more instead of being remembered."""

    def again(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, context_fn=lambda: (_as_is(), _counted_once(block)), **kwargs)

    return again


@contextmanager
def _as_is() -> Iterator[None]:
    yield


@contextmanager
def _counted_once(block: nn.Module) -> Iterator[None]:
    """Inside, running statistics stay as they are: the first pass has counted the batch."""
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    before = [(norm.momentum, None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None and count is not None:
                norm.num_batches_tracked.copy_(count)


def _prepare_compiler(shapes: int) -> None:
    """Room for every shape that is expected, each with and without gradients, and an early word where there is no compiler."""
    if sys.platform != "win32" and not any(shutil.which(name) for name in COMPILERS):
        raise ConfigError("compute.compile=true needs a C++ compiler (g++ or clang++), and there is none; install one, or use false")
    config: Any = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, 8 + 4 * shapes)
    config.accumulated_recompile_limit = max(config.accumulated_recompile_limit, 8 * (8 + 4 * shapes))
