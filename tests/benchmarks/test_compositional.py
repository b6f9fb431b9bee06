"""The right caption against wrong ones: strict, by kind, and by likelihood where a model has one."""

from __future__ import annotations

import numpy as np
import pytest
from benchmark_fakes import Collapsed, FakeReader, FakeScorer, Guessing, Oracle, Table

from concord.benchmarks import Bench, Compositional, Record
from concord.errors import DataError

RIGHT = [f"a small thing {i} above a large one" for i in range(400)]
NEGATIVES = [{"swap": [f"a large thing {i} above a small one"], "order": [f"{word} thing {i}" for word in "abc"]} for i in range(400)]


def make_reader(right: list[str] = RIGHT, negatives: list[dict[str, list[str]]] = NEGATIVES) -> FakeReader:
    return FakeReader([[text] for text in right], [{"negatives": wrong} for wrong in negatives])


def measure(scorer: FakeScorer, reader: FakeReader | None = None, likelihood: FakeScorer | None = None) -> dict[str, Record]:
    bench = Bench({"compositional": Compositional(make_reader() if reader is None else reader)})
    return {
        record.name.removeprefix("compositional/fake/"): record
        for record in bench.run(scorer, {} if likelihood is None else {"likelihood": likelihood}).records
    }


def test_known_models() -> None:
    right = [[text] for text in RIGHT]
    assert [record.value for record in measure(Oracle(right)).values()] == [1.0, 1.0]
    assert [record.value for record in measure(Oracle(right, -3.0, -3.5)).values()] == [1.0, 1.0]
    assert [record.value for record in measure(Oracle(right, 0.0, 1.0)).values()] == [0.0, 0.0]
    assert [record.value for record in measure(Collapsed()).values()] == [0.0, 0.0]


def test_a_guessing_model_is_at_chance_and_chance_follows_the_number_of_wrong_captions() -> None:
    records = measure(Guessing())
    assert {name: record.chance for name, record in records.items()} == {"swap/accuracy": 1 / 2, "order/accuracy": 1 / 4}
    for record in records.values():
        assert record.n == 400
        assert record.low is not None
        assert record.high is not None
        assert record.chance is not None
        assert record.low <= record.chance <= record.high


def test_one_wrong_caption_that_ties_is_enough_to_lose() -> None:
    texts = ["right", "wrong", "worse"]
    reader = make_reader(["right"] * 3, [{"kind": ["wrong", "worse"]}] * 3)
    scores = np.array([[0.5, 0.4, 0.3], [0.5, 0.5, 0.3], [0.5, 0.3, 0.6]])
    assert measure(Table(scores, texts), reader)["kind/accuracy"].value == pytest.approx(1 / 3)


def test_chance_averages_over_items_and_kinds_may_be_missing() -> None:
    reader = make_reader(["right"] * 3, [{"kind": ["x"]}, {"kind": ["x", "y", "z"], "other": []}, {}])
    records = measure(Oracle([["right"]] * 3), reader)
    assert list(records) == ["kind/accuracy"]
    assert records["kind/accuracy"].chance == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert records["kind/accuracy"].n == 2


def test_wrong_captions_with_the_words_of_the_right_one_are_no_question(caplog: pytest.LogCaptureFixture) -> None:
    reader = make_reader(["a b", "a b"], [{"kind": ["A  b"]}, {"kind": ["a b", "b a"]}])
    record = measure(Oracle([["a b"]] * 2), reader)["kind/accuracy"]
    assert (record.value, record.n, record.chance) == (1.0, 1, 0.5)
    assert "1 wrong captions" in caplog.text


def test_a_likelihood_adds_records_of_its_own() -> None:
    right = [[text] for text in RIGHT]
    records = measure(Collapsed(), likelihood=Oracle(right, -10.0, -12.0))
    assert {name: record.value for name, record in records.items()} == {
        "swap/accuracy": 0.0,
        "order/accuracy": 0.0,
        "likelihood/swap/accuracy": 1.0,
        "likelihood/order/accuracy": 1.0,
    }


def test_a_data_set_without_questions_is_refused() -> None:
    with pytest.raises(DataError, match="no example has a caption and wrong captions"):
        measure(Guessing(), FakeReader([["x"], []]))
