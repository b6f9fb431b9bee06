"""The yaml of every test of places and the suite of them, built as a run builds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from concord.benchmarks import RegionPick, Segmentation
from concord.config import build
from concord.items import IGNORED
from tests.composing import compose_config
from tests.data.benchmarks.dense_fixtures import FIXTURES

CLASSES = {
    "voc20": 20,
    "voc21": 21,
    "context59": 59,
    "context60": 60,
    "ade20k": 150,
    "coco_stuff": 171,
    "coco_object": 81,
    "cityscapes": 19,
}
FOUND = {
    "voc20": {0, 14, 19, 10},
    "voc21": {0, 1, 15, 20, 11},
    "context59": {0, 58, 36, 11},
    "context60": {0, 1, 59, 37, 12},
    "ade20k": {0, 149, 1, 16},
    "coco_stuff": {79, 170},
    "coco_object": {0, 80},
    "cityscapes": {0, 18, 13, 1},
}
"""Classes in the masks of the fixtures."""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tasks of the suite, on the fixtures of all tests in one folder, as a user has them."""
    data = tmp_path_factory.mktemp("benchmarks")
    for write in FIXTURES.values():
        write(data)
    return compose_config("benchmark=dense", f"benchmark_data={data}")["benchmark"]["tasks"]


def test_the_suite_holds_every_test(nodes: dict[str, Any]) -> None:
    assert set(nodes) == set(FIXTURES)


@pytest.mark.parametrize("name", CLASSES)
def test_masks_are_read_where_the_yaml_looks_for_them(name: str, nodes: dict[str, Any]) -> None:
    task = build(nodes[name], name)
    assert isinstance(task, Segmentation)
    assert task.reader.name == name
    assert len(task.words) == len(set(task.class_names)) == CLASSES[name]
    masks = [task.reader.mask(index) for index in range(len(task.reader.images))]
    assert set(np.unique(masks)) - {IGNORED} == FOUND[name]
    assert (task.rule.background is None) == (name not in ("voc21", "context60", "coco_object"))
    assert (task.class_names[0] == "background") == (name in ("voc21", "context60", "coco_object"))


@pytest.mark.parametrize("name", ["refcoco", "refcoco_plus", "refcocog"])
def test_sentences_are_read_where_the_yaml_looks_for_them(name: str, nodes: dict[str, Any]) -> None:
    task = build(nodes[name], name)
    assert isinstance(task, RegionPick)
    assert task.reader.name == name
    assert list(dict.fromkeys(one.subset for one in task.reader.references)) == list(nodes[name]["reader"]["splits"])
    assert len(task.reader.images) == 2
