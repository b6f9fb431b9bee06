"""Going back to the weights of a checkpoint while training goes on."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import lightning as L

from concord.errors import CheckpointError
from concord.training.callbacks.checkpoints import folder_of
from concord.training.checkpointing import newest_good


@runtime_checkable
class FollowsWeights(Protocol):
    """A callback with state of its own that belongs to the weights, such as their average."""

    def roll_back(self, checkpoint: dict[str, Any]) -> None: ...


def roll_back(trainer: L.Trainer) -> int:
    """Take weights, buffers, optimizer state and gradient scale from the newest good checkpoint; gives its step.

    Nothing else goes back: the count of steps, the schedule and the position in the data stay where they are, so that the steps
    in between are lost and their data are not seen again. Every rank calls it together.

    Raises:
        CheckpointError: when there is no good checkpoint.
    """
    path = newest_good(folder_of(trainer))
    if path is None:
        raise CheckpointError(f"{folder_of(trainer)} holds no checkpoint to roll back to")
    strategy = trainer.strategy
    checkpoint = strategy.load_checkpoint(path, weights_only=True)
    strategy.load_model_state_dict(checkpoint, strict=True)
    settings = [[{key: value for key, value in group.items() if key != "params"} for group in o.param_groups] for o in trainer.optimizers]
    strategy.load_optimizer_state_dict(checkpoint)
    for optimizer, groups in zip(trainer.optimizers, settings, strict=True):
        for group, setting in zip(optimizer.param_groups, groups, strict=True):
            group.update(setting)  # the learning rate is that of this step
    plugin = trainer.precision_plugin
    if (scale := checkpoint.get(type(plugin).__qualname__)) is not None:
        plugin.load_state_dict(scale)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, FollowsWeights):
            callback.roll_back(checkpoint)
    return int(checkpoint["global_step"])
