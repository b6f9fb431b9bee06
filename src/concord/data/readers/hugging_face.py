"""Data sets of Hugging Face's `datasets`: saved folders, image folders, hub names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from concord.data.readers.captions import FieldNames
from concord.data.readers.columns import ColumnSource, Rows, cell_of, default_key, is_single
from concord.data.readers.parquet import MEGABYTE
from concord.data.readers.row_groups import ParquetRows
from concord.data.source import digest
from concord.data.storage.storage import Storage
from concord.errors import DataError, nearest

if TYPE_CHECKING:  # imported where it is used: it takes long
    import datasets

SAVED = "state.json"
SAVED_SPLITS = "dataset_dict.json"


class HuggingFace(ColumnSource):
    """One pair per row of a data set that Hugging Face's `datasets` can load. Images are taken as they are stored, never decoded here.

    With `streaming` nothing is downloaded at the start: the data set's Parquet files are read in place, a row group at a time,
    by position. Unlike an `IterableDataset` such a stream has an exact order and can be resumed anywhere. Data sets without
    Parquet files cannot be read so; download them (streaming false) or convert them with task=prepare.

    Code that comes with a data set is never run.

    Args:
        path: a folder that `save_to_disk` wrote; a folder of images with metadata.csv, .jsonl or .parquet; a folder of other files
            that `datasets` knows; or whatever `datasets.load_dataset` takes: a name on the hub, or "parquet", "imagefolder", ...
            with `data_files`.
        split: which part, such as "train"; without streaming also a slice of it, such as "train[:10%]".
        config: the data set's configuration, where it has several.
        data_files: files to read, by `datasets`' rules: a pattern, a list of them, or either by split.
        image: column of images: an `Image` feature, encoded bytes, or paths; "COLUMN.PATH" for a place inside of its cells.
        caption: column of captions, several, or columns by role: text, lists of text, or {text, role} structures.
        key: column of names; when not given the column "key" where there is one, else the images' paths where the column holds
            these, else row numbers.
        streaming: read Parquet files where they lie.
        name: for logs and metrics; the last part of `path` when not given.
        cache: with streaming, megabytes of decoded row groups that each reading process keeps; see `Parquet`.
        storage: reads images that are files, and with streaming all files.

    Raises:
        DataError: for what `datasets` cannot load, a split or column that is not there, and data without rows or captions.
        ValueError: for a negative cache.
    """

    def __init__(
        self,
        path: str,
        split: str = "train",
        config: str | None = None,
        data_files: str | list[str] | dict[str, str | list[str]] | None = None,
        image: str = "image",
        caption: FieldNames = "caption",
        key: str | None = None,
        streaming: bool = False,
        name: str | None = None,
        cache: int = 320,
        storage: Storage | None = None,
    ) -> None:
        if cache < 0:
            raise ValueError(f"cache must be at least 0, got {cache}")
        storage = storage if storage is not None else Storage()
        folder = Path(path).expanduser()
        place = str(folder) if folder.is_dir() else path
        arguments = {"path": place, "name": config, "data_files": data_files}
        rows: Rows
        if streaming:
            rows = ParquetRows(parquet_files(split, arguments), storage, cache * MEGABYTE)
        else:
            rows = ArrowRows(saved(folder, split) or loaded(split, arguments), path, storage)
        root = place if folder.is_dir() else "."
        name = name if name is not None else folder.resolve().name
        super().__init__(rows, name, image, caption, key if key is not None else default_key(rows, image), root, storage)


class ArrowRows:
    """The rows of a data set in Arrow files, which `datasets` maps into memory.

    Args:
        dataset: as loaded; without a selection or shuffle on top.
        place: for messages.
        storage: tells the versions of its files.

    Raises:
        DataError: for a data set without rows.
    """

    def __init__(self, dataset: datasets.Dataset, place: str, storage: Storage) -> None:
        self.place = place
        self.storage = storage
        self.dataset = dataset
        if not len(dataset):
            raise DataError(f"{place}: no rows in it")
        schema: pa.Schema = dataset.data.schema
        self.columns = list(schema.names)
        self.values = [name for name in self.columns if is_single(schema.field(name).type)]
        self.block_sizes = [len(chunk) for chunk in dataset.data.column(0).chunks if len(chunk)]

    def __len__(self) -> int:
        return len(self.dataset)

    def fingerprint(self) -> str:
        files = [file["filename"] for file in self.dataset.cache_files]
        return digest(len(self), [(Path(file).name, *self.storage.state(file)) for file in files])

    def location(self, index: int) -> str:
        return f"{self.place} ({self.label(index)})"

    def label(self, index: int) -> str:
        return f"row {index}"

    def read(self, index: int, columns: Sequence[str]) -> dict[str, Any]:
        return {name: cell_of(self.dataset.data.column(name)[index]) for name in columns}


def saved(folder: Path, split: str) -> datasets.Dataset | None:
    """What `save_to_disk` wrote; None where the folder is no such.

    Raises:
        DataError: for a split that is not there, and a folder that is damaged.
    """
    if not _is_saved(folder):
        return None
    import datasets

    try:
        found = datasets.load_from_disk(str(folder))
    except Exception as error:  # as various as the damage
        raise DataError(f"{folder} cannot be read: {_one_line(error)}; write it again with save_to_disk") from error
    if isinstance(found, datasets.DatasetDict):
        if split not in found:
            raise DataError(f"{folder} has no split {split!r}; {nearest(split, map(str, found))}")
        return found[split]
    if found.split is not None and str(found.split) != split:
        raise DataError(f"{folder} holds the split {str(found.split)!r} alone; set split to it")
    return found


def loaded(split: str, arguments: dict[str, Any]) -> datasets.Dataset:
    """What `datasets.load_dataset` finds, downloaded and converted to Arrow where need be.

    Raises:
        DataError: in one line, whatever `datasets` says.
    """
    import datasets

    try:
        return datasets.load_dataset(**arguments, split=split)
    except Exception as error:  # builders and the hub raise errors of every class
        raise _refusal(arguments["path"], error) from error


def parquet_files(split: str, arguments: dict[str, Any]) -> list[str]:
    """Names or URLs of the Parquet files that make up a split, found without downloading them.

    Raises:
        DataError: for what `datasets` cannot find, a split that is not there, and files of other kinds.
    """
    place = arguments["path"]
    if _is_saved(Path(place)):
        raise DataError(f"{place} was written by save_to_disk and is read in place as it is; set streaming to false")
    import datasets

    try:
        found = datasets.load_dataset_builder(**arguments).config.data_files
    except Exception as error:
        raise _refusal(place, error) from error
    files = {str(part): list(map(str, names)) for part, names in (found or {}).items()}
    if files and split not in files:
        raise DataError(f"{place} has no split {split!r}; {nearest(split, files)}")
    if not files or not all(file.lower().endswith(".parquet") for file in files[split]):
        raise DataError(f"{place}: streaming needs Parquet files; set streaming to false, or convert it with task=prepare")
    return files[split]


def _is_saved(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (SAVED, SAVED_SPLITS))


def _refusal(place: str, error: Exception) -> DataError:
    advice = "path must be a folder, or a name that the hub knows and that can be reached (HF_TOKEN for private data sets)"
    return DataError(f"{place} cannot be loaded by Hugging Face datasets: {_one_line(error)}; {advice}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
