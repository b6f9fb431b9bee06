"""Fully sharded data parallelism: each process keeps its rows of the weights, the gradients and the optimizer's state (FSDP2)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, Shard, empty
from torch.optim import Optimizer

from concord.distributed import Ranks, split_as
from concord.models.layers import gathered_layers
from concord.shards import put_in, take_out, write
from concord.training.checkpointing import SHARDS, AtomicCheckpointIO


class FullySharded(ModelParallelStrategy):
    """FSDP2 over all processes, by Lightning's strategy for it.

    A checkpoint is a .ckpt file as ever, in which marks stand for the tensors that are split, and a folder of these tensors beside
    it, which is written before. So the file is the whole old or the whole new checkpoint at any moment, and may have several
    names; `remove_unnamed` removes the folders that no file names any more. Runs with and without this strategy, on any number
    of processes, can go on with one another's checkpoints.
    """

    @property
    def lightning_restore_optimizer(self) -> bool:
        return True

    def _setup_distributed(self) -> None:
        super()._setup_distributed()
        self._data_parallel_size, self._tensor_parallel_size = self.world_size, 1

    def setup(self, trainer: L.Trainer) -> None:
        assert self.accelerator is not None
        assert self.model is not None
        self.accelerator.setup(trainer)
        shard(self.model, self._mesh)
        self.model_to_device()
        self.barrier()
        if trainer.state.fn == TrainerFn.FITTING:
            self.setup_optimizers(trainer)
        self.setup_precision_plugin()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        assert self.lightning_module is not None
        return self.lightning_module.state_dict()

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        return getattr(optimizer, "_optimizer", optimizer).state_dict()  # type: ignore[no-any-return]

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None) -> None:
        path = Path(filepath)
        name = self.broadcast(f"{SHARDS}{secrets.token_hex(8)}")
        rest, tensors = take_out(checkpoint, name)
        assert isinstance(self.checkpoint_io, AtomicCheckpointIO)
        try:
            write(path.parent / name, tensors)
        except OSError as error:  # raised on every process alike
            self.checkpoint_io.failure = error
        else:
            if self.is_global_zero:
                self.checkpoint_io.save_checkpoint(rest, path)

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = True) -> dict[str, Any]:
        assert isinstance(self.checkpoint_io, AtomicCheckpointIO)
        content = self.checkpoint_io.read(checkpoint_path)

        def own_rows(size: torch.Size, dtype: torch.dtype) -> Tensor:
            return empty(size, dtype=dtype, device_mesh=self._mesh, placements=[Shard(0)])

        filled: dict[str, Any] = put_in(content, Path(checkpoint_path).parent, own_rows)
        return filled

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        assert self.lightning_module is not None
        now = self.lightning_module.state_dict()
        state = {name: split_as(value, now.get(name)) for name, value in checkpoint["state_dict"].items()}
        self.lightning_module.load_state_dict(state, strict=strict)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            of_parameters = {
                index: {key: split_as(value, parameters[index]) for key, value in kept.items()} for index, kept in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": of_parameters})

    @property
    def _mesh(self) -> DeviceMesh:
        return self.device_mesh["data_parallel"]


def shard(method: nn.Module, mesh: DeviceMesh) -> None:
    """Split a method's parameters among the processes of a mesh, in place: each layer by itself, and all the rest together.

    The rows of a layer are gathered when it is called, forwards or backwards, and forgotten afterwards. Scalars, such as the
    logit scale, stay whole; their gradients are averaged, as those of the others are.
    """
    scalars = {parameter for parameter in method.parameters() if parameter.ndim == 0}
    for block in gathered_layers(method):
        if not isinstance(next(block.parameters(), None), DTensor):
            fully_shard(block, mesh=mesh)
    fully_shard(method, mesh=mesh, ignored_params=scalars)
    register_fsdp_forward_method(method, "training_step")
    for scalar in scalars:
        if scalar.requires_grad:
            scalar.register_hook(lambda gradient: Ranks.current().mean(gradient))  # type: ignore[no-untyped-call]
