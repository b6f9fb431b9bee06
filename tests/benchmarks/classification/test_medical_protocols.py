"""What numbers on medical data sets must keep to, from their configurations: thresholds from other patients, intervals by patient,
and the list of the pictures beside every number."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from concord.benchmarks import Bench, Record, ZeroShotClassification, ZeroShotMultiLabel
from concord.config import build
from concord.data.medical import MedicalImages
from concord.data.medical.keys import secret
from tests.benchmarks.walks import every_test
from tests.benchmarks.walks.every_test import write_data
from tests.benchmarks.walks.knowing import Hashing

LISTED = ["rsna", "covidx", "siim", "vindr_cxr", "mimic_5x200_built"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all, so that few compositions serve all tests. CheXpert's two pictures of a patient look alike."""
    folder = tmp_path_factory.mktemp("medical_protocols") / "benchmarks"
    folder.mkdir()
    for name in ("nih_chest", "chexpert_5x200_built", "csv", *LISTED):
        write_data(name, folder)
    for second in folder.glob("chexpert/CheXpert-v1.0/train/*/study2/view1_frontal.jpg"):
        shutil.copy(second.parents[1] / "study1/view1_frontal.jpg", second)
    return folder


def node_of(name: str, data: Path) -> dict[str, Any]:
    """The configuration of a test, to be changed."""
    return copy.deepcopy(every_test.node_of(name, data))


def built(node: dict[str, Any]) -> Any:
    return build(node, "benchmark.tasks.test")


def by_name(records: list[Record]) -> dict[str, Record]:
    return {record.name: record for record in records}


def differences(task: ZeroShotMultiLabel, images: MedicalImages) -> np.ndarray:
    """What the model thinks of each class, [N, C]: descriptions minus denials, each averaged over its templates."""
    model = Hashing()
    assert task.denial is not None
    means = [[np.mean([model.of_text(text) for text in texts], axis=0) for texts in side.prompts()] for side in (task.wording, task.denial)]
    pictures = np.stack([model.of_image(images[index].image) for index in range(len(images))])  # type: ignore[arg-type]
    return pictures @ (np.array(means[0]) - np.array(means[1])).T


def labels(images: MedicalImages) -> np.ndarray:
    return np.array([images.metadata(index)["labels"] for index in range(len(images))])


def test_thresholds_come_from_patients_of_the_validation_part(data: Path) -> None:
    node = node_of("nih_chest", data)
    for part in ("reader", "validation"):
        node[part]["layout"]["validation"] = 0.5
    task = built(node)
    test, validation = task.reader, task.validation
    assert not test.patients() & validation.patients()
    found = by_name(Bench({"nih": task}, bootstrap=100, gallery=0).run(Hashing()).records)
    chosen_on, asked = (differences(task, images) for images in (validation, test))
    here, there = labels(test), labels(validation)
    compared = [c for c in range(14) if all(0 < part[:, c].mean() < 1 for part in (here, there))]
    assert len(compared) == 2
    peeked = 0
    for c in compared:
        cuts = [-np.inf, *np.sort(chosen_on[:, c])[:-1]]
        scores = [f1_score(there[:, c], chosen_on[:, c] > cut) for cut in cuts]
        between = [(low + high) / 2 for low, high in zip(cuts, np.sort(chosen_on[:, c]), strict=True)]
        best = [between[place] for place in np.flatnonzero(np.isclose(scores, max(scores)))]
        value = found[f"multi_label/nih_chest/{task.class_names[c]}/f1"].value
        assert any(np.isclose(f1_score(here[:, c], asked[:, c] > cut), value) for cut in best)
        peeked += value < max(f1_score(here[:, c], asked[:, c] > cut) for cut in [-np.inf, *np.sort(asked[:, c])[:-1]])
    assert peeked  # thresholds that had seen the test would be better there


def test_without_a_validation_part_only_numbers_without_thresholds_are_reported(data: Path) -> None:
    node = {**node_of("nih_chest", data), "validation": None}
    metrics = {record.metric for record in Bench({"nih": built(node)}, bootstrap=100, gallery=0).run(Hashing()).records}
    assert metrics == {"auroc", "map", "ap"}


def width(node: dict[str, Any]) -> float:
    record = by_name(Bench({"drawn": built(node)}, bootstrap=500, gallery=0).run(Hashing()).records)["zero_shot/chexpert_5x200_built/top1"]
    assert record.high is not None
    assert record.low is not None
    return record.high - record.low


def test_intervals_by_patient_are_wider_than_by_picture(data: Path) -> None:
    """Two pictures of a patient that are answered alike are worth one, so that the interval is wider by the root of two."""
    node = node_of("chexpert_5x200_built", data)
    assert node["unit"] == "patient_id"
    assert 1.25 < width(node) / width({**node, "unit": None}) < 1.6


def measured(node: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    Bench({"drawn": built(node)}, bootstrap=100, gallery=0).run(Hashing()).write(folder)
    return json.loads((folder / "records.json").read_text())  # type: ignore[no-any-return]


def test_the_hash_of_the_list_stands_beside_every_number(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = node_of("chexpert_5x200_built", data)
    task = built(node)
    assert isinstance(task, ZeroShotClassification)
    first = measured(node, tmp_path / "first")
    assert {record["list_hash"] for record in first} == {task.reader.list_hash}  # type: ignore[attr-defined]
    assert "list_hash" in (tmp_path / "first/records.csv").read_text().splitlines()[0]
    node["reader"]["layout"]["draw"]["seed"] = 1
    assert not {record["list_hash"] for record in measured(node, tmp_path / "other")} & {first[0]["list_hash"]}
    node["reader"]["layout"]["draw"]["seed"] = 0
    monkeypatch.setenv("CONCORD_SECRET", "another secret of another user")
    secret.cache_clear()
    again = measured(node, tmp_path / "again")
    secret.cache_clear()
    assert again[0]["list_hash"] == first[0]["list_hash"]
    assert again[0]["data"] != first[0]["data"]  # names in logs are keyed


def test_data_sets_that_do_not_tell_their_list_have_none(data: Path, tmp_path: Path) -> None:
    assert {record["list_hash"] for record in measured(node_of("csv", data), tmp_path / "out")} == {""}


@pytest.mark.parametrize("name", LISTED)
def test_every_medical_set_tells_its_list(name: str, data: Path) -> None:
    assert len(built(node_of(name, data)).reader.list_hash) == 32
