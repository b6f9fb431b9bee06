"""Stop at the first loss that is not a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from concord.distributed import Ranks, local
from concord.errors import ConcordError


@dataclass
class _Suspect:
    """A loss that has not been judged: its step, its flag on the way to the CPU, and the terms that it is the sum of."""

    step: int
    bad: Tensor
    arrived: torch.cuda.Event | None
    terms: dict[str, Tensor]


class StopOnNonFinite(L.Callback):
    """Ends the run when the loss is NaN or infinite, and names the step, the terms and the parameters that are not finite.

    On a CPU the check comes before the backward pass, so that the weights stay as they were. On a GPU a step is judged
    during the next one, so that the device never waits. Nothing that is not finite reaches a checkpoint. All ranks stop
    together. The terms are those of the module's attribute `last_terms` where it keeps one (values by name, of the latest
    step), else the logged values.
    """

    def __init__(self) -> None:
        super().__init__()
        self._suspect: _Suspect | None = None

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        self._judge(pl_module)
        bad = Ranks.current().max((~torch.isfinite(loss.detach())).to(torch.uint8))
        step = trainer.global_step + 1
        if bad.device.type != "cuda":
            if bool(bad):
                raise _error(step, _terms(trainer, pl_module), pl_module)
            return
        on_cpu = torch.empty_like(bad, device="cpu", pin_memory=True).copy_(bad, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        self._suspect = _Suspect(step, on_cpu, arrived, _terms(trainer, pl_module))

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._judge(pl_module)
        if _non_finite_parameters(pl_module):
            raise _error(trainer.global_step, _terms(trainer, pl_module), pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._judge(pl_module)

    def _judge(self, module: nn.Module) -> None:
        suspect, self._suspect = self._suspect, None
        if suspect is None:
            return
        if suspect.arrived is not None:
            suspect.arrived.synchronize()
        if bool(suspect.bad):
            raise _error(suspect.step, suspect.terms, module)


def _terms(trainer: L.Trainer, module: L.LightningModule) -> dict[str, Tensor]:
    terms = getattr(module, "last_terms", None)
    return dict(terms if terms is not None else trainer.callback_metrics)


def _error(step: int, terms: dict[str, Tensor], module: nn.Module) -> ConcordError:
    bad = [name for name, value in terms.items() if not bool(torch.isfinite(torch.as_tensor(value)))]
    found = [f"terms {_some(bad)}"] if bad else []
    if parameters := _non_finite_parameters(module):
        found.append(f"parameters {_some(parameters)}")
    details = f"; not finite: {', '.join(found)}" if found else ""
    return ConcordError(
        f"step {step}: the loss or a weight is not finite{details}; go on from an earlier checkpoint with a lower optimizer.lr, "
        "a longer schedule.warmup, trainer.gradient_clip=1.0 or trainer.precision=32"
    )


def _non_finite_parameters(module: nn.Module) -> list[str]:
    named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.numel() > 0]
    if not named:
        return []
    bad = torch.stack([~torch.isfinite(local(parameter.detach())).all() for _, parameter in named])
    if any(isinstance(parameter, DTensor) for _, parameter in named):
        bad = Ranks.current().max(bad.to(torch.uint8))
    return [name for (name, _), is_bad in zip(named, bad.tolist(), strict=True) if is_bad]


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
