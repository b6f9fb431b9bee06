"""`task=compare`: two evaluations, example by example."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from concord.benchmarks import Answers, Record, Results
from concord.errors import ConfigError, DataError
from concord.tasks import compare

NAME = "zero_shot/shapes/top1"


def evaluation(folder: Path, hits: np.ndarray, data: str = "d", protocol: str = "p") -> Path:
    records = [Record("zero_shot", "shapes", "top1", float(hits.mean()), 0.1, None, None, len(hits), data=data, protocol=protocol)]
    answers = [Answers(NAME, [f"k{row}" for row in range(len(hits))], np.arange(len(hits)), hits.astype(float))]
    Results(records, answers=answers, about={"model": folder.name}).write(folder)
    return folder


def run(tmp_path: Path, a: Path | None, b: Path | None) -> list[object]:
    return list(compare({}, tmp_path / "out", str(a) if a else None, str(b) if b else None, 1000, 0))


def test_the_table_and_the_files_tell_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = evaluation(tmp_path / "one", np.arange(200) % 2 == 0)
    b = evaluation(tmp_path / "two", np.arange(200) % 4 != 1)
    (found,) = compare({}, tmp_path / "out", str(a), str(b), 1000, 0)
    assert (found.a, found.b, found.only_a, found.only_b) == (0.5, 0.75, 0, 50)
    assert found.p < 1e-9
    text = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert text["comparisons"][0]["difference"] == 0.25
    table = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert table.loc[0, ["name", "n", "a", "b"]].tolist() == [NAME, 200, 0.5, 0.75]
    assert "b - a" in capsys.readouterr().out


def test_what_cannot_be_compared_is_told_in_one_line(tmp_path: Path) -> None:
    hits = np.arange(10) % 2 == 0
    a = evaluation(tmp_path / "one", hits)
    with pytest.raises(ConfigError, match=r"task\.b has no value"):
        run(tmp_path, a, None)
    with pytest.raises(DataError, match=r"task.b: .* holds no predictions.parquet; measure it with benchmark.predictions=true"):
        run(tmp_path, a, tmp_path)
    with pytest.raises(DataError, match=f"{NAME}: a and b were measured on other examples"):
        run(tmp_path, a, evaluation(tmp_path / "other", hits, data="e"))
    with pytest.raises(DataError, match=f"{NAME}: a and b were measured by other rules"):
        run(tmp_path, a, evaluation(tmp_path / "rules", hits, protocol="q"))
    damaged = evaluation(tmp_path / "damaged", hits)
    (damaged / "predictions.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"predictions.parquet cannot be read"):
        run(tmp_path, a, damaged)
    (damaged / "predictions.parquet").write_bytes((a / "predictions.parquet").read_bytes())
    (damaged / "records.json").write_text("[{")
    with pytest.raises(DataError, match=r"records.json cannot be read"):
        run(tmp_path, a, damaged)


def test_predictions_of_several_records_come_back_apart(tmp_path: Path) -> None:
    from concord.benchmarks import read_predictions

    first = Answers("a", ["x", "y"], np.array([0, 1]), np.array([1.0, 0.0]))
    second = Answers("b", ["x"], np.array([4]), np.array([0.5]))
    Results([], answers=[first, second]).write(tmp_path)
    back = read_predictions(tmp_path / "predictions.parquet")
    assert list(back) == ["a", "b"]
    assert (list(back["b"].keys), back["b"].units.tolist(), back["b"].values.tolist()) == (["x"], [4], [0.5])
    assert back["a"].values.tolist() == [1.0, 0.0]
