"""Start processes of a training job as a launcher outside of Lightning does, each of which runs one function."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from tests.conftest import ROOT


def launch(target: str, world: int, *arguments: str, timeout: float = 400) -> None:
    """Call `target(*arguments)`, a function named "package.module:function", on `world` processes (gloo, CPU).

    Trainers made inside join the processes that are there, so that one start serves many runs. What goes wrong on a process is raised
    here with its last words.
    """
    module, _, function = target.partition(":")
    code = f"import sys; from {module} import {function}; {function}(*sys.argv[1:])"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
    shared |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, **shared, "LOCAL_RANK": str(rank)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(world)
    ]
    try:
        said = [process.communicate(timeout=timeout)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    for rank, process in enumerate(started):
        assert process.returncode == 0, f"process {rank} ended with {process.returncode}: {said[rank][-6000:]}"
