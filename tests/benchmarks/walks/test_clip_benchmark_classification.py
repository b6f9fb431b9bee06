"""The same logits give the numbers that CLIP_benchmark's code gives, wherever no two scores tie."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from concord.benchmarks import Bench, ZeroShotClassification, ZeroShotMultiLabel
from tests.benchmarks.benchmark_fakes import FakeReader, Table

CLASSES, IMAGES = 12, 400
NAMES = [f"class {c}" for c in range(CLASSES)]
RNG = np.random.default_rng(11)
LABELS = (RNG.random(IMAGES) ** 2 * CLASSES).astype(int)
LOGITS = (RNG.normal(size=(IMAGES, CLASSES)) + 1.2 * np.eye(CLASSES)[LABELS]).astype(np.float32)
SEVERAL = (RNG.random((IMAGES, CLASSES)) < 0.15).astype(int)

COMMITTED = {"top1": 0.3575, "top5": 0.79, "mean_per_class": 0.36427440152334595, "map": 0.17846018075942993}
"""What clip_benchmark 1.6.2 says of these logits."""


def ours() -> dict[str, float]:
    single = FakeReader([["x"]] * IMAGES, [{"label": int(label)} for label in LABELS], NAMES)
    several = FakeReader([["x"]] * IMAGES, [{"labels": row} for row in SEVERAL.tolist()], NAMES)
    tasks = {"single": ZeroShotClassification(single, ["{}"]), "several": ZeroShotMultiLabel(several, ["{}"], metrics=("map",))}
    records = Bench(tasks, gallery=0, bootstrap=100).run(Table(LOGITS, NAMES)).records
    assert {record.ties for record in records} == {0}
    return {record.metric: record.value for record in records if record.subset == ""}


def by_definition() -> dict[str, float]:
    """The same formulae, written out in double precision."""
    logits = LOGITS.astype(np.float64)
    order = np.argsort(-logits, axis=1)
    hits = order[:, 0] == LABELS
    precisions = []
    for c in range(CLASSES):
        truth = SEVERAL[np.argsort(-logits[:, c]), c]
        precisions.append((np.cumsum(truth) / np.arange(1, IMAGES + 1))[truth == 1].sum() / truth.sum())
    return {
        "top1": hits.mean(),
        "top5": (order[:, :5] == LABELS[:, None]).any(axis=1).mean(),
        "mean_per_class": np.mean([hits[c == LABELS].mean() for c in np.unique(LABELS)]),
        "map": np.mean(precisions),
    }


def test_the_numbers_are_those_of_clip_benchmark() -> None:
    assert ours() == pytest.approx(by_definition(), abs=1e-12)
    assert ours() == pytest.approx(COMMITTED, abs=1e-7)


class Batches(list):
    """What their loop reads."""

    dataset = SimpleNamespace(classes=NAMES)


def test_the_numbers_are_those_of_clip_benchmark_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = pytest.importorskip("clip_benchmark.metrics.zeroshot_classification")
    # It turns arrays of one element into numbers, which NumPy no longer does.
    monkeypatch.setattr(theirs, "float", lambda value: np.asarray(value).item(), raising=False)
    unit = torch.eye(CLASSES, dtype=torch.float64)
    model = SimpleNamespace(encode_image=lambda images: images, encode_text=lambda places: unit[places])
    batches = Batches([(torch.from_numpy(LOGITS).double(), torch.from_numpy(LABELS))])
    said = theirs.evaluate(model, batches, lambda texts: torch.tensor([NAMES.index(text) for text in texts]), NAMES, ["{c}"], "cpu", False)
    found = ours()
    assert (said["acc1"], said["acc5"], said["mean_per_class_recall"]) == (found["top1"], found["top5"], found["mean_per_class"])
    precision = theirs.average_precision_per_class(torch.from_numpy(LOGITS), torch.from_numpy(SEVERAL))
    assert precision.mean().item() == pytest.approx(found["map"], abs=1e-6)  # theirs is in single precision
