from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.composing import SMALL_DATA, SMALL_MODEL, compose_config
from tests.data.samples import WORDS, encode

from concord.errors import ConfigError, DataError
from concord.tasks import run
from concord.tasks.profile_data import Measurement, megabytes_of, verdict

SMALL = ("task=profile_data", *SMALL_MODEL, "trainer.accelerator=cpu", "task.seconds=0.2")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Images with captions of 12 words, one of them no image."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(40):
        (folder / f"{index}.png").write_bytes(encode(index, size=40) if index != 7 else b"no image")
        (folder / f"{index}.txt").write_text(" ".join(WORDS))
    return folder


def test_every_number_of_workers_is_measured(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = (f"data.path={pictures}", "data.batch_size=8", "data.max_bad_share=1.0", "tokenizer.context_length=8", "task.workers=[0,1]")
    found = run(compose_config("data=folder", *SMALL, *options, "task.target=1e9"), tmp_path / "job")
    assert [one.workers for one in found] == [0, 1]
    for one in found:
        assert one.examples_per_second > 0
        assert all(time > 0 for time in one.milliseconds.values())
        assert one.megabytes_per_second > 0
        assert 0 < one.busy <= 1
        assert one.truncated == 1.0  # 12 words do not fit into 8 tokens
        assert set(one.bad) <= {"image cannot be decoded"}
    assert any(one.bad for one in found)
    page = capsys.readouterr().out
    for line in ("examples/s", "decode, ms of a worker", "memory of a worker, MB", "bad examples", "an estimate"):
        assert line in page
    written = json.loads((tmp_path / "job" / "profile.json").read_text())
    assert [one["workers"] for one in written["measurements"]] == [0, 1]
    assert written["batch_size"] == 8
    assert "1,000,000,000 examples/s were not reached" in written["verdict"]


def test_it_stops_after_so_many_batches(tmp_path: Path) -> None:
    options = ("task.workers=[0]", "task.seconds=1000", "task.batches=3")
    (one,) = run(compose_config(*SMALL, *SMALL_DATA, *options), tmp_path)
    assert one.read == 4 * 8  # and the first one


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    for setting, message in {
        "task.workers=[]": "task.workers must be numbers of at least 0",
        "task.workers=[-1]": "task.workers must be numbers of at least 0",
        "task.seconds=0": "task.seconds must be above 0, got 0",
        "task.batches=0": "task.batches must be at least 1 or null, got 0",
        "task.target=-2": "task.target must be above 0 or null, got -2",
    }.items():
        with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
            run(compose_config(*SMALL, *SMALL_DATA, setting), tmp_path)


def test_too_many_bad_examples_end_it_as_they_would_end_training(pictures: Path, tmp_path: Path) -> None:
    for index in range(30):
        (pictures / f"{index}.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="image cannot be decoded"):
        run(compose_config("data=folder", *SMALL, f"data.path={pictures}", "data.batch_size=8", "task.seconds=60"), tmp_path)


def at(workers: int, rate: float) -> Measurement:
    blank = Measurement(0, 0.0, {}, 0.0, 0.0, None, 0.0, 0, {})
    return replace(blank, workers=workers, examples_per_second=rate)


def test_the_verdict_names_the_fewest_workers_that_reach_the_target() -> None:
    found = [at(0, 80), at(1, 100), at(2, 190), at(4, 300)]
    assert verdict(found, 150.0, 8) == "150 examples/s were reached with 2 workers (measured: 190)"
    assert verdict(found, 90.0, 8).startswith("90 examples/s were reached with 1 worker ")
    beyond = verdict(found, 1000.0, 8)
    assert "at most 300 examples/s with 4 workers" in beyond
    assert "an estimate" in beyond
    assert "14 workers (this machine has 8 cores)" in beyond  # 1000 / (300 / 4), rounded up
    assert "measure more workers" in verdict([at(0, 80)], 100.0, 8)
    slower = verdict([at(0, 80), at(1, 50)], 100.0, 1)
    assert "at most 80 examples/s with 0 workers" in slower
    assert "as much as with 1 worker and has a core of its own: 2 workers" in slower
    assert verdict(found, None, 8).startswith("at most 300 examples/s with 4 workers; task.target=N")


def test_memory_is_that_of_the_process() -> None:
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("the system does not tell")
    memory = megabytes_of(os.getpid())
    assert memory is not None
    assert 20 < memory < 20_000
    assert megabytes_of(2**22 + 1) is None
