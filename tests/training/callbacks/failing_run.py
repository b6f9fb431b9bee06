"""A run on two processes, of which one stops for an error.

python -m tests.training.callbacks.failing_run RANK NAME_OF_ERROR MESSAGE FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from torch import Tensor

from concord.errors import ConcordError, DataError
from concord.training import RunRecord, StopTogether
from tests.training.tiny import TinyModule, tiny_run

ERRORS = {"DataError": DataError, "KeyError": KeyError}


class Failing(TinyModule):
    """Raises after three steps on one of the processes."""

    def __init__(self, rank: int, error: Exception) -> None:
        super().__init__()
        self.rank = rank
        self.error = error

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        if self.global_rank == self.rank and self.global_step == 3:
            raise self.error
        return super().training_step(batch, batch_idx)


def run(rank: str, name: str, message: str, folder: str) -> None:
    """Ends as `run.py` does after an error."""
    failing = Failing(int(rank), ERRORS[name](message))
    try:
        tiny_run(Path(folder), module=failing, devices=2, strategy="ddp", callbacks=[RunRecord(), StopTogether()])
    except ConcordError as error:
        print("concord:", error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    run(*sys.argv[1:])
