"""Multi-label classification: rankings of each class, prompt pairs, thresholds from other images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score, matthews_corrcoef, roc_auc_score, roc_curve

from concord.benchmarks import Bench, Record, Results, ZeroShotMultiLabel
from concord.errors import ConfigError, DataError
from tests.benchmarks.benchmark_fakes import Collapsed, FakeReader, FakeScorer, Guessing, Oracle, Table

NAMES = ["mass", "edema", "cardiomegaly"]
RNG = np.random.default_rng(2)
LABELS: list[list[int | None]] = (RNG.random((120, 3)) < (0.2, 0.5, 0.7)).astype(int).tolist()
TRUTH = np.array(LABELS)
SCORES = RNG.normal(size=(120, 3)) + TRUTH


class Phrases(Table):
    """One score for a finding and another for its denial; the pictures of several readers are told apart by their number."""

    def __init__(self, scores: np.ndarray, denied: np.ndarray | None = None) -> None:
        texts = NAMES if denied is None else [*NAMES, *(f"no {name}" for name in NAMES)]
        super().__init__(scores if denied is None else np.hstack([scores, denied]), texts)


def reader(labels: list, name: str = "fake", patients: bool = False) -> FakeReader:
    metadata = [{"labels": row, "patient_id": i // 6 if patients else i} for i, row in enumerate(labels)]
    return FakeReader([["x"]] * len(labels), metadata, NAMES, name)


def run(scorer: FakeScorer, labels: list = LABELS, gallery: int = 0, **settings: object) -> Results:
    task = ZeroShotMultiLabel(reader(labels), **{"templates": ["{}"], **settings})  # type: ignore[arg-type]
    return Bench({"multi_label": task}, gallery=gallery, bootstrap=200).run(scorer)


def by_name(results: Results) -> dict[str, Record]:
    return {record.name.removeprefix("multi_label/fake/"): record for record in results.records}


def test_numbers_are_those_of_scikit_learn() -> None:
    found = by_name(run(Phrases(SCORES)))
    precision = [average_precision_score(TRUTH[:, c], SCORES[:, c]) for c in range(3)]
    areas = [roc_auc_score(TRUTH[:, c], SCORES[:, c]) for c in range(3)]
    assert [found[f"{name}/ap"].value for name in NAMES] == pytest.approx(precision)
    assert [found[f"{name}/auroc"].value for name in NAMES] == pytest.approx(areas)
    assert found["map"].value == pytest.approx(np.mean(precision))
    assert found["auroc"].value == pytest.approx(np.mean(areas))
    assert [found[f"{name}/ap"].chance for name in NAMES] == pytest.approx(TRUTH.mean(axis=0))
    assert found["map"].chance == pytest.approx(TRUTH.mean())
    assert found["auroc"].chance == 0.5
    for record in found.values():
        assert record.low is not None
        assert record.high is not None
        assert record.low < record.value < record.high
        assert (record.n, record.half, record.ties) == (120, record.value, 0)


def test_unknown_labels_do_not_count() -> None:
    labels = [list(row) for row in LABELS]
    for i in range(0, 120, 3):
        labels[i][0] = None
    found = by_name(run(Phrases(SCORES), labels))
    known = [i for i in range(120) if i % 3]
    assert found["mass/auroc"].value == pytest.approx(roc_auc_score(TRUTH[known, 0], SCORES[known, 0]))
    assert (found["mass/auroc"].n, found["edema/auroc"].n, found["auroc"].n) == (80, 120, 120)


def test_classes_without_both_kinds_are_left_out() -> None:
    labels = [[1, row[1], 0] for row in LABELS]
    found = by_name(run(Phrases(SCORES), labels))
    assert {name for name in found if name.endswith("/auroc")} == {"edema/auroc"}
    assert {name for name in found if name.endswith("/ap")} == {"mass/ap", "edema/ap"}
    assert found["mass/ap"].value == found["mass/ap"].chance == 1
    none = run(Phrases(SCORES), [[0, 0, 0]] * 120)
    assert none.records == []
    assert set(none.skipped) == {"multi_label/fake/map", "multi_label/fake/auroc"}


def test_a_pair_of_prompts_is_a_softmax_over_the_two() -> None:
    denied = RNG.normal(size=(120, 3))
    found = by_name(run(Phrases(SCORES, denied), negative_templates=["no {}"]))
    pair = np.exp(SCORES) / (np.exp(SCORES) + np.exp(denied))
    for c, name in enumerate(NAMES):
        assert found[f"{name}/auroc"].value == pytest.approx(roc_auc_score(TRUTH[:, c], pair[:, c]))
    sentences = {name: [f"no {name}"] for name in NAMES}
    written = by_name(run(Phrases(SCORES, denied), negative_descriptions=sentences))
    assert [record.value for record in written.values()] == [record.value for record in found.values()]


def test_eleven_points_have_a_name_of_their_own() -> None:
    labels, scores = [[1], [0], [1], [0]], np.array([[0.9], [0.8], [0.7], [0.6]])
    metadata = [{"labels": row} for row in labels]
    task = ZeroShotMultiLabel(FakeReader([["x"]] * 4, metadata, ["mass"]), ["{}"], metrics=("map", "map_11point", "auroc"))
    found = by_name(Bench({"multi_label": task}, gallery=0).run(Table(scores, ["mass"])))
    assert found["map"].value == pytest.approx(0.8333, abs=5e-5)
    assert found["map_11point"].value == pytest.approx(0.8485, abs=5e-5)
    assert found["auroc"].value == 0.75


def halves(**settings: object) -> dict[str, Record]:
    """Thresholds from 60 images, numbers from 60 others; scores go by the words of the picture's own reader."""
    denied = np.zeros((60, 3))
    task = ZeroShotMultiLabel(reader(LABELS[:60]), ["{}"], metrics=(), validation=reader(LABELS[60:], "other"), **settings)  # type: ignore[arg-type]
    scorer = Phrases(SCORES[:60], denied)
    return by_name(Bench({"multi_label": task}, gallery=0, bootstrap=200).run(scorer))


def test_thresholds_come_from_other_images() -> None:
    found = halves()
    truth, scores, chosen_on = TRUTH[:60], SCORES[:60], TRUTH[60:]  # the fake looks both up by the number of the picture
    for c, name in enumerate(NAMES):
        cuts = [-np.inf, *np.sort(scores[:, c])[:-1]]
        for metric, oracle in (("f1", f1_score), ("mcc", matthews_corrcoef)):
            best = max(oracle(chosen_on[:, c], scores[:, c] > cut) for cut in cuts)
            at_best = [oracle(truth[:, c], scores[:, c] > cut) for cut in cuts if oracle(chosen_on[:, c], scores[:, c] > cut) == best]
            assert any(found[f"{name}/{metric}"].value == pytest.approx(value) for value in at_best)
        below, above, cut = roc_curve(chosen_on[:, c], scores[:, c], drop_intermediate=False)
        said = scores[:, c] >= cut[np.argmax(above - below)]
        expected = balanced_accuracy_score(truth[:, c], said)
        assert found[f"{name}/balanced_accuracy"].value == pytest.approx(expected)
    share = truth.mean(axis=0)
    assert found["f1"].chance == pytest.approx(np.mean(2 * share / (1 + share)))
    assert (found["mcc"].chance, found["balanced_accuracy"].chance) == (0, 0.5)
    for record in found.values():
        assert record.low is not None
        assert record.high is not None
        assert record.low <= record.value <= record.high


@pytest.mark.parametrize("pairs", [None, ["no {}"]])
def test_an_oracle_gets_everything_and_a_collapsed_model_chance(pairs: list[str] | None) -> None:
    settings = {
        "metrics": ("map", "map_11point", "auroc"), "negative_templates": pairs, "validation": reader(LABELS, "other"),
    }  # fmt: skip
    knowing = Oracle([[name for name, label in zip(NAMES, row, strict=True) if label] for row in LABELS], -1, -2)
    right = by_name(run(knowing, **settings))
    assert {record.value for record in right.values()} == {1.0}
    for record in (*right.values(), *by_name(run(Collapsed(), **settings)).values()):
        assert record.collapsed is not None
        assert record.chance is not None
        assert record.collapsed == pytest.approx(record.chance)
        assert record.collapsed <= record.chance
    for record in by_name(run(Collapsed(), **settings)).values():
        assert record.value == pytest.approx(record.chance)
        if record.name in ("multi_label/fake/map", "multi_label/fake/auroc"):
            assert record.ties == TRUTH.sum()


def test_a_guess_is_near_chance() -> None:
    for record in by_name(run(Guessing())).values():
        assert record.low is not None
        assert record.high is not None
        assert record.low - 0.05 < (record.chance or 0) < record.high + 0.05


def test_intervals_draw_patients_where_they_are_the_unit() -> None:
    labels = [LABELS[i // 6] for i in range(120)]
    scores = SCORES[[i // 6 for i in range(120)]]

    def width(unit: str | None) -> float:
        task = ZeroShotMultiLabel(reader(labels, patients=True), ["{}"], metrics=("auroc",), unit=unit)
        record = Bench({"multi_label": task}, gallery=0).run(Phrases(scores)).records[0]
        assert record.high is not None
        assert record.low is not None
        return record.high - record.low

    assert width("patient_id") > 1.8 * width(None)


@pytest.mark.parametrize("labels", [[1, 0], [1, 0, 2], [1, 0, "1"], None, 1, "110"])
def test_labels_are_checked(labels: object) -> None:
    with pytest.raises(DataError, match="fake, example 1: labels must be a list of 3 values 0, 1 or None"):
        run(Guessing(), [[0, 1, 0], labels])


def test_validation_must_be_other_images() -> None:
    with pytest.raises(ConfigError, match="validation must be another data set than the test set fake"):
        run(Guessing(), validation=reader(LABELS))


def test_the_gallery_shows_findings_half_of_them_missed() -> None:
    shown = run(Phrases(SCORES), gallery=10).gallery
    assert len(shown) == 10
    assert sum(item.top[0].correct for item in shown) == 5
    for item in shown:
        assert set(item.truth) == {candidate.label for candidate in item.top if candidate.correct}


def test_scores_that_are_not_numbers_give_none() -> None:
    found = by_name(run(Phrases(np.full((120, 3), np.nan))))
    assert np.isnan(found["map"].value)
    assert found["map"].low is None
