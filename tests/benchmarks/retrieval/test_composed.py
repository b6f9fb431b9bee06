"""Composed retrieval and retrieval among images against plain loops, with references left out, groups, aspects and ties."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from concord.benchmarks import Bench, ComposedRetrieval, ImageRetrieval, Record, Results, as_scorer
from concord.errors import DataError
from concord.items import ComposedQuery
from concord.types import RawImage
from tests.benchmarks.benchmark_fakes import FakeReader

WIDTH = 8


class Embedded:
    """Vectors of numbered pictures and of words."""

    def __init__(self, images: Tensor, texts: dict[str, Tensor]) -> None:
        self.images = images
        self.texts = texts

    def embed_images(self, images: Sequence[RawImage]) -> Tensor:
        return self.images[[int(image[0, 0, 2]) for image in images]]  # type: ignore[call-overload, index]

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([self.texts[text] for text in texts])


class Set:
    """Queries over pictures that carry their number."""

    def __init__(self, images: int, queries: Sequence[ComposedQuery], broken: Sequence[int] = ()) -> None:
        self.name = "fake"
        self.images = FakeReader([[]] * images, broken=broken)
        self.queries = list(queries)


def run(scorer: Embedded, reader: Set, gallery: int = 0, **settings: Any) -> Results:
    return Bench({"composed": ComposedRetrieval(reader, **settings)}, gallery=gallery).run(as_scorer(scorer))


def records(results: Results) -> dict[str, Record]:
    return {record.name.removeprefix("composed/fake/"): record for record in results.records}


def random_embedded(images: int, texts: Sequence[str], seed: int = 0) -> Embedded:
    generator = torch.Generator().manual_seed(seed)
    return Embedded(torch.randn(images, WIDTH, generator=generator), {text: torch.randn(WIDTH, generator=generator) for text in texts})


def order_of(scorer: Embedded, query: ComposedQuery, way: str, pool: Sequence[int]) -> list[int]:
    """Images from the best to the worst, in double precision."""
    images = F.normalize(scorer.images.double(), dim=1)
    words = F.normalize(torch.stack([F.normalize(scorer.texts[text].double(), dim=0) for text in query.texts]).mean(dim=0), dim=0)
    vector = {"image": images[query.reference], "text": words, "sum": images[query.reference] + words}[way]
    candidates = [image for image in pool if query.keep_reference or image != query.reference]
    return sorted(candidates, key=lambda image: -float(images[image] @ vector))


def queries_of(count: int, images: int, **settings: Any) -> list[ComposedQuery]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        reference, *others = rng.permutation(images)[:8].tolist()
        found.append(
            ComposedQuery(f"q{number}", reference, (f"text {number % 5}",), (others[0],), group=(reference, *others[:5]), **settings)
        )
    return found


TEXTS = [f"text {number}" for number in range(5)]


@pytest.mark.parametrize("keep", [False, True])
def test_recalls_in_the_gallery_and_in_the_group(keep: bool) -> None:
    queries = queries_of(30, 40, keep_reference=keep)
    scorer = random_embedded(40, TEXTS)
    found = records(run(scorer, Set(40, queries), recalls=[1, 5, 10], group_recalls=[1, 2, 3]))
    for way in ("image", "text", "sum"):
        ranks = [order_of(scorer, query, way, range(40)).index(query.targets[0]) + 1 for query in queries]
        within = [order_of(scorer, query, way, query.group).index(query.targets[0]) + 1 for query in queries]
        for k in (1, 5, 10):
            assert found[f"{way}/r{k}"].value == np.mean(np.array(ranks) <= k)
            assert found[f"{way}/r{k}"].chance == pytest.approx(k / (40 if keep else 39))
        for k in (1, 2, 3):
            assert found[f"{way}/group_r{k}"].value == np.mean(np.array(within) <= k)
            assert found[f"{way}/group_r{k}"].chance == pytest.approx(k / (6 if keep else 5))
        both = (found[f"{way}/r5"].value + found[f"{way}/group_r1"].value) / 2
        assert found[f"{way}/mean_r5_group_r1"].value == pytest.approx(both)
    if keep:
        assert found["image/r1"].value == 0.0  # nothing is nearer to the reference than itself


def test_several_targets_and_aspects() -> None:
    rng = np.random.default_rng(1)
    queries = []
    for number in range(12):
        reference, *targets = rng.permutation(30)[:4].tolist()
        aspects = ("colour", "number") if number % 3 == 0 else ("colour",)
        queries.append(ComposedQuery(f"q{number}", reference, (f"text {number % 5}",), tuple(targets), aspects=aspects))
    scorer = random_embedded(30, TEXTS)
    found = records(run(scorer, Set(30, queries), recalls=[5], average_precisions=[5, 10]))
    scores = {5: [], 10: []}
    for query in queries:
        order = order_of(scorer, query, "sum", range(30))
        right = [image in query.targets for image in order]
        for depth, own in scores.items():
            own.append(sum(np.mean(right[: place + 1]) for place in range(depth) if right[place]) / 3)
    assert found["sum/map5"].value == pytest.approx(np.mean(scores[5]))
    assert found["colour/sum/map10"].value == found["sum/map10"].value == pytest.approx(np.mean(scores[10]))
    assert found["number/sum/map10"].value == pytest.approx(np.mean(scores[10][::3]))
    assert found["number/sum/map10"].n == 4
    first = [order_of(scorer, query, "sum", range(30)).index(query.targets[0]) < 5 for query in queries]
    assert found["sum/r5"].value == np.mean(first)


def test_subsets_have_galleries_of_their_own_and_a_mean() -> None:
    galleries = {"dress": tuple(range(20)), "shirt": tuple(range(15, 40))}
    queries = [
        ComposedQuery(f"{name}{number}", gallery[number], (TEXTS[0], TEXTS[1]), (gallery[-1 - number],), gallery, True, subset=name)
        for (name, gallery), count in zip(galleries.items(), (6, 9), strict=True)
        for number in range(count)
    ]
    scorer = random_embedded(40, TEXTS)
    found = records(run(scorer, Set(40, queries), recalls=[3, 10]))
    for name, gallery in galleries.items():
        own = [order_of(scorer, query, "text", gallery).index(query.targets[0]) for query in queries if query.subset == name]
        assert found[f"{name}/text/r10"].value == np.mean(np.array(own) < 10)
        assert found[f"{name}/text/r10"].chance == pytest.approx(10 / len(gallery))
    mean = (found["dress/text/r10"].value + found["shirt/text/r10"].value) / 2
    assert found["text/r10"].value == pytest.approx(mean)
    assert found["text/mean_recall"].value == pytest.approx((mean + found["text/r3"].value) / 2)


def test_each_query_may_have_a_gallery_of_its_own() -> None:
    rng = np.random.default_rng(2)
    queries = []
    for number in range(10):
        reference, *pool = rng.permutation(30)[: 12 + number % 3].tolist()
        queries.append(ComposedQuery(f"q{number}", reference, (TEXTS[number % 5],), (pool[0],), tuple(pool)))
    scorer = random_embedded(30, TEXTS)
    found = records(run(scorer, Set(30, queries), recalls=[1, 2, 3]))
    places = [order_of(scorer, query, "sum", query.gallery).index(query.targets[0]) for query in queries]
    for k in (1, 2, 3):
        assert found[f"sum/r{k}"].value == np.mean(np.array(places) < k)
    assert found["sum/r1"].chance == pytest.approx(np.mean([1 / len(query.gallery) for query in queries]))


def test_a_sum_that_is_the_target_is_perfect_and_a_collapsed_model_finds_nothing() -> None:
    axes = torch.eye(WIDTH)
    images = torch.cat([axes[:4], F.normalize(axes[:4] + axes[4], dim=1)])  # 4 + i is i with the fifth axis added
    queries = [ComposedQuery(f"q{i}", i, ("more",), (4 + i,), group=(i, *range(4, 8))) for i in range(4)]
    perfect = Embedded(images, {"more": axes[4]})
    settings = {"recalls": [1, 5], "average_precisions": [5], "group_recalls": [1]}
    found = records(run(perfect, Set(8, queries), **settings))
    assert {record.value for name, record in found.items() if name.startswith("sum/")} == {1.0}
    collapsed = Embedded(torch.ones(8, WIDTH), {"more": torch.ones(WIDTH)})
    for record in records(run(collapsed, Set(8, queries), **settings)).values():
        assert record.value == 0.0
        assert record.collapsed == 0.0
        assert record.chance is not None
        assert record.half is None or record.half == pytest.approx(record.chance)


def test_queries_whose_images_cannot_be_read_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    queries = [ComposedQuery(f"q{i}", i, (TEXTS[0],), (i + 1,)) for i in range(6)]
    with caplog.at_level(logging.WARNING):
        found = records(run(random_embedded(8, TEXTS), Set(8, queries, broken=[2]), recalls=[1]))
    assert found["sum/r1"].n == 4
    assert "2 of 6 queries are left out" in caplog.text
    with pytest.raises(DataError, match="of none of 1 queries can both images be read"):
        run(random_embedded(8, TEXTS), Set(8, queries[2:3], broken=[2]), recalls=[1])


def test_wrong_queries_and_settings_are_refused() -> None:
    for settings, message in (
        ({"texts": ()}, "at least one text and one target"),
        ({"targets": (0,)}, "the reference is a target"),
        ({"group": (0, 5)}, "no target is in the group"),
    ):
        with pytest.raises(ValueError, match=message):
            ComposedQuery(**{"key": "q", "reference": 0, "texts": ("a",), "targets": (1,), **settings})  # type: ignore[arg-type]
    reader = Set(8, [ComposedQuery("q", 0, (TEXTS[0],), (1,), (0, 2, 3))])
    with pytest.raises(DataError, match="query q: its target is not among the images that are searched"):
        run(random_embedded(8, TEXTS), reader, recalls=[1])
    with pytest.raises(DataError, match="query q: it has no group; set group_recalls to null"):
        run(random_embedded(8, TEXTS), reader, group_recalls=[1])
    for settings, message in (({"recalls": []}, "recalls must hold at least one number"), ({"group_recalls": [0]}, "at least 1, got")):
        with pytest.raises(ValueError, match=message):
            ComposedRetrieval(reader, **settings)  # type: ignore[arg-type]


def test_the_gallery_shows_what_the_sum_finds() -> None:
    queries = queries_of(5, 20)
    scorer = random_embedded(20, TEXTS)
    items = run(scorer, Set(20, queries), gallery=2, recalls=[1]).gallery
    assert len(items) == 2
    query = next(query for query in queries if items[0].truth == [f"key-{query.targets[0]}"])
    assert items[0].query == query.texts[0]
    assert [answer.label for answer in items[0].top] == [f"key-{image}" for image in order_of(scorer, query, "sum", range(20))[:5]]


def images_of(vectors: Tensor, groups: Sequence[Any], **settings: Any) -> dict[str, Record]:
    reader = FakeReader([[]] * len(groups), [{"label": group} for group in groups])
    found = Bench({"images": ImageRetrieval(reader, **settings)}).run(as_scorer(Embedded(vectors, {})))
    return {record.metric: record for record in found.records}


def test_images_find_others_of_their_group() -> None:
    groups = [i % 5 for i in range(30)] + ["alone"]
    scorer = random_embedded(31, [])
    found = images_of(scorer.images, groups)
    images = F.normalize(scorer.images.double(), dim=1)
    hits, precisions = [], []
    for query in range(30):
        order = sorted((image for image in range(31) if image != query), key=lambda image: -float(images[query] @ images[image]))
        right = [groups[image] == groups[query] for image in order]
        hits.append(any(right[:5]))
        precisions.append(sum(np.mean(right[: place + 1]) for place in range(5) if right[place]) / 5)
    assert found["r5"].value == np.mean(hits)
    assert found["map_r"].value == pytest.approx(np.mean(precisions))
    assert found["r1"].n == 30
    assert found["r1"].chance == pytest.approx(5 / 30)


def test_images_of_a_perfect_and_of_a_collapsed_model() -> None:
    groups = [i % 4 for i in range(20)]
    perfect = images_of(torch.eye(4)[groups], groups)
    assert {record.value for record in perfect.values()} == {1.0}
    for metric, record in images_of(torch.ones(20, 3), groups).items():
        assert record.chance is not None
        assert record.value > record.chance if metric == "median_rank" else record.value < record.chance


def test_images_without_a_group_are_refused() -> None:
    with pytest.raises(DataError, match="example key-0: its metadata lacks product; set by to another key"):
        images_of(torch.eye(3), [0, 1, 2], by="product")
    with pytest.raises(DataError, match="no two images share their label"):
        images_of(torch.eye(3), [0, 1, 2])
    with pytest.raises(ValueError, match="recalls must hold numbers of at least 1"):
        images_of(torch.eye(3), [0, 1, 1], recalls=[])
