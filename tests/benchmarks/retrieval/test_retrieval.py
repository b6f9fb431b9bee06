"""Recall and ranks against plain loops, with ties, copies of captions and scores of any sign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.retrieval import retrieval_hit_rate

from concord.benchmarks import Bench, Record, Retrieval
from concord.benchmarks.retrieval.matching import match_both
from concord.benchmarks.retrieval.pool import Pool
from concord.distributed import Ranks
from concord.errors import DataError
from tests.benchmarks.benchmark_fakes import Collapsed, FakeReader, FakeScorer, Guessing, Oracle, Table

CAPTIONS = [[f"image {i}, caption {j}" for j in range(i % 3 + 1)] for i in range(60)]


def measure(scorer: FakeScorer, captions: Sequence[Sequence[str]], **settings: Any) -> dict[str, Record]:
    results = Bench({"retrieval": Retrieval(FakeReader(captions), **settings)}, gallery=0).run(scorer)
    return {record.name.removeprefix("retrieval/fake/"): record for record in results.records}


def slow_ranks(scores: np.ndarray, captions: list[list[str]], texts: list[str]) -> tuple[list[int], list[int]]:
    """The ranks by the definition: every caption of the pool is a candidate; equal words match every image that has them."""
    everything = [(image, caption) for image, own in enumerate(captions) for caption in own]

    def score(image: int, caption: str) -> float:
        return float(scores[image, texts.index(caption)])

    by_image = []
    for image, own in enumerate(captions):
        best = max(score(image, caption) for caption in own)
        by_image.append(1 + sum(score(image, other) >= best for _, other in everything if other not in own))
    by_caption = []
    for _, caption in everything:
        best = max(score(image, caption) for image, own in enumerate(captions) if caption in own)
        by_caption.append(1 + sum(score(image, caption) >= best for image, own in enumerate(captions) if caption not in own))
    return by_image, by_caption


@st.composite
def pools(draw: st.DrawFn) -> tuple[list[list[str]], list[str], np.ndarray]:
    texts = [f"text {i}" for i in range(draw(st.integers(1, 6)))]
    captions = draw(st.lists(st.lists(st.sampled_from(texts), min_size=1, max_size=4), min_size=2, max_size=6))
    size = len(captions) * len(texts)
    scores = draw(st.lists(st.integers(-4, 1), min_size=size, max_size=size))
    return captions, texts, np.array(scores).reshape(len(captions), len(texts))


@given(pools())
@settings(max_examples=200, deadline=None)
def test_ranks_are_those_of_plain_loops(example: tuple[list[list[str]], list[str], np.ndarray]) -> None:
    captions, texts, scores = example
    pool = Pool.of(captions)
    table = torch.from_numpy(scores[:, [texts.index(text) for text in pool.texts]]).double()
    by_image, by_text = match_both(lambda image, text: table[image][:, text], pool.matches(), Ranks())
    found = by_image.first.tolist(), by_text.take(pool.text_of.numpy()).first.tolist()
    assert found == slow_ranks(scores, captions, texts)


@given(pools(), st.data())
@settings(max_examples=100, deadline=None)
def test_a_part_of_a_pool_is_the_pool_of_the_part(example: tuple[list[list[str]], list[str], np.ndarray], data: st.DataObject) -> None:
    captions, _, _ = example
    start = data.draw(st.integers(0, len(captions) - 1))
    end = data.draw(st.integers(start + 1, len(captions)))
    for duplicates in ("shared", "separate"):
        part, kept = Pool.of(captions, duplicates=duplicates).part(start, end)  # type: ignore[arg-type]
        alone = Pool.of(captions[start:end], duplicates=duplicates)  # type: ignore[arg-type]
        order = [alone.texts.index(text) for text in part.texts] if duplicates == "shared" else list(range(len(part.texts)))
        assert [Pool.of(captions, duplicates=duplicates).texts[text] for text in kept.tolist()] == part.texts  # type: ignore[arg-type]
        assert sorted(part.texts) == sorted(alone.texts)
        assert part.image_of.tolist() == alone.image_of.tolist()
        assert [order[text] for text in part.text_of.tolist()] == alone.text_of.tolist()
        assert sorted((image, order[text]) for image, text in part.pairs.tolist()) == [tuple(pair) for pair in alone.pairs.tolist()]
        assert part.copies.tolist() == alone.copies[order].tolist()


@pytest.mark.parametrize(("high", "low"), [(1.0, 0.0), (-0.05, -0.9), (-40.0, -41.0)])
def test_a_perfect_model_is_perfect_whatever_the_sign(high: float, low: float) -> None:
    records = measure(Oracle(CAPTIONS, high, low), CAPTIONS)
    for direction in ("image_to_text", "text_to_image"):
        for metric in ("r1", "r5", "r10", "median_rank", "mrr"):
            assert records[f"{direction}/{metric}"].value == 1.0
    assert records["image_to_text/map_r"].value == records["image_to_text/r_precision"].value == 1.0
    assert (records["mean_recall"].value, records["rsum"].value) == (1.0, 6.0)


def test_a_collapsed_model_finds_nothing() -> None:
    records = measure(Collapsed(), CAPTIONS)
    for name, record in records.items():
        if "median" not in name:
            assert record.value == 0.0 if "mrr" not in name else record.value <= 1 / 60
            assert record.chance is not None
            assert record.value < record.chance
            assert record.half is None or record.half == pytest.approx(record.chance)
    assert records["text_to_image/median_rank"].value == 60
    assert (records["text_to_image/r1"].ties, records["text_to_image/r1"].n) == (120, 120)


def test_a_guessing_model_is_at_chance() -> None:
    records = measure(Guessing(), CAPTIONS)
    for record in records.values():
        assert record.chance is not None
        assert record.low is not None
        assert record.high is not None
        assert record.low <= record.value <= record.high, record.name
        assert record.low <= record.chance <= record.high, record.name


def test_numbers_of_queries_and_chance() -> None:
    records = measure(Guessing(), CAPTIONS)
    assert (records["image_to_text/r1"].n, records["text_to_image/r1"].n) == (60, 120)
    assert records["text_to_image/r5"].chance == pytest.approx(5 / 60)
    assert records["image_to_text/r1"].chance == pytest.approx((1 + 2 + 3) / 3 / 120)
    assert records["text_to_image/median_rank"].chance == 30


def test_captions_per_image_takes_the_first() -> None:
    records = measure(Guessing(), CAPTIONS, captions_per_image=1)
    assert records["text_to_image/r1"].n == 60
    alone = measure(Guessing(), [own[:1] for own in CAPTIONS])
    assert {name: (record.value, record.low, record.high) for name, record in alone.items()} == {
        name: (record.value, record.low, record.high) for name, record in records.items()
    }


def test_the_best_ranked_caption_of_an_image_counts() -> None:
    texts = ["a", "b", "c"]
    scores = np.array([[0.9, 0.3, 0.4], [0.2, 0.5, 0.8]])
    captions = [["a", "b"], ["c"]]
    records = measure(Table(scores, texts), captions)
    assert records["image_to_text/r1"].value == 1.0
    assert records["text_to_image/r1"].value == pytest.approx(2 / 3)  # "b" prefers the other image


def test_copies_of_a_caption_match_every_image_that_has_it() -> None:
    captions = [["a red circle", "one thing"], ["A red  circle"], ["a blue square"]]
    records = measure(Oracle([["a red circle", "one thing"], ["a red circle"], ["a blue square"]]), captions)
    assert records["image_to_text/r1"].value == 1.0
    assert records["text_to_image/r1"].value == 1.0
    # Two images fit each of two captions, one fits each of the others; of captions, three, two and one fit.
    assert records["text_to_image/r1"].chance == pytest.approx((2 + 1 + 2 + 1) / 4 / 3)
    assert records["image_to_text/r1"].chance == pytest.approx((3 + 2 + 1) / 3 / 4)


def test_a_caption_that_is_not_in_the_pool_still_fits_its_image() -> None:
    captions = [["a red circle"], ["a circle on the left", "a red circle"], ["a blue square"]]
    pool = Pool.of(captions, first=1)
    assert pool.texts == ["a red circle", "a circle on the left", "a blue square"]
    assert pool.pairs.tolist() == [[0, 0], [1, 0], [1, 1], [2, 2]]
    found = measure(Oracle(captions), captions, captions_per_image=1)
    assert {record.value for name, record in found.items() if name != "rsum"} == {1.0}


def test_each_copy_of_a_wrong_caption_takes_a_place() -> None:
    texts = ["wrong", "right"]
    scores = np.array([[0.9, 0.8], [0.9, 0.0], [0.9, 0.0]])
    records = measure(Table(scores, texts), [["right"], ["wrong"], ["wrong"]])
    assert records["image_to_text/median_rank"].value == 1
    assert records["image_to_text/r1"].value == pytest.approx(2 / 3)
    assert records["image_to_text/mrr"].value == pytest.approx((1 / 3 + 1 + 1) / 3)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_without_ties_recall_is_the_hit_rate_of_torchmetrics(k: int) -> None:
    rng = np.random.default_rng(0)
    captions = [[f"{image} {j}" for j in range(2)] for image in range(40)]
    texts = [text for own in captions for text in own]
    scores = rng.random((40, 80)) + 0.1  # torchmetrics takes scores at or below zero for not retrieved
    scores[np.arange(80) // 2, np.arange(80)] += 0.4
    records = measure(Table(scores, texts), captions)
    owner = torch.arange(80) // 2
    table = torch.from_numpy(scores)
    by_image = [retrieval_hit_rate(table[i], owner == i, top_k=k) for i in range(40)]
    by_text = [retrieval_hit_rate(table[:, j], torch.arange(40) == owner[j], top_k=k) for j in range(80)]
    assert records[f"image_to_text/r{k}"].value == pytest.approx(torch.stack(by_image).mean().item())
    assert records[f"text_to_image/r{k}"].value == pytest.approx(torch.stack(by_text).mean().item())


def test_captions_of_one_image_are_drawn_together() -> None:
    captions = [[f"{image} {j}" for j in range(5)] for image in range(50)]
    half = Oracle([own if image % 2 else [] for image, own in enumerate(captions)], high=1.0, low=0.0)
    record = measure(half, captions)["text_to_image/r1"]
    assert record.value == 0.5
    assert record.high is not None
    assert record.low is not None
    assert record.high - record.low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 50), rel=0.15)


def test_each_direction_tells_the_scorer_which_side_searches() -> None:
    scorer = Guessing()
    measure(scorer, CAPTIONS[:4])
    assert set(scorer.queries) == {"image", "text"}


def test_images_without_a_caption_are_left_out() -> None:
    captions = [[], *CAPTIONS[1:20], []]
    records = measure(Oracle(captions), captions)
    assert records["image_to_text/r1"].n == 19
    with pytest.raises(DataError, match="at least 2 images with a caption, got 1"):
        measure(Oracle(captions), [[], ["one"]])


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="captions_per_image must be at least 1"):
        Retrieval(FakeReader(CAPTIONS), captions_per_image=0)
    for settings_of, message in (
        ({"controls": ["reversed"]}, "controls must be among first_sentence, last_60_words, shuffled_sentences, got 'reversed'"),
        ({"duplicates": "none"}, "duplicates must be shared or separate, got 'none'"),
        ({"match": "image"}, "match must be caption or label, got 'image'"),
        ({"precisions": [5, 0]}, "precisions must be at least 1, got 0"),
        ({"folds_of": 1}, "folds_of must be at least 2 or null, got 1"),
        ({"folds_of": 10, "limit": 5}, "folds_of and limit cannot be given together"),
        ({"by_language": True, "folds_of": 10}, "by_language cannot be combined"),
    ):
        with pytest.raises(ValueError, match=message):
            Retrieval(FakeReader(CAPTIONS), **settings_of)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="limit must be at least 2"):
        Retrieval(FakeReader(CAPTIONS), limit=1)


def test_folds_are_searched_alone_and_averaged() -> None:
    # 7 of 60 images remain behind folds of 53, and CAPTIONS has folds of unequal numbers of captions.
    for size, folds in ((20, [(0, 20), (20, 40), (40, 60)]), (53, [(0, 53)]), (25, [(0, 25), (25, 50)])):
        found = measure(Guessing(3), CAPTIONS, folds_of=size)
        alone = [measure(Numbered(start), CAPTIONS[start:end]) for start, end in folds]
        for name in ("image_to_text/r1", "text_to_image/r5", "text_to_image/r10"):
            record = found[f"folds_of_{size}/{name}"]
            for column in ("value", "chance", "half"):
                assert getattr(record, column) == pytest.approx(np.mean([getattr(part[name], column) for part in alone]))
            assert record.low is not None
            assert record.high is not None
            assert record.low <= record.value <= record.high
            assert record.n == sum(part[name].n for part in alone)


class Numbered(Guessing):
    """The guesses of a part of the pictures, which there are counted from 0."""

    def __init__(self, start: int) -> None:
        super().__init__(3)
        self.start = start

    def value(self, image: int, text: str) -> float:
        return super().value(image + self.start, text)
