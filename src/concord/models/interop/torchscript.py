"""The tensors of a TorchScript archive, such as those that OpenAI published CLIP as, without its program.

`torch.jit.load` compiles and can run the code in the archive, and `torch.load(weights_only=True)` refuses such files. But the
weights lie in it as in any PyTorch file: a pickle of nested modules, and one file per storage. The pickle is read here with
four harmless functions and empty classes in place of everything that it may name; it can call nothing else.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from concord.errors import CheckpointError

_PROGRAM, _OBJECTS, _STORAGES = "constants.pkl", "data.pkl", "data"

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def is_archive(path: Path) -> bool:
    """Whether the file is a TorchScript archive, which has a program and constants beside its weights."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.count("/") == 1 and name.endswith("/" + _PROGRAM) for name in archive.namelist())


def read_archive(path: Path) -> dict[str, Tensor]:
    """All tensors by the names of the modules that hold them; the state dict of the module.

    Raises:
        CheckpointError: for an archive that is damaged, or whose pickle names anything but modules and tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            root = next(name for name in archive.namelist() if name.endswith("/" + _PROGRAM)).removesuffix(_PROGRAM)
            objects = io.BytesIO(_stored(archive, root + _OBJECTS))
            module = _Reader(objects, lambda key: _stored(archive, f"{root}{_STORAGES}/{key}")).load()
        return dict(_tensors(module))
    except _RefusedError as error:
        raise CheckpointError(f"{path} holds more than modules and tensors, and is not loaded: {error}") from None
    except Exception as error:  # a damaged pickle raises errors of every class
        cause = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"{path} is a damaged TorchScript archive: {cause}") from None


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a member, which takes no more room than the file itself."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise _RefusedError(f"{name} is compressed")
    return archive.read(name)


class _RefusedError(Exception):
    """The pickle asks for something that is neither a module nor a tensor."""


class _Module:
    """Stands for a class of the archive's program: keeps attributes and does nothing."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class _Reader(pickle.Unpickler):
    """Args: the pickle, and what gives the bytes of a storage."""

    def __init__(self, file: Any, storage: Callable[[str], bytes]) -> None:
        super().__init__(file)
        # One tensor for all that name the same storage, as often as the pickle may ask.
        self._storage = cache(lambda dtype, key, count: _from_bytes(storage(key), dtype, count))

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle" and name.startswith("build_"):
            return _plain_list
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise _RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not str(key).isdecimal():
            raise _RefusedError(f"storage {key}")
        return self._storage(dtype, key, count)


def _from_bytes(values: bytes, dtype: torch.dtype, count: int) -> Tensor:
    return torch.frombuffer(bytearray(values), dtype=dtype, count=count) if count > 0 else torch.empty(0, dtype=dtype)


def _rebuild(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    """A view of a storage; `as_strided` refuses what lies outside of it."""
    if math.prod(size) == 0:
        return storage.new_empty(size)
    return storage.as_strided(size, stride, offset)


def _plain_list(values: list[Any]) -> list[Any]:
    return values


def _tensors(module: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.")
