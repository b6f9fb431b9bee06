"""TensorBoard."""

from __future__ import annotations

import json
from typing import Any

from concord.training.loggers.base import RunLogger


class TensorBoardLogger(RunLogger):
    """Event files in the run folder's `tensorboard/`; look with `tensorboard --logdir runs`.

    A resumed run tells TensorBoard to forget what was written after its checkpoint.
    """

    def __init__(self) -> None:
        super().__init__()
        self._writer: Any = None
        self._config: dict[str, Any] | None = None

    def _write(self, metrics: dict[str, float], step: int) -> None:
        if self._writer is None:
            self._open_writer(step)
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def _open_writer(self, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        self._writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step)
        if self._config is not None:
            self._writer.add_text("config", "```json\n" + json.dumps(self._config, indent=2, default=str) + "\n```", step)

    def _write_config(self, config: dict[str, Any]) -> None:
        self._config = config

    def _close(self, status: str) -> None:
        if self._writer is not None:
            self._writer.flush()
