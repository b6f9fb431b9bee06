"""Image-text pairs listed in one CSV, TSV, JSON or JSONL file."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from concord.data.captions import strings_of
from concord.data.source import BadSample, require_captions
from concord.errors import DataError, nearest
from concord.types import Pair

SEPARATORS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*SEPARATORS, ".json", ".jsonl")


class Table:
    """One pair per row: a column with the image's path and one or more with captions.

    Args:
        path: a .csv or .tsv with a header line, a .json that holds a list of objects, or a .jsonl with one object per line.
        image: column of image paths.
        caption: column of captions, or several; a JSON list of strings gives several captions.
        image_root: the folder that image paths start from; the file's own folder when not given.
        name: for logs and metrics; the file's name when not given.

    Raises:
        DataError: for a missing file or folder, one that cannot be parsed, and a column that is not there.
    """

    def __init__(
        self,
        path: str,
        image: str = "image",
        caption: str | list[str] = "caption",
        image_root: str | None = None,
        name: str | None = None,
    ) -> None:
        file = Path(path).expanduser()
        self.root = Path(image_root).expanduser() if image_root is not None else file.parent
        if not self.root.is_dir():
            raise DataError(f"image_root: {self.root}: no such folder")
        self.name = name if name is not None else file.stem
        columns = [caption] if isinstance(caption, str) else list(caption)
        table = _read(file)
        for argument, column in [("image", image), *(("caption", column) for column in columns)]:
            if column not in table.columns:
                raise DataError(f"{file}: no column {column!r} ({argument}); {nearest(column, map(str, table.columns))}")
        self._images: list[Any] = table[image].tolist()
        self._captions: list[tuple[Any, ...]] = list(zip(*(table[column].tolist() for column in columns), strict=True))
        if not self._images:
            raise DataError(f"{file}: no rows in it")
        require_captions(self, f"is {', '.join(columns)} the right column?")

    def __len__(self) -> int:
        return len(self._images)

    def key(self, index: int) -> str:
        """The image's path as the table has it: rows that share an image share the key."""
        image = self._images[index]
        return image if isinstance(image, str) and image else f"row {index}"

    def captions(self, index: int) -> tuple[str, ...]:
        captions = tuple(text.strip() for cell in self._captions[index] for text in strings_of(cell) if text.strip())
        if not captions:
            raise BadSample("no caption", self.key(index))
        return captions

    def __getitem__(self, index: int) -> Pair:
        image = self._images[index]
        if not isinstance(image, str) or not image:
            raise BadSample("no image", self.key(index))
        return Pair(self.root / image, self.captions(index), image, self.name)


def _read(file: Path) -> pd.DataFrame:
    if file.suffix.lower() not in SUFFIXES:
        raise DataError(f"{file}: not a table that concord reads; valid: {', '.join(SUFFIXES)}")
    try:
        return _parse(file)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file") from None
    except (ValueError, OSError, RecursionError) as error:  # pandas' and JSON's errors are ValueErrors, Unicode's too
        raise DataError(f"{file} cannot be read: {' '.join(str(error).split())}") from None


def _parse(file: Path) -> pd.DataFrame:
    suffix = file.suffix.lower()
    if suffix in SEPARATORS:
        return _parse_separated(file, SEPARATORS[suffix])
    text = file.read_text(encoding="utf-8-sig")
    rows = [json.loads(line) for line in text.split("\n") if line.strip()] if suffix == ".jsonl" else json.loads(text)
    return _table_of(rows)


def _parse_separated(file: Path, separator: str) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # else cells beyond the header are dropped: half a caption
        try:
            return pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
        except pd.errors.ParserWarning:
            raise ValueError("a row has more cells than the header; quote captions that hold the separator") from None


def _table_of(rows: Any) -> pd.DataFrame:
    if not isinstance(rows, Sequence) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("expected a list of objects")
    return pd.DataFrame(rows, dtype=object)
