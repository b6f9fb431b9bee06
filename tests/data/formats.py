"""One small data set in several formats, stored in uneven pieces, and mixtures of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from concord.data import Augmentation, Mixture, Parquet, Shards, Source, WebDataModule
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import ImageView, TextView
from tests.data.samples import WORDS, write_tar

SHARDS = (3, 17, 1, 9)  # examples in each
FILES = (13, 20)  # rows in each
ROW_GROUP = 5


def write_formats(folder: Path) -> None:
    """Shards and Parquet files of different examples."""
    first = 0
    for number, count in enumerate(SHARDS):
        members = [(f"s{key}.{suffix}", content) for key in range(first, first + count) for suffix, content in _members(key)]
        write_tar(folder / f"shards/{number:05d}.tar", members)
        first += count
    (folder / "parquet").mkdir(parents=True)
    first = 0
    for number, count in enumerate(FILES):
        keys = range(100 + first, 100 + first + count)
        columns = {"key": [f"p{key}" for key in keys], "image": [_image(key) for key in keys], "caption": [_caption(key) for key in keys]}
        pq.write_table(pa.table(columns), folder / f"parquet/{number:05d}.parquet", row_group_size=ROW_GROUP)
        first += count


def open_format(name: str, folder: Path) -> Source:
    """A source by its name: "shards", "parquet", or the way in which a mixture of both forms its batches."""
    return SOURCES[name](folder)


def make_module(source: Source, **options: object) -> WebDataModule:
    """A data module that reads small pictures and one caption, ready for training."""
    tokenizer = BPETokenizer(vocab_size=300, context_length=64).train([" ".join(WORDS)] * 4)
    data = WebDataModule(source, {"weak": Augmentation(scale=(0.5, 1.0))}, **options)  # type: ignore[arg-type]
    data.setup_views({"image": ImageView("weak")}, {"caption": TextView("caption")}, tokenizer, Preprocess(image_size=8))
    return data


def _members(key: int) -> list[tuple[str, bytes | str]]:
    return [("png", _image(key)), ("txt", _caption(key))]


def _image(key: int) -> bytes:
    """A picture in which every crop is another."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(key).integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _caption(key: int) -> str:
    return " ".join([WORDS[key % 12]] * (1 + key % 9)) + f" {key}"


def _shards(folder: Path) -> Source:
    return Shards(str(folder / "shards"))


def _parquet(folder: Path) -> Source:
    return Parquet(str(folder / "parquet"))


def _mixed(batches: str, folder: Path) -> Source:
    return Mixture({"s": _shards(folder), "p": _parquet(folder)}, {"s": 3.0, "p": 2.0}, batches=batches)  # type: ignore[arg-type]


SOURCES: Mapping[str, Callable[[Path], Source]] = {
    "shards": _shards,
    "parquet": _parquet,
    **{batches: partial(_mixed, batches) for batches in ("mixed", "stratified", "single")},
}
