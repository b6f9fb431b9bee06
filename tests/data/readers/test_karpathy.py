from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from concord.benchmarks import Bench, Retrieval
from concord.benchmarks.protocol import Query
from concord.data import Karpathy, KeyedSource
from concord.images import decode
from concord.types import Embeddings, RawImage
from tests.data.readers.annotations import damaged, is_read_or_refused, refusal, rows, shade, write_images
from tests.data.storage.server import FileServer


def sentence(text: str, image: int, number: int) -> dict[str, Any]:
    return {"tokens": text.lower().strip(" .").split(), "raw": text, "imgid": image, "sentid": number}


def coco_image(number: int, split: str, *texts: str) -> dict[str, Any]:
    folder = "train2014" if split == "train" else "val2014"
    name = f"COCO_{folder}_{number:012}.jpg"
    sentences = [sentence(text, number, 10 * number + place) for place, text in enumerate(texts)]
    ids = [entry["sentid"] for entry in sentences]
    return {"filepath": folder, "sentids": ids, "filename": name, "imgid": number, "split": split, "sentences": sentences, "cocoid": number}


COCO: dict[str, Any] = {
    "images": [
        coco_image(1, "test", "A dog runs.", "A brown dog."),
        coco_image(2, "train", "A cat."),
        coco_image(3, "restval", "A bird", "Birds fly"),
        coco_image(4, "val", "A horse."),
        coco_image(5, "test", "A cow.", "The cow eats.", "Grass"),
    ],
    "dataset": "coco",
}
FLICKR: dict[str, Any] = {
    "images": [
        {"sentids": [0], "imgid": 0, "sentences": [sentence("Two men.", 0, 0)], "split": "train", "filename": "1000092795.jpg"},
        {"sentids": [1], "imgid": 1, "sentences": [sentence("A girl.", 1, 1)], "split": "test", "filename": "10002456.jpg"},
    ],
    "dataset": "flickr30k",
}
FILES = [f"{image['filepath']}/{image['filename']}" for image in COCO["images"]]


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    (tmp_path / "dataset_coco.json").write_text(json.dumps(COCO))
    write_images(tmp_path, FILES)
    return tmp_path


@pytest.mark.parametrize(
    ("split", "images"),
    [("train", [1]), ("restval", [2]), ("train+restval", [1, 2]), ("val", [3]), ("test", [0, 4])],
)
def test_the_images_of_a_split_with_all_their_sentences(coco: Path, split: Any, images: list[int]) -> None:
    source = Karpathy(str(coco), split=split)
    assert isinstance(source, KeyedSource)
    expected = [(FILES[image], tuple(entry["raw"] for entry in COCO["images"][image]["sentences"])) for image in images]
    assert rows(source) == expected
    assert [shade(source, place) for place in range(len(source))] == images


@pytest.mark.parametrize("name", ["dataset_flickr30k.json", "dataset_flickr8k.json"])
def test_flickr_has_no_folders_in_the_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps(FLICKR))
    write_images(tmp_path / "flickr30k-images", ["1000092795.jpg", "10002456.jpg"])
    source = Karpathy(str(tmp_path), name, "flickr30k-images", "test", name="flickr")
    assert rows(source) == [("10002456.jpg", ("A girl.",))]
    assert shade(source, 0) == 1


def test_a_split_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(json.dumps(FLICKR))
    write_images(tmp_path, ["1000092795.jpg"])
    text = refusal(lambda: Karpathy(str(tmp_path), "f.json", split="restval"))
    assert "no image of split restval; it has test (1), train (1)" in text
    assert len(Karpathy(str(tmp_path), "f.json", split="train+restval")) == 1


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"split": "train"}, "'filename' is missing"),
        ({"filename": "a.jpg"}, "'split' is missing"),
        ({"split": "train", "filename": "a.jpg"}, "no 'sentences' in it"),
        ({"split": "train", "filename": "a.jpg", "sentences": [{"tokens": []}]}, "sentences[0]: 'raw' is missing"),
        ({"split": "train", "filename": "a.jpg", "filepath": 3, "sentences": []}, "'filepath' must be text, got a number"),
    ],
)
def test_entries_of_another_form_are_refused_by_place(tmp_path: Path, image: dict[str, Any], message: str) -> None:
    (tmp_path / "dataset_coco.json").write_text(json.dumps({"images": [image]}))
    text = refusal(lambda: Karpathy(str(tmp_path)))
    assert message in text
    assert "dataset_coco.json: images[0]" in text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=damaged(COCO))
def test_a_damaged_file_is_read_or_refused(coco: Path, content: bytes) -> None:
    (coco / "dataset_coco.json").write_bytes(content)
    is_read_or_refused(lambda: Karpathy(str(coco), split="test"))


class Lookup:
    """A model that knows which shade of grey the image of each text has."""

    def __init__(self, shades: dict[str, int]) -> None:
        self.shades = shades

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        return Embeddings(torch.tensor([[float(decode(image).getpixel((0, 0))[0])] for image in images]))  # type: ignore[index]

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        return Embeddings(torch.tensor([[float(self.shades[text])] for text in texts]))

    def score(self, images: Embeddings, texts: Embeddings, query: Query = "image") -> torch.Tensor:
        return -(images.vectors - texts.vectors.T).abs()

    def score_classes(self, images: Embeddings, prompts: Sequence[Sequence[str]]) -> torch.Tensor:
        return torch.stack([self.score(images, self.embed_texts(group)).mean(dim=1) for group in prompts], dim=1)


def test_retrieval_searches_all_captions_of_an_image(coco: Path) -> None:
    source = Karpathy(str(coco), split="test")
    right = {caption: shade(source, index) for index in range(len(source)) for caption in source.captions(index)}
    wrong = {caption: 4 - number for caption, number in right.items()}  # shades 0 and 4 change places
    for shades, recall in ((right, 1.0), (wrong, 0.0)):
        results = Bench({"retrieval": Retrieval(source)}, bootstrap=100, gallery=0).run(Lookup(shades))  # type: ignore[arg-type]
        found = {record.name: record for record in results.records}
        for direction, queries in (("image_to_text", 2), ("text_to_image", 5)):
            record = found[f"retrieval/coco/{direction}/r1"]
            assert (record.value, record.n) == (recall, queries)


def test_behind_a_web_address(coco: Path) -> None:
    with FileServer(coco) as server:
        source = Karpathy(server.url, split="test")
        assert rows(source) == rows(Karpathy(str(coco), split="test"))
        assert shade(source, 1) == 4
        assert source.location(0) == f"{server.url}/{FILES[0]}"
        text = refusal(lambda: Karpathy(server.url, images="nowhere"))
        assert f"none of its images is in {server.url}/nowhere" in text
