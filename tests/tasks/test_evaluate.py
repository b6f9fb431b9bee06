"""`task=evaluate`: the same numbers on any number of processes as in training, embeddings kept, what is missing left out."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.composing import SMALL_DATA, SMALL_MODEL, compose_config
from tests.conftest import RunPy
from tests.data.samples import WORDS, encode

from concord.errors import ConfigError, DataError
from concord.models.scorer import BaseScorer
from concord.tasks import run

BENCH = (
    *(f"benchmark.tasks.{task}.reader.size=37" for task in ("zero_shot", "retrieval", "diagnostics")),
    "~benchmark.tasks.compositional",
    "benchmark.bootstrap=100",
    "benchmark.predictions=true",
    "benchmark.gallery=3",
)
TWO = ("trainer.accelerator=cpu", "trainer.devices=2", "trainer.strategy=ddp")
MISSING = {"_target_": "concord.benchmarks.Retrieval", "reader": {"_target_": "concord.data.Folder", "path": "nowhere"}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one process that was not measured."""
    folder = tmp_path_factory.mktemp("trained")
    run(compose_config(*SMALL_MODEL, *SMALL_DATA, "trainer.accelerator=cpu", "trainer.max_steps=2", "benchmark=off"), folder)
    return folder


def evaluation(trained: Path, *overrides: str) -> dict[str, Any]:
    return compose_config("task=evaluate", f"checkpoint={trained}", "trainer.accelerator=cpu", *BENCH, *overrides)


def measured(folder: Path) -> dict[str, bytes]:
    """The files of a measurement, without those that name the model or tell of the run."""
    names = ("records.json", "predictions.parquet", "figures.json", "gallery/gallery.json")
    pictures = [str(path.relative_to(folder)) for path in (folder / "gallery").glob("*.png")]
    return {name: (folder / name).read_bytes() for name in (*names, *pictures)}


def test_two_processes_find_in_training_and_after_it_what_one_finds(run_py: RunPy, tmp_path: Path) -> None:
    done = run_py(*SMALL_MODEL, *SMALL_DATA, *BENCH, *TWO, "trainer.max_steps=2", "hydra.run.dir=training")
    assert done.returncode == 0, done.stderr[-3000:]
    checkpoint = tmp_path / "training" / "checkpoints" / "last.ckpt"
    done = run_py("task=evaluate", f"checkpoint={checkpoint}", *BENCH, *TWO, "hydra.run.dir=two")
    assert done.returncode == 0, done.stderr[-3000:]
    run(evaluation(checkpoint), tmp_path / "one")
    assert len(measured(tmp_path / "one")) > 4
    assert measured(tmp_path / "one") == measured(tmp_path / "two") == measured(tmp_path / "training")
    for name in ("records.csv", "records.parquet", "about.json", "metrics.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert done.stdout.count("peak memory: ") == 1
    assert f"model: {checkpoint} (fingerprint " in done.stdout
    assert "data: diagnostics/shapes (37), retrieval/shapes (37), zero_shot/shapes (37)" in done.stdout
    assert "results: " in done.stdout


FAILING = """
import os, sys
from pathlib import Path

from concord.benchmarks import Retrieval
from concord.cli import main
from concord.errors import DataError


def run(self, evaluation):
    if evaluation.ranks.rank == int(os.environ["FAILING_RANK"]):
        raise DataError("the disk is gone")
    return evaluation.ranks.spread([0, 1], lambda job: job)  # waits for the other


if __name__ == "__main__":
    Retrieval.run = run
    sys.exit(main(Path(os.environ["CONF"])))
"""


@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_on_one_process_ends_both_with_one_line(rank: int, trained: Path, conf_folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "failing.py"
    script.write_text(FAILING)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "FAILING_RANK": str(rank), "CONF": str(conf_folder)}
    line = [sys.executable, str(script), "task=evaluate", f"checkpoint={trained}", *BENCH, *TWO, "~benchmark.tasks.zero_shot"]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    told = [line for line in done.stderr.splitlines() if "the disk is gone" in line]
    assert told == [f"concord: {'' if rank == 0 else 'process 1 of 2 stopped: '}the disk is gone"]
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


def test_a_second_run_embeds_nothing(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(12):
        (pictures / f"{index}.png").write_bytes(encode(index) if index != 5 else b"no image")
        (pictures / f"{index}.txt").write_text(WORDS[index])
    embedded: list[int] = []
    for name in ("_embed_images", "embed_texts"):
        original = getattr(BaseScorer, name)

        def counted(self: BaseScorer, inputs: Any, *rest: Any, original: Any = original) -> Any:
            embedded.append(len(inputs))
            return original(self, inputs, *rest)

        monkeypatch.setattr(BaseScorer, name, counted)

    def measure(folder: str, cache: str | None) -> tuple[bytes, int]:
        cfg = evaluation(trained, f"task.cache={cache}" if cache is not None else "task.cache=null")
        reader = {"_target_": "concord.data.Folder", "path": str(pictures)}
        cfg["benchmark"]["tasks"] = {"retrieval": {"_target_": "concord.benchmarks.Retrieval", "reader": reader}}
        embedded.clear()
        run(cfg, tmp_path / folder)
        return (tmp_path / folder / "records.json").read_bytes(), sum(embedded)

    kept = str(tmp_path / "cache")
    plain, first, second, without = measure("a", None), measure("b", kept), measure("c", kept), measure("d", None)
    assert plain[0] == first[0] == second[0] == without[0]
    assert plain[1] == first[1] == without[1] == 11 + len({WORDS[i] for i in range(12) if i != 5})
    assert second[1] == 0
    (pictures / "7.png").write_bytes(encode(30))
    assert measure("e", kept)[1] > 0


def test_what_is_missing_is_left_out_on_demand(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    cfg = evaluation(trained, "benchmark.skip_missing=true")
    cfg["benchmark"]["tasks"]["absent"] = MISSING
    run(cfg, tmp_path)
    assert json.loads((tmp_path / "skipped.json").read_text()) == {"absent": "nowhere: no such folder on this machine"}
    assert "skipped: absent: nowhere: no such folder on this machine" in capsys.readouterr().out
    assert any(message.startswith("retrieval: ") and "37 images embedded" in message for message in caplog.messages)
    assert len(json.loads((tmp_path / "records.json").read_text())) > 10


def test_what_is_missing_ends_the_run_before_anything_is_measured(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseScorer, "embed_images", lambda *_: pytest.fail("measured"))
    cfg = evaluation(trained)
    cfg["benchmark"]["tasks"]["absent"] = MISSING
    with pytest.raises(DataError, match="nowhere: no such folder"):
        run(cfg, tmp_path)
    assert not (tmp_path / "records.json").exists()


def test_a_mistake_is_no_missing_data_set(trained: Path, tmp_path: Path) -> None:
    cfg = evaluation(trained, "benchmark.skip_missing=true")
    cfg["benchmark"]["tasks"]["retrieval"]["limit"] = 1
    with pytest.raises(ConfigError, match=r"benchmark\.tasks\.retrieval: limit must be at least 2 or null, got 1"):
        run(cfg, tmp_path)
    with pytest.raises(ConfigError, match=r"benchmark\.tasks is empty"):
        run(compose_config("task=evaluate", f"checkpoint={trained}", "benchmark=off"), tmp_path)
