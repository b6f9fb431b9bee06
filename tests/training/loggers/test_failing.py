"""Loggers that fail in earnest: servers that answer with errors or not at all, folders that cannot be written, full disks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from concord.training import TensorBoardLogger
from tests.conftest import ROOT
from tests.training.disks import Fill
from tests.training.tiny import tiny_run

RUN = """
import sys, warnings
from pathlib import Path
sys.path.insert(0, {root!r})
import torch
torch.set_num_threads(1)
from concord.training import WandbLogger
from tests.training.tiny import tiny_run
if __name__ == "__main__":
    _, module = tiny_run(Path({folder!r}), max_steps=10, logger=[WandbLogger(mode={mode!r}, timeout=3.0)])
    print("trained", len(module.losses))
"""


class _Failing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(500)
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def failing_server() -> Iterator[str]:
    """A server that answers everything with 500."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Failing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def closed_port() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def train_with_wandb(folder: Path, url: str, mode: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Train as a process of its own: W&B keeps threads and a service."""
    script = folder / "train.py"
    script.write_text(RUN.format(root=str(ROOT), folder=str(folder / "run"), mode=mode))
    others = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    settings = {"WANDB_BASE_URL": url, "WANDB_API_KEY": "0" * 40, "WANDB_MODE": mode, "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(script)], env={**others, **settings}, capture_output=True, text=True, timeout=280, check=False
    )
    return done, time.monotonic() - started


@pytest.mark.parametrize("what", ["answers 500", "is not there"])
def test_a_server_that_fails_costs_one_warning_and_a_bounded_time(tmp_path: Path, failing_server: str, what: str) -> None:
    done, seconds = train_with_wandb(tmp_path, failing_server if what == "answers 500" else closed_port(), "online")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "trained 10" in done.stdout
    assert done.stderr.count("UserWarning") == 1
    assert "W&B cannot be reached, so this run is logged offline" in done.stderr
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))
    assert seconds < 240  # of which importing and starting take most; by itself W&B would try for minutes


def test_wandb_on_a_full_disk(tmp_path: Path, small_disk: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "wandb").symlink_to(small_disk, target_is_directory=True)
    with suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as file:
        while file.tell() < 2**20 - 12 * 1024:  # room for a start, and none for a run
            file.write(bytes(4096))
    done, _ = train_with_wandb(tmp_path, closed_port(), "offline")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "trained 10" in done.stdout
    assert done.stderr.count("UserWarning") <= 1


def test_tensorboard_on_a_full_disk_and_in_a_folder_that_cannot_be_made(small_disk: Path, tmp_path: Path) -> None:
    for folder, callbacks in ((small_disk, [Fill(small_disk, 3, 18)]), (tmp_path / "in the way", [])):
        folder.mkdir(exist_ok=True)
        if folder != small_disk:
            (folder / "tensorboard").write_text("")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            _, module = tiny_run(folder, 20, callbacks, logger=[TensorBoardLogger()], log_every=1)
        assert len(module.losses) == 20
        told = [str(warning.message) for warning in caught if "TensorBoardLogger" in str(warning.message)]
        assert len(told) <= 1
        if folder != small_disk:
            assert "TensorBoardLogger failed and is off for the rest of this run" in told[0]
