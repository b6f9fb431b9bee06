"""What is about to be trained, said before the first step."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping

import lightning as L
import rich
import torch
from rich.table import Table
from torch import Tensor, nn
from torch.optim import Optimizer

from concord.distributed import local

_GIB = 2**30


class StartSummary(L.Callback):
    """Prints parameters per tower and head, steps, memory of the training state, where things are written, and further lines.

    Args:
        lines: what to say beside the parameters, such as {"views": "image, caption"}; printed in this order.
    """

    def __init__(self, lines: Mapping[str, str]) -> None:
        super().__init__()
        self.lines = dict(lines)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        console = rich.get_console()
        console.print(parameter_table(pl_module))
        bytes_needed = state_bytes(pl_module, trainer.optimizers)
        steps = f"{trainer.max_steps}" if trainer.global_step == 0 else f"{trainer.max_steps}, going on after {trainer.global_step}"
        lines = {
            **self.lines,
            "steps": steps,
            "precision": str(trainer.precision),
            "processes": f"{trainer.world_size} on {trainer.strategy.root_device.type}",
            "memory": f"{bytes_needed / _GIB:.2f} GiB per process for weights, gradients and optimizer; activations come on top",
            "run folder": str(trainer.default_root_dir),
        }
        width = max(len(name) for name in lines)
        for name, text in lines.items():
            console.print(f"{name:<{width}}  {text}", markup=False, highlight=False, soft_wrap=True)


def parts_of(module: nn.Module) -> dict[str, nn.Module]:
    """The towers, projections and heads of a method; of any other module, its children."""
    if not isinstance(getattr(module, "objectives", None), nn.Module):
        return dict(module.named_children())
    heads = {f"objectives.{name}": part for name, part in module.get_submodule("objectives").named_children()}
    return {**dict(module.get_submodule("model").named_children()), **heads}


def parameter_table(module: nn.Module) -> Table:
    """Parameters of every part that has any, and how many of them are trained."""
    table = Table("part", "parameters", "trained", box=rich.box.SIMPLE)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, part in parts_of(module).items():
        _add_row(table, name, part.parameters())
    table.add_section()
    _add_row(table, "all", module.parameters())
    return table


def _add_row(table: Table, name: str, parameters: Iterable[nn.Parameter]) -> None:
    known = list(parameters)
    count = sum(parameter.numel() for parameter in known)
    trained = sum(parameter.numel() for parameter in known if parameter.requires_grad)
    if count > 0:
        table.add_row(name, f"{count:,}", f"{trained:,}")


def state_bytes(module: nn.Module, optimizers: Iterable[Optimizer]) -> int:
    """Bytes of weights, buffers, gradients and optimizer state that this process keeps."""
    weights = sum(local(tensor).nbytes for tensor in (*module.parameters(), *module.buffers()))
    trained = sum(local(parameter).nbytes for parameter in module.parameters() if parameter.requires_grad)
    per_byte = sum(_state_per_byte(optimizer) for optimizer in optimizers)
    return round(weights + trained * (1 + per_byte))


def _state_per_byte(optimizer: Optimizer) -> float:
    """Bytes of state that the optimizer keeps per byte of a weight matrix; found by letting its twin step once on a small one."""
    known = inspect.signature(type(optimizer)).parameters
    probe = nn.Parameter(torch.zeros(64, 64))
    probe.grad = torch.zeros_like(probe)
    twin = type(optimizer)([probe], **{name: value for name, value in optimizer.defaults.items() if name in known})
    twin.step()
    state = [value.nbytes for value in twin.state[probe].values() if isinstance(value, Tensor) and value.numel() > 1]
    return sum(state) / probe.nbytes
