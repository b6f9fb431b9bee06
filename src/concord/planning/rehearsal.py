"""One training step rehearsed in shapes: for any batch and any number of processes, on a machine that has neither.

Dimensions: b pairs on one process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from concord.distributed import standing_in
from concord.models.operators import as_on_accelerator
from concord.planning.communication import PlannedRanks, Transfer
from concord.planning.device import Precision
from concord.planning.tracing import OPTIMIZER, Operation, Tracer
from concord.types import Batch

WEIGHTS, GRADIENTS, BATCH = "weights", "gradients", "batch"

AUTOCAST: dict[Precision, torch.dtype | None] = {"32": None, "bf16": torch.bfloat16, "16": torch.float16}
"""What the trainer's precisions mean for the forward pass."""


@dataclass(frozen=True)
class Subject:
    """What is rehearsed.

    Args:
        module: everything that has weights.
        parts: modules by the name under which their work is reported; inner ones may lie in outer ones.
        objectives: the terms of the loss by name, which can be left out one at a time.
        step: a batch's loss.
        optimizer: makes the optimizer of the module's parameters.
        batch: makes a batch of so many pairs, at its largest.
    """

    module: nn.Module
    parts: Mapping[str, nn.Module]
    objectives: nn.ModuleDict
    step: Callable[[Batch], Tensor]
    optimizer: Callable[[], torch.optim.Optimizer]
    batch: Callable[[int], Batch]


@dataclass(frozen=True)
class Trace:
    """What one step of one process does.

    Attributes:
        pairs: b.
        world: number of processes.
        operations: how often each kind of operation is called.
        peak: bytes alive at the fullest moment: "weights", "gradients", "optimizer", "batch", and of each part what it computed.
        most: the most that each of these ever has alive.
        transfers: what the loss sends.
        state: bytes of the optimizer's state.
    """

    pairs: int
    world: int
    operations: Counter[Operation]
    peak: dict[str, int]
    most: dict[str, int]
    transfers: list[Transfer]
    state: int

    def flops(self, part: str | None = None, backward: bool | None = None) -> int:
        """Of the whole step, or of a part, or of a pass."""
        return sum(
            count * one.flops for one, count in self.operations.items() if part in (None, one.part) and backward in (None, one.backward)
        )


class Rehearsal:
    """A subject whose weights have become shapes; it can be run as often as is liked.

    Args:
        subject: its weights, on whatever device, are replaced.
        precision: of the forward and backward passes.
        accelerator: whether to compute as on an accelerator; else as on a CPU.
    """

    def __init__(self, subject: Subject, precision: Precision = "32", accelerator: bool = True) -> None:
        self.subject = subject
        self.precision = precision
        self.accelerator = accelerator
        self._fake = FakeTensorMode(allow_non_fake_inputs=True)
        with self._fake:
            _become_shapes(subject.module)
        subject.module.train()
        self._trained = [parameter for parameter in subject.module.parameters() if parameter.requires_grad]
        self._optimizer: torch.optim.Optimizer | None = None

    def run(self, pairs: int, world: int = 1, accumulating: bool = False) -> Trace:
        """Rehearse a step in the midst of a run, when the optimizer has its state.

        Args:
            pairs: of each process.
            world: number of processes.
            accumulating: whether the gradients of an earlier batch of the same step are kept.
        """
        ranks, tracer = PlannedRanks(0, world), Tracer()
        with self._fake, standing_in(ranks), as_on_accelerator() if self.accelerator else nullcontext():
            optimizer = self._with_state()
            batch = self.subject.batch(pairs)
            state = list(_state(optimizer))
            tracer.own(WEIGHTS, (*self.subject.module.parameters(), *self.subject.module.buffers()))
            tracer.own(OPTIMIZER, state)
            tracer.own(BATCH, batch.tensors())
            tracer.own(GRADIENTS, self._gradients())
            with tracer, tracer.watching(self.subject.parts), self._collecting(tracer):
                self._step(batch, optimizer, tracer, accumulating)
            self._clear()
        size = sum(tensor.nbytes for tensor in state)
        return Trace(pairs, world, tracer.operations, dict(tracer.peak), dict(tracer.most), ranks.transfers, size)

    @contextmanager
    def without(self, objective: str) -> Iterator[None]:
        """Inside, the method lacks one of its objectives."""
        before = dict(self.subject.objectives.items())
        del self.subject.objectives[objective]
        try:
            yield
        finally:
            self.subject.objectives.clear()
            self.subject.objectives.update(before)

    def _step(self, batch: Batch, optimizer: torch.optim.Optimizer, tracer: Tracer, accumulating: bool) -> None:
        """As Lightning goes about it: the gradients of the step before are dropped between the forward and the backward pass."""
        dtype = AUTOCAST[self.precision]
        with torch.autocast("cpu", dtype) if dtype is not None else nullcontext():
            loss = self.subject.step(batch)
        if not accumulating:
            self._clear()
        loss.backward()  # type: ignore[no-untyped-call]
        del loss
        with tracer.inside(OPTIMIZER):
            optimizer.step()

    def _with_state(self) -> torch.optim.Optimizer:
        if self._optimizer is None:
            self._optimizer = self.subject.optimizer()
            self._gradients()
            with Tracer() as tracer, tracer.inside(OPTIMIZER):
                self._optimizer.step()
        return self._optimizer

    def _gradients(self) -> list[Tensor]:
        """Those that the step before left."""
        for parameter in self._trained:
            parameter.grad = torch.empty_like(parameter)
        return [parameter.grad for parameter in self._trained if parameter.grad is not None]

    def _clear(self) -> None:
        for parameter in self._trained:
            parameter.grad = None

    @contextmanager
    def _collecting(self, tracer: Tracer) -> Iterator[None]:
        """Inside, what has become a parameter's gradient is counted as such, and no more as of the part that computed it."""

        def claim(parameter: Tensor) -> None:
            if parameter.grad is not None:
                tracer.own(GRADIENTS, [parameter.grad])

        handles = [parameter.register_post_accumulate_grad_hook(claim) for parameter in self._trained]  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _become_shapes(module: nn.Module) -> None:
    """Put parameters and buffers that have no memory in the place of a module's; what was shared stays shared."""
    made: dict[int, Tensor] = {}

    def like(tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            shape = torch.empty(tensor.shape, dtype=tensor.dtype)
            is_parameter = isinstance(tensor, nn.Parameter)
            made[id(tensor)] = nn.Parameter(shape, tensor.requires_grad) if is_parameter else shape
        return made[id(tensor)]

    before: list[Any] = []  # alive until the end, as the numbers of those that have died are given anew
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            before.extend(tensors.values())
            tensors.update({name: like(tensor) for name, tensor in tensors.items() if tensor is not None})  # type: ignore[misc]


def _state(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    for state in optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))
