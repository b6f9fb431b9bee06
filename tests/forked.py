"""Processes of the tests, forked from one that has imported everything: a fresh interpreter imports for longer than most of them work."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Mapping
from pathlib import Path

import torch

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["concord.tasks", "concord.cli"])


def start_afresh(
    environment: Mapping[str, str], folder: str | Path | None = None, output: Path | None = None, errors: Path | None = None
) -> None:
    """In a process that was just forked: be as a fresh one would be.

    Args:
        environment: all of it.
        folder: where to work; None to stay.
        output, errors: files, which exist, in the place of the standard ones; the same one may stand for both.
    """
    for file, number in ((output, 1), (errors, 2)):
        if file is not None:
            os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environment)
    if folder is not None:
        os.chdir(folder)
    gc.freeze()  # what was there before the fork is never garbage, and its pages stay shared
    torch.set_num_threads(int(environment.get("OMP_NUM_THREADS", "1")))  # the variable is read when PyTorch is loaded
    multiprocessing.set_start_method(None, force=True)  # a fresh process starts its own by the platform's default
