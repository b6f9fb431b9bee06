"""Weights in the files of other libraries: tensors by name, and nothing that is executed."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from concord.errors import CheckpointError
from concord.models.interop import torchscript

PARALLEL = "module."
"""What DistributedDataParallel puts before every name."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, of a PyTorch file that holds nothing else, or of a TorchScript archive.

    Of a training checkpoint the entry "state_dict" is taken.

    Raises:
        CheckpointError: for a file that is missing, damaged, of another kind, or that holds code.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
    if path.suffix in (".npz", ".npy"):
        raise CheckpointError(f"{path}: weights of big_vision are not read; take the same model from OpenCLIP")
    state = _read(path)
    state = state.get("state_dict", state) if isinstance(state, Mapping) else state
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no weights by name")
    prefix = PARALLEL if all(str(name).startswith(PARALLEL) for name in state) else ""
    return {str(name).removeprefix(prefix): value for name, value in state.items()}


def first_line(error: Exception) -> str:
    """What an error of another library says, in one line."""
    return (str(error).strip() or type(error).__name__).split("\n")[0]


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if torchscript.is_archive(path):
            return torchscript.read_archive(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))  # older files cannot be mapped
    except CheckpointError:
        raise
    except pickle.UnpicklingError:
        raise CheckpointError(f"{path} is damaged, or holds code, which is never loaded") from None
    except (SafetensorError, Exception) as error:  # broken archives raise errors of every class
        raise CheckpointError(f"{path} is damaged or holds no weights: {first_line(error)}") from None
