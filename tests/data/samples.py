"""Tiny data sets in the formats of the world."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from concord.data import BadSample
from concord.types import Pair

WORDS = ["red", "blue", "green", "large", "small", "circle", "square", "star", "above", "below", "left", "right"]

Content = bytes | str | dict[str, Any]


def encode(shade: int = 0, kind: str = "PNG", size: int = 12) -> bytes:
    """A picture of one shade of grey."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), shade, dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def write_tar(path: Path, members: Iterable[tuple[str, Content]], form: int = tarfile.DEFAULT_FORMAT) -> Path:
    """A tar of regular files in this order; names may repeat."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in members:
            data = as_bytes(content)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def as_bytes(content: Content) -> bytes:
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content)).encode()


class Grey:
    """Pairs whose image has one shade and whose first caption ends with the index; some may be bad."""

    name = "grey"

    def __init__(self, size: int, bad: frozenset[int] = frozenset()) -> None:
        self.size = size
        self.bad = bad

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Pair:
        if index in self.bad:
            raise BadSample("no image", str(index))
        image = np.full((12, 12, 3), index % 256, dtype=np.uint8)
        caption = f"a {WORDS[index % 3]} {WORDS[5 + index % 3]} and nine {WORDS[index % 4 % 3]} words " * (1 + index % 3) + str(index)
        return Pair(image, (caption, f"second {index}"), str(index), self.name)
