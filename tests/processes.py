"""Run a function on several processes that form a process group (gloo, CPU)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing

from tests.forked import start_afresh


def run_on_ranks(function: Callable[..., Any], world: int, tmp_path: Path, *args: Any) -> list[Any]:
    """Call `function(*args)` on each of `world` processes and return what each returned, in rank order.

    Inside, `Ranks.current()` tells which process it is. The function must be importable (defined at the top of a module), and
    its arguments and its value picklable. An exception on any rank is raised here with its traceback.
    """
    folder = Path(tempfile.mkdtemp(dir=tmp_path))  # of its own, so that a test may call this more than once
    torch.multiprocessing.start_processes(  # type: ignore[no-untyped-call]
        _enter, args=(dict(os.environ), function, world, folder, args), nprocs=world, start_method="forkserver"
    )
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(world)]


def _enter(rank: int, environment: dict[str, str], function: Callable[..., Any], world: int, folder: Path, args: tuple[Any, ...]) -> None:
    start_afresh({**environment, "OMP_NUM_THREADS": "1"})
    dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=world)
    try:
        torch.save(function(*args), folder / f"{rank}.pt")
    finally:
        dist.destroy_process_group()
