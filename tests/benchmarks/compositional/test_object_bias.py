"""Objects found again from captions and images, by mention and by size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from concord.benchmarks import Bench, ObjectBias, Record
from concord.data import Shapes
from concord.errors import DataError
from concord.types import Embeddings
from tests.benchmarks.benchmark_fakes import Collapsed, FakeReader, FakeScorer, Guessing

NAMES = ["apple", "boat", "chair", "dog", "egg", "fork"]
SCENES = [(["apple", "boat"], 0), (["chair", "dog", "egg"], 2), (["fork", "apple", "dog"], 1), (["egg", "boat"], None)]


def make_reader() -> FakeReader:
    captions = [[" and ".join(f"a {name}" for name in objects)] for objects, _ in SCENES]
    return FakeReader(captions, [{"objects": objects, "large": large} for objects, large in SCENES])


class Naming(FakeScorer):
    """Texts are weighted sums of the axes of the objects that they name; images show them by weights too."""

    def __init__(self, mention: Callable[[int], float], large: float, small: float, shift: float = 0.0) -> None:
        super().__init__()
        self.mention, self.large, self.small, self.shift = mention, large, small, shift

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        rows = np.zeros((len(texts), len(NAMES) + 1), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for place, name in enumerate(word for word in text.split() if word in NAMES):
                row[NAMES.index(name)] = self.mention(place)
        return Embeddings(torch.from_numpy(rows))

    def score(self, images: Embeddings, texts: Embeddings, query: str = "image") -> torch.Tensor:  # type: ignore[override]
        pictures = torch.zeros(len(images), len(NAMES) + 1)
        for row, number in zip(pictures, images.vectors[:, 0].long().tolist(), strict=True):
            objects, large = SCENES[number]
            for place, name in enumerate(objects):
                row[NAMES.index(name)] = self.large if place == large else self.small
        return pictures @ texts.vectors.T + self.shift


def measure(scorer: FakeScorer, reader: FakeReader | Shapes | None = None) -> dict[str, Record]:
    task = ObjectBias(make_reader() if reader is None else reader)
    return {record.name.split("/", 2)[2]: record for record in Bench({"bias": task}).run(scorer).records}


@pytest.mark.parametrize("shift", [0.0, -10.0])
def test_an_oracle_finds_all_and_is_fair(shift: float) -> None:
    records = measure(Naming(lambda place: 1.0, 1.0, 1.0, shift))
    recalls = {name: record.value for name, record in records.items() if record.metric == "recall"}
    names = [*(f"text/{place}/recall" for place in ("first", "second", "third")), "image/large/recall", "image/other/recall"]
    assert recalls == dict.fromkeys(names, 1.0)
    assert records["text/bias"].value == records["image/bias"].value == 0
    assert [records[f"text/{place}/recall"].n for place in ("first", "second", "third")] == [4, 4, 2]
    assert (records["image/large/recall"].n, records["image/other/recall"].n) == (3, 5)


def test_a_model_that_reads_the_first_and_sees_the_large_object_is_biased() -> None:
    records = measure(Naming(lambda place: float(place == 0), 1.0, 0.0))
    assert records["text/first/recall"].value == 1
    assert records["text/second/recall"].value == records["text/third/recall"].value == 0
    assert records["image/large/recall"].value == 1
    assert records["image/other/recall"].value == 0
    assert records["text/bias"].value == records["image/bias"].value == 1
    assert records["text/bias"].collapsed == 0


def test_a_collapsed_model_finds_nothing_and_chance_by_lot() -> None:
    records = measure(Collapsed())
    for record in records.values():
        assert record.value == 0
        if record.metric == "recall":
            assert record.half == pytest.approx(record.chance)
            assert record.ties == record.n


def test_chance_is_one_among_the_objects_that_a_scene_lacks() -> None:
    records = measure(Guessing())
    assert records["text/first/recall"].chance == pytest.approx(np.mean([1 / 5, 1 / 4, 1 / 4, 1 / 5]))
    assert records["image/large/recall"].chance == pytest.approx(np.mean([1 / 5, 1 / 4, 1 / 4]))


def test_shapes_make_such_scenes() -> None:
    records = measure(Collapsed(), Shapes(objects=[2, 3], size=30))
    assert {"text/third/recall", "image/large/recall", "image/bias"} <= set(records)
    pair = Shapes(objects=[2, 3], size=30)[0]
    places = [pair.captions[0].index(name.split()[-1]) for name in pair.metadata["objects"]]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ([{}, {}], "no example has a caption and at least two objects"),
        ([{"objects": ["a", "a"]}] * 2, "objects must differ"),
        ([{"objects": ["a", "b"], "large": 2}] * 2, r"large must lie in \[0, 1\]"),
        ([{"objects": ["a", "b"]}, {"objects": ["b", "a"]}], "all scenes show the same objects"),
    ],
)
def test_data_that_do_not_fit_are_refused(metadata: list[dict[str, object]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        measure(Guessing(), FakeReader([["a and b"]] * 2, metadata))


def test_a_template_needs_its_place() -> None:
    with pytest.raises(ValueError, match="template must hold"):
        ObjectBias(make_reader(), template="a photo")
