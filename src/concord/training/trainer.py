"""The Lightning trainer of a run: one endless epoch of `max_steps` optimizer steps, and nothing that concord does itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import lightning as L
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import Checkpoint

from concord.errors import ConfigError
from concord.training.callbacks.ema import EMA
from concord.training.checkpointing import AtomicCheckpointIO
from concord.training.loggers import CSVLogger, RunLogger
from concord.training.quiet import quiet_lightning
from concord.training.sharding import FullySharded

Accelerator = Literal["auto", "cpu", "gpu"]
Strategy = Literal["auto", "ddp", "ddp_find_unused_parameters_true", "fsdp"]

_PRECISIONS: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def make_trainer(
    *,
    max_steps: int,
    precision: Literal["32", "bf16", "16"] = "32",
    accelerator: Accelerator = "auto",
    devices: int | Literal["auto"] = "auto",
    nodes: int = 1,
    strategy: Strategy = "auto",
    gradient_clip: float | None = None,
    accumulate: int = 1,
    log_every: int = 10,
    deterministic: bool = False,
    preflight: bool | None = None,
    check: L.Callback | None = None,
    callbacks: Sequence[L.Callback] = (),
    logger: Sequence[RunLogger] = (),
    folder: str | Path,
) -> L.Trainer:
    """The trainer of a run.

    Args:
        max_steps: optimizer steps, at least 1.
        precision: of the forward and backward passes: fp32, or bf16 or fp16 autocast. Weights and optimizer stay in fp32.
        accelerator: where to train.
        devices: processes per node; "auto" takes all GPUs, or one process on a CPU.
        nodes: machines.
        strategy: "auto" is one process, or DDP with several; "fsdp" splits weights, gradients and optimizer among the processes;
            "ddp_find_unused_parameters_true" is for methods that leave parameters without gradients.
        gradient_clip: largest norm of the gradient of all parameters, above 0; None for no clipping.
        accumulate: batches per optimizer step. Their losses are averaged: negatives are not shared between them.
        log_every: optimizer steps between two log entries; a shorter run logs its last step.
        deterministic: refuse operations that are not deterministic (GPU only; slower).
        preflight: whether `check` goes before all other callbacks; None for yes where SLURM runs the job, and no elsewhere.
        check: tries out before the first step what would fail later.
        callbacks: in the order of their calls; EMA goes first and checkpoints go last by themselves.
        logger: loggers besides `metrics.csv`, which is always written.
        folder: the run folder.

    Raises:
        ValueError: a number out of its range.
        ConfigError: fp16 without a GPU or with split weights, or GPUs that are not there.
    """
    _check_numbers(max_steps, gradient_clip, accumulate, log_every)
    accelerator, devices = place(accelerator, devices, nodes)
    if precision == "16" and accelerator == "cpu":
        raise ConfigError("trainer.precision=16 needs a GPU; use trainer.precision=bf16 or 32")
    if precision == "16" and strategy == "fsdp":
        raise ConfigError("trainer.strategy=fsdp knows no gradient scaler, which trainer.precision=16 needs; use trainer.precision=bf16")
    quiet_lightning()
    loggers = [CSVLogger(), *logger]
    for one in loggers:
        one.open(Path(folder))
    return L.Trainer(
        default_root_dir=folder,
        max_steps=max_steps,
        max_epochs=-1,
        accelerator=accelerator,
        devices=devices,
        num_nodes=nodes,
        strategy=FullySharded() if strategy == "fsdp" else strategy,
        precision=_PRECISIONS[precision],
        gradient_clip_val=gradient_clip,
        accumulate_grad_batches=accumulate,
        log_every_n_steps=min(log_every, max_steps),
        deterministic=deterministic,
        callbacks=[
            *([check] if check is not None and _wants_preflight(preflight) else []),
            *sorted(callbacks, key=lambda one: not isinstance(one, EMA)),  # weights are averaged before anybody looks at them
        ],
        logger=loggers,
        plugins=[AtomicCheckpointIO(), *_cluster()],
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_autolog_hparams=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
    )


def place(accelerator: Accelerator, devices: int | Literal["auto"], nodes: int) -> tuple[Accelerator, int | Literal["auto"]]:
    """Where to compute, as Lightning takes it: "gpu" or "cpu", and how many processes per node.

    Raises:
        ValueError: a number out of its range.
        ConfigError: GPUs that are not there.
    """
    if nodes < 1:
        raise ValueError(f"nodes must be at least 1, got {nodes}")
    if isinstance(devices, int) and devices < 1:
        raise ValueError(f"devices must be at least 1 or auto, got {devices}")
    if accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.is_available()):
        return "cpu", 1 if devices == "auto" else devices
    found = torch.cuda.device_count()
    if found == 0:
        raise ConfigError("trainer.accelerator=gpu, but PyTorch finds no GPU; use trainer.accelerator=cpu")
    if isinstance(devices, int) and devices > found:
        raise ConfigError(f"trainer.devices={devices}, but PyTorch finds {found} GPUs")
    return "gpu", devices


def _cluster() -> list[SLURMEnvironment]:
    """Rank and address as SLURM gives them. Lightning's own requeueing is off: it saves in the middle of a step, on its own."""
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []


def _wants_preflight(preflight: bool | None) -> bool:
    return "SLURM_JOB_ID" in os.environ if preflight is None else preflight


def _check_numbers(max_steps: int, gradient_clip: float | None, accumulate: int, log_every: int) -> None:
    for name, value in {"max_steps": max_steps, "accumulate": accumulate, "log_every": log_every}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if gradient_clip is not None and not gradient_clip > 0:
        raise ValueError(f"gradient_clip must be above 0 or null, got {gradient_clip}")
