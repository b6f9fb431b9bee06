from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from concord.training import BenchmarkCallback, GradientNorm, LearningRate, Throughput, make_trainer
from concord.training.callbacks import throughput
from concord.training.loggers.csv import read_rows
from tests.training.callbacks.test_benchmark import Found, Number
from tests.training.tiny import TinyModule, tiny_run


def column(folder: Path, name: str) -> dict[int, float]:
    return {int(row["step"]): float(row[name]) for row in read_rows(folder / "metrics.csv") if name in row}


class RememberGradients(TinyModule):
    def __init__(self) -> None:
        super().__init__()
        self.norms: list[float] = []
        self.rates: list[float] = []

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        squares = [float(parameter.grad.square().sum()) for parameter in self.parameters() if parameter.grad is not None]
        self.norms.append(sum(squares) ** 0.5)
        self.rates.append(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_gradient_norm_is_that_before_clipping(tmp_path: Path, accumulate: int) -> None:
    module = RememberGradients()
    tiny_run(tmp_path, max_steps=6, module=module, callbacks=[GradientNorm()], gradient_clip=0.01, accumulate=accumulate)
    assert column(tmp_path, "gradient_norm") == pytest.approx({2: module.norms[1], 4: module.norms[3], 6: module.norms[5]})


@pytest.mark.parametrize("accumulate", [1, 2])
def test_learning_rate_is_that_of_the_step(tmp_path: Path, accumulate: int) -> None:
    module = RememberGradients()
    tiny_run(tmp_path, max_steps=6, module=module, callbacks=[LearningRate()], accumulate=accumulate)
    assert column(tmp_path, "learning_rate") == pytest.approx({2: module.rates[1], 4: module.rates[3], 6: module.rates[5]})


class Clock:
    """Time that passes only where the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(throughput, "time", self)

    def perf_counter(self) -> float:
        return self.now


class SlowBatches(IterableDataset):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def __iter__(self) -> Iterator[Tensor]:
        while True:
            self.clock.now += 0.3
            yield torch.ones(8, 4)


class SlowModule(TinyModule):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        self.clock.now += 0.1
        return super().training_step(batch, batch_idx)


class SlowBench:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def run(self, scorer: object) -> Found:
        self.clock.now += 50.0
        return Found([Number("a", 1.0)])


def test_throughput_counts_samples_and_waiting_but_no_benchmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    bench = BenchmarkCallback(SlowBench(clock).run, every_n_steps=3)
    trainer = make_trainer(max_steps=12, accelerator="cpu", log_every=4, folder=tmp_path, callbacks=[Throughput(), bench])
    trainer.fit(SlowModule(clock), DataLoader(SlowBatches(clock), batch_size=None))
    assert column(tmp_path, "samples_per_second") == pytest.approx(dict.fromkeys((4, 8, 12), 8 / 0.4))
    assert column(tmp_path, "data_wait") == pytest.approx(dict.fromkeys((4, 8, 12), 0.75))
    assert float(trainer.callback_metrics["samples_per_second"]) == pytest.approx(20.0)
