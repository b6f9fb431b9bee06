"""A module, a data stream and a run that are as small as they can be and have all that can go wrong in resuming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from concord.training import AdamW, Checkpoints, Cosine, RandomStates, make_trainer, seed_everything


class TinyModule(L.LightningModule):
    """Two layers with dropout, AdamW and a cosine; logs as a method does."""

    def __init__(self, poison_at: int | None = None) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 1))
        self.poison_at = poison_at
        self.losses: list[float] = []

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss = (self.net(batch) - batch.sum(dim=1, keepdim=True)).square().mean()
        if self.poison_at is not None and self.global_step + 1 == self.poison_at:
            loss = loss * float("nan")
        self.losses.append(float(loss.detach()))
        self.log_dict({"loss": loss.detach(), "loss/regression": loss.detach(), "weight/regression": 1.0})
        return loss

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = AdamW(lr=1e-2).build(self)
        schedule = Cosine(warmup=0.1).build(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Stream(IterableDataset):
    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[Tensor]:
        index = self.start
        while True:
            yield torch.randn(8, 4, generator=torch.Generator().manual_seed(index))
            index += 1


class TinyData(L.LightningDataModule):
    """Batch i is a pure function of i; what has been consumed is one number."""

    def __init__(self) -> None:
        super().__init__()
        self.start = 0

    def train_dataloader(self) -> DataLoader:
        return DataLoader(_Stream(self.start), batch_size=None)

    def state_dict(self) -> dict[str, int]:
        return {"consumed": self.trainer.fit_loop.epoch_loop.total_batch_idx + 1}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.start = state_dict["consumed"]


def tiny_run(
    folder: Path,
    max_steps: int = 20,
    callbacks: Sequence[L.Callback] = (),
    every_n_steps: int = 5,
    resume: bool = False,
    module: TinyModule | None = None,
    **settings: Any,
) -> tuple[L.Trainer, TinyModule]:
    """Train in `folder`, from the start or from its last.ckpt."""
    seed_everything(0)
    module = module if module is not None else TinyModule()
    own = [RandomStates(seed=0)]
    if not any(isinstance(callback, Checkpoints) for callback in callbacks):
        own.append(Checkpoints(every_n_steps=every_n_steps))
    trainer = make_trainer(
        max_steps=max_steps, folder=folder, callbacks=[*own, *callbacks], **{"accelerator": "cpu", "devices": 1, "log_every": 2, **settings}
    )
    last = folder / "checkpoints" / "last.ckpt"
    trainer.fit(module, datamodule=TinyData(), ckpt_path=last if resume else None, weights_only=True)
    return trainer, module


def weights(module: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
