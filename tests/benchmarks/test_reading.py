"""Pictures that threads prepared ahead of the model are embedded as they would be without, to the bit."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image

from concord.benchmarks.protocol import Preparing
from concord.benchmarks.reading import embed_parts
from concord.images import Preprocess
from concord.models.scorer import Scorer
from concord.models.similarity import Cosine
from concord.types import Pair, RawImage
from tests.tiny import tiny_model


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 255, shape, dtype=np.uint8)


def pictures() -> list[RawImage]:
    turned = Image.Exif()
    turned[0x0112] = 6
    return [
        noise(9, 7, 3),
        Image.fromarray(noise(4, 4, 3)),
        encoded(Image.fromarray(noise(40, 31, 3)), "JPEG"),
        encoded(Image.fromarray(noise(40, 31, 3)), "JPEG", exif=turned),
        encoded(Image.fromarray(noise(20, 33, 4), "RGBA"), "PNG"),
        encoded(Image.fromarray(noise(15, 12)), "PNG"),
        encoded(Image.fromarray(noise(3, 300, 3)), "PNG"),
    ]


class Album:
    """Pictures of every kind."""

    name = "album"

    def __init__(self) -> None:
        self.pictures = pictures()

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Pair:
        return Pair(self.pictures[index], (), str(index))


@pytest.mark.parametrize("resize", ["crop", "squash", "pad"])
@pytest.mark.parametrize("look", ["embedding", "features"])
def test_prepared_pictures_are_embedded_as_they_would_be_without(
    resize: Literal["crop", "squash", "pad"], look: Literal["embedding", "features"]
) -> None:
    scorer = Scorer(tiny_model(Cosine()), Preprocess(4, resize, background=(9, 99, 199)), None)  # type: ignore[arg-type]
    assert isinstance(scorer, Preparing)
    (part,) = embed_parts(Album(), [range(7)], scorer, look)
    assert part.images is not None
    plain = scorer.embed_images(pictures()) if look == "embedding" else scorer.embed_features(pictures())
    assert torch.equal(part.images.vectors, plain.vectors)
    assert len(plain.vectors.unique(dim=0)) == 7
