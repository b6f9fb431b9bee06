"""Embeddings on disk: a second run embeds nothing, and whatever changes the embeddings makes a new one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from concord.benchmarks import Bench, Compositional, EmbeddingCache, Results, Retrieval, ZeroShotClassification
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.reading import CHUNK, _checksum, embed_parts
from concord.errors import DataError
from concord.types import Embeddings, Pair, RawImage
from tests.benchmarks.benchmark_fakes import FakeItems, FakeReader, Guessing, picture

NAMES = ["red", "green", "blue"]
COUNT = CHUNK + 44


def make_reader(
    broken: Sequence[int] = (), name: str = "files", label: int = 0, changed: int | None = None, caption: str = "thing"
) -> FakeReader:
    """A data set like others: another name, other labels or captions, or one other picture."""
    captions = [[f"{caption} {i} in {NAMES[i % 3]}"] for i in range(COUNT)]
    reader = FakeReader(captions, [{"label": (i + label) % 3} for i in range(COUNT)], NAMES, name, broken)
    return reader if changed is None else Repainted(reader, changed)  # type: ignore[return-value]


class Repainted:
    """A data set of which one picture was changed."""

    def __init__(self, reader: FakeReader, changed: int) -> None:
        self.reader, self.changed = reader, changed
        self.name, self.class_names, self.captions = reader.name, reader.class_names, reader.captions

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: int) -> Pair:
        pair = self.reader[index]
        return replace(pair, image=picture(5000)) if index == self.changed else pair


class Counting(Guessing):
    """Says what it is, and brings prompts together after they were embedded. Texts are told by numbers that do not depend on the run."""

    def __init__(self, weights: str = "w") -> None:
        super().__init__()
        self.weights = weights

    def fingerprint(self) -> str:
        return self.weights

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        self.texts += len(texts)
        return Embeddings(torch.tensor([[float(sum(text.encode()) % 9973)] for text in texts]))

    def embed_features(self, images: Sequence[RawImage]) -> Embeddings:
        return Embeddings(self.embed_images(images).vectors + 0.5)

    def score(self, images: Any, texts: Any, query: str = "image") -> torch.Tensor:
        return torch.sin(images.vectors * 12.9898 + texts.vectors[:, 0] * 78.233).double()

    def score_groups(self, images: Embeddings, texts: Embeddings, sizes: list[int]) -> torch.Tensor:
        return torch.stack([part.mean(dim=1) for part in torch.split(self.score(images, texts), sizes, dim=1)], dim=1)

    @property
    def embedded(self) -> tuple[int, int]:
        return self.images, self.texts


def bench(reader: FakeReader) -> Bench:
    tasks = {"zero_shot": ZeroShotClassification(reader, ["a {}", "{}"]), "retrieval": Retrieval(reader)}
    return Bench({**tasks, "compositional": Compositional(FakeItems(reader, lambda i: f"no {i}"))}, bootstrap=100, gallery=0)


def run(reader: FakeReader, folder: Path, scorer: Counting | None = None) -> tuple[Results, tuple[int, int]]:
    scorer = Counting() if scorer is None else scorer
    return bench(reader).run(scorer, cache=EmbeddingCache(folder)), scorer.embedded


def test_a_second_run_embeds_nothing_and_finds_the_same(tmp_path: Path) -> None:
    plain = bench(make_reader(broken=(3,))).run(Counting())
    first, embedded = run(make_reader(broken=(3,)), tmp_path)
    assert embedded[0] == COUNT - 1
    assert embedded[1] > COUNT
    second, embedded = run(make_reader(broken=(3,)), tmp_path)
    assert embedded == (0, 0)
    assert plain == first == second
    assert first.records[0].n == COUNT - 1


@pytest.mark.parametrize(
    ("settings", "weights", "images"),
    [
        ({}, "w", 0),
        ({"name": "other"}, "w", 0),  # the same pictures under another name
        ({"label": 1}, "w", 0),
        ({"changed": 3}, "w", CHUNK),
        ({"changed": CHUNK + 3}, "w", COUNT - CHUNK),
        ({"broken": (3,)}, "w", CHUNK - 1),
        ({}, "other weights", COUNT),
    ],
)
def test_another_model_or_other_pictures_are_embedded_anew(settings: dict[str, Any], weights: str, images: int, tmp_path: Path) -> None:
    run(make_reader(), tmp_path)
    found, embedded = run(make_reader(**settings), tmp_path, Counting(weights))
    assert embedded[0] == images
    assert found == bench(make_reader(**settings)).run(Counting())


def test_other_texts_are_embedded_anew(tmp_path: Path) -> None:
    run(make_reader(), tmp_path)
    found, embedded = run(make_reader(caption="object"), tmp_path)
    assert embedded[0] == 0
    assert embedded[1] >= COUNT
    assert found == bench(make_reader(caption="object")).run(Counting())


def test_features_and_subsets_are_kept_apart(tmp_path: Path) -> None:
    scorer, reader = Counting(), make_reader()
    for _ in range(2):
        evaluation = Evaluation(scorer, cache=EmbeddingCache(tmp_path))
        whole, features, few = evaluation.examples(reader), evaluation.examples(reader, look="features"), evaluation.examples(reader, 10)
        assert whole.images.vectors[:, 0].tolist() == list(range(COUNT))
        assert features.images.vectors[:, 0].tolist() == [i + 0.5 for i in range(COUNT)]
        assert few.images.vectors[:, 0].tolist() == few.indices
    assert scorer.images == COUNT + COUNT + 10


@pytest.mark.parametrize("damage", [b"", b"no tensors at all", None])
def test_a_damaged_file_is_told_of_and_written_anew(damage: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, _ = run(make_reader(), tmp_path)
    files = sorted(tmp_path.rglob("*.safetensors"))
    assert len(files) >= 4  # two chunks of pictures, prompts and captions
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
    second, embedded = run(make_reader(), tmp_path)
    assert second == first
    assert embedded[0] == COUNT
    assert caplog.text.count("is damaged") == len(files)
    caplog.clear()
    assert run(make_reader(), tmp_path)[1] == (0, 0)
    assert caplog.text == ""


def test_an_interrupted_run_goes_on_where_it_stood(tmp_path: Path) -> None:
    class Failing(Counting):
        def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
            if self.images >= CHUNK:
                raise RuntimeError("out of memory")
            return super().embed_images(images)

    with pytest.raises(RuntimeError, match="out of memory"):
        run(make_reader(), tmp_path, Failing())
    assert run(make_reader(), tmp_path)[1][0] == COUNT - CHUNK


def test_a_folder_that_cannot_be_written_to_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    first, _ = run(make_reader(), tmp_path / "file" / "inside")
    assert first == bench(make_reader()).run(Counting())
    assert "embeddings are not kept in" in caplog.text


def test_what_has_tokens_and_masks_comes_back_whole(tmp_path: Path) -> None:
    class Late(Counting):
        def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
            vectors = super().embed_images(images).vectors
            return Embeddings(vectors, vectors[:, None, :].expand(-1, 3, 1).bfloat16(), torch.arange(3)[None] < vectors.long() % 3 + 1)

    first, second = (Evaluation(Late(), cache=EmbeddingCache(tmp_path)).examples(make_reader()).images for _ in range(2))
    for name in ("vectors", "tokens", "mask"):
        assert torch.equal(getattr(first, name), getattr(second, name))
        assert getattr(first, name).dtype == getattr(second, name).dtype


def test_the_next_chunks_are_read_and_prepared_while_the_model_works() -> None:
    prepared: list[int] = []
    seen: list[int] = []

    class Watching(Counting):
        def prepare(self, image: RawImage) -> RawImage:
            prepared.append(0)
            return image

        def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
            for _ in range(1000):  # until the threads are as far as they are let
                if len(prepared) >= min(50, 10 * (len(seen) + 2)):
                    break
                time.sleep(0.01)
            seen.append(len(prepared))
            return super().embed_images(images)

    chunks = [list(range(start, start + 10)) for start in range(0, 50, 10)]
    parts = list(embed_parts(make_reader(), chunks, Watching()))
    assert [part.indices for part in parts] == chunks
    assert seen == [20, 30, 40, 50, 50]  # one chunk ahead, and no further


def test_pictures_are_told_apart_by_what_they_look_like() -> None:
    pixels = np.arange(24, dtype=np.uint8)
    palettes = [Image.fromarray(pixels.reshape(4, 6), "P") for _ in range(2)]
    for image, colour in zip(palettes, (10, 20), strict=True):
        image.putpalette([colour] * 768)
    pictures = [pixels.reshape(2, 4, 3), pixels.reshape(4, 2, 3), Image.fromarray(pixels.reshape(2, 4, 3)), *palettes, pixels.tobytes()]
    assert len({_checksum(image) for image in pictures}) == len(pictures)


def test_pictures_that_the_scorer_cannot_prepare_are_left_out() -> None:
    class Picky(Counting):
        def prepare(self, image: RawImage) -> RawImage:
            if int(image[0, 0, 2]) in (3, 4):  # type: ignore[index]
                raise DataError("cannot decode image")
            return image

    (part,) = embed_parts(make_reader(), [list(range(10))], Picky())
    assert part.indices == [0, 1, 2, 5, 6, 7, 8, 9]
    assert dict(part.causes) == {"cannot decode image": 2}
