"""What is done about a step whose loss or gradient is not finite, or whose loss jumps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer

from concord.distributed import Ranks, local
from concord.errors import ConcordError, ConfigError
from concord.training.callbacks.base import LateJudge, take_away_step
from concord.training.callbacks.checkpoints import Checkpoints, folder_of
from concord.training.checkpointing import newest_good
from concord.training.diagnosis import Drawn, device_random_state, diagnose, keys_of, put_back
from concord.training.faults import Fault, non_finite_parameters, some, what_is_bad
from concord.training.rollback import roll_back
from concord.training.spikes import Spikes

Policy = Literal["stop", "skip", "roll_back"]
SpikePolicy = Literal["ignore", "warn", "stop", "skip", "roll_back"]

_ADVICE = (
    "go on from an earlier checkpoint with a lower optimizer.lr, a longer schedule.warmup, trainer.gradient_clip=1.0 or "
    "trainer.precision=32, or pass over such steps with callbacks.guard.non_finite=skip or roll_back"
)


@dataclass
class _Unjudged:
    """A step that was made on a GPU before its gradient was looked at."""

    step: int
    bad: _OnItsWay
    norms: Tensor
    names: list[str]
    keys: list[str]


class _OnItsWay:
    """A tensor that is copied to the CPU while the GPU works on."""

    def __init__(self, tensor: Tensor) -> None:
        self._value = tensor
        self._arrived: torch.cuda.Event | None = None
        if tensor.device.type == "cuda":
            self._value = torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record()

    def read(self) -> Tensor:
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._value


class Guard(LateJudge):
    """Looks at every step's loss and gradient, names what went wrong first, and stops, skips the step, or goes back.

    `stop` ends the run before the step is made. `skip` takes the step away, on all ranks alike: weights, optimizer and buffers
    stay as they were, while the count of steps, the schedule and the data go on. `roll_back` besides takes the weights and the
    optimizer of the last good checkpoint; the steps since then are lost, and their data are not seen again. Both are exact: a
    resumed run skips and goes back as one that was never stopped, where checkpoints come by steps.

    What happened is written to `guard.jsonl` in the run folder, with the keys of the examples (of guarded data: keyed hashes).

    A loss is judged before its optimizer step. On a GPU its value is copied while the backward pass runs, so that the device
    never waits for it, and a gradient alone is judged one step later, and before any checkpoint; with `skip` it is waited for.
    Gradients that are not finite under fp16 are the gradient scaler's affair.

    The terms of the loss are those of the module's attribute `last_terms` where it keeps one, else the logged values.

    Args:
        non_finite: what to do when the loss, or the gradient, is NaN or infinite.
        spike: what to do when the loss jumps, see `Spikes`; it is the mean over ranks.
        spike_deviations: how far above the median of the losses before a spike lies, in spreads, above 0.
        spike_window: losses that are looked back on, at least 10.
        limit: how many steps of a run may be skipped or lead back, at least 1; at the next one it stops.
    """

    def __init__(
        self,
        non_finite: Policy = "stop",
        spike: SpikePolicy = "warn",
        spike_deviations: float = 20.0,
        spike_window: int = 200,
        limit: int = 20,
    ) -> None:
        super().__init__()
        if limit < 1:
            raise ValueError(f"limit must be at least 1, got {limit}")
        self.non_finite = non_finite
        self.spike: SpikePolicy = spike
        self.limit = limit
        self.used = 0
        self._spikes = Spikes(spike_deviations, spike_window)
        self._drawn: list[Drawn] = []
        self._buffers: list[Tensor] = []
        self._sums: Tensor | None = None
        self._loss: _OnItsWay | None = None
        self._unjudged: _Unjudged | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"used": self.used, "losses": self._spikes.state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.used = state_dict["used"]
        self._spikes.load(state_dict["losses"])

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if "roll_back" not in (self.non_finite, self.spike):
            return
        checkpoints = next((c for c in trainer.callbacks if isinstance(c, Checkpoints)), None)  # type: ignore[attr-defined]
        if checkpoints is None:
            raise ConfigError("callbacks.guard: roll_back needs callbacks.checkpoints")
        if newest_good(folder_of(trainer)) is None:
            checkpoints.save_now(trainer)

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int) -> None:
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._drawn, self._sums = [], None
            if self._may_go_on():
                self._buffers = [buffer.clone() for buffer in pl_module.buffers()]
        self._drawn.append(Drawn(batch, batch_idx, device_random_state(trainer.strategy.root_device)))

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        accumulate, scaler = trainer.accumulate_grad_batches, _scaler(trainer)
        value = loss.detach().float()
        if scaler is not None:
            value = value / scaler._scale  # the loss comes scaled here; reading the scale as a number would wait for the device
        finite = torch.isfinite(value)
        sums = torch.stack([(~finite).float(), torch.where(finite, value, 0.0)])
        self._sums = sums if self._sums is None else self._sums + sums
        if len(self._drawn) == accumulate:
            self._loss = _OnItsWay(Ranks.current().sum(self._sums))

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        if self._judge_late(trainer, pl_module):
            take_away_step(optimizer)  # its gradient is that of weights that are no more
            return
        fault = self._fault_of_loss(trainer, pl_module) or self._fault_of_gradient(trainer, pl_module)
        if fault is not None and self._act(trainer, pl_module, fault):
            take_away_step(optimizer)

    def settle(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._judge_late(trainer, pl_module)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        if bad := non_finite_parameters(pl_module):
            raise ConcordError(f"step {trainer.global_step}: a weight is not finite; not finite: parameters {some(bad)}; {_ADVICE}")

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._judge_late(trainer, pl_module)

    def _may_go_on(self) -> bool:
        return self.non_finite != "stop" or self.spike in ("skip", "roll_back")

    def _waits(self, device: torch.device) -> bool:
        """Whether a gradient is judged before its step is made."""
        return device.type != "cuda" or self.non_finite == "skip"

    def _fault_of_loss(self, trainer: L.Trainer, module: L.LightningModule) -> Fault | None:
        assert self._loss is not None
        bad, total = self._loss.read().tolist()
        step, keys = trainer.global_step + 1, self._keys()
        if bad > 0:
            return Fault(step, "the loss is not finite", self.non_finite, what_is_bad(trainer, module), keys)
        loss, limit = total / trainer.world_size, self._spikes.limit()
        if self.spike == "ignore" or loss <= limit:
            self._spikes.add(loss)
            return None
        if self.spike == "warn":
            self._spikes.add(loss)
        return Fault(step, f"the loss jumped to {loss:.4g}, above {limit:.4g}", self.spike, "", keys, jump=True)

    def _fault_of_gradient(self, trainer: L.Trainer, module: L.LightningModule) -> Fault | None:
        if _scaler(trainer) is not None:
            return None
        named = [(name, parameter.grad) for name, parameter in module.named_parameters() if parameter.grad is not None]
        if not named:
            return None
        norms = torch.stack(torch._foreach_norm([local(gradient) for _, gradient in named]))
        bad = Ranks.current().max((~torch.isfinite(norms)).any().to(torch.uint8))
        unjudged = _Unjudged(trainer.global_step + 1, _OnItsWay(bad), norms, [name for name, _ in named], self._keys())
        if self._waits(bad.device):
            return self._fault_of(unjudged)
        self._unjudged = unjudged
        return None

    def _fault_of(self, unjudged: _Unjudged) -> Fault | None:
        if not bool(unjudged.bad.read()):
            return None
        good = torch.isfinite(unjudged.norms).tolist()
        names = [name for name, is_good in zip(unjudged.names, good, strict=True) if not is_good]
        details = f"gradients of {some(names)}" if names else "gradients on another process"
        return Fault(unjudged.step, "the gradient is not finite", self.non_finite, details, unjudged.keys)

    def _judge_late(self, trainer: L.Trainer, module: L.LightningModule) -> bool:
        """Judge the step before, where that is still to be done; whether training went back for it."""
        unjudged, self._unjudged = self._unjudged, None
        fault = self._fault_of(unjudged) if unjudged is not None else None
        if fault is None:
            return False
        self._drawn = []  # they are of another step, and the weights have changed
        return self._act(trainer, module, fault)

    def _act(self, trainer: L.Trainer, module: L.LightningModule, fault: Fault) -> bool:
        """Do what the policy says; whether the step is to be taken away."""
        if self._drawn and not fault.jump:
            fault.finding = diagnose(trainer, module, self._drawn)
        fault.share(trainer)
        if fault.policy == "warn":
            fault.warn(trainer, "training goes on")
            return False
        self.used += fault.policy != "stop"
        broken = fault.policy == "skip" and bool(non_finite_parameters(module))
        if fault.policy == "stop" or broken or self.used > self.limit:
            over = f" ({self.limit} steps were skipped or led back before)" if self.used > self.limit else ""
            raise ConcordError(f"{fault}{over}; {_ADVICE}")
        put_back(list(module.buffers()), self._buffers)
        if fault.policy == "roll_back":
            outcome = f"weights and optimizer are again those after step {roll_back(trainer)}"
        else:
            outcome = "the step was skipped"
        fault.warn(trainer, f"{outcome} ({self.used} of {self.limit})")
        return True

    def _keys(self) -> list[str]:
        return [key for drawn in self._drawn for key in keys_of(drawn.batch)]


def _scaler(trainer: L.Trainer) -> Any:
    """The gradient scaler of fp16; None elsewhere."""
    return getattr(trainer.precision_plugin, "scaler", None)
