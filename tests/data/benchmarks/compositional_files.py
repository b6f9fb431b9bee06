"""What fixtures of compositional tests are written with."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.data.samples import encode


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path, row_group_size=2)


def write_images(folder: Path, names: Iterable[str]) -> None:
    """Pictures of one shade each."""
    for number, name in enumerate(dict.fromkeys(names)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(10 * number % 250, "PNG" if name.endswith(".png") else "JPEG"))


def cell(shade: int) -> dict[str, Any]:
    """A picture as `datasets` stores it."""
    return {"bytes": encode(shade, "JPEG"), "path": None}


def photograph(blue: int) -> bytes:
    """A picture of 40 x 30 pixels in which the red of a pixel is its column and the green its row."""
    values = np.full((30, 40, 3), blue, dtype=np.uint8)
    values[..., 0], values[..., 1] = np.arange(40), np.arange(30)[:, None]
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def write_photographs(folder: Path, names: Iterable[str]) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(photograph(10 * number))
