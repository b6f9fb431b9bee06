"""Trainings that are killed: what runs in the processes that `test_resume.py` starts."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import torch

from concord.data import Resample, Shuffle, Windows
from concord.training import AtomicCheckpointIO
from concord.types import Batch
from tests.data.formats import make_module, open_format

CHECKPOINT_EVERY = 3  # steps of the optimizer
ORDERS = {"shuffle": Shuffle, "windows": lambda: Windows(2), "resample": Resample}


@dataclass(frozen=True)
class Training:
    """One training run.

    Attributes:
        source, order: of `formats.py` and of `ORDERS`.
        data: the folder of `write_formats`.
        folder: where the run writes its keys and its checkpoints.
        steps: of the optimizer, after which it ends.
        world: processes.
        resume: a checkpoint.
        hang_at: a step at which the run waits to be killed.
        options: of the data module.
    """

    source: str
    order: str
    data: Path
    folder: Path
    steps: int
    world: int = 1
    resume: Path | None = None
    hang_at: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


class Diary(L.LightningModule):
    """Trains one number and writes down each batch before its step is done: the step, the sources and the keys."""

    def __init__(self, folder: Path, hang_at: int | None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.folder = folder
        self.hang_at = hang_at

    def on_train_start(self) -> None:
        # The file stays open until the process ends or is killed.
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = open(self.folder / f"{self.global_rank}.jsonl", "a")  # noqa: SIM115

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        line = {"step": self.global_step, "examples": list(zip(batch.sources, batch.keys, strict=True))}
        print(json.dumps(line), file=self.file, flush=True)
        if self.global_step == self.hang_at:
            time.sleep(3600)
        return self.weight.sum() * batch.images["image"].float().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-3)


def train(training: Training, rank: int, port: int) -> None:
    """One process of a training."""
    multiprocessing.set_start_method("fork", force=True)  # of the reading processes, as where training is started by hand
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    if training.world > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), LOCAL_RANK=str(rank), NODE_RANK="0")
    data = make_module(open_format(training.source, training.data), order=ORDERS[training.order](), **training.options)
    trainer = L.Trainer(
        accelerator="cpu",
        devices=training.world,
        strategy="ddp" if training.world > 1 else "auto",
        max_epochs=-1,
        max_steps=training.steps,
        plugins=[AtomicCheckpointIO()],
        callbacks=[L.pytorch.callbacks.ModelCheckpoint(training.folder, "{step}", every_n_train_steps=CHECKPOINT_EVERY, save_top_k=-1)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Diary(training.folder, training.hang_at), datamodule=data, ckpt_path=training.resume, weights_only=True)
