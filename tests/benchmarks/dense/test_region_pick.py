"""Boxes that sentences are about: overlap, ties, chance, the largest box, what is shown of a box, and processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from concord.benchmarks import Bench, Record, RegionPick, Results
from concord.benchmarks.dense.regions import BLUR, Regions, shown
from concord.config import build
from concord.errors import ConfigError, DataError
from concord.items import Reference, Region
from concord.types import Embeddings, Pair, RawImage
from tests.benchmarks.dense.dense_fakes import Pointing
from tests.composing import compose_config
from tests.data.benchmarks.dense_fixtures import FIXTURES

LEFT, RIGHT, LARGE = Region(0, 0, 10, 20), Region(12, 0, 10, 20), Region(0, 0, 30, 20)
NEARLY = Region(0, 0, 10, 14)
"""Shares 0.7 with LEFT."""


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)


class Images:
    name = "boxes"

    def __init__(self, count: int, broken: Sequence[int] = ()) -> None:
        self.count, self.broken = count, broken

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Pair:
        if index in self.broken:
            raise DataError("no such picture")
        return Pair(picture(index), (), f"image-{index}", self.name)


class Boxes:
    """Sentences in memory."""

    name = "boxes"

    def __init__(self, references: Sequence[Reference], images: int = 4, broken: Sequence[int] = ()) -> None:
        self.references = list(references)
        self.images = Images(images, broken)


def ask(key: int, regions: Sequence[Region] = (LEFT, RIGHT, LARGE), gold: Sequence[Region] = (LEFT,), subset: str = "") -> Reference:
    return Reference(str(key), key % 4, f"thing {key % 8}", tuple(regions), tuple(gold), subset)


def measure(task: RegionPick, scorer: Any, **options: Any) -> Results:
    return Bench({"one": task}, bootstrap=100, **options).run(scorer)


def named(results: Results) -> dict[str, Record]:
    return {record.name.removeprefix("region_pick/boxes/"): record for record in results.records}


class Fixed:
    """A score for each box, by its place among those that were embedded."""

    def __init__(self, *views: Sequence[float]) -> None:
        self.scores = [torch.tensor(own, dtype=torch.float64) for own in views]

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        return Embeddings(self.scores.pop(0)[:, None])

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        return Embeddings(torch.ones(len(texts), 1, dtype=torch.float64))

    def score(self, images: Any, texts: Any, query: str = "image") -> torch.Tensor:
        return images.vectors @ texts.vectors.T

    def score_classes(self, images: Any, prompts: Any) -> torch.Tensor:
        raise AssertionError("sentences are no classes")


class Random(Fixed):
    """Scores at random."""

    def __init__(self) -> None:
        super().__init__()
        self.rng = torch.Generator().manual_seed(0)

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        return Embeddings(torch.rand(len(images), 1, generator=self.rng, dtype=torch.float64))


@pytest.mark.parametrize("views", ["crop", "blur", "both"])
@pytest.mark.parametrize(("high", "low"), [(1.0, 0.0), (-3.0, -4.0)])
def test_a_knowing_model_is_right_and_a_collapsed_one_wrong(views: Any, high: float, low: float) -> None:
    reader = Boxes([ask(number, subset="ab"[number % 2]) for number in range(8)])
    task = RegionPick(reader, views)
    records = named(measure(task, Pointing(task, high, low)))
    assert list(records) == ["a/accuracy", "b/accuracy"]
    for record in records.values():
        assert (record.value, record.half, record.ties, record.collapsed) == (1, 1, 0, 0)
        assert (record.n, record.units, record.chance, record.blind, record.blind_by) == (4, 2, 1 / 3, 0, "largest box")
    for record in measure(task, Pointing(task, low, high)).records:
        assert record.value == 0


def test_ties_are_misses_unless_all_that_tie_are_right() -> None:
    def record(scores: Sequence[float], regions: Sequence[Region] = (LEFT, NEARLY, RIGHT, LARGE)) -> Record:
        task = RegionPick(Boxes([ask(0, regions), ask(0, regions)]), "crop")
        return measure(task, Fixed(scores), gallery=0).records[0]

    assert record([1.0, 0.5, 0.4, 0.9]).value == 1
    assert record([0.5, 1.0, 0.4, 0.9]).value == 1  # more than half in common is enough
    both_right = record([1.0, 1.0, 0.4, 0.9])
    assert (both_right.value, both_right.half, both_right.ties, both_right.chance) == (1, 1, 0, 0.5)
    tied = record([1.0, 0.3, 1.0 + 1e-9, 0.9])
    assert (tied.value, tied.half, tied.ties) == (0, 0.5, 2)
    assert record([float("nan"), 1.0, 0.0, 0.0]).value == 0
    none_right = record([0.1, 0.2], (RIGHT, LARGE))
    assert (none_right.value, none_right.chance, none_right.blind) == (0, 0, 0)
    assert record([0.1, 0.1], (LEFT, NEARLY)).chance == 1


def test_scores_of_both_views_are_added() -> None:
    task = RegionPick(Boxes([ask(0), ask(0)]), "both")
    assert measure(task, Fixed([0.2, 0.5, 0.0], [0.4, 0.0, 0.1]), gallery=0).records[0].value == 1
    assert measure(task, Fixed([0.2, 0.5, 0.0], [0.4, 0.2, 0.1]), gallery=0).records[0].value == 0


def test_overlap_of_boxes() -> None:
    assert LEFT.iou(LEFT) == 1
    assert LEFT.iou(RIGHT) == 0
    assert LEFT.iou(NEARLY) == pytest.approx(0.7)
    assert (LEFT.iou(LARGE), NEARLY.iou(LARGE)) == pytest.approx((1 / 3, 7 / 30))
    assert Region(0, 0, 2, 2).iou(Region(1, 1, 2, 2)) == pytest.approx(1 / 7)
    with pytest.raises(ValueError, match="needs boxes to choose from"):
        ask(0, gold=())


def test_the_largest_box_needs_no_model() -> None:
    reader = Boxes([ask(0, gold=[LARGE]), ask(1), ask(2, [LEFT, RIGHT])])  # in the last, two boxes are the largest
    record = measure(RegionPick(reader, "crop"), Random()).records[0]
    assert record.blind == pytest.approx((1 + 0 + 1 / 2) / 3)
    assert record.chance == pytest.approx((1 / 3 + 1 / 3 + 1 / 2) / 3)


def test_what_is_shown_of_a_box() -> None:
    whole = Image.fromarray(picture(0))
    crop = shown(whole, Region(-5, 2.4, 10.3, 100), "crop", "x")  # cut off at the border
    assert (np.asarray(crop) == picture(0)[2:, :5]).all()
    blur = np.asarray(shown(whole, Region(3, 4, 5, 6), "blur", "x"))
    inside = np.zeros((20, 30), dtype=bool)
    inside[4:10, 3:8] = True
    assert (blur[inside] == picture(0)[inside]).all()
    assert (blur[~inside] == np.asarray(whole.filter(ImageFilter.GaussianBlur(BLUR)))[~inside]).all()
    with pytest.raises(DataError, match="x: the box lies outside of an image of 30 x 20 pixels"):
        shown(whole, Region(30, 0, 5, 5), "crop", "x")
    assert Regions(Images(1), ((0, LEFT),), "blur")[0].key == "image-0@0,0,10,20/blur"


def test_sentences_about_boxes_that_cannot_be_shown_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    outside = ask(1, [LEFT, Region(40, 0, 5, 5)])
    task = RegionPick(Boxes([ask(0), outside, ask(2), ask(3)], broken=[2]), "crop")
    whole = RegionPick(Boxes([ask(0), ask(3)]), "crop")
    assert measure(task, Pointing(whole)).records[0].n == 2
    assert "boxes: 2 sentences about boxes that cannot be shown are left out" in caplog.text
    with pytest.raises(DataError, match="boxes: no sentence has all its boxes"):
        measure(RegionPick(Boxes([ask(0), outside], broken=[0]), "crop"), Pointing(whole))


def test_arguments_and_settings() -> None:
    reader = Boxes([ask(number) for number in range(8)])
    with pytest.raises(ValueError, match="views must be one of crop, blur, both, got 'shade'"):
        RegionPick(reader, "shade")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="template: 'a thing' lacks the placeholder"):
        RegionPick(reader, template="a thing")
    tasks = [RegionPick(reader), RegionPick(reader, "crop"), RegionPick(reader, template="{}"), RegionPick(reader, limit=3)]
    records = [measure(task, Pointing(task)).records[0] for task in tasks]
    assert len({record.protocol for record in records}) == 4
    assert [record.n for record in records] == [8, 8, 8, 3]


def test_galleries_show_sentences_and_crops() -> None:
    task = RegionPick(Boxes([ask(number) for number in range(8)]))
    items = measure(task, Pointing(task), gallery=3).gallery
    assert len(items) == 3
    for item in items:
        assert item.query is not None
        assert item.query.startswith("thing")
        assert [answer.correct for answer in item.top] == [True, False, False]
        assert isinstance(item.top[0].image, Image.Image)
        assert item.top[0].image.size == (10, 20)


@pytest.mark.parametrize("name", ["refcoco", "refcocog"])
def test_published_settings_on_their_layout(name: str, tmp_path: Path) -> None:
    FIXTURES[name](tmp_path)
    node = compose_config(f"+test@benchmark.tasks.mine={name}", f"benchmark_data={tmp_path}", "benchmark=off")["benchmark"]["tasks"]["mine"]
    task = build(node, name)
    for record in measure(task, Pointing(task)).records:
        assert (record.value, record.collapsed, record.n, record.units) == (1, 0, 6, 2)
        assert record.chance == pytest.approx(1 / 3)
