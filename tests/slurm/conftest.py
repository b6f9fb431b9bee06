"""One cluster for all tests that need one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    reason = missing()
    if reason is not None:  # which is no excuse where SLURM was installed for these tests
        (pytest.fail if os.environ.get("CONCORD_TESTS_NEED_SLURM") else pytest.skip)(reason)
    folder = Path(tempfile.mkdtemp(prefix="concord-slurm-"))
    running = Cluster(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)
