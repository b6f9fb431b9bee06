"""Lightning's remarks that tell the user of a concord run nothing: each is silenced by its own text, all others pass."""

from __future__ import annotations

import logging
import re
import warnings

_REMARKS = re.compile(
    r"(GPU|TPU|HPU) available: "
    r"|(GPU|TPU|HPU)s? (available )?used: "
    r"|Tip: For seamless cloud"
    r"|`Trainer\.fit` stopped: `max_steps="
    r"|Restor(ing|ed) .*states? .*from the checkpoint"
    r"|Using (bfloat16|16bit) Automatic Mixed Precision"
    r"|LOCAL_RANK: \d+ - CUDA_VISIBLE_DEVICES"
)
_WARNINGS = (
    # Procedural data is made in the main process on purpose where that is faster.
    r".*does not have many workers which may be a bottleneck",
    # One endless epoch: its length says nothing, and what has been consumed is in the checkpoint.
    r".*Your `IterableDataset` has `__len__` defined",
    r".*resuming from a checkpoint that ended before the epoch ended",
    # Locked towers stay in evaluation mode on purpose.
    r".*module\(s\) in eval mode at the start of training",
    # The gradient scaler skips its first steps while it looks for a scale.
    r".*Detected call of `lr_scheduler\.step\(\)` before `optimizer\.step\(\)`",
    # Runs are launched through SLURM only where the user asks for it.
    r".*The `srun` command is available on your system but is not used",
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated",
    # A run without a benchmark has a validation step that nothing calls.
    r".*`training_step` method with the `validation_step`",
    r".*You defined a `validation_step` but have no `val_dataloader`",
)


class _Remarks(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return _REMARKS.search(record.getMessage()) is None


def quiet_lightning() -> None:
    """Silence the remarks above; calling it again changes nothing."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero", "lightning.pytorch.accelerators.cuda"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _Remarks) for known in logger.filters):
            logger.addFilter(_Remarks())
    for message in _WARNINGS:
        warnings.filterwarnings("ignore", message=message)
