"""A step in shapes alone: every operation's arithmetic and memory traffic, and what is alive at the fullest moment.

PyTorch's fake tensors have shapes, types and a device, and no memory. The step that runs on them is the real one: whatever an
objective does is counted without its knowledge.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from concord.planning.flops import flops_of
from concord.types import tensors_in

REST, OPTIMIZER = "rest", "optimizer"
"""The part of what belongs to no other: sums of terms, casts of weights; and that of the optimizer, its state included."""

_LABEL = "part"


@dataclasses.dataclass(frozen=True)
class Operation:
    """What one kind of operation does.

    Attributes:
        part: of the method that asked for it.
        backward: whether in the backward pass, which includes what is computed again there.
        flops: of matrix products, convolutions and attention.
        bytes: read and written.
        dtype: of its first tensor, as PyTorch names it.
    """

    part: str
    backward: bool
    flops: int
    bytes: int
    dtype: str


class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what happens inside of it.

    Attributes:
        operations: how often each kind of operation was called.
        peak: bytes alive at the fullest moment, by part.
        most: most bytes that each part ever had alive.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: Counter[Operation] = Counter()
        self.peak: dict[str, int] = {}
        self.most: Counter[str] = Counter()
        self._live: Counter[str] = Counter()
        self._total = self._highest = 0
        self._held: dict[int, tuple[str, int, weakref.ref[Any]]] = {}
        self._parts: list[str] = []

    def own(self, part: str, tensors: Iterable[Tensor]) -> None:
        """Count tensors, known or new, as a part's."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            known = self._held.get(storage._cdata)
            if known is not None:
                self._free(storage._cdata)
            self._hold(storage, part)

    @contextmanager
    def inside(self, part: str) -> Iterator[None]:
        """What happens inside belongs to a part."""
        self._parts.append(part)
        try:
            yield
        finally:
            self._parts.pop()

    @contextmanager
    def watching(self, parts: Mapping[str, nn.Module]) -> Iterator[None]:
        """What a module computes while it runs, and what the backward pass makes of that, belongs to its part. The innermost counts."""

        def enter(part: str) -> Any:
            return lambda module, args: self._parts.append(part)

        def leave(part: str) -> Any:
            def hook(module: nn.Module, args: Any, output: Any) -> None:
                _label(output, self._parts.pop())

            return hook

        handles = [module.register_forward_pre_hook(enter(part)) for part, module in parts.items()]
        handles += [module.register_forward_hook(leave(part)) for part, module in parts.items()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten.nonzero.default:  # how many there are is not known: all, as of captions that fill the context
            out = args[0].new_empty((args[0].numel(), args[0].ndim), dtype=torch.int64)
        elif func is torch.ops.aten._local_scalar_dense.default and OPTIMIZER in self._parts:
            return 1.0 if args[0].is_floating_point() else 1  # optimizers count their steps
        else:
            out = func(*args, **kwargs)
        part, backward = self._place()
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        outputs = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        known = {tensor.untyped_storage()._cdata for tensor in inputs}
        writes = func._schema.is_mutable or any(tensor.untyped_storage()._cdata not in known for tensor in outputs)
        if writes:  # a view moves nothing
            moved = sum(tensor.nbytes for tensor in (*inputs, *outputs))
            dtype = str((inputs or outputs)[0].dtype).removeprefix("torch.") if inputs or outputs else ""
            self.operations[Operation(part, backward, flops_of(func, args, kwargs, out), moved, dtype)] += 1
        for tensor in outputs:
            if tensor.untyped_storage()._cdata not in self._held:
                self._hold(tensor.untyped_storage(), part)
        return out

    def _place(self) -> tuple[str, bool]:
        """The part that is at work, and whether the backward pass is."""
        node = torch._C._current_autograd_node()  # type: ignore[attr-defined]
        if self._parts:
            return self._parts[-1], node is not None
        return (_notes(node).get(_LABEL, REST) if node is not None else REST), node is not None

    def _hold(self, storage: Any, part: str) -> None:
        key, size = storage._cdata, storage.nbytes()
        self._held[key] = part, size, weakref.ref(storage, lambda _: self._free(key))
        self._live[part] += size
        self._total += size
        self.most[part] = max(self.most[part], self._live[part])
        if self._total > self._highest:
            self._highest = self._total
            self.peak = {name: count for name, count in self._live.items() if count}

    def _free(self, key: int) -> None:
        part, size, _ = self._held.pop(key)
        self._live[part] -= size
        self._total -= size


def _label(output: Any, part: str) -> None:
    """Write the part onto the nodes of the graph that the output hangs on, as far as they have none yet."""
    waiting = [tensor.grad_fn for tensor in tensors_in(output) if tensor.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if _LABEL not in _notes(node):
            _notes(node)[_LABEL] = part
            waiting.extend(after for after, _ in node.next_functions if after is not None)


def _notes(node: Any) -> dict[str, str]:
    """What may be written onto a node of the graph."""
    return node.metadata  # type: ignore[no-any-return]
