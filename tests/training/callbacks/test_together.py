"""One process of two stops for an error: the other ends too, at once and with its message."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from concord.distributed import Alarm
from concord.errors import DataError
from concord.training import StopTogether
from concord.training.callbacks.together import exit_code
from tests.conftest import ROOT
from tests.processes import run_on_ranks
from tests.training.tiny import tiny_run

SCRIPT = """
import sys
from pathlib import Path

sys.path.insert(0, {root!r})

from concord.errors import ConcordError, DataError
from concord.training import RunRecord, StopTogether
from tests.training.tiny import TinyModule, tiny_run


class Failing(TinyModule):
    def training_step(self, batch, batch_idx):
        if self.global_rank == {rank} and self.global_step == 3:
            raise {error}
        return super().training_step(batch, batch_idx)


try:
    tiny_run(Path({folder!r}), module=Failing(), devices=2, strategy="ddp", callbacks=[RunRecord(), StopTogether()])
except ConcordError as error:
    print("concord:", error, file=sys.stderr)
    sys.exit(2)
"""


@pytest.mark.parametrize(
    ("rank", "error", "code"),
    [(0, "DataError('21.0% of 100 examples are bad')", 2), (1, "DataError('21.0% of 100 examples are bad')", 2), (1, "KeyError('x')", 1)],
)
def test_the_others_end_with_the_one_that_fails(rank: int, error: str, code: int, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(root=str(ROOT), rank=rank, error=error, folder=str(tmp_path / "run")))
    started = time.monotonic()
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stderr[-3000:]
    assert time.monotonic() - started < 200  # gloo by itself waits for half an hour
    words = error.split("'")[1]
    if code == 2:
        assert "Traceback" not in done.stderr
        assert f"concord: {words}" in done.stderr.splitlines()
    if rank == 1:
        assert any(line.startswith("concord: process 1 of 2 stopped: ") and words in line for line in done.stderr.splitlines())
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "failed"
    assert words in record["error"]


def _ring_and_hear() -> list[object]:
    import torch.distributed as dist

    before = Alarm.heard()
    dist.barrier()
    if dist.get_rank() == 1:
        Alarm.ring("too many bad examples", 2)
    dist.barrier()
    return [before, Alarm.heard()]


def test_a_word_reaches_the_others_beside_the_collectives(tmp_path: Path) -> None:
    assert run_on_ranks(_ring_and_hear, 2, tmp_path) == [[None, ("too many bad examples", 2)]] * 2


def test_one_process_alone_has_nobody_to_tell(tmp_path: Path) -> None:
    tiny_run(tmp_path, max_steps=2, callbacks=[StopTogether()])
    assert Alarm.heard() is None
    assert not Alarm.ring("word", 1)
    assert exit_code(DataError("x")) == 2
    assert exit_code(KeyError("x")) == 1
