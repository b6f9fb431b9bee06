"""The order of words and the similarity of sentences: towers of known answers, SciPy, and wrong input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr

from concord.benchmarks import Bench, Record, Sts, TextOrder
from concord.benchmarks.diagnostics.sentences import pearson
from concord.errors import DataError
from concord.items import SentencePair
from concord.perturbations import tokens_of
from concord.types import Embeddings, RawImage
from tests.benchmarks.benchmark_fakes import FakeReader, FakeScorer

CAPTIONS = [
    f"a {first} {thing} next to a {second} {other} on the grass in front of {count} old houses"
    for first, second in (("red", "blue"), ("small", "large"), ("wooden", "green"))
    for thing, other in (("dog", "cat"), ("car", "bus"))
    for count in ("two", "three")
]


def word(text: str) -> np.ndarray:
    return np.random.default_rng(crc32(text.casefold().encode())).normal(size=16)


class Tower(FakeScorer):
    """Texts only."""

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        raise AssertionError("no picture has to be read")

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        return Embeddings(torch.tensor(np.stack([self.vector(text) for text in texts]), dtype=torch.float32))

    def vector(self, text: str) -> np.ndarray:
        raise NotImplementedError


class Bag(Tower):
    """The mean of what each word stands for."""

    def vector(self, text: str) -> np.ndarray:
        return np.mean([word(token) for token in tokens_of(text)], axis=0)


class Whole(Tower):
    """Every text stands for itself."""

    def vector(self, text: str) -> np.ndarray:
        return word(text)


class Start(Tower):
    """Reads four words."""

    def vector(self, text: str) -> np.ndarray:
        return np.concatenate([word(token) for token in [*text.split()[:4], *[""] * 4][:4]])


def order(tower: Tower, **settings: Any) -> dict[str, Record]:
    results = Bench({"order": TextOrder(FakeReader([[text] for text in CAPTIONS]), **settings)}, bootstrap=100).run(tower)
    return {record.name.removeprefix("text_order/fake/"): record for record in results.records}


def test_a_bag_of_words_does_not_mind_the_order() -> None:
    found = order(Bag())
    for change in ("words", "within_trigrams", "swap"):
        assert found[f"{change}/cosine"].value == pytest.approx(1.0, abs=1e-6)
        assert found[f"{change}/cosine"].n == len(CAPTIONS)
        assert found[f"{change}/above_random"].value == pytest.approx(1 - found["random/cosine"].value, abs=1e-6)
        assert found[f"{change}/cosine"].collapsed == pytest.approx(1.0)
        assert found[f"{change}/above_random"].collapsed == pytest.approx(0.0)
    assert found["random/cosine"].value < 0.999


def test_a_tower_that_takes_every_text_for_another_sees_nothing_alike() -> None:
    found = order(Whole())
    assert abs(found["words/cosine"].value) < 0.3
    assert abs(found["words/above_random"].value) < 0.4


def test_words_that_are_not_read_make_no_difference() -> None:
    found = order(Start(), lengths=(2, 4, 8, 100))
    assert found["first_4_words/cosine"].value == found["first_8_words/cosine"].value == pytest.approx(1.0)
    assert found["first_2_words/cosine"].value < 0.9
    assert "first_100_words/cosine" not in found


def test_lengths_have_a_curve() -> None:
    results = Bench({"order": TextOrder(FakeReader([[text] for text in CAPTIONS]))}, bootstrap=100).run(Bag())
    assert results.figures["text_order/fake/lengths"]["x"] == [4, 8, 16]


def test_captions_that_cannot_be_changed_do_not_count() -> None:
    reader = FakeReader([["dog"], ["cat"], ["a dog and two cats"], [], ["..."]], broken=())
    results = Bench({"order": TextOrder(reader)}, bootstrap=100).run(Bag())
    counts = {record.subset: record.n for record in results.records}
    assert (counts["random"], counts["words"]) == (4, 1)
    with pytest.raises(DataError, match="at least 2 examples"):
        Bench({"order": TextOrder(FakeReader([["dog"], []]))}).run(Bag())
    with pytest.raises(ValueError, match="lengths"):
        TextOrder(reader, lengths=(0,))


class Pairs:
    """Sentence pairs from memory."""

    name = "fake"

    def __init__(self, scores: Sequence[float]) -> None:
        self.pairs = [SentencePair(f"pair {i}", f"first {i}", f"second {i}", score) for i, score in enumerate(scores)]


class Turned(Tower):
    """Second texts are turned away from the first by an angle."""

    def __init__(self, angles: Sequence[float]) -> None:
        super().__init__()
        self.angles = angles

    def vector(self, text: str) -> np.ndarray:
        side, number = text.split()
        angle = self.angles[int(number)] if side == "second" else 0.0
        return 3 * np.array([np.cos(angle), np.sin(angle)])


def sts(angles: Sequence[float], scores: Sequence[float], **settings: Any) -> dict[str, Record]:
    results = Bench({"sts": Sts(Pairs(scores), **settings)}, bootstrap=200).run(Turned(angles))
    return {record.metric: record for record in results.records}


def test_correlations_are_scipys_with_ties() -> None:
    rng = np.random.default_rng(0)
    angles = rng.integers(1, 12, 80) / 8
    scores = np.round(np.cos(angles) * 3 + rng.normal(size=80))
    found = sts(angles.tolist(), scores.tolist())
    assert found["spearman"].value == pytest.approx(spearmanr(np.round(np.cos(angles), 9), scores).statistic, abs=1e-6)
    assert found["pearson"].value == pytest.approx(pearsonr(np.cos(angles), scores).statistic, abs=1e-5)
    for record in found.values():
        assert record.low is not None
        assert record.high is not None
        assert record.low < record.value < record.high
        assert (record.chance, record.collapsed) == (0.0, 0.0)


def test_weights_count_pairs_several_times() -> None:
    rng = np.random.default_rng(0)
    first, second, weights = rng.normal(size=20), rng.normal(size=20), rng.integers(0, 4, 20)
    drawn = np.repeat(np.arange(20), weights)
    assert pearson(first, second, weights.astype(float)) == pytest.approx(pearsonr(first[drawn], second[drawn]).statistic)


def test_an_oracle_is_right_and_rounding_errors_are_no_order() -> None:
    angles = np.linspace(0.1, 1.5, 30)
    assert sts(angles.tolist(), np.cos(angles).tolist())["spearman"].value == pytest.approx(1.0)
    noise = sts((1e-5 * np.arange(30)).tolist(), list(range(30)))
    assert {record.value for record in noise.values()} == {0.0}
    assert sts(angles.tolist(), [1.0] * 30)["spearman"].value == 0.0


def test_sts_needs_pairs() -> None:
    with pytest.raises(DataError, match="at least 2 pairs"):
        sts([0.1], [1.0])
    assert sts([0.1, 0.2, 0.3], [3.0, 2.0, 1.0], limit=2)["spearman"].n == 2
