from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from tests.composing import SMALL, compose_config
from tests.data.samples import WORDS, encode

from concord.data import Shapes
from concord.errors import DataError
from concord.tasks import run
from concord.types import Pair


def test_a_worker_that_is_killed_ends_the_run_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, main = Shapes.__getitem__, os.getpid()

    def deadly(self: Shapes, index: int) -> Pair:
        if index == 11 and os.getpid() != main:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, index)

    monkeypatch.setattr(Shapes, "__getitem__", deadly)
    with pytest.raises(DataError, match=r"data worker \d+ was ended by the system \(Killed\).*example 11 \(shapes\).*memory") as caught:
        run(compose_config(*SMALL, "data.workers=1", "trainer.max_steps=1000"), tmp_path)
    assert "\n" not in str(caught.value)
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "failed"


def test_the_record_counts_what_could_not_be_used(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(16):
        (pictures / f"{index}.png").write_bytes(encode(index) if index % 8 else b"no image")
        (pictures / f"{index}.txt").write_text(WORDS[index % 12])
    options = ("data=folder", f"data.path={pictures}", "data.batch_size=8", "data.workers=0", "data.max_bad_share=1.0")
    model = [option for option in SMALL if not option.startswith("data.")]
    run(compose_config(*model, *options, "trainer.log_every=1"), tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["bad_examples"].keys() == {"image cannot be decoded"}
    assert record["bad_examples"]["image cannot be decoded"] >= 2  # the two were met in the first epoch, which is two batches
    assert record["examples_read"] >= 16
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["data/bad"] >= 1
