"""Sentences about boxes: ReCLIP's lines, names of images, detectors, and files that are not what they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from concord.data.benchmarks.dense import ReferringBoxes
from concord.errors import DataError
from concord.images import decode
from concord.items import Region
from tests.data.benchmarks.dense_fixtures import FIXTURES, write

SPLITS = {"val": "refcocog_val.jsonl"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    FIXTURES["refcocog"](tmp_path)
    return tmp_path / "reclip_data"


def read(data: Path, **options: Any) -> ReferringBoxes:
    return ReferringBoxes(str(data), **{"splits": SPLITS, **options})


def change(data: Path, **cells: Any) -> None:
    """Replace values of the first line; None takes one out."""
    file = data / SPLITS["val"]
    first, *others = file.read_text().splitlines()
    row = {key: value for key, value in {**json.loads(first), **cells}.items() if value is not None}
    file.write_text("\n".join([json.dumps(row), *others]))


def test_every_sentence_is_a_question(data: Path) -> None:
    reader = read(data)
    assert len(reader.references) == 6
    first, third = reader.references[0], reader.references[2]
    assert (first.sentence, first.subset, first.key) == ("Left dog 11 11 val", "val", "11/11/0")
    assert first.gold == (Region(5, 5, 6, 6),)
    assert first.regions == (Region(0, 0, 20, 30), Region(20, 0, 20.5, 30), Region(5, 5, 6, 6))
    assert third.gold == (Region(20, 0, 20.5, 30),)
    assert len({one.key for one in reader.references}) == 6


def test_the_number_of_the_annotation_is_no_part_of_the_image(data: Path) -> None:
    reader = read(data)
    keys = [reader.images[index].key for index in range(len(reader.images))]
    assert keys == ["COCO_train2014_000000000011.jpg", "COCO_train2014_000000000012.jpg"]  # one image for two annotations
    assert decode(reader.images[0].image).size == (40, 30)
    change(data, file_name="COCO_train2014_000000000012.jpg", ann_id=[11, "22"])  # nothing at its end to take away
    first = read(data).references[0]
    assert reader.images[1].key == read(data).images[first.image].key
    assert first.gold == (Region(20, 0, 20.5, 30), Region(5, 5, 6, 6))


@pytest.mark.parametrize("listed", [True, False])
def test_boxes_of_a_detector(listed: bool, data: Path) -> None:
    boxes = [{"image_id": 11, "box": [1, 2, 3, 4]}, {"image_id": 11, "box": [5, 5, 6, 5.5]}]
    document = boxes if listed else {"11": [{"box": box["box"], "score": 0.5} for box in boxes]}
    write(data / "dets.json", json.dumps(document).encode())
    reader = read(data, proposals="dets.json")
    assert reader.references[0].regions == (Region(1, 2, 3, 4), Region(5, 5, 6, 5.5))
    assert reader.references[0].gold == (Region(5, 5, 6, 6),)
    assert reader.references[-1].regions == (Region(0, 0, 40, 30),)  # nothing was detected in image 12


@pytest.mark.parametrize("options", [{"splits": {"val": "refs(unc).p"}}, {"proposals": "dets.pkl"}])
def test_pickles_are_refused(options: dict[str, Any], data: Path) -> None:
    with pytest.raises(DataError, match="pickles can run anything and are not read; take ReCLIP's JSON lines instead"):
        read(data, **options)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"ann_id": 7}, "line 1: no box in 'anns' has the id of 'ann_id', 7"),
        ({"ann_id": None}, "line 1: 'ann_id' is missing"),
        ({"sentences": ["left dog"]}, "line 1: sentences\\[0\\]: expected a JSON object, got str"),
        ({"sentences": [{"sent": "left dog"}]}, r"line 1: sentences\[0\]: 'raw' is missing"),
        ({"anns": [{"id": 11, "bbox": [1, 2, 3]}]}, r"anns\[0\]: 'bbox' must be \[x, y, width, height\]"),
        ({"anns": [{"id": 11, "bbox": [1, 2, 3, 0]}]}, "a box with a width and a height above 0"),
        ({"anns": [{"id": 11, "bbox": [1, 2, "x", 4]}]}, "'width' must be a number, got 'x'"),
        ({"file_name": 3}, "'file_name' must be text"),
    ],
)
def test_lines_of_another_form_are_named(cells: dict[str, Any], message: str, data: Path) -> None:
    change(data, **cells)
    with pytest.raises(DataError, match=message):
        read(data)


@pytest.mark.parametrize(
    ("content", "message"), [("3", "expected boxes by image, got int"), ("[3]", "box 0: expected an object"), ("[{}]", "box 0: 'image_id'")]
)
def test_detections_of_another_form_are_named(content: str, message: str, data: Path) -> None:
    write(data / "dets.json", content.encode())
    with pytest.raises(DataError, match=message):
        read(data, proposals="dets.json")


def test_missing_images_are_refused_or_left_out(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    (data / "train2014/COCO_train2014_000000000012.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of 2 images are not in .*, such as COCO_train2014_000000000012.jpg; complete the folder"):
        read(data)
    write(data / "dets.json", b'{"11": [{"box": [1, 2, 3, 4]}]}')
    assert len(read(data, missing="skip", proposals="dets.json").references) == 4
    assert "4 of 6 sentences are left" in caplog.text
    with pytest.raises(DataError, match="is the path right"):
        read(data, missing="skip", images="elsewhere")
    write(data / "empty.jsonl", b"\n")
    with pytest.raises(DataError, match=r"no sentence in empty\.jsonl"):
        read(data, splits={"val": "empty.jsonl"})


def test_the_fingerprint_follows_the_sentences(data: Path) -> None:
    before = read(data).fingerprint()
    assert read(data).fingerprint() == before
    change(data, sentences=[{"raw": "another"}, {"raw": "thing"}])
    assert read(data).fingerprint() != before
