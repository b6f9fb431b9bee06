"""What reading the data takes, and what of it cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import lightning as L

from concord.training.callbacks.base import StepCallback, is_logging_step


class DataReport(StepCallback):
    """Logs under `data/` on logging steps what the loader says of itself.

    Args:
        means: values by name that cover the time since they were asked for last, such as {"read_ms": 1.2}; over ranks the mean
            is logged. Every rank gives the same names.
        counts: whole numbers by name since the start of this process, such as {"bad": 3}; over ranks the sum is logged.
    """

    def __init__(self, means: Callable[[], Mapping[str, float]], counts: Callable[[], Mapping[str, int]]) -> None:
        super().__init__()
        self.means = means
        self.counts = counts

    def after_step(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not is_logging_step(trainer, trainer.global_step):
            return
        many = trainer.world_size > 1
        for values, over_ranks in ((self.means(), "mean"), (self.counts(), "sum")):
            named = {f"data/{name}": float(value) for name, value in values.items()}
            pl_module.log_dict(named, sync_dist=many, reduce_fx=over_ranks)
