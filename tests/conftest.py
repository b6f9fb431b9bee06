"""Shared fixtures: two cores at most, no network, the real configuration, and `run.py` as a user runs it."""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import ROOT, run_command

# Read once, when PyTorch is loaded: tests share the cores with what they start.
os.environ.update(GOMP_SPINCOUNT="1000", OMP_NUM_THREADS="1")

import torch

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", WANDB_MODE="offline", TOKENIZERS_PARALLELISM="false")
os.environ["CONCORD_SECRET"] = "known to the tests alone"
if multiprocessing.parent_process() is None:  # a process that tests start has what they give it
    os.environ["CONCORD_CACHE"] = tempfile.mkdtemp(prefix="concord-tests-")  # never the home folder of who runs the tests
    atexit.register(shutil.rmtree, os.environ["CONCORD_CACHE"], ignore_errors=True)
torch.set_num_threads(1)

__all__ = ["ROOT", "RunPy"]

# Composing a configuration makes many objects that stay for a while, and with so much imported each search for garbage is long.
gc.set_threshold(20_000, 20, 20)


def pytest_collection_finish() -> None:
    """What is there by now stays to the end, and is not searched for garbage."""
    gc.collect()
    gc.freeze()


RunPy = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def conf_folder() -> Path:
    return ROOT / "conf"


@pytest.fixture
def run_py(tmp_path: Path) -> RunPy:
    """`run_py("method=siglip", ...)` runs the command in an empty folder and returns its exit code and output."""

    def run(*arguments: str, folder: Path | None = None, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return run_command(*arguments, folder=folder or tmp_path, timeout=timeout)

    return run
