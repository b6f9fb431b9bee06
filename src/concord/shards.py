"""Tensors that are split among processes, on disk: each process writes its rows, and whoever reads takes the rows that it needs.

The format is that of `torch.distributed.checkpoint`, of which two habits are not kept: its index is a pickle, which is read here
by an allow-list of the classes that describe tensors, and values that are no tensors stay out of it. Nothing that a file holds is
executed.
"""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta, TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load as load_tensors
from torch.distributed.checkpoint.state_dict_saver import save as save_tensors
from torch.distributed.tensor import DTensor

from concord.errors import CheckpointError
from concord.files import disk_error

MARK = "concord/split"
"""The only key of a mapping that stands for a split tensor: it names it, and the folder that holds it."""

_INDEX = ".metadata"
_PLAIN = {
    ("collections", "OrderedDict"),
    ("pathlib", "PosixPath"),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    *(
        ("torch.distributed.checkpoint.metadata", name)
        for name in ("BytesStorageMetadata", "ChunkStorageMetadata", "Metadata", "MetadataIndex", "StorageMeta")
    ),
    *(("torch.distributed.checkpoint.metadata", name) for name in ("TensorProperties", "TensorStorageMetadata", "_MEM_FORMAT_ENCODING")),
}


Empty = Callable[..., Tensor]
"""Makes a tensor to be filled, of a size and a keyword `dtype`."""


def take_out(tree: Any, folder: str) -> tuple[Any, dict[str, DTensor]]:
    """A nested value in which marks stand for the split tensors, and these tensors by name.

    Args:
        tree: mappings and sequences, at any depth.
        folder: where they will be written, relative to the file that will hold the value.
    """
    found: dict[str, DTensor] = {}

    def visit(value: Any, path: str) -> Any:
        if isinstance(value, DTensor):
            found[path] = value
            return {MARK: [folder, path]}
        if isinstance(value, Mapping):
            return {key: visit(item, f"{path}/{key}") for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(visit(item, f"{path}/{index}") for index, item in enumerate(value))
        return value

    return visit(tree, ""), found


def put_in(tree: Any, home: Path, empty: Empty = torch.empty) -> Any:
    """A nested value with split tensors, read from their folders, in the place of their marks.

    Args:
        tree: as `take_out` made it.
        home: the folder of the file that held it.
        empty: makes the tensors that are filled: whole ones, or split ones, of which only the own rows are read.

    Raises:
        CheckpointError: when the tensors are missing or damaged.
    """
    tensors: dict[tuple[str, str], Tensor] = {}
    names: dict[str, list[str]] = {}
    for folder, name in _marks(tree):
        names.setdefault(folder, []).append(name)
    for folder, wanted in names.items():
        tensors |= {(folder, name): tensor for name, tensor in _read(home / Path(folder).name, wanted, empty).items()}

    def visit(value: Any) -> Any:
        if isinstance(value, Mapping):
            return tensors[value[MARK][0], value[MARK][1]] if MARK in value else {key: visit(item) for key, item in value.items()}
        return type(value)(visit(item) for item in value) if isinstance(value, list | tuple) else value

    return visit(tree) if tensors else tree


def write(folder: Path, tensors: Mapping[str, DTensor]) -> None:
    """Write split tensors; every process must call, and all have written when it returns.

    Raises:
        OSError: on every process, when one of them could not write.
    """
    try:
        save_tensors(dict(tensors), storage_writer=FileSystemWriter(folder, sync_files=True))
    except CheckpointException as error:  # which is no Exception, and would pass whoever looks for one
        disk = next((found for failure, _ in error.failures.values() if (found := disk_error(failure)) is not None), None)
        raise disk or RuntimeError(f"{folder} could not be written: {error}") from error


def damage(folder: Path) -> str | None:
    """What is wrong with a folder that `write` filled; None where every tensor is as it was written. It reads all of them once.

    Each is a zip archive by itself, with a checksum of every record: see `concord.integrity`.
    """
    try:
        for info in _Reader(folder).read_metadata().storage_data.values():
            with (folder / info.relative_path).open("rb") as file:
                file.seek(info.offset)
                with zipfile.ZipFile(io.BytesIO(file.read(info.length))) as archive:
                    if archive.testzip() is not None:
                        return f"a tensor in {folder.name}/{info.relative_path} is not as it was written"
    except Exception as error:  # broken archives raise errors of every class
        return (str(error).splitlines() or [type(error).__name__])[0]
    return None


def folders_named(tree: Any) -> set[str]:
    """The folders that the marks of a nested value name."""
    return {folder for folder, _ in _marks(tree)}


def _marks(tree: Any) -> Iterator[tuple[str, str]]:
    if isinstance(tree, Mapping):
        if MARK in tree:
            yield tuple(tree[MARK])  # type: ignore[misc]
            return
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        for item in tree:
            yield from _marks(item)


def _read(folder: Path, names: list[str], empty: Empty) -> dict[str, Tensor]:
    if not (folder / _INDEX).is_file():
        raise CheckpointError(f"{folder}: the tensors of a split checkpoint should be here; copy the folder beside the .ckpt file")
    reader = _Reader(folder)
    known = reader.read_metadata().state_dict_metadata
    tensors = {}
    for name in names:
        entry = known.get(name)
        if not isinstance(entry, TensorStorageMetadata):
            raise CheckpointError(f"{folder} is damaged: it holds no tensor {name}")
        tensors[name] = empty(entry.size, dtype=entry.properties.dtype)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a remark that this process reads by itself, which is meant
            load_tensors(dict(tensors), storage_reader=reader, no_dist=True)
    except (Exception, CheckpointException) as error:  # the latter is no Exception
        raise CheckpointError(f"{folder} is damaged: {' '.join(str(error).split())[:200]}") from None
    return tensors


class _Reader(FileSystemReader):
    """Reads the index without running what it names."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        try:
            with (Path(self.path) / _INDEX).open("rb") as file:
                metadata = _Unpickler(file).load()
            outside = [info for info in metadata.storage_data.values() if Path(info.relative_path).name != info.relative_path]
        except Exception as error:
            raise CheckpointError(f"{self.path} is damaged, or holds code, which is never loaded ({type(error).__name__})") from None
        if outside:
            raise CheckpointError(f"{self.path} is damaged: its index names files outside of the folder")
        metadata.storage_meta = StorageMeta(load_id=self.load_id)
        return metadata  # type: ignore[no-any-return]


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN or (module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} describes no tensor")
