"""Tiny data sets in the formats of the world, and the parts that turn them into batches."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from concord.data import Augmentation, BadSample
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import Pair

WORDS = "red blue green large small circle square star above below left right".split()


def encode(shade: int, kind: str = "PNG", size: int = 12) -> bytes:
    """A picture of one shade of grey."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), shade, dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def write_tar(tmp_path: Path) -> Callable[[str, Mapping[str, bytes | str | dict[str, Any]]], Path]:
    def write(name: str, members: Mapping[str, bytes | str | dict[str, Any]]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for member, content in members.items():
                data = content if isinstance(content, bytes) else (content if isinstance(content, str) else json.dumps(content)).encode()
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return path

    return write


class Grey:
    """Pairs whose image is one shade and whose caption names the index; some may be bad."""

    name = "grey"

    def __init__(self, size: int, bad: frozenset[int] = frozenset(), cause: str = "no image") -> None:
        self.size = size
        self.bad = bad
        self.cause = cause

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Pair:
        if index in self.bad:
            raise BadSample(self.cause, str(index))
        image = np.full((12, 12, 3), index % 256, dtype=np.uint8)
        words = [WORDS[index % len(WORDS)], WORDS[(index // 5) % len(WORDS)], "thing", "number", *str(index)]
        return Pair(image, (" ".join(words), f"second {index}"), str(index), self.name)


@pytest.fixture(scope="session")
def tokenizer() -> BPETokenizer:
    tokenizer = BPETokenizer(vocab_size=300, context_length=32)
    tokenizer.train([" ".join(WORDS)] * 4)
    return tokenizer


@pytest.fixture
def preprocess() -> Preprocess:
    return Preprocess(image_size=8)


@pytest.fixture
def recipes() -> dict[str, Augmentation]:
    return {
        "plain": Augmentation(),
        "weak": Augmentation(scale=(0.5, 1.0)),
        "strong": Augmentation(scale=(0.2, 1.0), flip=0.5, jitter=1.0, brightness=0.5, contrast=0.5, saturation=0.5, hue=0.2, grey=0.3, blur=0.5),
        "local": Augmentation(scale=(0.1, 0.4), size=0.5),
    }
