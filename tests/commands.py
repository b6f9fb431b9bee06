"""`run.py` as a user runs it, many times over: each command is a process of its own, forked from one that has imported everything.

Those that are about the process itself (killed, interrupted, started twice) start fresh ones; `fresh=True` does so as well.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.forked import SERVER, start_afresh

ROOT = Path(__file__).resolve().parent.parent
RUN_PY = str(ROOT / "run.py")


def run_command(
    *arguments: str, folder: Path, timeout: float = 300, fresh: bool = False, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python run.py ARGUMENTS` in a folder, with one thread, and return its exit code and output.

    Args:
        folder: where it is run.
        timeout: seconds after which it is killed.
        fresh: start a new interpreter.
        variables: further ones of its environment.

    Raises:
        subprocess.TimeoutExpired: when it took longer.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160", **(variables or {})}
    line = [sys.executable, RUN_PY, *arguments]
    if fresh:
        return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    with tempfile.TemporaryDirectory() as name:
        out, err = Path(name) / "out", Path(name) / "err"
        out.touch()
        err.touch()
        process = SERVER.Process(target=_enter, args=(line[1:], folder, environment, out, err))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(line, timeout, out.read_bytes(), err.read_bytes())
        return subprocess.CompletedProcess(line, process.exitcode, out.read_text(), err.read_text())


def _enter(line: list[str], folder: Path, environment: Mapping[str, str], out: Path, err: Path) -> None:
    """Be the command."""
    start_afresh(environment, folder, out, err)
    sys.argv = line
    runpy.run_path(line[0], run_name="__main__")
