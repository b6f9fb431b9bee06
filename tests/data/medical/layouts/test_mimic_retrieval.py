"""Retrieval on MIMIC-CXR's test part: one frontal picture of each study, its impression, and studies that share one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from concord.benchmarks import Record, Retrieval
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.protocol import Query
from concord.config import build
from concord.types import Embeddings, Pair, RawImage
from tests.composing import compose_config
from tests.data.medical.layouts.mimic_cxr_fixtures import DICOM, IMPRESSIONS, write_jpg, write_reports


class Reader:
    """Sees which study a picture is of, and what fits the impression of every study that a text may be of."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pictures = {pair.image: place for place, pair in enumerate(pairs)}
        self._texts: dict[str, list[int]] = {}
        for place, pair in enumerate(pairs):
            self._texts.setdefault(str(pair.captions[0]), []).append(place)

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        return self._directions([[self._pictures[image]] for image in images])  # type: ignore[index]

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        return self._directions([self._texts[text] for text in texts])

    def score(self, images: Embeddings, texts: Embeddings, query: Query = "image") -> Tensor:
        return images.vectors @ texts.vectors.T

    def _directions(self, places: Sequence[Sequence[int]]) -> Embeddings:
        vectors = torch.zeros(len(places), len(self._pictures))
        for row, own in enumerate(places):
            vectors[row, list(own)] = 1.0
        return Embeddings(vectors)


def task(root: Path, name: str) -> Retrieval:
    node = compose_config(f"+test@benchmark.tasks.mine={name}", f"benchmark_data={root}", "benchmark=off")["benchmark"]["tasks"]["mine"]
    built = build(node, name)
    assert isinstance(built, Retrieval)
    return built


def pairs_of(built: Retrieval) -> list[Pair]:
    return [built.reader[index] for index in range(len(built.reader))]


def records(built: Retrieval, model: Reader) -> list[Record]:
    return built.run(Evaluation(model, bootstrap=0, gallery=0)).records  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_jpg(tmp_path, {**IMPRESSIONS, "50000118": IMPRESSIONS["50000117"]})
    return tmp_path


def test_one_frontal_picture_of_each_study_with_its_impression(root: Path) -> None:
    pairs = pairs_of(task(root, "mimic_retrieval"))
    assert [pair.captions for pair in pairs] == [(IMPRESSIONS[study],) for study in ("50000115", "50000116", "50000117", "50000117")]
    assert [pair.metadata["view"] for pair in pairs] == ["PA", "AP", "PA", "PA"]
    assert len({pair.metadata["patient_id"] for pair in pairs}) == 2


@pytest.mark.parametrize(("name", "right"), [("mimic_retrieval", 0.5), ("mimic_retrieval_shared", 1.0)])
def test_studies_with_the_same_impression_are_right_in_the_second_number(root: Path, name: str, right: float) -> None:
    built = task(root, name)
    found = {record.name: record.value for record in records(built, Reader(pairs_of(built)))}
    for direction in ("image_to_text", "text_to_image"):
        assert found[f"retrieval/{name}/{direction}/r1"] == right
        assert found[f"retrieval/{name}/{direction}/r5"] == 1.0


def test_studies_without_an_impression_are_left_out(root: Path) -> None:
    write_reports(root / DICOM, {study: "" if study == "50000116" else text for study, text in IMPRESSIONS.items()})
    built = task(root, "mimic_retrieval")
    found = records(built, Reader([built.reader[index] for index in (0, 2, 3)]))
    assert {record.n for record in found} == {3, 6}  # queries one way, and both
