"""Diagnostics against closed forms and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from benchmark_fakes import FakeReader, FakeScorer
from torch import Tensor

from concord.benchmarks import Bench, Diagnostics
from concord.benchmarks.diagnostics import alignment, effective_rank, modality_gap, uniformity
from concord.errors import DataError
from concord.types import Embeddings


def unit(*shape: int, seed: int = 0) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_uniformity_is_that_of_a_loop_and_has_its_bounds() -> None:
    vectors = unit(7, 5)
    pairs = [math.exp(-2 * float((vectors[i] - vectors[j]).square().sum())) for i in range(7) for j in range(i)]
    assert uniformity(vectors) == pytest.approx(math.log(sum(pairs) / len(pairs)), abs=1e-6)
    assert uniformity(torch.ones(4, 3) / math.sqrt(3)) == pytest.approx(0.0, abs=1e-6)
    assert uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8.0)
    assert uniformity(unit(500, 512)) == pytest.approx(-4.0, abs=0.05)


def test_alignment_is_two_minus_twice_the_cosine() -> None:
    images, texts = unit(6, 4), unit(6, 4, seed=1)
    assert alignment(images, texts).tolist() == pytest.approx((2 - 2 * (images * texts).sum(dim=1)).tolist(), abs=1e-6)
    assert alignment(images, -images).tolist() == pytest.approx([4.0] * 6, abs=1e-5)


def test_modality_gap_is_the_distance_of_the_centres() -> None:
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert modality_gap(images, -images) == pytest.approx(math.sqrt(2))
    assert modality_gap(images, images.flip(0)) == 0.0


def test_effective_rank_has_known_values() -> None:
    assert effective_rank(torch.eye(8)) == pytest.approx(8.0)
    assert effective_rank(torch.ones(8, 3)) == pytest.approx(1.0)
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))) == pytest.approx(1.755, abs=1e-3)  # shares 3/4 and 1/4


class Lookup(FakeScorer):
    """Given vectors; those of a text by the number in it. They need not have unit length."""

    def __init__(self, images: Tensor, texts: Tensor) -> None:
        super().__init__()
        self.image_vectors, self.text_vectors = images, texts

    def embed_images(self, images: list) -> Embeddings:
        return Embeddings(self.image_vectors[super().embed_images(images).vectors[:, 0].long()])

    def embed_texts(self, texts: list[str]) -> Embeddings:
        return Embeddings(self.text_vectors[[int(text) for text in texts]])


def measure(images: Tensor, texts: Tensor, **settings: int) -> dict:
    reader = FakeReader([[str(i), "0"] for i in range(len(images))])
    results = Bench({"diagnostics": Diagnostics(reader, **settings)}).run(Lookup(images, texts))
    return {record.name.removeprefix("diagnostics/fake/"): record for record in results.records}


def test_records_look_at_directions_and_at_first_captions() -> None:
    images, texts = unit(50, 16), unit(50, 16, seed=1)
    records = measure(3 * images, 0.2 * texts)
    assert records["modality_gap"].value == pytest.approx(modality_gap(images, texts), rel=1e-5)
    assert records["image/uniformity"].value == pytest.approx(uniformity(images), rel=1e-5)
    assert records["text/effective_rank"].value == pytest.approx(effective_rank(texts), rel=1e-5)
    cosine = records["positive_cosine"]
    assert cosine.value == pytest.approx(float((images * texts).sum(dim=1).mean()), abs=1e-6)
    assert cosine.low < cosine.value < cosine.high
    assert {record.chance for record in records.values()} == {None}


def test_a_limit_takes_that_many_examples() -> None:
    assert measure(unit(50, 4), unit(50, 4), limit=20)["alignment"].n == 20


def test_a_collapsed_model_shows() -> None:
    records = measure(torch.ones(10, 4), torch.ones(10, 4))
    assert records["image/effective_rank"].value == pytest.approx(1.0)
    assert records["text/uniformity"].value == pytest.approx(0.0, abs=1e-6)


def test_vectors_that_are_not_numbers_give_nan_and_no_interval() -> None:
    records = measure(torch.full((10, 4), torch.nan), unit(10, 4))
    assert all(np.isnan(record.value) and record.low is None and record.high is None for record in records.values())


def test_captions_are_needed() -> None:
    with pytest.raises(DataError, match="at least 2 examples with a caption, got 1"):
        Bench({"diagnostics": Diagnostics(FakeReader([["0"], []]))}).run(Lookup(unit(2, 4), unit(2, 4)))
