"""`trainer.preflight`: no trace in the run, and one line for what would have failed later."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from tests.composing import SMALL, compose_config
from tests.launched_processes import launch
from tests.tasks.preflight_runs import BENCH

from concord.benchmarks import ZeroShotClassification
from concord.data.source import BadSample
from concord.data.views.image import ImageViews
from concord.errors import ConcordError, DataError
from concord.models.checkpoint import load
from concord.objectives import InfoNCE
from concord.tasks import run
from concord.training import make_trainer
from concord.types import Pair

LONGER = ("method=slip", "+objective@method.objectives.silc=self_distillation", "trainer.max_steps=3", "trainer.log_every=1")
"""Batch statistics, an EMA teacher, a centre that counts its batches, and dropped patches."""

CLOCKS = ("samples_per_second", "data_wait", "_ms")


def outcome(folder: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The last checkpoint, and the metrics without what a clock says."""
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True), rows_of(folder)


def rows_of(folder: Path) -> list[dict[str, str]]:
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    return [{name: value for name, value in row.items() if not any(clock in name for clock in CLOCKS)} for row in rows]


def assert_equal(one: Any, other: Any) -> None:
    """To the bit."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one.nan_to_num(7.0), other.nan_to_num(7.0))  # a generator without a spare normal draw has NaN there
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            if key not in ("wall_seconds", "callbacks", "lr_schedulers", "loops"):
                assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_equal(left, right)
    else:
        assert one == other


def test_it_leaves_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = [option for option in SMALL if option not in ("benchmark=off", "trainer.max_steps=2")]
    for preflight in ("true", "false"):
        options = (*LONGER, *BENCH, "model.image.patch_dropout=0.5", "optimizer.lr=0.01", f"trainer.preflight={preflight}")
        run(compose_config(*small, *options), tmp_path / preflight)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("preflight: ")]
    assert len(said) == 1
    assert "64 places of the data read, 5 views made; 2 steps of 8 pairs on each process; 2 tasks of the benchmark measured" in said[0]
    (tried, rows), (untried, expected) = outcome(tmp_path / "true"), outcome(tmp_path / "false")
    assert_equal(tried, untried)
    assert rows == expected
    assert any(row["zero_shot/shapes/top1"] for row in rows)


@pytest.fixture(scope="module")
def on_two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    launch("tests.tasks.preflight_runs:runs", 2, str(folder))
    return folder


def on_both(folder: Path) -> tuple[Path, Path]:
    """The run that was tried out before and the one that was not; the first says so, once."""
    tried, untried = folder / "true", folder / "false"
    assert (tried / "said.txt").read_text().count("preflight: ") == 1
    assert "preflight: " not in (untried / "said.txt").read_text()
    return tried, untried


def test_two_processes_take_part_and_leave_no_trace(on_two_processes: Path) -> None:
    tried, untried = on_both(on_two_processes / "slip")
    assert_equal(outcome(tried), outcome(untried))


def test_split_and_averaged_weights_are_left_alone_too(on_two_processes: Path) -> None:
    tried, untried = on_both(on_two_processes / "split")
    assert_equal(*([dict(load(folder).model.state_dict()), rows_of(folder)] for folder in (tried, untried)))


@pytest.mark.parametrize(("asked", "job", "wanted"), [(None, "7", True), (None, None, False), (False, "7", False), (True, None, True)])
def test_it_is_the_default_under_slurm_alone(
    asked: bool | None, job: str | None, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if job is None:
        monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    else:
        monkeypatch.setenv("SLURM_JOB_ID", job)
    check = L.Callback()
    trainer = make_trainer(max_steps=1, accelerator="cpu", devices=1, preflight=asked, check=check, folder=tmp_path)
    assert trainer.callbacks[:1] == ([check] if wanted else [])  # before all others


def failure(tmp_path: Path, *options: str) -> str:
    with pytest.raises(ConcordError) as caught:
        run(compose_config(*SMALL, "trainer.preflight=true", *options), tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "failed"
    return str(caught.value)


class Broken:
    """A source of which nothing can be read."""

    name = "broken"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> Pair:
        raise self.error

    def location(self, index: int) -> str:
        return f"shard-{index:03}.tar"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("not a tar file"), "preflight: shard-040.tar: not a tar file"),
        (OSError("connection refused"), "preflight: shard-040.tar: connection refused"),
        (BadSample("no image", "x"), "preflight: shapes: none of 1 examples spread over it can be used"),
    ],
)
def test_a_broken_shard_is_named(error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("concord.tasks.preflight.probes", lambda source: iter([(Broken(error), 40)]))
    assert failure(tmp_path) == said


def test_a_view_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = ImageViews.draw

    def broken(self: ImageViews, pair: Pair, epoch: int, index: int) -> dict[str, list[torch.Tensor]]:
        if set(self.views) == {"augmented_b"}:
            raise ValueError("no such colour")
        return draw(self, pair, epoch, index)

    monkeypatch.setattr(ImageViews, "draw", broken)
    assert failure(tmp_path, "method=slip") == "preflight: the view augmented_b of shapes cannot be made: no such colour"


def test_memory_that_does_not_suffice_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: InfoNCE, step: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(InfoNCE, "forward", full)
    said = failure(tmp_path)
    assert said.startswith("preflight: a step of the largest batch, 8 pairs on each process, does not fit into memory: CUDA out of memory")
    assert "task=plan" in said


def test_a_benchmark_that_cannot_be_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: ZeroShotClassification, evaluation: object) -> None:
        raise DataError("classes.txt is empty")

    monkeypatch.setattr(ZeroShotClassification, "run", broken)
    said = failure(tmp_path, *BENCH)
    assert said == "preflight: benchmark.tasks.zero_shot: classes.txt is empty"
