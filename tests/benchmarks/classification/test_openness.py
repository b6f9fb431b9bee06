"""Openness: the worked answer, a loop that follows the paper's words, ties and chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from concord.benchmarks import Bench, Openness, Record
from concord.benchmarks.evaluation import Evaluation
from concord.errors import ConfigError, DataError
from tests.benchmarks.benchmark_fakes import Collapsed, FakeReader, Oracle, Table

NAMES = ["cat", "dog", "car", "bus", "oak", "elm"]
GROUPS = {"pets": ["cat", "dog"], "vehicles": ["car", "bus"], "trees": ["oak", "elm"]}
LABELS = [0, 0, 0, 1, 2, 2, 3, 4, 5, 5] * 4


def measure(scores: np.ndarray | None, labels: list[int] = LABELS, **settings: object) -> dict[str, Record]:
    names = settings.pop("names", NAMES)
    reader = FakeReader([["x"]] * len(labels), [{"label": label} for label in labels], names)  # type: ignore[arg-type]
    task = Openness(reader, **{"groups": GROUPS, "templates": ["{}"], **settings})  # type: ignore[arg-type]
    scorer = Collapsed() if scores is None else Table(scores, names)  # type: ignore[arg-type]
    return {record.metric: record for record in Bench({"openness": task}, bootstrap=200).run(scorer).records}


def test_the_worked_answer() -> None:
    scores = np.array([[0.9, 0.1, 0.8, 0.2], [0.3, 0.6, 0.7, 0.1], [0.2, 0.3, 0.9, 0.4], [0.1, 0.2, 0.3, 0.8]])
    found = measure(scores, [0, 1, 2, 3], names=list("abcd"), groups={"x": ["a", "b"], "y": ["c", "d"]})
    assert {name: record.value for name, record in found.items()} == {
        "acc_c": 1.0, "acc_e": 0.875, "acc_s": 0.75, "drop_e": 0.125, "drop_s": 0.25,
    }  # fmt: skip
    assert [found[name].chance for name in ("acc_c", "acc_e", "acc_s", "drop_e")] == [0.5, 0.375, 0.25, None]


def by_hand(scores: np.ndarray, labels: np.ndarray, orders: dict[int, list[list[int]]]) -> tuple[float, float, float]:
    """Step by step, with the vocabularies written out."""
    group = np.array([0, 0, 1, 1, 2, 2])

    def hits(images: np.ndarray, vocabulary: list[int]) -> np.ndarray:
        return np.array([vocabulary[int(np.argmax(scores[i, vocabulary]))] == labels[i] for i in images])

    closed, extended, stable = [], [], []
    for target, trials in orders.items():
        of = {g: np.flatnonzero(group[labels] == g) for g in range(3)}
        closed.append(hits(of[target], np.flatnonzero(group == target).tolist()).mean())
        for order in trials:
            grown, kept = [closed[-1]], []
            for m in range(1, 3):
                added = [target, *order[:m]]
                vocabulary = np.flatnonzero(np.isin(group, added)).tolist()
                grown.append(hits(np.concatenate([of[g] for g in added]), vocabulary).mean())
                own = hits(of[target], vocabulary)
                kept.append(np.mean([own[labels[of[target]] == c].mean() for c in np.flatnonzero(group == target)]))
            extended.append(np.mean(grown))
            stable.append(np.mean(kept))
    return float(np.mean(closed)), float(np.mean(extended)), float(np.mean(stable))


class Orders(np.random.Generator):
    """Remembers the orders that it draws."""

    drawn: list[list[int]]

    def permutation(self, x: object, axis: int = 0) -> np.ndarray:  # type: ignore[override]
        order = super().permutation(x, axis)  # type: ignore[arg-type]
        self.drawn.append(order.tolist())
        return order


def test_the_numbers_are_those_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Orders(np.random.PCG64(1))
    rng.drawn = []
    original: Callable = Evaluation.generator
    monkeypatch.setattr(Evaluation, "generator", lambda self, *names: rng if "orders" in names else original(self, *names))
    scores = np.random.default_rng(3).normal(size=(40, 6)) + np.eye(6)[LABELS]
    found = measure(scores, trials=2)
    orders = {target: rng.drawn[2 * target : 2 * target + 2] for target in range(3)}
    expected = by_hand(scores, np.array(LABELS), orders)
    assert [found[name].value for name in ("acc_c", "acc_e", "acc_s")] == pytest.approx(expected)
    for record in found.values():
        assert record.low is not None
        assert record.high is not None
        assert record.low <= record.value <= record.high


def test_an_oracle_loses_nothing_and_a_collapsed_model_has_nothing() -> None:
    reader = FakeReader([["x"]] * 40, [{"label": label} for label in LABELS], NAMES)
    reader.groups = GROUPS  # type: ignore[attr-defined]
    bench = Bench({"openness": Openness(reader, templates=["{}"])}, bootstrap=200)
    right = {record.metric: record for record in bench.run(Oracle([[NAMES[label]] for label in LABELS], -1, -2)).records}
    assert [record.value for record in right.values()] == [1, 1, 1, 0, 0]
    assert [record.collapsed for record in right.values()] == [0, 0, 0, 0, 0]
    for metric, record in measure(None).items():
        assert record.value == 0
        if metric.startswith("acc"):
            assert record.half == pytest.approx(record.chance)
            assert record.ties == 40


def test_answers_average_to_the_values() -> None:
    scores = np.random.default_rng(3).normal(size=(40, 6)) + np.eye(6)[LABELS]
    reader = FakeReader([["x"]] * 40, [{"label": label} for label in LABELS], NAMES)
    results = Bench({"o": Openness(reader, GROUPS, templates=["{}"])}, bootstrap=200, predictions=True).run(Table(scores, NAMES))
    values = results.values()
    for answers in results.answers:
        assert answers.values.mean() == pytest.approx(values[answers.name])
    assert len(results.answers) == 3


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (None, "groups must be given: fake has none"),
        ({"all": NAMES}, "at least 2 groups"),
        ({"pets": ["cat", "dog"], "rest": ["car", "bus", "oak"]}, "class 'elm' is in no group"),
        ({"pets": ["cat", "dog"], "rest": ["car", "bus", "oak", "elm", "cat"]}, "class 'cat' is in more than one group"),
        ({"pets": ["cat", "dog", "cow"], "rest": NAMES[2:]}, "pets names 'cow', which is no class"),
        ({"pets": NAMES, "rest": []}, "rest has no classes"),
    ],
)
def test_groups_are_checked(groups: dict | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        measure(None, groups=groups)


def test_every_group_needs_images() -> None:
    with pytest.raises(DataError, match="no example is of a class of 1 of the groups"):
        measure(None, [0, 1, 2, 3])
    with pytest.raises(ValueError, match="trials must be at least 1"):
        measure(None, trials=0)
    with pytest.raises(DataError, match=r"label must be an integer in \[0, 5\]"):
        measure(None, [0, 6])
