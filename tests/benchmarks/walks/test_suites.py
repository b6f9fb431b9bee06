"""The suites in conf/benchmark on their real data: built as a run builds them, measured with models of known answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from concord.benchmarks import Bench, Compositional, Task, ZeroShotClassification
from concord.benchmarks.classification.prompts import prompts_of
from concord.config import build
from concord.types import Embeddings, RawImage
from tests.benchmarks.benchmark_fakes import FakeScorer


def suite(conf_folder: Path, name: str) -> Bench:
    bench = build(yaml.safe_load((conf_folder / "benchmark" / f"{name}.yaml").read_text()), "benchmark")
    assert isinstance(bench, Bench)
    return bench


class Knowing(FakeScorer):
    """Has seen the answers to all tasks of a bench."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.numbers: dict[bytes, int] = {}
        self.fitting: dict[str, set[int]] = {}
        for task in tasks:
            reader = task.reader.images if isinstance(task, Compositional) else task.reader
            for index in range(len(reader)):
                pair = reader[index]
                texts = list(pair.captions)
                if isinstance(task, ZeroShotClassification):
                    texts += prompts_of([task.class_names[pair.metadata["label"]]], task.templates)[0]
                number = self.numbers.setdefault(np.asarray(pair.image).tobytes(), len(self.numbers))
                for text in texts:
                    self.fitting.setdefault(text, set()).add(number)

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        return Embeddings(torch.tensor([[float(self.numbers[np.asarray(image).tobytes()])] for image in images]))

    def score(
        self, images: Embeddings | Sequence[RawImage], texts: Embeddings | Sequence[str], query: Literal["image", "text"] = "image"
    ) -> Tensor:
        assert isinstance(images, Embeddings)
        assert isinstance(texts, Embeddings)
        numbers = images.vectors[:, 0].numpy()
        words = [self.known[place] for place in texts.vectors[:, 0].long().tolist()]
        return torch.from_numpy(np.stack([np.isin(numbers, list(self.fitting.get(word, ()))) for word in words], axis=1)).float()


class Blank(Knowing):
    """Tells pictures apart as another one does, and says the same of all."""

    def __init__(self, other: Knowing) -> None:
        super().__init__([])
        self.numbers = other.numbers

    def score(
        self, images: Embeddings | Sequence[RawImage], texts: Embeddings | Sequence[str], query: Literal["image", "text"] = "image"
    ) -> Tensor:
        return torch.full_like(super().score(images, texts, query), 0.5)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("quick", {"zero_shot/shapes", "retrieval/shapes", "compositional/shapes", "diagnostics/shapes"}),
        (
            "phantoms",
            {f"{kind}/phantoms" for kind in ("multi_label", "compositional", "zero_shot", "retrieval", "diagnostics")}
            | {"multi_label/phantoms_sides"},
        ),
    ],
)
def test_a_knowing_model_is_right_about_everything_and_a_blank_one_about_nothing(conf_folder: Path, name: str, kinds: set[str]) -> None:
    bench = suite(conf_folder, name)
    bench.bootstrap = 100
    assert {f"{task.kind}/{task.reader.name}" for task in bench.tasks.values()} == kinds
    # In an AUROC a tie counts half, so that a blank model gets chance and not less; `test_three_models.py` asks those.
    tasks = [task for task in bench.tasks.values() if task.kind not in ("diagnostics", "multi_label")]
    bench.tasks = {task.kind: task for task in tasks}
    knowing = Knowing(tasks)
    known = [record for record in bench.run(knowing).records if record.metric != "rsum"]
    assert {record.value for record in known} == {1.0}  # recalls, accuracies and median ranks
    blank = [record for record in bench.run(Blank(knowing)).records if record.metric != "median_rank"]
    assert all(record.chance is not None and record.value < record.chance for record in blank)
    # Measures of all places never reach 0.
    assert {record.value for record in blank if record.metric not in ("mrr", "map_r", "r_precision")} == {0.0}


def test_the_quick_suite_asks_what_it_promises(conf_folder: Path) -> None:
    tasks = suite(conf_folder, "quick").tasks
    zero_shot = tasks["zero_shot"]
    assert isinstance(zero_shot, ZeroShotClassification)
    assert len(zero_shot.class_names) == 64
    assert np.bincount([zero_shot.reader[i].metadata["label"] for i in range(len(zero_shot.reader))], minlength=64).tolist() == [8] * 64
    assert len(tasks["retrieval"].reader) == 500
    compositional = tasks["compositional"]
    assert isinstance(compositional, Compositional)
    assert len(compositional.reader.items) == 4 * 500


def test_no_suite_is_an_option(conf_folder: Path) -> None:
    assert suite(conf_folder, "off").tasks == {}


def test_every_suite_says_what_it_is(conf_folder: Path) -> None:
    for path in (conf_folder / "benchmark").glob("*.yaml"):
        assert path.read_text().startswith("# "), path
