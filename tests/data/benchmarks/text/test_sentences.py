"""Pairs of sentences from tables of any form, and what is wrong with them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.data.benchmarks import probe_fixtures as fixtures

from concord.data.benchmarks.text import ScoredSentences
from concord.errors import DataError


def found(reader: ScoredSentences) -> list[tuple[str, str, float]]:
    return [(pair.first, pair.second, pair.score) for pair in reader.pairs]


def test_every_form_says_the_same(tmp_path: Path) -> None:
    fixtures.sentences(tmp_path)
    fixtures.mteb(tmp_path, "stsbenchmark")
    table, lines = (ScoredSentences(str(tmp_path / "sts" / name)) for name in ("sentences.csv", "stsbenchmark/test.jsonl.gz"))
    assert found(table) == found(lines) == fixtures.SENTENCES
    assert (table.name, lines.name, len(lines)) == ("sentences", "test", 5)
    assert len({pair.key for pair in table.pairs}) == 5


def test_columns_conditions_and_files_without_names(tmp_path: Path) -> None:
    file = tmp_path / "sick.tsv"
    rows = [("1", "A dog.", "A cat.", "3.5", "TRIAL"), ("2", "A bee.", "An ant.", "2", "TEST")]
    with file.open("w", newline="") as stream:
        csv.writer(stream, delimiter="\t").writerows([("pair_ID", "sentence_A", "sentence_B", "relatedness_score", "SemEval_set"), *rows])
    sick = ScoredSentences(str(file), "sentence_A", "sentence_B", "relatedness_score", {"SemEval_set": "TEST"}, name="sick")
    assert found(sick) == [("A bee.", "An ant.", 2.0)]
    assert sick.fingerprint() != ScoredSentences(str(file), "sentence_B", "sentence_A", "relatedness_score").fingerprint()
    file.write_text("A dog.\tA cat.\t1\n")
    assert len(ScoredSentences(str(file), header=["sentence1", "sentence2", "score"])) == 1
    with pytest.raises(DataError, match="no row is left by where: score = 9"):
        ScoredSentences(str(file), header=["sentence1", "sentence2", "score"], where={"score": "9"})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"sentence1": "a", "sentence2": "b", "score": "much"}, "column score must hold a number, got 'much'"),
        ({"sentence1": "a", "sentence2": "b", "score": None}, "column score must hold a number, got None"),
        ({"sentence1": "a", "sentence2": "b", "score": "nan"}, "must hold a finite number"),
        ({"sentence1": " ", "sentence2": "b", "score": 1}, "column sentence1 must hold a sentence"),
        ({"sentence1": "a", "sentence2": None, "score": 1}, "column sentence2 must hold a sentence"),
        ({"sentence1": "a", "sentence2": "b"}, "no column 'score'"),
    ],
)
def test_wrong_rows_are_told(row: dict, message: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps(row))
    with pytest.raises(DataError, match=message):
        ScoredSentences(str(file))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv"):
        ScoredSentences(str(tmp_path / "none.csv"))
