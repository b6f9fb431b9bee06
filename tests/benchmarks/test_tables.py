"""Results on disk: tidy tables, predictions, figures, and equal files for equal results."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from concord.benchmarks import Bench, Record, Results, Retrieval, ZeroShotClassification
from concord.benchmarks.records import Answers
from tests.benchmarks.benchmark_fakes import FakeReader, Guessing

ABOUT = {"model": 'runs/a, "b"/best.ckpt', "fingerprint": "f00d", "torch": "2.0"}
RECORDS = [
    Record("retrieval", "shapes", "r1", 0.25, 0.002, 0.2, 0.3, 500, "image_to_text", 7, units=3, half=0.5, ties=2),
    Record("diagnostics", "shapes", "gap", math.nan, None, None, None, 256),
]


def bench(**settings: bool) -> Bench:
    reader = FakeReader([[f"thing {i}"] for i in range(20)], [{"label": i % 2} for i in range(20)], ["red", "green"])
    return Bench(
        {"zero_shot": ZeroShotClassification(reader, ["{}"]), "retrieval": Retrieval(reader)}, bootstrap=100, gallery=2, **settings
    )


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_has_one_row_per_record_with_what_is_common_to_all(form: str, tmp_path: Path) -> None:
    Results(RECORDS, about=ABOUT).write(tmp_path)
    path = tmp_path / f"records.{form}"
    table = pd.read_csv(path) if form == "csv" else pd.read_parquet(path)
    assert list(table.columns) == ["name", *ABOUT, *(field.name for field in fields(Record))]
    assert table["name"].tolist() == [record.name for record in RECORDS]
    assert table["model"].tolist() == [ABOUT["model"]] * 2
    assert table["value"].tolist() == pytest.approx([0.25, math.nan], nan_ok=True)
    first = table.iloc[0]
    assert (first["low"], first["n"], first["units"], first["ties"], first["half"]) == (0.2, 500, 3, 2, 0.5)
    assert table.iloc[1][["chance", "low", "high", "units", "half"]].isna().all()


def test_columns_keep_their_types_without_records_and_without_values(tmp_path: Path) -> None:
    for name, records in (("none", []), ("some", RECORDS[1:])):
        Results(records, about=ABOUT).write(tmp_path / name)
    types = [pyarrow.parquet.read_schema(tmp_path / name / "records.parquet") for name in ("none", "some")]
    assert types[0] == types[1]
    assert str(types[0].field("low").type) == "double"
    assert str(types[0].field("ties").type) == "int64"


def test_predictions_are_kept_on_demand(tmp_path: Path) -> None:
    without, results = bench().run(Guessing()), bench(predictions=True).run(Guessing())
    assert without.answers == []
    assert without.records == results.records
    results.write(tmp_path)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert list(table.columns) == ["record", "key", "unit", "value"]
    values = results.values()
    means = table.groupby("record", observed=True)["value"].mean()
    assert {"zero_shot/fake/top1", "retrieval/fake/text_to_image/r5"} <= set(means.index)
    for name, mean in means.items():
        assert mean == pytest.approx(values[str(name)]), name
    top1 = table[table["record"] == "zero_shot/fake/top1"]
    assert top1["key"].tolist() == [f"key-{i}" for i in range(20)]
    assert top1["unit"].tolist() == list(range(20))
    without.write(tmp_path)
    assert not (tmp_path / "predictions.parquet").exists()


def test_equal_results_are_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        bench(predictions=True).run(Guessing(), about=ABOUT).write(tmp_path / name)
    files = {path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert {Path(name) for name in ("records.csv", "records.parquet", "predictions.parquet", "about.json")} <= files
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_what_is_no_number_is_null_for_every_reader_of_json(tmp_path: Path) -> None:
    figures = {"bins": {"kind": "reliability", "confidence": [0.1, math.nan], "inner": {"top": math.inf, "pair": (1, 2)}}}
    answers = [Answers("a/b/c", ["x"], np.array([0]), np.array([1.0]))]
    Results([], answers=answers, figures=figures, skipped={"coco": "no folder"}, about=ABOUT).write(tmp_path)
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found == {"bins": {"kind": "reliability", "confidence": [0.1, None], "inner": {"top": None, "pair": [1, 2]}}}
    assert json.loads((tmp_path / "skipped.json").read_text()) == {"coco": "no folder"}
    assert json.loads((tmp_path / "about.json").read_text()) == ABOUT
