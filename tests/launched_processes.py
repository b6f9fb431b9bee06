"""Start processes of a training job as a launcher outside of Lightning does, each of which runs one function."""

from __future__ import annotations

import importlib
import os
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT
from tests.forked import SERVER, start_afresh


class Ended(NamedTuple):
    """How a process ended: its exit code (None where it had to be killed in the end), and what it wrote."""

    code: int | None
    said: str


def launch(target: str, world: int, *arguments: str, timeout: float = 400) -> None:
    """Call `target(*arguments)`, a function named "package.module:function", on `world` processes (gloo, CPU).

    Trainers made inside join the processes that are there, so that one start serves many runs. What goes wrong on a process is raised
    here with its last words.
    """
    for rank, (code, said) in enumerate(ends_of(target, world, *arguments, timeout=timeout)):
        assert code == 0, f"process {rank} ended with {code}: {said[-6000:]}"


def ends_of(target: str, world: int, *arguments: str, timeout: float = 400) -> list[Ended]:
    """As `launch`, for functions that may end in any way; by rank how they did."""
    shared = {
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "NODE_RANK": "0",
        "OMP_NUM_THREADS": "1",
    }
    with tempfile.TemporaryDirectory() as name:
        said = [Path(name) / str(rank) for rank in range(world)]
        started = []
        for rank, file in enumerate(said):
            file.touch()
            environment = {**os.environ, **shared, "LOCAL_RANK": str(rank)}
            started.append(SERVER.Process(target=_enter, args=(target, environment, file, arguments)))
            started[-1].start()
        until = time.monotonic() + timeout
        for process in started:
            process.join(max(0.0, until - time.monotonic()))
        codes = [process.exitcode for process in started]
        for process in started:
            process.kill()
        return [Ended(code, file.read_text()) for code, file in zip(codes, said, strict=True)]


def free_port() -> int:
    """A port that is free for the seconds until the processes use it: below those that the system gives to others by itself."""
    for port in range(20000 + os.getpid() % 10000, 32000):
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def _enter(target: str, environment: dict[str, str], said: Path, arguments: tuple[str, ...]) -> None:
    start_afresh(environment, ROOT, said, said)
    module, _, function = target.partition(":")
    getattr(importlib.import_module(module), function)(*arguments)
