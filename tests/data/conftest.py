"""The parts that turn pairs into batches, small."""

from __future__ import annotations

import pytest

from concord.data import Augmentation
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from tests.data.samples import WORDS


@pytest.fixture(scope="session")
def tokenizer() -> BPETokenizer:
    return BPETokenizer(vocab_size=300, context_length=64).train([" ".join(WORDS)] * 4)


@pytest.fixture
def preprocess() -> Preprocess:
    return Preprocess(image_size=8)


@pytest.fixture
def recipes() -> dict[str, Augmentation]:
    colours = {"jitter": 1.0, "brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.2, "grey": 0.3, "blur": 0.5}
    return {
        "plain": Augmentation(),
        "weak": Augmentation(scale=(0.5, 1.0)),
        "strong": Augmentation(scale=(0.2, 1.0), flip=0.5, **colours),
        "local": Augmentation(scale=(0.1, 0.4), size=0.5),
    }
