from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.data import BadSample, CocoCaptions, KeyedSource
from tests.data.readers.annotations import damaged, is_read_or_refused, refusal, rows, shade, write_images

DOCUMENT: dict[str, Any] = {  # in the form of captions_val2017.json
    "info": {"description": "COCO 2017 Dataset", "url": "http://cocodataset.org", "version": "1.0", "year": 2017},
    "licenses": [{"url": "http://creativecommons.org/licenses/by-nc-sa/2.0/", "id": 1, "name": "Some licence"}],
    "images": [
        {"license": 1, "file_name": "000000000042.jpg", "height": 12, "width": 12, "id": 42},
        {"license": 1, "file_name": "000000000007.jpg", "height": 12, "width": 12, "id": 7},
    ],
    "annotations": [
        {"image_id": 7, "id": 900, "caption": "A cat.\n"},
        {"image_id": 42, "id": 901, "caption": "A dog sits."},
        {"image_id": 7, "id": 902, "caption": "Cat on a mat"},
    ],
}
FILES = ["000000000042.jpg", "000000000007.jpg"]


def write(folder: Path, document: object, split: str = "val") -> Path:
    (folder / "annotations").mkdir(exist_ok=True)
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    (folder / f"annotations/captions_{split}2017.json").write_bytes(content)
    write_images(folder / f"{split}2017", FILES)
    return folder


def test_an_image_has_all_its_captions_in_order(tmp_path: Path) -> None:
    source = CocoCaptions(str(write(tmp_path, DOCUMENT)), split="val")
    assert isinstance(source, KeyedSource)
    assert rows(source) == [("000000000042.jpg", ("A dog sits.",)), ("000000000007.jpg", ("A cat.", "Cat on a mat"))]
    assert [shade(source, 0), shade(source, 1)] == [0, 1]
    assert source.name == source[0].source == "coco"
    assert source.location(1) == str(tmp_path / "val2017/000000000007.jpg")


def test_a_process_gets_the_same_source(tmp_path: Path) -> None:
    source = CocoCaptions(str(write(tmp_path, DOCUMENT)), split="val")
    assert rows(pickle.loads(pickle.dumps(source))) == rows(source)


def test_what_does_not_fit_together_is_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    document = {
        "images": [*DOCUMENT["images"], {"id": 8, "file_name": "bare.jpg"}, {"id": 9, "file_name": "blank.jpg"}],
        "annotations": [*DOCUMENT["annotations"], {"image_id": 1234, "caption": "of nothing"}, {"image_id": 9, "caption": " \n"}],
    }
    with caplog.at_level(logging.WARNING):
        source = CocoCaptions(str(write(tmp_path, document)), split="val")
    assert len(source) == 2
    assert "1 captions belong to images that it does not list" in caplog.text
    assert "2 images without a caption are left out, such as bare.jpg" in caplog.text


def test_a_data_set_in_the_same_form(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(
        json.dumps({"images": [{"id": "a", "file_name": "a.png"}], "annotations": [{"image_id": "a", "title": "A plot"}]})
    )
    write_images(tmp_path / "figures/train", ["a.png"])
    source = CocoCaptions(str(tmp_path), "{split}.json", "figures/{split}", caption="title", name="figures")
    assert rows(source) == [("a.png", ("A plot",))]


def test_a_missing_image_and_paths_that_lead_out_are_bad_samples(tmp_path: Path) -> None:
    names = ["000000000042.jpg", "gone.jpg", "../secret.png", "a\0b.png"]
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    captions = [{"image_id": number, "caption": "x"} for number in range(len(names))]
    (tmp_path / "secret.png").write_bytes(b"secret")
    source = CocoCaptions(str(write(tmp_path, {"images": images, "annotations": captions})), split="val")
    assert shade(source, 0) == 0
    for index, cause in ((1, "gone.jpg: image "), (2, "leaves"), (3, "b.png: image ")):
        with pytest.raises(BadSample, match=cause):
            source[index]
    (tmp_path / "val2017/000000000042.jpg").write_bytes(b"")
    with pytest.raises(BadSample, match="zero bytes"):
        source[0]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "not JSON"),
        (b'{"images": [', "is it complete"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        ([], "expected a JSON object, got a list"),
        ({"annotations": []}, "no 'images' in it"),
        ({"images": [], "annotation": []}, "no 'annotations' in it; did you mean annotation"),
        ({"images": {}, "annotations": []}, "'images' must be a list, got an object"),
        ({"images": [1], "annotations": []}, r"images[0] must be an object, got a number"),
        ({"images": [{"id": 1, "filename": "a"}], "annotations": []}, "'file_name' is missing; did you mean filename"),
        ({"images": [{"id": 1.5, "file_name": "a"}], "annotations": []}, "'id' must be a number"),
        ({"images": [{"id": 1, "file_name": "a"}] * 2, "annotations": []}, "id 1 occurs twice"),
        ({**DOCUMENT, "annotations": [{"image_id": 7, "caption": None}]}, "'caption' must be text, got null"),
        ({**DOCUMENT, "annotations": []}, "no image in it has a caption"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, document: object, message: str) -> None:
    folder = write(tmp_path, document)
    text = refusal(lambda: CocoCaptions(str(folder), split="val"))
    assert message in text
    assert "captions_val2017.json" in text


def test_a_missing_file_and_a_wrong_folder_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, DOCUMENT)
    assert "captions_train2017.json" in refusal(lambda: CocoCaptions(str(folder)))
    text = refusal(lambda: CocoCaptions(str(folder), split="val", images="train2017"))
    assert "none of its images is in" in text
    assert "train2017/000000000042.jpg" in text


def test_the_fingerprint_tells_captions_and_their_order(tmp_path: Path) -> None:
    def fingerprint(document: object) -> str:
        return CocoCaptions(str(write(tmp_path, document)), split="val").fingerprint()

    first = fingerprint(DOCUMENT)
    assert fingerprint({**DOCUMENT, "info": {}}) == first
    assert fingerprint({**DOCUMENT, "images": DOCUMENT["images"][::-1]}) != first
    assert fingerprint({**DOCUMENT, "annotations": DOCUMENT["annotations"][::-1]}) != first


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged(DOCUMENT))
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    is_read_or_refused(lambda: CocoCaptions(str(write(tmp_path, content)), split="val"))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1, max_size=4))
def test_any_caption_survives(tmp_path: Path, captions: list[str]) -> None:
    annotations = [{"image_id": 7, "caption": "first"}, *({"image_id": 7, "caption": caption} for caption in captions)]
    source = CocoCaptions(str(write(tmp_path, {**DOCUMENT, "annotations": annotations})), split="val")
    assert source.captions(0) == ("first", *(caption.strip() for caption in captions if caption.strip()))


def test_half_a_surrogate_pair_is_a_bad_sample(tmp_path: Path) -> None:
    annotations = [{"image_id": 7, "caption": "\ud800"}, {"image_id": 42, "caption": "fine"}]
    source = CocoCaptions(str(write(tmp_path, {**DOCUMENT, "annotations": annotations})), split="val")
    assert source[0].captions == ("fine",)
    with pytest.raises(BadSample, match="not UTF-8"):
        source[1]
