"""What a run leaves behind about itself: run.json and metrics.json."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightning as L
import torch

from concord.files import write_json
from concord.training.callbacks.preemption import preempted_by
from concord.training.provenance import command, git_commit, versions


class RunRecord(L.Callback):
    """Keeps `run.json` (status, versions, command, parameters, time) and writes `metrics.json` (final values by flat name).

    The status is "running", then "finished", "preempted" by a signal, "interrupted" or "failed" with the error's one line. A run
    that is killed stays "running". The wall time adds up over resumptions.

    Args:
        details: what else to write at the end, such as the bad examples of the data by cause; plain JSON values by name.
    """

    def __init__(self, details: Callable[[], Mapping[str, Any]] = dict) -> None:
        super().__init__()
        self.details = details
        self._record: dict[str, Any] = {}
        self._started = 0.0
        self._seconds_before = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"wall_seconds": self._wall_seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seconds_before = float(state_dict["wall_seconds"])

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._started = time.monotonic()
        parameters = list(pl_module.parameters())
        self._record = {
            "status": "running",
            "started": _now(),
            "command": command(),
            "git_commit": git_commit(),
            "versions": versions(),
            "device": _device_name(trainer),
            "processes": trainer.world_size,
            "precision": str(trainer.precision),
            "parameters": sum(parameter.numel() for parameter in parameters),
            "trained_parameters": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
            "max_steps": trainer.max_steps,
        }

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._record["resumed_after_step"] = trainer.global_step if trainer.global_step > 0 else None
        if trainer.is_global_zero:
            _write(Path(trainer.default_root_dir) / "run.json", self._record)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._close(trainer, "finished" if preempted_by(trainer) is None else "preempted")

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        status = "interrupted" if isinstance(exception, KeyboardInterrupt) else "failed"
        self._close(trainer, status, error=f"{type(exception).__name__}: {' '.join(str(exception).split())}")

    def _close(self, trainer: L.Trainer, status: str, **more: str) -> None:
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        metrics = final_values(trainer)
        ended = {"status": status, "ended": _now(), "steps": trainer.global_step, "wall_seconds": round(self._wall_seconds(), 3)}
        ended |= {"samples_per_second": metrics.get("samples_per_second"), **self.details(), **more}
        _write(folder / "run.json", {**self._record, **ended})
        if metrics or not (folder / "metrics.json").is_file():  # a finished run that is resumed once more has nothing new to say
            _write(folder / "metrics.json", metrics)

    def _wall_seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started


def final_values(trainer: L.Trainer) -> dict[str, float | None]:
    """The last value of every metric by name; None where it is not finite, which JSON cannot say."""
    values = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return {name: value if math.isfinite(value) else None for name, value in sorted(values.items())}


def _write(path: Path, content: Any) -> None:
    try:
        write_json(path, content)
    except OSError as error:  # a full disk is no reason to stop
        warnings.warn(f"{path} could not be written ({error.strerror or error})", stacklevel=2)


def _device_name(trainer: L.Trainer) -> str:
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
