"""ObjectNet's folders, mappings and red border."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from concord.data.benchmarks.classification import ObjectNet
from concord.errors import DataError
from concord.images import decode
from tests.data.benchmarks.classification.drawn import pixels
from tests.data.benchmarks.classification.folder_layouts import BORDER, object_net


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    object_net(tmp_path)
    return tmp_path / "objectnet-1.0"


def test_shared_classes_are_numbered_by_folder_and_called_as_in_object_net(folder: Path) -> None:
    reader = ObjectNet(str(folder))
    assert reader.class_names == ["alarm clock", "banana"]
    labels = {reader.key(index): reader[index].metadata["label"] for index in range(len(reader))}
    assert labels == {"alarm_clock/0a.png": 0, "banana/0a.png": 1}


def test_the_red_border_is_cut_on_demand(folder: Path) -> None:
    whole, cut = ObjectNet(str(folder)), ObjectNet(str(folder), border=BORDER)
    assert np.asarray(decode(whole[0].image))[0, 0].tolist() == [255, 0, 0]
    assert (np.asarray(cut[0].image) == pixels("alarm_clock")).all()
    assert whole != cut
    assert (cut.key(0), cut.location(0)) == (whole.key(0), whole.location(0))
    with pytest.raises(DataError, match="nothing within the border of 7 of 14 x 14 pixels"):
        ObjectNet(str(folder), border=7)[0]
    with pytest.raises(ValueError, match="border must be at least 0 pixels, got -1"):
        ObjectNet(str(folder), border=-1)


def test_mappings_must_fit(folder: Path) -> None:
    shared = folder / "mappings/objectnet_to_imagenet_1k.json"
    for content, message in [
        ({"Ladle": "ladle"}, "'Ladle' is not in folder_to_objectnet_label.json"),
        ({}, "no class in it"),
        (["Banana"], "expected a JSON object"),
    ]:
        shared.write_text(json.dumps(content))
        with pytest.raises(DataError, match=message):
            ObjectNet(str(folder))
    shared.unlink()
    with pytest.raises(DataError, match=r"objectnet_to_imagenet_1k\.json: file not found"):
        ObjectNet(str(folder))
