"""Every option of conf/test and every suite of conf/benchmark runs on tiny data in its exact format."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from concord.benchmarks import Bench, Record
from concord.config import check as check_values
from concord.tasks.measure import build_bench
from tests.benchmarks.walks.every_test import TESTS, fixtures, task_of
from tests.benchmarks.walks.knowing import Hashing
from tests.composing import compose_config, options

NEEDS_MORE = {"off", "held_out"}
"""Suites without a data set of their own: one without tasks, one that takes the validation data of a training."""

OF_ONE_RECIPE = {"quick", "phantoms", "vqa_rad"}
"""Suites for the data of a recipe."""

SUITES = sorted(set(options("benchmark")) - NEEDS_MORE - {"full"})


def check(record: Record) -> None:
    assert math.isfinite(record.value), record
    assert record.n >= 1, record
    assert record.protocol, record
    assert record.data, record
    assert record.dataset, record
    if record.chance is not None:
        assert math.isfinite(record.chance), record
        assert record.collapsed is not None, record
    if record.low is not None and record.high is not None:
        assert record.low - 1e-9 <= record.value <= record.high + 1e-9, record


@pytest.mark.parametrize("name", TESTS)
def test_a_test_runs_end_to_end(name: str, all_data: Path, tmp_path: Path) -> None:
    task = task_of(name, all_data)
    results = Bench({name: task}, bootstrap=100, gallery=2, predictions=True).run(Hashing())
    assert results.skipped == {}
    assert results.records
    for record in results.records:
        check(record)
    assert any(record.chance is not None for record in results.records) or task.kind in ("diagnostics", "text_order")
    results.write(tmp_path)


@cache
def composed(name: str, data: Path) -> dict[str, Any]:
    small = ("benchmark.bootstrap=100", "benchmark.gallery=1")
    node: dict[str, Any] = compose_config("task=evaluate", f"benchmark={name}", f"benchmark_data={data}", *small)["benchmark"]
    return node


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_runs_end_to_end(name: str, all_data: Path) -> None:
    node = composed(name, all_data)
    bench = build_bench(node)
    assert bench.skipped == {}
    assert set(bench.tasks) == set(node["tasks"])
    results = bench.run(Hashing())
    # Some summaries cannot be made of these few pictures; but all that they are made of is measured.
    assert all(name.startswith("summary/") and "was not measured" not in reason for name, reason in results.skipped.items())
    measured = {f"{record.task}/{record.dataset}" for record in results.records}
    assert measured >= {f"{task.kind}/{task.reader.name}" for task in bench.tasks.values()}
    for record in results.records:
        assert math.isfinite(record.value), record


def test_the_full_suite_is_all_others_that_any_model_can_take(all_data: Path) -> None:
    node = composed("full", all_data)
    for name in set(SUITES) - OF_ONE_RECIPE:
        assert composed(name, all_data)["tasks"].items() <= node["tasks"].items(), name
    check_values(node, "benchmark")
    bench = build_bench(node)
    assert bench.skipped == {}
    assert set(bench.tasks) == set(node["tasks"])


def test_all_fixtures_are_of_tests() -> None:
    assert set(fixtures()) == set(TESTS)
