"""Zero-shot accuracy: known answers, ties, and prompts that are embedded anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from benchmark_fakes import Collapsed, FakeReader, FakeScorer, Guessing, Oracle, Table
from sklearn.metrics import balanced_accuracy_score

from concord.benchmarks import Bench, Record, ZeroShotClassification
from concord.benchmarks.prompts import TEMPLATE_SETS, prompts_of, templates_of
from concord.errors import ConfigError, DataError

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


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ("shape", "there is no set shape; did you mean shapes"),
        ([], "at least one template"),
        (["a photo of a {c}"], "lacks the placeholder {}"),
    ],
)
def test_templates_are_checked(templates: str | list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        templates_of(templates)


@pytest.mark.parametrize("name", TEMPLATE_SETS)
def test_template_sets_fill_the_name_in(name: str) -> None:
    texts = prompts_of(["orange ring"], templates_of(name))[0]
    assert len(set(texts)) == len(texts)
    assert all("orange ring" in text and "{" not in text for text in texts)


def test_scores_of_a_model_that_diverged_are_no_hits() -> None:
    assert measure(Table(np.full((200, 8), torch.nan), NAMES), LABELS)["top5"].value == 0.0
