"""The processes of a job that trains nothing: started with the keys of the trainer, and ended together."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
import torch.distributed as dist
from lightning.fabric import Fabric

from concord.distributed import Alarm, Ranks
from concord.errors import ConcordError
from concord.training.callbacks.together import exit_code
from concord.training.quiet import quiet_lightning
from concord.training.trainer import Accelerator, Strategy, place


@contextmanager
def processes(
    accelerator: Accelerator = "auto", devices: int | Literal["auto"] = "auto", nodes: int = 1, strategy: Strategy = "auto"
) -> Iterator[torch.device]:
    """Start the processes, or join those that torchrun or SLURM started; gives the device of this one.

    Inside, `Ranks.current()` tells them apart, and an error on one of them ends all: the first prints it in one line.

    Args:
        accelerator, devices, nodes, strategy: as in `make_trainer`; nothing is split, since there is no gradient to keep.

    Raises:
        ValueError: a number out of its range.
        ConfigError: GPUs that are not there.
    """
    accelerator, devices = place(accelerator, devices, nodes)
    quiet_lightning()
    fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, strategy="ddp" if strategy == "fsdp" else strategy)
    fabric.launch()
    with _ending_together(Ranks.current(), fabric.local_rank):
        yield fabric.device
    if fabric.world_size > 1:
        dist.destroy_process_group()


@contextmanager
def _ending_together(ranks: Ranks, local_rank: int) -> Iterator[None]:
    if ranks.world == 1:
        yield
        return
    over = threading.Event()
    Alarm.listen(over, lambda word, code: _end(ranks, local_rank, word, code))
    try:
        yield
    except Exception as error:
        over.set()
        what = " ".join(str(error).split()) or type(error).__name__
        if not isinstance(error, ConcordError) and ranks.rank > 0:
            traceback.print_exc()
        Alarm.ring(f"process {ranks.rank} of {ranks.world} stopped: {what}", exit_code(error))
        time.sleep(Alarm.GRACE)  # the first process keeps the place where the others listen
        if ranks.rank == 0:
            raise
        _end(ranks, local_rank, what, exit_code(error))
    finally:
        over.set()


def _end(ranks: Ranks, local_rank: int, word: str, code: int) -> None:
    """End this process at once; its main thread may stand in a collective that nothing interrupts."""
    if ranks.rank == 0:
        print(f"concord: {word}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    # A process that another one started must not be the first to fail: the other would be killed before it can speak.
    os._exit(code if local_rank == 0 else 0)
