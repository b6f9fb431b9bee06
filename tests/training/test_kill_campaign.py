"""The campaign of kills, a short one: `tests/performance/kill_campaign.py` is the long one, by hand."""

from __future__ import annotations

import os
import subprocess
import sys

import torch

from tests.conftest import ROOT
from tests.performance.kill_campaign import differences

KILLS = 3


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not() -> None:
    command = [sys.executable, str(ROOT / "tests" / "performance" / "kill_campaign.py"), "--kills", str(KILLS), "--forked"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=560, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert f"{KILLS} kills, 1 of them while a checkpoint was written" in done.stdout
    assert "0 differences" in done.stdout


def test_differences_are_found_to_the_bit() -> None:
    first = {"a": [torch.tensor([0.0, 1.0]), 3], "b": float("nan"), "RunRecord": 1.0, "c": torch.tensor(2.0)}
    same = {"a": [torch.tensor([0.0, 1.0]), 3], "b": float("nan"), "RunRecord": 2.0, "c": torch.tensor(2.0)}
    assert list(differences(first, same)) == []
    other = {"a": [torch.tensor([-0.0, 1.0]), 4], "b": 0.0, "c": torch.tensor(2.0, dtype=torch.float64)}
    assert list(differences(first, other)) == [".a[0]", ".a[1]: 3 and 4", ".b: nan and 0.0", ".c"]
