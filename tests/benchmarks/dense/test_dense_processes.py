"""Tests of places on one, two and three real processes leave the same files, to the byte."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from concord.benchmarks import Bench, RegionPick, Segmentation
from concord.distributed import Ranks
from concord.images import decode
from concord.types import Embeddings, RawImage
from tests.benchmarks.dense.dense_fakes import Colours
from tests.benchmarks.dense.test_region_pick import Boxes, ask
from tests.benchmarks.dense.test_segmentation import SMALL, Drawn, masks
from tests.processes import run_on_ranks


class Means(Colours):
    """Takes class 2 for 1, and whole pictures for their mean colour; a text is a direction by its letters."""

    def __init__(self, task: Segmentation) -> None:
        super().__init__(task)
        self.label_of[2] = 1

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        means = np.stack([np.asarray(decode(image), dtype=np.float64).mean(axis=(0, 1)) - 127 for image in images])
        return Embeddings(F.normalize(torch.from_numpy(means), dim=1).float())

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        if texts[0] in self.label_of_text:
            return super().embed_texts(texts)
        drawn = [np.random.default_rng(list(text.encode())).normal(size=3) for text in texts]
        return Embeddings(F.normalize(torch.from_numpy(np.stack(drawn)), dim=1).float())

    def score(
        self, images: Embeddings | Sequence[RawImage], texts: Embeddings | Sequence[str], query: Literal["image", "text"] = "image"
    ) -> Tensor:
        assert isinstance(images, Embeddings)
        assert isinstance(texts, Embeddings)
        return images.vectors @ texts.vectors.T


def found(folder: Path) -> dict[str, bytes]:
    segmentation = Segmentation(Drawn(masks(19), broken=[4, 17]), per_class=True, **SMALL)
    regions = RegionPick(Boxes([ask(number) for number in range(150)]))
    ranks = Ranks.current()
    target = folder / f"{ranks.world}-{ranks.rank}"
    bench = Bench({"segmentation": segmentation, "regions": regions}, bootstrap=100, gallery=3, predictions=True)
    results = bench.run(Means(Segmentation(Drawn(masks(19)), **SMALL)), ranks=ranks)
    assert all(0 < record.value < 1 or record.metric == "iou" for record in results.records)
    results.write(target)
    return {str(path.relative_to(target)): path.read_bytes() for path in sorted(target.rglob("*")) if path.is_file()}


def test_any_number_of_processes_finds_the_same(tmp_path: Path) -> None:
    expected = found(tmp_path)
    assert {"records.json", "figures.json", "predictions.parquet", "gallery/gallery.json"} <= expected.keys()
    for world in (2, 3):
        assert all(own == expected for own in run_on_ranks(found, world, tmp_path, tmp_path))
