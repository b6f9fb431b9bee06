"""Whether a checkpoint file is what was written.

PyTorch writes checkpoints as zip archives, which hold a CRC-32 of every record, and reads them without looking at it: a file
with a flipped bit loads as if it were whole. So there is a checksum in the file already, atomic with it by its nature, and all
that is needed is to look. (A second file beside the first could be lost, or be that of another one.)
"""

from __future__ import annotations

import functools
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor


def damage(path: Path) -> str | None:
    """What is wrong with a file that `torch.save` wrote; None where all of it is as it was written and can be read without
    unpickling code. It reads the file once.

    A file that has not changed since it was looked at is not read again.
    """
    try:
        status = path.stat()
    except OSError as error:
        return str(error.strerror)
    return _damage(str(path), status.st_ino, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _damage(path: str, *_: int) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            record = archive.testzip()
        torch.load(path, map_location="cpu", weights_only=True, mmap=True)  # what holds the records together; it reads no tensor
    except Exception as error:  # broken archives raise errors of every class
        return (str(error).splitlines() or [type(error).__name__])[0]
    return f"the record {record} is not as it was written" if record is not None else None


def altered(path: Path, tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor whose numbers are not those that were written; None where all are.

    It reads these tensors and no others, such as the weights without the optimizer's state.

    Args:
        path: a file that `torch.save` wrote.
        tensors: as `torch.load` read them from it, on the CPU, unchanged.
    """
    with zipfile.ZipFile(path) as archive:
        written = {(record.file_size, record.CRC) for record in archive.infolist()}
    looked_at: set[int] = set()
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage()
        if storage.nbytes() == 0 or storage.data_ptr() in looked_at:
            continue
        looked_at.add(storage.data_ptr())
        content = torch.empty(0, dtype=torch.uint8).set_(storage)  # type: ignore[call-overload]
        if (storage.nbytes(), zlib.crc32(content.numpy().data)) not in written:
            return name
    return None
