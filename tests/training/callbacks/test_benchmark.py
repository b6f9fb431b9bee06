from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from concord.distributed import Ranks
from concord.training import BenchmarkCallback, Checkpoints, RunLogger
from concord.training.callbacks.benchmark import evaluating
from concord.training.loggers.csv import read_rows
from concord.training.randomness import random_state, seed_everything
from tests.processes import run_on_ranks
from tests.training.tiny import TinyModule, tiny_run, weights


@dataclass
class Number:
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    chance: float | None = None


@dataclass
class Found:
    records: list[Number]

    def write(self, folder: Path) -> None:
        (folder / "records.json").write_text(json.dumps([vars(record) for record in self.records]))
        (folder / "gallery").mkdir(exist_ok=True)
        (folder / "gallery" / "gallery.json").write_text('[{"task": "zero_shot"}]')


class Greedy:
    """A benchmark that draws from every generator, and whose value is the weights' sum; it notes the modes that it met."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.training: list[bool] = []

    def run(self, scorer: TinyModule) -> Found:
        random.random(), np.random.rand(), torch.rand(3)
        self.training.append(scorer.net.training)
        assert not torch.is_grad_enabled()
        self.values.append(float(weights(scorer).sum()))
        return Found([Number("sum/weights", self.values[-1], 0.0, 1.0, 0.5)])


def with_benchmark(folder: Path, bench: Greedy, **settings: Any) -> tuple[Any, TinyModule]:
    callback = BenchmarkCallback(bench.run, **{"every_n_steps": 2, **settings})
    return tiny_run(folder, max_steps=5, callbacks=[callback, Checkpoints(every_n_steps=5, monitor="sum/weights")])


def test_measuring_changes_nothing_of_training(tmp_path: Path) -> None:
    _, plain = tiny_run(tmp_path / "plain", max_steps=5)
    bench = Greedy()
    _, measured = with_benchmark(tmp_path / "measured", bench)
    assert measured.losses == plain.losses
    assert torch.equal(weights(measured), weights(plain))
    assert bench.training == [False] * 3
    assert measured.net.training


def test_values_reach_the_log_the_metrics_and_the_checkpoints(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    bench = Greedy()
    trainer, module = with_benchmark(tmp_path, bench)
    logged = {int(row["step"]): float(row["sum/weights"]) for row in read_rows(tmp_path / "metrics.csv") if "sum/weights" in row}
    assert logged == pytest.approx(dict(zip((2, 4, 5), bench.values, strict=True)))
    assert bench.values[-1] == float(weights(module).sum())  # the weights after the last step
    assert float(trainer.callback_metrics["sum/weights"]) == pytest.approx(bench.values[-1])
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["global_step"] == (2, 4, 5)[bench.values.index(max(bench.values))]
    assert json.loads((tmp_path / "records.json").read_text())[0]["value"] == bench.values[-1]
    assert f"step 5: sum/weights {bench.values[-1]:.3f} [0.000, 1.000], chance 0.500" in caplog.messages


def test_at_the_end_only_or_never(tmp_path: Path) -> None:
    for name, settings, count in (("end", {"every_n_steps": None}, 1), ("never", {"every_n_steps": None, "at_end": False}, 0)):
        bench = Greedy()
        callback = BenchmarkCallback(bench.run, **settings)
        tiny_run(tmp_path / name, max_steps=5, callbacks=[callback])
        assert len(bench.values) == count


def test_a_resumed_run_measures_the_rest(tmp_path: Path) -> None:
    tiny_run(tmp_path, max_steps=3, every_n_steps=3)
    bench = Greedy()
    callback = BenchmarkCallback(bench.run, every_n_steps=2)
    tiny_run(tmp_path, max_steps=6, callbacks=[callback], resume=True)
    assert len(bench.values) == 2


def measure_on_rank(folder: Path) -> tuple[list[bool], dict[str, float], list[str]]:
    """On one of several ranks: which random states stayed, what became of the values, and what was written."""
    rank = Ranks.current().rank
    module = TinyModule()
    seed_everything(0, rank)
    before = random_state()
    trainer = SimpleNamespace(
        callbacks=[],
        global_step=3,
        is_global_zero=rank == 0,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
        callback_metrics={},
        loggers=[],
    )
    trainer.default_root_dir = folder / str(rank)
    BenchmarkCallback(Greedy().run).on_train_end(trainer, module)  # type: ignore[arg-type]
    after = random_state()
    stayed = [torch.equal(before[name], after[name]) for name in ("python", "numpy", "torch")]
    return stayed, {name: float(value) for name, value in trainer.callback_metrics.items()}, [p.name for p in folder.glob(f"{rank}/*.json")]


def test_every_rank_measures_and_only_the_first_writes(tmp_path: Path) -> None:
    found = run_on_ranks(measure_on_rank, 2, tmp_path, tmp_path)
    assert [stayed for stayed, _, _ in found] == [[True] * 3] * 2
    assert [set(values) for _, values, _ in found] == [{"sum/weights"}] * 2
    assert [written for _, _, written in found] == [["records.json"], []]


def test_predictions_are_shown(tmp_path: Path) -> None:
    class Shown(RunLogger):
        def __init__(self) -> None:
            super().__init__()
            self.steps: list[int] = []

        def _write(self, metrics: dict[str, float], step: int) -> None:
            pass

        def _write_predictions(self, items: Any, folder: Path, step: int) -> None:
            assert items == [{"task": "zero_shot"}]
            assert folder.name == "gallery"
            self.steps.append(step)

    logger = Shown()
    tiny_run(tmp_path, max_steps=4, callbacks=[BenchmarkCallback(Greedy().run)], logger=[logger])
    assert logger.steps == [4]


def test_modes_are_put_back_part_by_part() -> None:
    net = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()))
    net[1].eval()
    with evaluating(net):
        assert not any(part.training for part in net.modules())
    assert [part.training for part in net.modules()] == [True, True, False, False]


def test_wrong_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="every_n_steps must be at least 1 or null, got 0"):
        BenchmarkCallback(Greedy().run, every_n_steps=0)
