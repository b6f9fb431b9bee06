"""One, two and three real processes measure the same, to the byte; an error on one reaches all."""

from __future__ import annotations

import io
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from concord.benchmarks import Bench, Compositional, EmbeddingCache, Retrieval, ZeroShotClassification
from concord.distributed import Ranks
from concord.errors import DataError, MissingExtraError
from concord.images import Preprocess
from concord.models.scorer import Scorer
from concord.models.similarity import Cosine
from concord.types import Pair, Tokens
from tests.benchmarks.benchmark_fakes import FakeItems, FakeReader
from tests.processes import run_on_ranks
from tests.tiny import LONGEST, VOCABULARY, tiny_model

NAMES = ["red circle", "green square", "blue star"]
COUNT = 2 * 256 + 19
"""Three chunks: neither they nor the examples can be divided by two, and the last is short."""


class WordTokenizer:
    """A number for each word."""

    def __call__(self, texts: Sequence[str]) -> Tokens:
        words = [[1 + sum(word.encode()) % (VOCABULARY - 1) for word in text.split()][:LONGEST] for text in texts]
        ids = torch.tensor([own + [0] * (LONGEST - len(own)) for own in words])
        return Tokens(ids, ids > 0)

    context_length = LONGEST

    def lengths(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def to_dict(self) -> dict[str, str]:
        return {"kind": "words"}


class Pictures(FakeReader):
    """JPEGs of noise; some cannot be read, and some not decoded."""

    def __getitem__(self, index: int) -> Pair:
        pair = super().__getitem__(index)
        if index % 50 == 7:
            return Pair(b"no picture", pair.captions, pair.key, pair.source, pair.metadata)
        pixels = np.random.default_rng(index).integers(0, 255, (20, 24, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="JPEG")
        return Pair(buffer.getvalue(), pair.captions, pair.key, pair.source, pair.metadata)


def measure(folder: Path, cache: Path | None) -> dict[str, str]:
    """What a process finds, by file; the first one writes."""
    ranks = Ranks.current()
    captions = [[f"picture {i} of a {NAMES[i % 3]}", f"{NAMES[i % 3]} {i % 40}"] for i in range(COUNT)]
    metadata = [{"label": i % 3} for i in range(COUNT)]
    reader = Pictures(captions, metadata, NAMES, "pictures", broken=(1, 255, 530))
    tasks = {
        "zero_shot": ZeroShotClassification(reader, ["a {}", "one {}"]),
        "retrieval": Retrieval(reader, limit=400),
        "compositional": Compositional(FakeItems(reader, lambda i: f"{NAMES[i % 3 - 1]} {i}")),
    }
    bench = Bench(tasks, bootstrap=100, gallery=3, predictions=True)
    scorer = Scorer(tiny_model(Cosine()), Preprocess(4), WordTokenizer(), batch_size=100)  # type: ignore[arg-type]
    kept = None if cache is None else EmbeddingCache(cache)
    results = bench.run(scorer, ranks=ranks, cache=kept, about={"model": "tiny"})
    target = folder / f"{ranks.world}-{ranks.rank}-{kept is None}"
    results.write(target)
    return {str(path.relative_to(target)): digest(path) for path in sorted(target.rglob("*")) if path.is_file()}


def digest(path: Path) -> str:
    return blake2b(path.read_bytes()).hexdigest()


def test_any_number_of_processes_leaves_the_same_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    alone = measure(tmp_path, None)
    assert "of 531 examples cannot be read and are left out" in caplog.text
    assert {"records.json", "records.csv", "records.parquet", "predictions.parquet", "gallery/gallery.json"} <= alone.keys()
    for world in (2, 3):
        for found in run_on_ranks(measure, world, tmp_path, tmp_path, None):
            assert found == alone


def test_processes_share_what_is_kept_on_disk(tmp_path: Path) -> None:
    alone = measure(tmp_path, None)
    for found in (*run_on_ranks(measure, 2, tmp_path, tmp_path, tmp_path / "cache"), measure(tmp_path, tmp_path / "cache")):
        assert found == alone
    names = {path.name.partition("-")[0] for path in (tmp_path / "cache").rglob("*.safetensors")}
    assert names == {"images", "texts"}


ERRORS: list[Exception] = [DataError("no such file"), MissingExtraError("faiss", "faiss"), KeyError("x")]


def fail_on_one(failing: int) -> list[list[str]]:
    """What a process gets to know of each error on one."""
    ranks, known = Ranks.current(), []

    def work(error: Exception | None) -> None:
        if error is not None and ranks.rank == failing:
            raise error

    for error in ERRORS:
        try:
            ranks.spread([error] * 7, work)
        except Exception as caught:
            known.append([type(caught).__name__, str(caught)])
    return known


def test_an_error_on_one_process_is_an_error_on_all(tmp_path: Path) -> None:
    found = run_on_ranks(fail_on_one, 3, tmp_path, 1)
    assert found[1] == [[type(error).__name__, str(error)] for error in ERRORS]
    assert found[0] == found[2] == [*found[1][:2], ["RuntimeError", "KeyError: 'x'"]]


def borrow() -> list[list[float]]:
    ranks = Ranks.current()
    own = torch.full((2,), float(ranks.rank))
    with ranks.as_on_first([own, torch.arange(3)]):
        inside = own.tolist()
    return [inside, own.tolist()]


def test_tensors_are_lent_by_the_first_process(tmp_path: Path) -> None:
    assert run_on_ranks(borrow, 2, tmp_path) == [[[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]]
    own = torch.ones(2)
    with Ranks().as_on_first([own]):
        assert own.tolist() == [1.0, 1.0]
