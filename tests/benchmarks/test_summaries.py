"""Numbers made of numbers: means, drops, robustness, and what happens where an input is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from concord.benchmarks import Bench, EffectiveRobustness, Mean, Record, RelativeDrop, Results, Summary, ZeroShotClassification
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.summaries import KIND
from tests.benchmarks.benchmark_fakes import FakeReader, Guessing, Table

NAMES = ["red", "green", "blue"]


def task(name: str, count: int = 60) -> ZeroShotClassification:
    reader = FakeReader([["x"]] * count, [{"label": i % 3} for i in range(count)], NAMES, name)
    return ZeroShotClassification(reader, ["{}"], metrics=("top1",))


def run(summaries: dict[str, Summary], count: int = 60, **settings: bool) -> Results:
    tasks = {"a": task("a", count), "b": task("b", count // 2)}
    return Bench(tasks, summaries=summaries, gallery=0, bootstrap=400, **settings).run(Guessing())


def named(results: Results) -> dict[str, Record]:
    return {record.name: record for record in results.records}


A, B = "zero_shot/a/top1", "zero_shot/b/top1"


def test_a_mean_is_the_mean_of_all_columns() -> None:
    found = named(run({"both": Mean([A, B])}))
    mean = found["summary/both/mean"]
    assert mean.value == pytest.approx((found[A].value + found[B].value) / 2)
    assert (mean.chance, mean.collapsed, mean.n) == (pytest.approx(1 / 3), 0, 2)
    assert mean.half == pytest.approx(mean.value)


def test_the_interval_of_a_mean_is_that_of_independent_samples() -> None:
    results = run({"both": Mean([A, B])}, count=600, predictions=True)
    mean = named(results)["summary/both/mean"]
    shares = {answers.name: answers.values for answers in results.answers}
    error = math.sqrt(sum(values.var() / len(values) for values in shares.values())) / 2
    assert mean.low is not None
    assert mean.high is not None
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert mean.low < mean.value < mean.high


def test_there_is_no_interval_where_samples_would_not_be_independent() -> None:
    reader = FakeReader([["x"]] * 30, [{"label": i % 3} for i in range(30)], NAMES, "a")
    tasks = {"a": ZeroShotClassification(reader, ["{}"], metrics=("top1", "mean_per_class"))}
    summaries: dict[str, Summary] = {"same": Mean([A, "zero_shot/a/mean_per_class"]), "nested": Mean(["summary/same/mean"])}
    found = named(Bench(tasks, summaries=summaries, gallery=0).run(Guessing()))
    assert found["summary/same/mean"].low is None
    assert found["summary/nested/mean"].value == found["summary/same/mean"].value


def test_units_are_drawn_whole() -> None:
    count = 120
    metadata = [{"label": i % 3, "patient": i // 12} for i in range(count)]
    readers = [FakeReader([["x"]] * count, metadata, NAMES, name) for name in "ab"]
    scores = np.repeat(np.eye(2)[np.arange(10) % 2], 12, axis=0)
    right = np.where(scores[:, :1] == 1, np.eye(3)[[i % 3 for i in range(count)]], np.eye(3)[[(i + 1) % 3 for i in range(count)]])
    widths = []
    for unit in (None, "patient"):
        tasks = {r.name: ZeroShotClassification(r, ["{}"], metrics=("top1",), unit=unit, limit=None) for r in readers}
        readers[1].captions = [["y"]] * count  # other data
        mean = named(Bench(tasks, summaries={"m": Mean([A, B])}, gallery=0).run(Table(right, NAMES)))["summary/m/mean"]
        assert mean.low is not None
        assert mean.high is not None
        widths.append(mean.high - mean.low)
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(12), rel=0.2)


def test_near_chance_tasks_can_be_left_out() -> None:
    found = named(run({"both": Mean([A, B], near_chance=(B,))}))
    assert found["summary/both/mean_without_near_chance"].value == found[A].value
    assert found["summary/both/mean_without_near_chance"].n == 1
    for wrong, message in [((A, B), "at least one"), (("x",), "must be among the records, got x")]:
        with pytest.raises(ValueError, match=message):
            Mean([A, B], near_chance=wrong)


def test_a_missing_input_is_said_and_not_averaged_over() -> None:
    results = run({"all": Mean([A, "zero_shot/c/top1", "zero_shot/d/top1"])})
    assert "summary/all/mean" not in named(results)
    assert results.skipped == {"summary/all": "it is made of zero_shot/c/top1 and 1 more, which was not measured"}


def test_answers_are_kept_only_on_demand() -> None:
    assert run({"both": Mean([A, B])}).answers == []
    assert len(run({"both": Mean([A, B])}, predictions=True).answers) == 2


def table(values: dict[str, float], summary: Summary) -> Results:
    """A summary of given values."""
    records = [Record("zero_shot", name, "top1", value, 0.1, None, None, 100, data=name) for name, value in values.items()]
    return summary.run("s", Evaluation(Guessing()), Results(records))


def test_the_relative_drop() -> None:
    drop = RelativeDrop(A, B)
    assert table({"a": 0.8, "b": 0.6}, drop).records[0].value == pytest.approx(0.25)
    assert table({"a": 0.8, "b": 0.6}, drop).records[0].name == f"{KIND}/s/relative_drop"
    assert "nothing can be lost" in table({"a": 0.0, "b": 0.6}, drop).skipped["summary/s"]


def test_effective_robustness_is_the_distance_from_the_line() -> None:
    def shift(share: float) -> float:
        logit = 0.9 * math.log(share / (1 - share)) - 0.4
        return 1 / (1 + math.exp(-logit))

    points = [[share, shift(share)] for share in (0.6, 0.7, 0.76)]
    summary = EffectiveRobustness(A, B, points)
    assert table({"a": 0.65, "b": shift(0.65)}, summary).records[0].value == pytest.approx(0)
    assert table({"a": 0.65, "b": shift(0.65) + 0.1}, summary).records[0].value == pytest.approx(0.1)
    assert table({"a": 0.65, "b": 0.5}, summary).records[0].chance is None
    assert "has no logit" in table({"a": 1.0, "b": 0.6}, summary).skipped["summary/s"]


def test_without_reference_models_robustness_is_not_computed() -> None:
    assert table({"a": 0.6, "b": 0.5}, EffectiveRobustness(A, B)).skipped["summary/s"].startswith("not computed: it needs points")
    for points, message in [([[0.7, 0.6]], "at least 2"), ([[0.7, 0.6], [0.7, 0.5]], "at least 2"), ([[70, 60]], "between 0 and 1")]:
        with pytest.raises(ValueError, match=message):
            EffectiveRobustness(A, B, points)  # type: ignore[arg-type]


def test_wrong_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one record"):
        Mean([])
    with pytest.raises(ValueError, match="named once"):
        Mean([A, A])
