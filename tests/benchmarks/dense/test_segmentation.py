"""Classes of pixels from patches: windows, words, ties, overlap, intervals, and the same numbers on any number of processes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from concord.benchmarks import Bench, Record, Results, Segmentation
from concord.benchmarks.dense.labels import NOTHING, Rule
from concord.benchmarks.dense.overlap import class_iou, confusion_of, constant_answer, counts_of, mean_iou, pixel_accuracy
from concord.benchmarks.dense.windows import Windows, resized, window_starts
from concord.config import build
from concord.errors import ConfigError, DataError, IncompatibleError
from concord.items import IGNORED
from concord.types import Pair
from tests.benchmarks.benchmark_fakes import Guessing
from tests.benchmarks.dense.dense_fakes import Colours
from tests.composing import compose_config
from tests.data.benchmarks.dense_fixtures import FIXTURES, colours

NAMES = ["sky, cloud", "grass", "cat"]
SMALL: dict[str, Any] = {"templates": ["a {}", "one {}"], "short_side": 24, "window": 16, "stride": 8}


class Pictures:
    """Images from memory."""

    name = "drawn"

    def __init__(self, pictures: Sequence[Any]) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Pair:
        if self.pictures[index] is None:
            raise DataError("no such picture")
        return Pair(self.pictures[index], (), f"image-{index}", self.name, {"place": index // 2})


class Drawn:
    """Segmented images from memory, whose pictures have the colours of their masks."""

    name = "drawn"

    def __init__(self, masks: Sequence[np.ndarray], class_names: Sequence[str] = NAMES, broken: Sequence[int] = ()) -> None:
        self.masks = [np.asarray(mask, dtype=np.uint8) for mask in masks]
        self.class_names = class_names
        self.images = Pictures([None if place in broken else colours(mask) for place, mask in enumerate(self.masks)])

    def mask(self, index: int) -> np.ndarray:
        return self.masks[index]


def masks(count: int = 5, seed: int = 0) -> list[np.ndarray]:
    """Blocks of random classes; the sky is half of all."""
    rng = np.random.default_rng(seed)
    blocks = rng.choice([0, 1, 2, IGNORED], (count, 3, 4), p=[0.5, 0.2, 0.2, 0.1])
    return [own.repeat(8, axis=0).repeat(8, axis=1) for own in blocks]


def measure(task: Segmentation, scorer: Any, **options: Any) -> Results:
    return Bench({"one": task}, bootstrap=100, **options).run(scorer)


def named(results: Results) -> dict[str, Record]:
    return {record.name.removeprefix("segmentation/drawn/"): record for record in results.records}


@pytest.mark.parametrize("low", [0.0, -3.0])
def test_a_knowing_model_is_right_everywhere_and_a_collapsed_one_nowhere(low: float) -> None:
    task = Segmentation(Drawn(masks()), per_class=True, **SMALL)
    records = named(measure(task, Colours(task, low)))
    assert list(records) == ["miou", "pixel_accuracy", "sky/iou", "grass/iou", "cat/iou"]
    frequency = np.bincount(np.concatenate([mask[mask != IGNORED] for mask in masks()]))
    frequency = frequency / frequency.sum()
    chances = [frequency.max() / 3, frequency.max(), *frequency]
    for record, chance in zip(records.values(), chances, strict=True):
        assert record.value == 1
        assert record.high == 1
        assert record.chance == pytest.approx(chance)
        assert record.collapsed == 0
        assert (record.n, record.units, record.ties) == (5, 5, 0)


@pytest.mark.parametrize("name", [name for name in FIXTURES if not name.startswith("ref")])
def test_published_settings_on_their_layouts(name: str, tmp_path: Path) -> None:
    FIXTURES[name](tmp_path)
    node = compose_config(f"+test@benchmark.tasks.mine={name}", f"benchmark_data={tmp_path}", "benchmark=off")["benchmark"]["tasks"]["mine"]
    task = build(node, name)
    for record in measure(task, Colours(task), gallery=0).records:
        assert record.value == 1
        assert record.chance is not None
        assert record.collapsed is not None
        assert record.collapsed <= record.chance < 1


def test_a_collapsed_model_ties_everywhere() -> None:
    reader = Drawn(masks())

    class Same(Colours):
        def embed_patches(self, pixels: torch.Tensor, attention: Any = "vanilla") -> Any:
            patches, grid = super().embed_patches(pixels)
            noise = 1 + 1e-7 * torch.arange(patches[..., 0].numel()).reshape(patches.shape[:2])
            return torch.full_like(patches, 3**-0.5) * noise[..., None], grid

    task = Segmentation(reader, **SMALL)
    for record in measure(task, Same(task)).records:
        assert (record.value, record.ties) == (0, 5)
    task = Segmentation(reader, background=0.5, **SMALL)  # nothing is likely: all is background, the most frequent class
    for record in measure(task, Same(task)).records:
        assert record.value == pytest.approx(record.chance)


def test_counts_of_known_answers() -> None:
    confusion = np.array([[5, 1, 0], [2, 2, 0]])
    assert mean_iou(counts_of(confusion)) == pytest.approx(0.5125)
    assert class_iou(counts_of(confusion)) == pytest.approx([5 / 8, 2 / 5])
    assert pixel_accuracy(counts_of(confusion)) == 7 / 10
    guess = constant_answer(counts_of(confusion))
    assert (mean_iou(guess), pixel_accuracy(guess)) == pytest.approx((0.6 / 2, 0.6))
    # Pixels that are taken for nothing are missed, and of a class that does not occur nothing is said.
    assert class_iou(counts_of(np.array([[3, 0, 1], [0, 0, 0]])))[0] == 3 / 4
    assert np.isnan(class_iou(counts_of(np.array([[3, 1, 0], [0, 0, 0]])))[1])
    gold, found = np.array([[0, 1, IGNORED], [1, 1, 0]], dtype=np.uint8), np.array([[0, 0, 1], [1, NOTHING, NOTHING]])
    assert confusion_of(gold, found, 2).tolist() == [[1, 0, 1], [1, 1, 1]]


def test_overlap_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    gold, found = rng.integers(0, 4, (9, 11)).astype(np.uint8), rng.integers(0, 4, (9, 11))
    ours = class_iou(counts_of(confusion_of(gold, found, 4)))
    assert ours == pytest.approx(metrics.jaccard_score(gold.flatten(), found.flatten(), average=None))


def test_windows_cover_everything_and_end_with_the_image() -> None:
    assert window_starts(336, 224, 112) == [0, 112]
    assert window_starts(500, 224, 112) == [0, 112, 224, 276]
    assert window_starts(224, 224, 112) == [0]


def test_maps_are_means_over_windows() -> None:
    class Noise:
        patch_size = 4

        def embed_patches(self, pixels: torch.Tensor, attention: str) -> Any:
            assert attention == "clear"
            means = F.avg_pool2d(pixels.float(), 4)
            return F.normalize(means.flatten(2).transpose(1, 2), dim=-1), tuple(means.shape[-2:])

    pixels = torch.randint(0, 256, (3, 16, 24), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    words = F.normalize(torch.randn(2, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
    found = Windows(16, 16, 8, "clear").maps(Noise(), pixels, words)  # type: ignore[arg-type]
    parts = []
    for x in (0, 8):
        patches, _ = Noise().embed_patches(pixels[None, :, :, x : x + 16], "clear")
        cosines = torch.einsum("we,pe->wp", words.double(), patches[0].double()).reshape(1, 2, 4, 4)
        parts.append(F.interpolate(cosines, (16, 16), mode="bilinear")[0])
    expected = torch.cat([parts[0][..., :8], (parts[0][..., 8:] + parts[1][..., :8]) / 2, parts[1][..., 8:]], dim=-1)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6)


def test_labels_follow_the_softmax_over_words() -> None:
    maps = torch.randn(5, 6, 7, generator=torch.Generator().manual_seed(0))
    sizes, shape = [2, 1, 2], (12, 10)
    probabilities = (3 * F.interpolate(maps[None].double(), shape, mode="bilinear")[0]).softmax(dim=0)
    by_class = torch.stack([probabilities[:2].amax(0), probabilities[2], probabilities[3:].amax(0)])
    assert (Rule(3.0).labels(maps, sizes, shape) == by_class.argmax(0).numpy()).all()
    expected = torch.where(by_class.amax(0) < 0.6, 0, by_class.argmax(0)).numpy()
    assert (Rule(3.0, 0.6).labels(maps, sizes, shape) == expected).all()
    assert 0 < (expected != by_class.argmax(0).numpy()).mean() < 1


def test_small_areas_are_left_out() -> None:
    maps = torch.full((3, 10, 10), 0.1)
    maps[1] = 0.5  # all is of class 1, but for a corner of class 2 and a strip of background
    maps[2, :2, :2], maps[0, 9] = 0.9, 0.8
    without = Rule(10.0).labels(maps, [1, 1, 1], (10, 10))
    assert np.bincount(without.flatten()).tolist() == [10, 86, 4]
    assert np.bincount(Rule(10.0, min_area=0.1).labels(maps, [1, 1, 1], (10, 10)).flatten(), minlength=3).tolist() == [10, 90, 0]
    assert (Rule(10.0, min_area=0.04).labels(maps, [1, 1, 1], (10, 10)) == without).all()
    assert (Rule(10.0, min_area=0.1).labels(torch.ones(3, 10, 10), [1, 1, 1], (10, 10)) == NOTHING).all()


def test_pictures_are_brought_to_their_shorter_side() -> None:
    assert resized(Image.new("RGB", (500, 375)), 336).shape == (3, 336, 448)
    with pytest.raises(DataError, match="4000 x 100 pixels is too narrow"):
        resized(Image.new("RGB", (4000, 100)), 336)


def test_words_are_averaged_over_templates_and_the_best_one_counts() -> None:
    reader = Drawn(masks())
    task = Segmentation(reader, **SMALL)
    assert task.words == [["sky", "cloud"], ["grass"], ["cat"]]

    class Cloudy(Colours):
        """Knows the sky as a cloud only, and a cloud in one template only."""

        def embed_texts(self, texts: Sequence[str]) -> Any:
            embedded = super().embed_texts(texts)
            for row, text in enumerate(texts):
                if text in ("a sky", "one sky", "one cloud"):
                    embedded.vectors[row] = torch.tensor([0.0, -1.0, 0.0] if "sky" in text else [0.1, 0.0, 0.0])
            return embedded

    assert {record.value for record in measure(task, Cloudy(task)).records} == {1.0}


def test_broken_images_are_left_out_and_broken_masks_are_not(caplog: pytest.LogCaptureFixture) -> None:
    whole = Segmentation(Drawn(masks()), **SMALL)
    task = Segmentation(Drawn(masks(), broken=[1]), **SMALL)
    assert measure(task, Colours(whole)).records[0].n == 4
    assert "drawn: 1 of 5 images cannot be read and are left out (mostly: no such picture)" in caplog.text
    with pytest.raises(DataError, match="drawn: none of 5 images has pixels that count \\(mostly: no such picture\\)"):
        measure(Segmentation(Drawn(masks(), broken=range(5)), **SMALL), Colours(whole))
    for wrong, message in (
        (masks()[0][:, 1:], "image-1: the image has 32 x 24 pixels and its mask 31 x 24; do they belong together"),
        (np.where(masks()[0] == 2, 3, masks()[0]), "image-1: the mask holds class 3, and there are 3 classes"),
    ):
        reader = Drawn(masks())
        reader.masks[1] = wrong.astype(np.uint8)
        with pytest.raises(DataError, match=message):
            measure(Segmentation(reader, **SMALL), Colours(whole))


def test_models_that_do_not_fit_are_refused() -> None:
    task = Segmentation(Drawn(masks()), **SMALL)
    with pytest.raises(IncompatibleError, match="this model shows no patches"):
        measure(task, Guessing())
    scorer = Colours(task)
    scorer.patch_size = 7
    with pytest.raises(IncompatibleError, match="window=16 is no multiple of the model's patches of 7"):
        measure(task, scorer)
    results = measure(task, Guessing(), skip_missing=True)
    assert "no patches" in results.skipped["one"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"window": 25}, ValueError, "window must lie in"),
        ({"stride": 17}, ValueError, "stride must lie in"),
        ({"scale": 0.0}, ValueError, "scale must be above 0"),
        ({"background": 1.0}, ValueError, "background must lie in"),
        ({"min_area": 0.0}, ValueError, "min_area must lie in"),
        ({"attention": "csa"}, ValueError, "attention must be one of vanilla, value, self, clear"),
        ({"class_names": ["a", " , "]}, ConfigError, "class_names must not be empty, class 1 is"),
        ({"class_names": ["a"]}, ConfigError, "must hold 2 to 255 classes, got 1"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Segmentation(Drawn(masks()), **{**SMALL, **options})


def test_intervals_draw_whole_units() -> None:
    records = {}
    for unit in (None, "place"):
        task = Segmentation(Drawn(masks(8)), unit=unit, **SMALL)
        scorer = Colours(task)
        scorer.label_of[2] = 1  # takes cats for grass
        records[unit] = measure(task, scorer).records[0]
        assert records[unit].low is not None
        assert records[unit].low < records[unit].value < records[unit].high
    assert [record.units for record in records.values()] == [8, 4]
    assert records[None].low != records["place"].low


def test_limits_and_settings_show() -> None:
    reader = Drawn(masks(12))
    task = Segmentation(reader, limit=3, **SMALL)
    records = [measure(task, Colours(task)).records[0]]
    assert records[0].n == 3
    changes: list[dict[str, Any]] = [{"attention": "self"}, {"stride": 4}, {"background": 0.2}, {"templates": ["a {}"]}]
    records += [measure(Segmentation(reader, **{**SMALL, **change}), Colours(task)).records[0] for change in changes]
    assert len({record.protocol for record in records}) == 5


def test_maps_show_the_classes_of_an_image() -> None:
    task = Segmentation(Drawn(masks()), **SMALL)
    drawn = measure(task, Colours(task), gallery=2).figures
    maps = {name: figure for name, figure in drawn.items() if figure["kind"] == "patch_map"}
    assert len(maps) == 2
    for name, figure in maps.items():
        mask = masks()[int(name[-1])]
        assert set(figure["maps"]) == {["sky", "grass", "cat"][label] for label in np.unique(mask[mask != IGNORED])}
        for label, word in enumerate(["sky", "grass", "cat"]):
            if word in figure["maps"]:
                assert (np.array(figure["maps"][word])[mask == label] == 1).all()
        assert base64.b64decode(figure["image"])[:2] == b"\xff\xd8"
    confusion = drawn["segmentation/drawn/confusion"]
    assert np.count_nonzero(np.array(confusion["counts"])) == 3
    assert [name for name in measure(task, Colours(task), gallery=0).figures if "patches" in name] == []
