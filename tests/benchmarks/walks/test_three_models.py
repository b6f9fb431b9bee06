"""Tests of every kind with three models: one that says the same of everything, one that knows all answers, and the latter with
all scores below zero."""

from __future__ import annotations

from pathlib import Path

import pytest

from concord.benchmarks import Record, Task
from concord.benchmarks.evaluation import Evaluation
from concord.reports.metrics import sign
from tests.benchmarks.walks.every_test import TESTS, task_of, write_data
from tests.benchmarks.walks.knowing import OWN, Knowing, Model, Same

PERFECT = {"rsum": 6.0, "bias": 0.0, "group_gap": 0.0, "drop_e": 0.0, "drop_s": 0.0}
"""What is not 1 when everything is right: a sum of six recalls, and differences between recalls."""


ALONE = {"mimic_retrieval"}
"""Tests that find data of their own where others share a folder: there two of its studies have the same words."""


@pytest.fixture
def data(name: str, all_data: Path, tmp_path: Path) -> Path:
    if name not in ALONE:
        return all_data
    write_data(name, tmp_path)
    return tmp_path


def records(task: Task, model: Model) -> list[Record]:
    """The numbers that say something about a model, by its first scorer and by another one."""
    found = task.run(Evaluation(model, {"other": model}, bootstrap=0, gallery=0)).records
    return [record for record in found if not record.metric.startswith("blind_") and not of_a_baseline(record)]


def of_a_baseline(record: Record) -> bool:
    """Whether half of a composed query is left out on purpose."""
    return record.task == "composed" and record.subset.split("/")[-1] in ("image", "text")


@pytest.mark.parametrize("name", TESTS)
def test_who_knows_nothing_gets_chance_at_most_and_who_knows_everything_all(name: str, data: Path) -> None:
    task = task_of(name, data)
    for model in (Same(), Same(shift=-2.0), Evaluation(Same()).collapsed().scorer):
        for record in records(task, model):
            better = sign(record.name)
            assert record.chance is None or better * record.value <= better * record.chance + 1e-9, record
    for shift in (0.0, -2.0 * OWN):
        for record in records(task, Knowing(task, shift)):
            if record.chance is not None or record.metric in PERFECT:
                assert record.value == pytest.approx(PERFECT.get(record.metric, 1.0), abs=1e-12), record
