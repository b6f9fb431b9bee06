"""Zero-shot accuracy: known answers, ties, and prompts that are embedded anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, log_loss, matthews_corrcoef, roc_auc_score

from concord.benchmarks import Bench, Record, ZeroShotClassification
from concord.benchmarks.classification.prompts import prompts_of
from concord.errors import ConfigError, DataError
from concord.vocabularies import imagenet_labels
from tests.benchmarks.benchmark_fakes import Collapsed, FakeReader, FakeScorer, Guessing, Oracle, Table

NAMES = [f"class {c}" for c in range(8)]


def reader(labels: list[int], patients: list[int] | None = None, names: list[str] | None = NAMES) -> FakeReader:
    metadata = [{"label": label} | ({} if patients is None else {"patient_id": patients[i]}) for i, label in enumerate(labels)]
    return FakeReader([["x"]] * len(labels), metadata, names)


def measure(scorer: FakeScorer, labels: list[int], **settings: object) -> dict[str, Record]:
    task = ZeroShotClassification(reader(labels), **{"templates": ["{}"], **settings})  # type: ignore[arg-type]
    results = Bench({"zero_shot": task}, gallery=0).run(scorer)
    return {record.metric: record for record in results.records}


LABELS = [i % 8 if i % 3 else 0 for i in range(200)]


def test_known_models() -> None:
    right = measure(Oracle([[NAMES[label]] for label in LABELS], -1, -2), LABELS)
    assert [record.value for record in right.values()] == [1.0, 1.0, 1.0]
    nothing = measure(Collapsed(), LABELS)
    assert [record.value for record in nothing.values()] == [0.0, 0.0, 0.0]
    assert [record.chance for record in nothing.values()] == [1 / 8, 5 / 8, 1 / 8]
    for record in measure(Guessing(), LABELS).values():
        assert record.low is not None
        assert record.high is not None
        assert record.chance is not None
        assert record.low <= record.chance <= record.high


def test_accuracies_are_those_of_a_loop_and_of_scikit_learn() -> None:
    scores = np.random.default_rng(3).normal(size=(200, 8))
    records = measure(Table(scores, NAMES), LABELS)
    predicted = scores.argmax(axis=1)
    assert records["top1"].value == np.mean(predicted == LABELS)
    assert records["top5"].value == np.mean([label in np.argsort(-row)[:5] for row, label in zip(scores, LABELS, strict=True)])
    assert records["mean_per_class"].value == pytest.approx(balanced_accuracy_score(LABELS, predicted))
    assert records["top1"].n == 200


def test_top5_is_left_out_where_it_would_always_be_right() -> None:
    names = NAMES[:5]
    records = measure(Guessing(), [0, 1, 2, 3, 4], class_names=names)
    assert set(records) == {"top1", "mean_per_class"}


def test_several_templates_are_brought_together_by_the_scorer() -> None:
    texts = ["a one", "an image of a one", "a two", "an image of a two"]
    scorer = Table(np.array([[0.9, 0.0, 0.5, 0.6]]), texts)
    task = ZeroShotClassification(reader([1], names=["one", "two"]), ["{a} {}", "an image of {a} {}"])
    scorer.column["an one"], scorer.column["an image of an one"] = 0, 1
    results = Bench({"zero_shot": task}).run(scorer)
    assert results.values()["zero_shot/fake/top1"] == 1.0  # 0.55 against 0.45 on average


def test_the_article_follows_the_name() -> None:
    assert prompts_of(["orange ring", "red ring"], ["{a} {}", "a small {}"]) == [
        ["an orange ring", "a small orange ring"],
        ["a red ring", "a small red ring"],
    ]


class Moving(Oracle):
    """Knows the classes only after its text tower has been trained."""

    trained = False

    def value(self, image: int, text: str) -> float:
        return super().value(image, text) if self.trained else 0.0


def test_class_texts_follow_the_text_tower() -> None:
    scorer = Moving([[NAMES[label]] for label in LABELS])
    bench = Bench({"zero_shot": ZeroShotClassification(reader(LABELS), ["{}"])})
    assert bench.run(scorer).values()["zero_shot/fake/top1"] == 0.0
    scorer.trained = True
    assert bench.run(scorer).values()["zero_shot/fake/top1"] == 1.0
    assert scorer.texts == 2 * len(NAMES)


def test_intervals_draw_patients_where_they_are_the_unit() -> None:
    labels, patients = [0] * 300, [i // 10 for i in range(300)]
    scorer = Oracle([[NAMES[0]] if patient % 2 else [NAMES[1]] for patient in patients])

    def width(unit: str | None) -> float:
        task = ZeroShotClassification(reader(labels, patients), ["{}"], unit=unit)
        record = Bench({"zero_shot": task}, gallery=0).run(scorer).records[0]
        assert record.high is not None
        assert record.low is not None
        return record.high - record.low

    assert width("patient_id") / width(None) == pytest.approx(np.sqrt(10), rel=0.15)
    with pytest.raises(DataError, match="lacks unit hospital"):
        width("hospital")


@pytest.mark.parametrize("label", [8, -1, None, "red", 1.0])
def test_a_label_outside_the_classes_is_an_error_of_the_data(label: object) -> None:
    broken = FakeReader([["x"]] * 2, [{"label": 0}, {"label": label}], NAMES)
    with pytest.raises(DataError, match=r"example 1: label must be an integer in \[0, 7\]"):
        Bench({"zero_shot": ZeroShotClassification(broken)}).run(Guessing())


def test_classes_must_be_known() -> None:
    with pytest.raises(ConfigError, match="class_names must be given"):
        ZeroShotClassification(reader([0], names=None))
    with pytest.raises(ValueError, match="at least 2 classes"):
        ZeroShotClassification(reader([0]), class_names=["one"])


def test_scores_of_a_model_that_diverged_are_no_hits() -> None:
    assert measure(Table(np.full((200, 8), torch.nan), NAMES), LABELS)["top5"].value == 0.0


class Probable(Table):
    """Has a scale, as a model has."""

    pairwise = True

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        return 4 * scores - 1


NORMAL = np.random.default_rng(7).normal(size=(200, 8)) + 1.5 * np.eye(8)[LABELS]


def test_macro_f1_and_matthews_are_those_of_scikit_learn() -> None:
    records = measure(Table(NORMAL, NAMES), LABELS, metrics=("macro_f1", "mcc"))
    predicted = NORMAL.argmax(axis=1)
    assert records["macro_f1"].value == pytest.approx(f1_score(LABELS, predicted, average="macro"))
    assert records["mcc"].value == pytest.approx(matthews_corrcoef(LABELS, predicted))
    for record in records.values():
        assert record.low is not None
        assert record.high is not None
        assert record.low < record.value < record.high
        assert record.half == pytest.approx(record.value)
        assert record.ties == 0


def test_auroc_of_two_classes_is_that_of_scikit_learn() -> None:
    scores = np.random.default_rng(0).integers(-2, 3, size=(200, 2)).astype(float)
    labels = [i % 2 for i in range(200)]
    record = measure(Table(scores, NAMES), labels, class_names=NAMES[:2], metrics=("auroc",))["auroc"]
    assert record.value == pytest.approx(roc_auc_score(labels, scores[:, 1] - scores[:, 0]))
    assert (record.half, record.chance) == (record.value, 0.5)
    assert record.ties is not None
    assert record.ties > 0
    with pytest.raises(ConfigError, match="auroc needs exactly 2 classes, fake has 8"):
        measure(Table(scores, NAMES), labels, metrics=("auroc",))


@pytest.mark.parametrize("classes", [2, 8])
def test_an_oracle_gets_everything_and_a_collapsed_model_no_more_than_chance(classes: int) -> None:
    labels = [label % classes for label in LABELS]
    metrics = ("top1", "top5", "mean_per_class", "macro_f1", "mcc", *(("auroc",) if classes == 2 else ()))
    settings = {"class_names": NAMES[:classes], "metrics": metrics}
    right = measure(Oracle([[NAMES[label]] for label in labels], -1, -2), labels, **settings)
    assert {record.value for record in right.values()} == {1.0}
    for scorer in (Collapsed(), Table(np.zeros((200, classes)), NAMES[:classes])):
        for record in measure(scorer, labels, **settings).values():
            assert record.chance is not None
            assert record.value <= record.chance
            assert record.half is not None
            assert record.half == pytest.approx(record.chance, abs=0.03)
    for record in right.values():
        assert record.collapsed is not None
        assert record.chance is not None
        assert record.collapsed <= record.chance


def test_ties_are_counted_and_halved() -> None:
    scores = np.zeros((200, 8))
    scores[:, 0] = 1
    scores[:50, 1] = 1
    records = measure(Table(scores, NAMES), [0] * 100 + [7] * 100, metrics=("top1", "top5"))
    assert (records["top1"].value, records["top1"].half, records["top1"].ties) == (0.25, (50 + 25) / 200, 150)
    assert records["top5"].value == 0.5
    assert records["top5"].half == pytest.approx((100 + 100 * 4 / 7) / 200)  # class 7 comes after class 0, the others by lot


def test_answers_average_to_the_values() -> None:
    task = ZeroShotClassification(reader(LABELS), ["{}"])
    results = Bench({"zero_shot": task}, gallery=0, predictions=True).run(Table(NORMAL, NAMES))
    assert [answers.name for answers in results.answers] == [record.name for record in results.records]
    for record, answers in zip(results.records, results.answers, strict=True):
        assert answers.values.mean() == pytest.approx(record.value)


def test_calibration_records_and_pictures() -> None:
    task = ZeroShotClassification(reader(LABELS), ["{}"], metrics=("calibration",))
    results = Bench({"zero_shot": task}, gallery=0).run(Probable(NORMAL, NAMES))
    found = {record.metric: record for record in results.records}
    assert set(found) == {"ece", "adaptive_ece", "nll", "brier", "temperature", "ece_tempered", "pairwise_ece"}
    logits = 4 * NORMAL - 1
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert found["nll"].value == pytest.approx(log_loss(LABELS, probabilities))
    assert found["nll"].low is not None
    assert found["nll"].low < found["nll"].value
    assert (found["temperature"].n, found["ece_tempered"].n) == (100, 100)
    assert found["temperature"].value > 1
    assert found["ece_tempered"].value < found["ece"].value
    assert all(record.chance is None for record in found.values())
    pictures = results.figures
    assert {name.rsplit("/", 1)[1] for name in pictures} == {"confusion", "reliability", "reliability_tempered", "reliability_pairs"}
    assert sum(pictures["zero_shot/fake/reliability"]["counts"]) == 200
    assert sum(pictures["zero_shot/fake/reliability_tempered"]["counts"]) == 100
    assert sum(pictures["zero_shot/fake/reliability_pairs"]["counts"]) == 1600


def test_a_model_without_probabilities_is_measured_without_them() -> None:
    task = ZeroShotClassification(reader(LABELS), ["{}"], metrics=("top1", "calibration"))
    results = Bench({"zero_shot": task}, gallery=0).run(Table(NORMAL, NAMES))
    assert [record.metric for record in results.records] == ["top1"]
    assert "does not say" in results.skipped["zero_shot/fake/calibration"]


def test_temperatures_are_fitted_and_judged_on_different_patients() -> None:
    patients = [i // 4 for i in range(200)]
    task = ZeroShotClassification(reader(LABELS, patients), ["{}"], metrics=("calibration",), unit="patient_id")
    records = Bench({"zero_shot": task}, gallery=0).run(Probable(NORMAL, NAMES)).records
    found = {record.metric: record for record in records}
    assert (found["temperature"].units, found["ece_tempered"].units) == (25, 25)
    assert (found["temperature"].n, found["ece_tempered"].n) == (100, 100)


def grouped(groups: list[str | None], **settings: object) -> tuple[dict[str, Record], dict[str, str]]:
    metadata = [{"label": label, "region": group} for label, group in zip(LABELS, groups, strict=True)]
    task = ZeroShotClassification(FakeReader([["x"]] * 200, metadata, NAMES), ["{}"], metrics=(), group="region", **settings)  # type: ignore[arg-type]
    results = Bench({"zero_shot": task}, gallery=0).run(Table(NORMAL, NAMES))
    return {record.name: record for record in results.records}, results.skipped


def test_the_worst_group_and_the_gap() -> None:
    groups = ["north" if i < 120 else "south" if i < 190 else "isle" for i in range(195)] + [None] * 5
    found, _ = grouped(groups)
    hits = NORMAL.argmax(axis=1) == LABELS
    north, south = hits[:120].mean(), hits[120:190].mean()
    assert found["zero_shot/fake/north/top1"].value == north
    assert (found["zero_shot/fake/isle/top1"].n, found["zero_shot/fake/isle/top1"].value) == (5, hits[190:195].mean())
    worst, gap = found["zero_shot/fake/worst_group"], found["zero_shot/fake/group_gap"]
    assert worst.value == min(north, south)
    assert gap.value == pytest.approx(abs(north - south))
    assert (worst.n, worst.chance, gap.chance) == (190, 1 / 8, None)
    for record in found.values():
        assert record.low is not None
        assert record.high is not None
        assert record.low <= record.value <= record.high
    smaller, _ = grouped(groups, min_group=5)
    assert smaller["zero_shot/fake/worst_group"].value == min(north, south, hits[190:195].mean())
    five, _ = grouped(groups, group_metric="top5")
    assert five["zero_shot/fake/worst_group"].chance == 5 / 8


def test_a_group_that_is_the_unit_is_resampled_within() -> None:
    groups = ["slide 1"] * 100 + ["slide 2"] * 100
    alone, _ = grouped(groups)
    as_unit, _ = grouped(groups, unit="region")
    for name, record in alone.items():
        assert (as_unit[name].value, as_unit[name].low, as_unit[name].high) == (record.value, record.low, record.high)


def test_groups_that_cannot_be_compared_are_said() -> None:
    found, skipped = grouped(["a", "b"] * 100, min_group=101)
    assert "zero_shot/fake/worst_group" not in found
    assert "no group has 101 examples; set min_group to at most 100" in skipped["zero_shot/fake/worst_group"]
    with pytest.raises(ConfigError, match="no example of fake has region"):
        grouped([None] * 200)
    with pytest.raises(ValueError, match="min_group must be at least 1"):
        grouped(["a", "b"] * 100, min_group=0)


class Phrased(Table):
    """Knows the classes in one phrase and not in another."""

    def value(self, image: int, text: str) -> float:
        known = text.startswith("a photo of ")
        return super().value(image, text.removeprefix("a photo of ").removeprefix("art of ")) if known else 0.5


def test_single_templates_are_tried() -> None:
    task = ZeroShotClassification(reader(LABELS), ["a photo of {}", "art of {}"], metrics=("top1",), per_template=True)
    found = {record.metric: record for record in Bench({"zero_shot": task}, gallery=0).run(Phrased(NORMAL, NAMES)).records}
    best = (NORMAL.argmax(axis=1) == LABELS).mean()
    assert found["template_max"].value == found["top1"].value == best
    assert found["template_min"].value == 0
    assert found["template_min"].half == pytest.approx(1 / 8)
    assert found["template_median"].value == best / 2
    with pytest.raises(ConfigError, match="per_template needs at least 2"):
        ZeroShotClassification(reader(LABELS), ["{}"], per_template=True)


def test_descriptions_stand_for_classes() -> None:
    sentences = {name: [f"it is {name}", f"one sees {name}"] for name in NAMES}
    scorer = Oracle([[f"it is {NAMES[label]}", f"one sees {NAMES[label]}"] for label in LABELS])
    task = ZeroShotClassification(reader(LABELS), descriptions=sentences)
    assert Bench({"zero_shot": task}, gallery=0).run(scorer).values()["zero_shot/fake/top1"] == 1.0
    assert scorer.texts == 16


def test_a_subset_of_imagenet_is_asked_among_its_own_classes() -> None:
    classes = imagenet_labels("imagenet_r")
    names = [f"class {c}" for c in range(1000)]
    scores = np.zeros((40, 1000))
    labels = [classes[i] for i in range(30)] + [0] * 10
    scores[np.arange(40), labels] = 1
    scores[:20, 0] = 2  # tench is not in ImageNet-R: it misleads among all classes only
    task = ZeroShotClassification(reader(labels, names=names), ["{}"], metrics=("top1",), subsets=("imagenet_r",))
    results = Bench({"zero_shot": task}, gallery=0).run(Table(scores, names))
    assert results.values() == {"zero_shot/fake/top1": 0.5, "zero_shot/fake/imagenet_r/top1": 1.0}
    assert [(record.n, record.chance) for record in results.records] == [(40, 1 / 1000), (30, 1 / 200)]
    with pytest.raises(ConfigError, match="subsets are of the 1000 classes"):
        ZeroShotClassification(reader(LABELS), ["{}"], subsets=("imagenet_r",))


def test_half_of_the_shown_examples_are_wrong_where_there_are_enough() -> None:
    wrong = set(range(0, 200, 20))
    scorer = Oracle([[NAMES[(label + (i in wrong)) % 8]] for i, label in enumerate(LABELS)])
    shown = Bench({"zero_shot": ZeroShotClassification(reader(LABELS), ["{}"])}, gallery=8).run(scorer).gallery
    assert sum(item.top[0].correct for item in shown) == 4
    assert len(shown) == 8


def test_the_protocol_follows_what_the_numbers_depend_on() -> None:
    def protocol(**settings: object) -> str:
        return measure(Table(NORMAL, NAMES), LABELS, **settings)["top1"].protocol

    assert protocol() == protocol(metrics=("top1",))
    assert len({protocol(), protocol(limit=100), protocol(templates=["{}", "{}"]), protocol(class_names=NAMES[::-1])}) == 4


def test_the_confusion_is_drawn() -> None:
    task = ZeroShotClassification(reader(LABELS), ["{}"])
    drawn = Bench({"zero_shot": task}, gallery=0).run(Table(NORMAL, NAMES)).figures["zero_shot/fake/confusion"]
    np.testing.assert_array_equal(drawn["counts"], confusion_matrix(LABELS, NORMAL.argmax(axis=1)))
    assert drawn["labels"] == NAMES
