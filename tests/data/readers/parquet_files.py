"""Parquet files to read: seven pictures in two files, and what they are written with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.data.samples import encode

IMAGES = [encode(shade) for shade in range(7)]
CAPTIONS = [f"picture {number}" for number in range(7)]


def write(path: Path, table: pa.Table | dict[str, Any], rows: int = 3, **options: Any) -> Path:
    """A Parquet file with `rows` rows in a row group."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path, row_group_size=rows, **options)
    return path


def structures(images: list[Any]) -> pa.Array:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.array([{"bytes": image, "path": f"{number}.png"} for number, image in enumerate(images)], kind)


def two_files(tmp_path: Path) -> Path:
    """Two files of three and one row groups, 7 + 2 rows."""
    write(tmp_path / "data/a.parquet", {"image": IMAGES, "caption": CAPTIONS, "score": [n / 2 for n in range(7)], "sizes": [[1]] * 7})
    write(tmp_path / "data/b.parquet", {"image": IMAGES[:2], "caption": ["x", "y"], "score": [7.0, None], "sizes": [[1]] * 2})
    return tmp_path / "data"
