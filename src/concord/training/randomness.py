"""Seeds and random states: the same command twice gives the same numbers, and a resumed run draws what it would have drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from concord.distributed import Ranks


def seed_everything(seed: int, *more: int) -> None:
    """Seed the global generators of Python, NumPy and PyTorch (all devices).

    Args:
        seed: at least 0.
        more: further numbers that make another stream of the same seed, such as a rank.
    """
    mixed = int(np.random.SeedSequence([seed, *more]).generate_state(1)[0]) if more else seed
    random.seed(mixed)
    np.random.seed(mixed % 2**32)
    torch.manual_seed(mixed)


def random_state(device: torch.device | None = None) -> dict[str, Tensor]:
    """The states of this process's global generators as tensors on the CPU: of Python, NumPy, PyTorch and one CUDA device."""
    _, words, normal = random.getstate()
    numpy_state = np.random.get_state(legacy=False)
    inner = numpy_state["state"]
    state = {
        "python": torch.tensor(words),
        "numpy": torch.tensor([*inner["key"].tolist(), inner["pos"], numpy_state["has_gauss"]]),
        # The second of a pair of normal draws that Python and NumPy hold back; Python may hold none.
        "normals": torch.tensor([float("nan") if normal is None else normal, numpy_state["gauss"]], dtype=torch.float64),
        "torch": torch.get_rng_state(),
    }
    if device is not None and device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, Tensor], device: torch.device | None = None) -> None:
    """Put back what `random_state` returned."""
    python_normal, numpy_normal = state["normals"].tolist()
    random.setstate((3, tuple(state["python"].tolist()), None if python_normal != python_normal else python_normal))
    *key, position, has_normal = state["numpy"].tolist()
    inner = {"key": np.array(key, dtype=np.uint32), "pos": position}
    np.random.set_state({"bit_generator": "MT19937", "state": inner, "has_gauss": has_normal, "gauss": numpy_normal})
    # PyTorch reads the state from the start of its storage, whatever part of it the tensor is a view of: hence the copies.
    torch.set_rng_state(state["torch"].clone())
    if device is not None and device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].clone(), device)


@contextmanager
def preserved_random_state(device: torch.device | None = None) -> Iterator[None]:
    """Whatever is drawn inside leaves no trace outside."""
    state = random_state(device)
    try:
        yield
    finally:
        set_random_state(state, device)


class RandomStates(L.Callback):
    """Gives every rank its own random stream and keeps the streams in the checkpoint.

    A fresh run starts from (seed, rank), whatever building the model has drawn. A resumed run goes on with the states that
    were saved; they are put back just before the first batch, because making data loaders draws from the global generators.
    With another number of processes than before, the streams start anew from (seed, rank, step).
    """

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        self.seed = seed
        self._saved: dict[str, Tensor] | None = None
        self._pending = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._pending = True

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int) -> None:
        if not self._pending:
            return
        self._pending = False
        ranks = Ranks.current()
        if trainer.global_step == 0:  # also where a checkpoint of the start is there
            seed_everything(self.seed, ranks.rank)
        elif self._saved is not None and self._saved["torch"].shape[0] == ranks.world:
            mine = {name: states[ranks.rank] for name, states in self._saved.items()}
            set_random_state(mine, trainer.strategy.root_device)
        else:
            seed_everything(self.seed, ranks.rank, trainer.global_step)
        self._saved = None

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        device = trainer.strategy.root_device
        mine = random_state(device)
        gathered = {name: Ranks.current().gather(state[None].to(device)).cpu() for name, state in mine.items()}
        checkpoint["random_states"] = gathered

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._saved = checkpoint.get("random_states")
