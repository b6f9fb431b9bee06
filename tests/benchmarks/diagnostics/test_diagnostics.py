"""Diagnostics against closed forms, plain loops and SciPy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import skew
from torch import Tensor

from concord.benchmarks import Bench, Diagnostics, Results, cka
from concord.benchmarks.diagnostics.geometry import (
    alignment,
    effective_rank,
    modality_gap,
    negative_cosine,
    participation_ratio,
    relative_gap,
    separability,
    stable_rank,
    uniformity,
)
from concord.benchmarks.diagnostics.neighbourhoods import centred, hits, hubness, neighbour_overlap
from concord.benchmarks.diagnostics.pictures import principal
from concord.benchmarks.retrieval.nearest import nearest
from concord.errors import DataError
from concord.types import Embeddings
from tests.benchmarks.benchmark_fakes import FakeReader, FakeScorer


def unit(*shape: int, seed: int = 0) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_uniformity_is_that_of_a_loop_and_has_its_bounds() -> None:
    vectors = unit(7, 5)
    pairs = [math.exp(-2 * float((vectors[i] - vectors[j]).square().sum())) for i in range(7) for j in range(i)]
    assert uniformity(vectors) == pytest.approx(math.log(sum(pairs) / len(pairs)), abs=1e-6)
    assert uniformity(torch.ones(4, 3) / math.sqrt(3)) == pytest.approx(0.0, abs=1e-6)
    assert uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8.0)
    assert uniformity(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])) == pytest.approx(-4.396, abs=1e-3)
    assert uniformity(unit(500, 512)) == pytest.approx(-4.0, abs=0.05)


def test_alignment_is_two_minus_twice_the_cosine() -> None:
    images, texts = unit(6, 4), unit(6, 4, seed=1)
    assert alignment(images, texts).tolist() == pytest.approx((2 - 2 * (images * texts).sum(dim=1)).tolist(), abs=1e-6)
    assert alignment(images, -images).tolist() == pytest.approx([4.0] * 6, abs=1e-5)


def test_alignment_and_gap_of_two_worked_pairs() -> None:
    images, texts = torch.tensor([[1.0, 0.0], [0.8, 0.6]]), torch.tensor([[0.0, 1.0], [0.6, 0.8]])
    assert float(alignment(images, texts).mean()) == pytest.approx(1.04)
    assert modality_gap(images, texts) == pytest.approx(0.849, abs=1e-3)


def test_modality_gap_is_the_distance_of_the_centres() -> None:
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert modality_gap(images, -images) == pytest.approx(math.sqrt(2))
    assert modality_gap(images, images.flip(0)) == 0.0
    assert relative_gap(images, -images) == pytest.approx(2.0)  # each centre is sqrt(1/2) from its points
    assert relative_gap(images[:1].expand(4, 2), images[1:].expand(4, 2)) == math.inf


def test_ranks_have_known_values() -> None:
    assert effective_rank(torch.eye(8)) == pytest.approx(8.0)
    assert effective_rank(torch.ones(8, 3)) == pytest.approx(1.0)
    worked = torch.diag(torch.tensor([3.0, 1.0]))  # shares 3/4 and 1/4
    assert effective_rank(worked) == pytest.approx(1.755, abs=1e-3)
    assert participation_ratio(worked) == pytest.approx(1.220, abs=1e-3)
    assert stable_rank(worked) == pytest.approx(10 / 9)
    assert participation_ratio(torch.eye(8)) == stable_rank(torch.eye(8)) == pytest.approx(8.0)


def test_wrong_pairs_have_the_mean_cosine_of_a_loop() -> None:
    images, texts = unit(9, 5), unit(9, 5, seed=1)
    wrong = [float(images[i] @ texts[j]) for i in range(9) for j in range(9) if i != j]
    assert negative_cosine(images, texts) == pytest.approx(np.mean(wrong), abs=1e-6)


def test_modalities_that_lie_apart_are_told_apart() -> None:
    images, rng = unit(60, 8), np.random.default_rng(0)
    assert separability(images, images, rng) == pytest.approx(0.5)
    apart = torch.nn.functional.normalize(unit(60, 8, seed=1) + torch.eye(8)[0] * 20, dim=1)
    assert separability(images, apart, rng) > 0.95
    assert separability(torch.ones(10, 4), torch.ones(10, 4), rng) == 0.5
    assert 0.3 < separability(images, unit(60, 8, seed=1), rng) < 0.7


def test_who_ties_for_the_last_places_shares_them() -> None:
    scores = torch.tensor([[0.9, 0.5, 0.5, 0.5, 0.1], [0.1, 0.2, 0.3, 0.4, 0.5]])
    third = 2 / 3
    assert nearest(scores, 3)[0].tolist() == pytest.approx([1.0, third, third, third, 0.0])
    assert nearest(scores, 2)[1].tolist() == [0.0, 0.0, 0.0, 1.0, 1.0]
    assert nearest(torch.full((2, 4), -0.3), 1).tolist() == [[0.25] * 4] * 2


def test_hubness_is_the_skewness_of_occurrences() -> None:
    queries, gallery = unit(80, 6), unit(50, 6, seed=1)
    order = (queries @ gallery.T).argsort(dim=1, descending=True)[:, :10]
    occurrences = np.bincount(order.flatten().numpy(), minlength=50)
    assert hubness(queries, gallery) == pytest.approx(skew(occurrences), abs=1e-6)
    assert hubness(torch.ones(20, 3), torch.ones(20, 3)) == 0.0


def test_overlap_counts_common_neighbours() -> None:
    first, second = unit(40, 6), unit(40, 5, seed=1)
    near = [(v @ v.T).fill_diagonal_(-2).argsort(dim=1, descending=True)[:, :5].tolist() for v in (first, second)]
    shares = [len(set(a) & set(b)) / 5 for a, b in zip(*near, strict=True)]
    assert neighbour_overlap(first, second, 5).tolist() == pytest.approx(shares)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(2))).Q
    assert float(neighbour_overlap(first, first @ rotation, 5).mean()) == pytest.approx(1.0)
    assert float(neighbour_overlap(torch.ones(20, 3), torch.ones(20, 3), 5).mean()) == pytest.approx(5 / 19)


def test_centring_closes_the_gap_and_finds_what_it_hid() -> None:
    images = unit(50, 8)
    texts = torch.nn.functional.normalize(images + torch.eye(8)[0] * 30, dim=1)
    moved = centred(images), centred(texts)
    assert hits(images, images).mean() == 1.0
    assert hits(*moved).mean() > hits(images, texts).mean()
    assert hits(torch.ones(5, 2), torch.ones(5, 2)).mean() == 0.0
    assert centred(torch.full((7, 3), 0.1)).abs().max() == 0.0


def test_alignment_of_kernels() -> None:
    first, second = torch.randn(60, 10, generator=torch.Generator().manual_seed(0)), unit(60, 7, seed=5)
    rotation = torch.linalg.qr(torch.randn(10, 10, generator=torch.Generator().manual_seed(2))).Q
    for debiased in (True, False):
        assert cka(first, 3 * first @ rotation + 5, debiased) == pytest.approx(1.0)
        assert cka(first, second, debiased) == pytest.approx(cka(second, first, debiased))
    wide = [torch.randn(60, 400, generator=torch.Generator().manual_seed(seed)) for seed in (3, 4)]
    assert cka(*wide, debiased=False) > 0.8  # the bias of few examples in many dimensions
    assert abs(cka(*wide)) < 0.1
    x, y = (v.double().numpy() - v.double().numpy().mean(axis=0) for v in (first, second))
    plain = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert cka(first, second, debiased=False) == pytest.approx(plain)
    assert math.isnan(cka(torch.ones(9, 3), second[:9]))
    with pytest.raises(ValueError, match="as many vectors"):
        cka(first, second[:5])
    with pytest.raises(ValueError, match="at least 4"):
        cka(first[:3], second[:3])


def test_the_debiased_estimate_is_that_of_sums_over_different_examples() -> None:
    """Song et al. 2012, equation 4, by loops over all quadruples of different examples."""
    x, y = unit(6, 3).double(), unit(6, 4, seed=1).double()
    grams = [v @ v.T for v in (x, y)]

    def loop(k: Tensor, m: Tensor) -> float:
        total, count = 0.0, 0
        for i in range(6):
            for j in range(6):
                for q in range(6):
                    for r in range(6):
                        if len({i, j, q, r}) == 4:
                            total += float(k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]))
                            count += 1
        return total / count

    expected = loop(*grams) / math.sqrt(loop(grams[0], grams[0]) * loop(grams[1], grams[1]))
    assert cka(x, y) == pytest.approx(expected)


def test_principal_components_keep_their_signs() -> None:
    vectors = unit(30, 5).double()
    points = principal(vectors)
    moved = vectors - vectors.mean(dim=0)
    assert points.square().sum(dim=0).tolist() == pytest.approx(torch.linalg.svdvals(moved)[:2].square().tolist())
    flipped = principal(vectors.flip(0)).flip(0)
    assert torch.allclose(points, flipped)
    assert principal(torch.ones(4, 1).double()).shape == (4, 2)


class Lookup(FakeScorer):
    """Given vectors; those of a text by the number in it. They need not have unit length."""

    def __init__(self, images: Tensor, texts: Tensor) -> None:
        super().__init__()
        self.image_vectors, self.text_vectors = images, texts

    def embed_images(self, images: list) -> Embeddings:
        return Embeddings(self.image_vectors[super().embed_images(images).vectors[:, 0].long()])

    def embed_texts(self, texts: list[str]) -> Embeddings:
        return Embeddings(self.text_vectors[[int(text) for text in texts]])


def run(images: Tensor, texts: Tensor, **settings: Any) -> Results:
    reader = FakeReader([[str(i), "0"] for i in range(len(images))])
    return Bench({"diagnostics": Diagnostics(reader, **settings)}).run(Lookup(images, texts))


def measure(images: Tensor, texts: Tensor, **settings: Any) -> dict:
    return {record.name.removeprefix("diagnostics/fake/"): record for record in run(images, texts, **settings).records}


def test_records_look_at_directions_and_at_first_captions() -> None:
    images, texts = unit(50, 16), unit(50, 16, seed=1)
    records = measure(3 * images, 0.2 * texts)
    assert records["modality_gap"].value == pytest.approx(modality_gap(images, texts), rel=1e-5)
    assert records["image/uniformity"].value == pytest.approx(uniformity(images), rel=1e-5)
    assert records["text/effective_rank"].value == pytest.approx(effective_rank(texts), rel=1e-5)
    assert records["text/stable_rank"].value == pytest.approx(stable_rank(texts - texts.mean(dim=0)), rel=1e-5)
    assert records["image/centroid_norm"].value == pytest.approx(float(images.mean(dim=0).norm()), rel=1e-5)
    cosine = records["positive_cosine"]
    assert cosine.value == pytest.approx(float((images * texts).sum(dim=1).mean()), abs=1e-6)
    assert cosine.low < cosine.value < cosine.high
    chances = {name: record.chance for name, record in records.items() if record.chance is not None}
    recalls = {f"{side}/{metric}": 1 / 50 for side in ("image_to_text", "text_to_image") for metric in ("r1", "centred_r1")}
    assert chances == pytest.approx(recalls)


def test_a_limit_takes_that_many_examples() -> None:
    assert measure(unit(50, 4), unit(50, 4), limit=20)["alignment"].n == 20


def test_perfect_pairs_are_found_and_a_collapsed_model_shows() -> None:
    right = measure(unit(30, 8), unit(30, 8))
    assert {right[name].value for name in right if name.endswith("r1")} == {1.0}
    assert right["neighbour_overlap"].value == pytest.approx(1.0)
    records = measure(torch.ones(10, 4), torch.ones(10, 4))
    assert records["image/effective_rank"].value == pytest.approx(1.0)
    assert records["text/uniformity"].value == pytest.approx(0.0, abs=1e-6)
    for name, record in (*records.items(), *right.items()):
        if record.chance is not None:
            assert record.collapsed <= record.chance, name
    assert all(record.value <= record.chance for record in records.values() if record.chance is not None)


def test_another_models_vectors_are_compared(tmp_path: Path) -> None:
    images, texts = unit(40, 8), unit(40, 8, seed=1)
    kept = str(tmp_path / "folder" / "a.safetensors")
    measure(images, texts, keep=kept)
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(2))).Q
    records = measure(images @ rotation, unit(40, 8, seed=9), reference=kept)
    assert records["image/cka"].value == pytest.approx(1.0, abs=1e-5)
    assert records["image/overlap"].value == pytest.approx(1.0)
    assert records["text/cka"].value == pytest.approx(cka(unit(40, 8, seed=9), texts), abs=1e-5)
    assert records["text/overlap"].value < 0.5
    with pytest.raises(DataError, match="of other examples"):
        measure(images, texts, reference=kept, limit=20)
    (tmp_path / "b.safetensors").write_bytes(b"nothing")
    for name in ("b", "c"):
        with pytest.raises(DataError, match=r"reference: .* holds no vectors"):
            measure(images, texts, reference=str(tmp_path / f"{name}.safetensors"))


def test_pictures_show_the_space() -> None:
    figures = run(unit(50, 6), unit(50, 6, seed=1)).figures
    histogram, plane = figures["diagnostics/fake/cosines"], figures["diagnostics/fake/plane"]
    assert [sum(counts) for counts in histogram["series"].values()] == [50, 50]
    assert len(plane["points"]) == len(plane["groups"]) == 100


def test_vectors_that_are_not_numbers_give_nan_and_no_interval() -> None:
    records = measure(torch.full((10, 4), torch.nan), unit(10, 4))
    assert records.keys() == measure(unit(10, 4), unit(10, 4)).keys()
    assert all(np.isnan(record.value) and record.low is None and record.high is None for record in records.values())


def test_captions_are_needed() -> None:
    with pytest.raises(DataError, match="at least 2 examples with a caption, got 1"):
        Bench({"diagnostics": Diagnostics(FakeReader([["0"], []]))}).run(Lookup(unit(2, 4), unit(2, 4)))
    with pytest.raises(ValueError, match="k must be at least 1"):
        Diagnostics(FakeReader([["0"]]), k=0)
    assert len(measure(unit(2, 4), unit(2, 4))) > 10
