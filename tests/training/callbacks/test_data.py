from __future__ import annotations

import csv
from pathlib import Path

import pytest

from concord.training import DataReport
from tests.training.tiny import tiny_run


def test_the_loader_s_values_are_logged_on_logging_steps(tmp_path: Path) -> None:
    asked: list[int] = []

    def means() -> dict[str, float]:
        asked.append(len(asked))
        return {"read_ms": 1.5 * len(asked)}

    trainer, _ = tiny_run(tmp_path, max_steps=6, callbacks=[DataReport(means, lambda: {"bad": 10 * len(asked)})])
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["data/read_ms"]) for row in rows] == [1.5, 3.0, 4.5]  # every second step is logged
    assert [float(row["data/bad"]) for row in rows] == [10, 20, 30]
    assert float(trainer.callback_metrics["data/bad"]) == 30
    assert len(asked) == 3


@pytest.mark.parametrize("log_every", [1, 3])
def test_it_asks_once_per_logging_step(tmp_path: Path, log_every: int) -> None:
    asked: list[int] = []
    report = DataReport(lambda: asked.append(1) or {"wait_ms": 0.0}, dict)  # type: ignore[func-returns-value]
    tiny_run(tmp_path, max_steps=6, callbacks=[report], log_every=log_every, accumulate=2)
    assert len(asked) == 6 // log_every
