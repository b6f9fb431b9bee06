"""Where a step that went wrong went wrong first: it is computed once more, and every module is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from concord.distributed import Ranks
from concord.training.randomness import preserved_random_state
from concord.types import tensors_in

RandomState = tuple[Tensor, Tensor | None]


def device_random_state(device: torch.device) -> RandomState:
    """The states of PyTorch's generators on the CPU and on a GPU: what dropout draws from. It costs a few microseconds."""
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


@dataclass(frozen=True)
class Drawn:
    """A batch as it went into a step, and the random states before it."""

    batch: Any
    index: int
    states: RandomState


@dataclass(frozen=True)
class Finding:
    """The first tensor of a step that is not finite.

    Attributes:
        place: how many modules had answered before; gradients come after all answers.
        name: such as "the output of model.image.blocks.3".
        rank: of the process that met it.
        keys: names of the examples whose rows it is; of all of the batch where it has no row for each.
    """

    place: int
    name: str
    rank: int
    keys: list[str]


@dataclass
class _Looker:
    """Notes the first bad tensor."""

    rank: int
    drawn: Drawn | None = None
    asked: int = 0
    found: Finding | None = None
    handles: list[Any] = field(default_factory=list)

    def look(self, name: str, tensors: Sequence[Tensor]) -> None:
        self.asked += 1
        if self.found is not None:
            return
        for tensor in tensors:
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                self.found = Finding(self.asked, name, self.rank, _keys(self.drawn.batch if self.drawn else None, tensor))
                return

    def watch(self, module: nn.Module) -> None:
        for name, part in module.named_modules():
            if name:
                self.handles.append(part.register_forward_hook(self._hook(name)))

    def _hook(self, name: str) -> Any:
        def after(_: nn.Module, __: Any, output: Any) -> None:
            tensors = list(tensors_in(output))
            self.look(f"the output of {name}", tensors)
            for tensor in tensors:
                if tensor.requires_grad:
                    tensor.register_hook(lambda gradient: self.look(f"the gradient of the output of {name}", [gradient]))  # type: ignore[no-untyped-call]

        return after


def diagnose(trainer: L.Trainer, module: L.LightningModule, drawn: Sequence[Drawn]) -> Finding | None:
    """The first module output, or else the first gradient of one in the order of the backward pass, that is not finite.

    The batches of one step are computed again with the same weights and random numbers; nothing of it stays, not even in the
    log. All ranks call it together and get the same: the finding of the rank that met it first.
    """
    ranks = Ranks.current()
    device = trainer.strategy.root_device
    looker = _Looker(ranks.rank)
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    with ExitStack() as stack:
        for context in (preserved_random_state(device), kept_buffers(module), _silent(module)):
            stack.enter_context(context)
        looker.watch(module)
        for handle in looker.handles:
            stack.callback(handle.remove)
        for each in drawn:
            looker.drawn = each
            torch.set_rng_state(each.states[0])
            if each.states[1] is not None:
                torch.cuda.set_rng_state(each.states[1], device)
            with trainer.precision_plugin.train_step_context():
                loss: Tensor = module.training_step(each.batch, each.index)  # type: ignore[assignment]
            # Not `backward`: that would add to the gradients, and DDP would send them round.
            torch.autograd.grad(loss, trained, allow_unused=True)
    found = [finding for finding in ranks.gather_objects(looker.found) if finding is not None]
    return min(found, key=lambda finding: (finding.place, finding.rank), default=None)


@contextmanager
def kept_buffers(module: nn.Module) -> Iterator[None]:
    """Afterwards the buffers hold what they held before, whatever a forward pass wrote into them."""
    buffers = list(module.buffers())
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        put_back(buffers, before)


@torch.no_grad()
def put_back(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Give tensors the values that they had."""
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)


@contextmanager
def _silent(module: L.LightningModule) -> Iterator[None]:
    """Inside, what a module logs is dropped."""
    names = ("log", "log_dict")
    for name in names:
        setattr(module, name, lambda *_, **__: None)
    try:
        yield
    finally:
        for name in names:
            delattr(module, name)


def keys_of(batch: Any) -> list[str]:
    """The names of a batch's examples; none where a batch has none. Those of guarded data are keyed hashes."""
    keys = getattr(batch, "keys", None)
    return list(keys) if isinstance(keys, list) else []


def _keys(batch: Any, tensor: Tensor) -> list[str]:
    keys = keys_of(batch)
    if not keys or tensor.ndim == 0 or tensor.shape[0] % len(keys):
        return keys
    bad = ~torch.isfinite(tensor).flatten(1).all(dim=1) if tensor.ndim > 1 else ~torch.isfinite(tensor)
    rows = bad.reshape(len(keys), -1).any(dim=1).tolist()  # views with several draws have several rows per example
    return [key for key, is_bad in zip(keys, rows, strict=True) if is_bad]
