"""Linear probes, nearest neighbours and few shots against scikit-learn, an oracle and a model that knows nothing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, balanced_accuracy_score, cohen_kappa_score, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from concord.benchmarks import KNN, Bench, FewShot, LinearProbe
from concord.benchmarks.probes.draws import fraction, held_out, shots, strata_of
from concord.benchmarks.probes.report import top_by_chance
from concord.distributed import Ranks
from concord.errors import ConfigError, DataError, IncompatibleError
from tests.benchmarks.benchmark_fakes import Oracle
from tests.benchmarks.probes.probe_fakes import Featured, Split, Vectors, clouds, measure, run
from tests.processes import run_on_ranks

NAMES = ["ant", "bee", "cow"]
POINTS, LABELS = clouds(300, spread=1.5)
TRAIN, TEST = slice(0, 180), slice(180, 300)


def splits(labels: np.ndarray = LABELS, names: list[str] = NAMES, unit: int = 1) -> tuple[Split, Split]:
    values = labels.tolist()
    return Split(values[TRAIN], names, "train", 0, unit), Split(values[TEST], names, "test", TRAIN.stop, unit)


@pytest.mark.parametrize("solver", ["sklearn", "torch"])
def test_a_linear_probe_is_scikit_learns(solver: Any) -> None:
    found = measure(LinearProbe(*splits(), c=0.316, solver=solver), Vectors(POINTS))
    x = POINTS.astype(np.float32).astype(np.float64)
    predicted = LogisticRegression(C=0.316, max_iter=1000).fit(x[TRAIN], LABELS[TRAIN]).predict(x[TEST])
    assert found["top1"].value == pytest.approx((predicted == LABELS[TEST]).mean())
    assert found["mean_per_class"].value == pytest.approx(balanced_accuracy_score(LABELS[TEST], predicted))
    assert set(found) == {"top1", "mean_per_class"}
    record = found["top1"]
    assert record.n == 120
    assert record.low is not None
    assert record.low < record.value < record.high


def test_grades_in_order_are_measured_by_kappa() -> None:
    found = measure(LinearProbe(*splits(), c=0.316, metrics=("quadratic_kappa",)), Vectors(POINTS))
    x = POINTS.astype(np.float32).astype(np.float64)
    predicted = LogisticRegression(C=0.316, max_iter=1000).fit(x[TRAIN], LABELS[TRAIN]).predict(x[TEST])
    record = found["quadratic_kappa"]
    assert record.value == pytest.approx(cohen_kappa_score(LABELS[TEST], predicted, weights="quadratic"))
    assert (record.chance, set(found)) == (0.0, {"quadratic_kappa"})


def test_c_is_chosen_on_validation_and_both_are_learned_from() -> None:
    values = LABELS.tolist()
    train, test = Split(values[:100], NAMES, "train"), Split(values[TEST], NAMES, "test", 180)
    validation = Split(values[100:180], NAMES, "validation", 100)
    found = measure(LinearProbe(train, test, validation), Vectors(POINTS))
    x, c = POINTS.astype(np.float32).astype(np.float64), found["chosen_c"].value
    scores = {}
    for place in range(-48, 49):
        model = LogisticRegression(C=10 ** (place / 8), max_iter=1000).fit(x[:100], LABELS[:100])
        scores[10 ** (place / 8)] = model.score(x[100:180], LABELS[100:180])
    assert scores[c] >= np.median(list(scores.values()))
    refitted = LogisticRegression(C=c, max_iter=1000).fit(x[TRAIN], LABELS[TRAIN])
    assert found["top1"].value == pytest.approx(refitted.score(x[TEST], LABELS[TEST]))


def test_several_classes_have_precision_and_area() -> None:
    rng = np.random.default_rng(1)
    truth = (POINTS[:, :3] + rng.normal(size=(300, 3)) > 0.5).astype(int)
    found = measure(LinearProbe(*splits(truth), c=1.0), Vectors(POINTS))
    x = POINTS.astype(np.float32).astype(np.float64)
    said = np.stack([LogisticRegression(max_iter=1000).fit(x[TRAIN], truth[TRAIN, c]).decision_function(x[TEST]) for c in range(3)], axis=1)
    areas = [roc_auc_score(truth[TEST, c], said[:, c]) for c in range(3)]
    assert [found[f"{name}/auroc"].value for name in NAMES] == pytest.approx(areas)
    assert found["auroc"].value == pytest.approx(np.mean(areas))
    assert found["map"].value == pytest.approx(average_precision_score(truth[TEST], said))
    assert found["map"].chance == pytest.approx(truth[TEST].mean())
    assert measure(LinearProbe(*splits(truth)), Vectors(POINTS))["map"].value > 0.6


def test_features_are_looked_at_where_the_model_shows_them() -> None:
    blank = np.zeros_like(POINTS)
    before = measure(LinearProbe(*splits(), c=1.0), Featured(blank, POINTS))["top1"]
    behind = measure(LinearProbe(*splits(), c=1.0, look="embedding"), Featured(POINTS, blank))["top1"]
    assert before.value == behind.value > 0.5
    assert before.protocol != behind.protocol
    assert before.protocol == measure(LinearProbe(*splits(), c=1.0, look="features"), Featured(blank, POINTS))["top1"].protocol
    with pytest.raises(IncompatibleError, match="probe its embeddings"):
        run(LinearProbe(*splits(), look="features"), Vectors(POINTS))


def test_shares_of_the_labels_have_records_of_their_own() -> None:
    found = measure(LinearProbe(*splits(), fractions=(0.1, 0.3, 1.0), solver="torch"), Vectors(POINTS))
    assert {"10_percent/top1", "30_percent/mean_per_class", "top1", "10_percent/chosen_c"} <= set(found)
    assert found["10_percent/top1"].data != found["top1"].data
    assert found["10_percent/top1"].value < found["top1"].value


def test_too_few_labels_to_choose_on_are_said() -> None:
    results = run(LinearProbe(*splits(), fractions=(0.01, 1.0)), Vectors(POINTS))
    assert list(results.skipped) == ["linear_probe/test/1_percent"]
    assert measure(LinearProbe(*splits(), fractions=(0.01,), c=1.0), Vectors(POINTS))["1_percent/top1"].value > 0.3


ORACLE = np.eye(3)[LABELS]


def tasks(train: Split, test: Split) -> dict[str, Any]:
    """One of each kind."""
    return {
        "linear": LinearProbe(train, test),
        "torch": LinearProbe(train, test, solver="torch", c=0.1),
        "neighbours": KNN(train, test, k=(1, 7, 19), metrics=("top1", "mean_per_class")),
        "few": FewShot(train, test, (1, 4), (0, 1), ("zero", "zero_shot"), templates=["{}"]),
    }


@pytest.mark.parametrize("kind", ["linear", "torch", "neighbours", "few"])
@pytest.mark.parametrize("shares", [(1, 1, 1), (6, 2, 1)])
def test_an_oracle_is_right_and_a_collapsed_model_has_at_most_chance(kind: str, shares: tuple[int, ...]) -> None:
    labels = np.random.default_rng(5).permutation(np.repeat(np.arange(3), np.array(shares) * 300 // sum(shares) + 1)[:300])
    words = dict(zip(NAMES, np.eye(3), strict=True))
    records = measure(tasks(*splits(labels))[kind], Vectors(np.eye(3)[labels], words))
    for name, record in records.items():
        if record.chance is None:
            continue
        assert record.value == 1.0, name
        assert record.collapsed is not None
        assert record.collapsed <= record.chance + 1e-12, name
    blank = measure(tasks(*splits(labels))[kind], Vectors(np.ones((300, 4)), dict.fromkeys(NAMES, np.ones(4))))
    assert all(record.value <= record.chance + 1e-12 for record in blank.values() if record.chance is not None)


def test_chance_is_what_a_constant_answer_gets() -> None:
    assert top_by_chance(np.array([0, 0, 1]), np.array([0, 0, 0, 1]), 2) == 0.75
    assert top_by_chance(np.array([0, 1]), np.array([0, 0, 0, 1]), 2) == 0.5
    assert top_by_chance(np.array([1, 1, 0]), np.array([0, 0, 0, 1]), 2) == 0.5
    train = np.repeat(np.arange(7), [9, 8, 7, 6, 5, 5, 1])
    assert top_by_chance(train, np.array([0, 1, 4, 5]), 7, 5) == pytest.approx((2 + 2 * 0.5) / 4)
    assert top_by_chance(train, np.array([6]), 7, 5) == pytest.approx(5 / 7)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_neighbours_are_those_of_scikit_learn(k: int) -> None:
    found = run(KNN(*splits(), k=(k,), temperature=0.07), Vectors(POINTS), predictions=True)
    hits = {answers.name.split("/")[2]: answers.values for answers in found.answers}
    unit = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)
    for vote, weights in (("majority", "uniform"), ("weighted", lambda distances: np.exp((1 - distances) / 0.07))):
        model = KNeighborsClassifier(k, metric="cosine", weights=weights).fit(unit[TRAIN], LABELS[TRAIN])
        probabilities = model.predict_proba(unit[TEST])
        best = np.sort(probabilities, axis=1)
        alone = best[:, -1] > best[:, -2] + 1e-9  # where classes tie, scikit-learn takes the first
        right = (probabilities.argmax(axis=1) == LABELS[TEST]) & alone
        assert (hits[f"{vote}_k{k}"] == right).all()


def test_neighbours_at_the_same_distance_share_the_last_places() -> None:
    points = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [1, 0.0]])
    train, test = Split([0, 1, 1, 2], NAMES, "train"), Split([1], NAMES, "test", 4)
    for order in ([0, 1, 2, 3], [2, 1, 0, 3]):
        labels = [[0, 1, 1, 2][place] for place in order]
        train = Split(labels, NAMES, "train")
        found = measure(KNN(train, test, k=(1, 2)), Vectors(points))
        assert {record.value for record in found.values()} == {1.0}  # class 1 has two thirds of each place


def test_the_tiles_of_neighbours_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(KNN(*splits()), Vectors(np.round(POINTS)))
    monkeypatch.setattr("concord.benchmarks.probes.neighbours.TILE", 7 * 180)
    assert measure(KNN(*splits()), Vectors(np.round(POINTS))) == whole


def test_few_shots_are_means_over_draws() -> None:
    words = dict(zip(NAMES, np.random.default_rng(4).normal(size=(3, 6)), strict=True))
    results = run(FewShot(*splits(), (1, 4, 16), (0, 1, 2, 3), templates=["{}"], c=1.0), Vectors(POINTS, words), predictions=True)
    found = {record.name.split("/", 2)[2]: record for record in results.records}
    first = found["4_shots/top1"]
    each = [
        measure(FewShot(*splits(), (4,), (seed,), templates=["{}"], c=1.0), Vectors(POINTS, words))["4_shots/top1"].value
        for seed in range(4)
    ]
    assert first.value == pytest.approx(np.mean(each))
    assert found["4_shots/top1_sd"].value == pytest.approx(np.std(each, ddof=1))
    reach = 3.182446 * np.std(each, ddof=1) / 2  # Student's quantile for three degrees of freedom
    assert first.low is not None
    assert (first.low, first.high) == pytest.approx((first.value - reach, first.value + reach), abs=1e-5)
    zero_shot = (POINTS[TEST] @ np.stack([words[name] for name in NAMES]).T).argmax(axis=1) == LABELS[TEST]
    assert found["0_shots/top1"].value == pytest.approx(zero_shot.mean())
    assert found["16_shots/top1"].value > found["1_shots/top1"].value
    assert [answers.values.mean() for answers in results.answers if "/4_shots" in answers.name] == pytest.approx([first.value])
    curve = results.figures["few_shot/test/shots"]
    assert curve["x"] == [1, 4, 16]
    assert curve["series"]["linear probe"][1] == first.value


def test_few_shots_can_start_from_zero_shot() -> None:
    centres = clouds(300, spread=0.0)[0]
    words = {name: centres[place == LABELS][0] for place, name in enumerate(NAMES)}
    task = FewShot(*splits(), (1,), (0, 1), ("zero", "zero_shot"), c=1e-6, templates=["{}"])
    found = measure(task, Vectors(POINTS, words))
    assert found["1_shots_from_zero_shot/top1"].value == pytest.approx(found["0_shots/top1"].value, abs=0.1)  # biases are free
    assert found["1_shots_from_zero_shot/top1"].value > found["1_shots/top1"].value
    with pytest.raises(IncompatibleError, match="leave zero_shot out"):
        run(task, Oracle([["x"]] * 300))


def test_draws_depend_on_their_seed_alone() -> None:
    words = dict(zip(NAMES, np.eye(3, 6), strict=True))
    alone = measure(FewShot(*splits(), (2,), (1,), templates=["{}"]), Vectors(POINTS, words))
    other = measure(FewShot(*splits(), (1, 2), (1,), templates=["{}"]), Vectors(POINTS, words))
    assert alone["2_shots/top1"] == other["2_shots/top1"]
    third = measure(FewShot(*splits(), (2,), (2,), templates=["{}"]), Vectors(POINTS, words))
    assert third["2_shots/top1"].data != alone["2_shots/top1"].data


def test_shares_are_nested_stratified_and_keep_units_together() -> None:
    strata, units = np.repeat([0, 1, 2], [100, 40, 5]), np.repeat(np.arange(29), 5)
    parts = [fraction(strata, units, share, np.random.default_rng(0)) for share in (0.01, 0.1, 0.5, 1.0)]
    assert [np.bincount(strata[rows]).tolist() for rows in parts] == [[5, 5, 5], [10, 5, 5], [50, 20, 5], [100, 40, 5]]
    assert all(set(small) <= set(large) for small, large in itertools.pairwise(parts))
    assert len(fraction(np.zeros(30, int), np.arange(30), 0.1, np.random.default_rng(0))) == 3
    rows, chosen = held_out(strata, units, 0.2, np.random.default_rng(0))
    assert set(units[rows]).isdisjoint(units[chosen])
    assert np.bincount(strata[chosen], minlength=3).tolist() == [20, 10, 0]
    assert sorted([*rows, *chosen]) == list(range(145))


def test_a_share_is_one_of_patients_and_not_of_pictures() -> None:
    labels, patients = np.repeat([0, 1], 60), np.repeat(np.arange(40), 3)
    for seed in range(5):
        rows = [fraction(labels, patients, share, np.random.default_rng(seed)) for share in (0.01, 0.1, 1.0)]
        assert [len(set(patients[own].tolist())) for own in rows] == [2, 4, 40], "at least one patient of each class"
        assert all(np.bincount(patients[own])[np.unique(patients[own])].tolist() == [3] * len(set(patients[own].tolist())) for own in rows)
        assert set(rows[0]) < set(rows[1]) < set(rows[2])


@pytest.mark.parametrize("kind", [LinearProbe, KNN, FewShot])
def test_patients_of_the_test_set_are_not_learned_from(kind: Any) -> None:
    words = dict(zip(NAMES, np.eye(3, 6), strict=True))
    options = {"templates": ["{}"], "shots": (1,)} if kind is FewShot else {"k": (1,)} if kind is KNN else {"c": 1.0}
    values = LABELS.tolist()
    apart = Split(values[:180], NAMES, "train", 0, 3), Split(values[180:], NAMES, "test", 180, 3)
    shared = Split(values[:180], NAMES, "train", 0, 3), Split(values[178:], NAMES, "test", 178, 3)
    assert measure(kind(*apart, unit="patient", **options), Vectors(POINTS, words))
    with pytest.raises(DataError, match=r"train and the test set test share 1 units \(patient\); split by unit"):
        run(kind(*shared, unit="patient", **options), Vectors(POINTS, words))
    assert measure(kind(*shared, **options), Vectors(POINTS, words)), "without a unit every picture stands for itself"
    for part, cohort in zip(shared, ("one", "another"), strict=True):
        part.cohort = cohort  # type: ignore[attr-defined]
    assert measure(kind(*shared, unit="patient", **options), Vectors(POINTS, words)), "the same names in other cohorts are other patients"


def test_patients_of_the_test_set_choose_no_settings() -> None:
    values = LABELS.tolist()
    train, test = Split(values[:90], NAMES, "train", 0, 3), Split(values[180:], NAMES, "test", 180, 3)
    known = Split(values[178:182], NAMES, "validation", 178, 3)
    with pytest.raises(DataError, match="validation and the test set test share 1 units"):
        run(LinearProbe(train, test, known, unit="patient"), Vectors(POINTS))


def test_shots_take_what_there_is() -> None:
    labels = np.repeat([0, 1, 2, 3, 4], [10, 5, 4, 1, 20])
    rows, spare = shots(labels, 4, 2, np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [4, 4, 3, 1, 4]
    assert np.bincount(labels[spare]).tolist() == [2, 1, 1, 0, 2]
    assert set(rows).isdisjoint(spare)
    rows, spare = shots(labels, 16, 4, np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [8, 4, 3, 1, 16]
    rows, spare = shots(labels, 16, 0, np.random.default_rng(0))
    assert (np.bincount(labels[rows]).tolist(), len(spare)) == ([10, 5, 4, 1, 16], 0)


def test_examples_of_several_classes_are_drawn_by_the_rarest() -> None:
    assert strata_of(np.array([[1, 1.0], [1, 0], [0, 0], [np.nan, 0]])).tolist() == [1, 0, 2, 2]


def test_wrong_settings_are_told() -> None:
    train, test = splits()
    for settings, message in (
        ({"c": 0.0}, "c must be greater than 0"),
        ({"fractions": ()}, "fractions must be"),
        ({"fractions": (0.1, 2.0)}, "fractions must be"),
    ):
        with pytest.raises(ValueError, match=message):
            LinearProbe(train, test, **settings)
    with pytest.raises(ConfigError, match="train must be other data"):
        LinearProbe(test, test)
    with pytest.raises(ConfigError, match="validation must be other data"):
        LinearProbe(train, test, test)
    with pytest.raises(ConfigError, match="exclude each other"):
        LinearProbe(train, test, Split([0], NAMES, "validation"), c=1.0)
    with pytest.raises(ConfigError, match="must have the classes"):
        KNN(Split([0, 1], NAMES[::-1], "train"), test)
    with pytest.raises(ValueError, match="k must be"):
        KNN(train, test, k=(0,))
    with pytest.raises(ValueError, match="temperature"):
        KNN(train, test, temperature=0.0)
    with pytest.raises(ValueError, match="shots must be"):
        FewShot(train, test, shots=(0,))
    with pytest.raises(ValueError, match="seeds must be"):
        FewShot(train, test, seeds=(1, 1))
    assert set(measure(KNN(train, test, k=(180, 181)), Vectors(POINTS))) == {"weighted_k180/top1", "majority_k180/top1"}
    with pytest.raises(DataError, match="k must be at most"):
        run(KNN(train, test, k=(181,)), Vectors(POINTS))
    several = [[1, 0, 0]] * 4
    with pytest.raises(ConfigError, match="take LinearProbe instead of KNN"):
        run(KNN(Split(several, NAMES, "train"), Split(several, NAMES, "test", 4)), Vectors(POINTS))
    with pytest.raises(ConfigError, match="both have one class"):
        run(LinearProbe(Split(several, NAMES, "train"), test), Vectors(POINTS))
    few = FewShot(Split([0, 1, 2], NAMES, "train"), test, shots=(1,), templates=["{}"])
    with pytest.raises(DataError, match="give c"):
        run(few, Vectors(POINTS, dict.fromkeys(NAMES, np.ones(6))))
    with pytest.raises(DataError, match="not finite"):
        run(LinearProbe(train, test), Vectors(np.full((300, 2), np.nan)))


def all_records() -> list[Any]:
    torch.set_num_threads(1)
    words = dict(zip(NAMES, np.eye(3, 6), strict=True))
    bench = Bench({name: task for name, task in tasks(*splits()).items() if name != "torch"}, bootstrap=100, gallery=0)
    return bench.run(Vectors(POINTS, words), ranks=Ranks.current()).records


def test_any_number_of_processes_finds_the_same(tmp_path: Path) -> None:
    alone = all_records()
    for world in (2, 3):
        assert all(found == alone for found in run_on_ranks(all_records, world, tmp_path))
