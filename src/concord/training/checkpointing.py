"""Checkpoint files that are never damaged and that run no code when they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from concord.errors import CheckpointError
from concord.files import write_atomically
from concord.shards import put_in


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints atomically and reads them without unpickling code."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        write_atomically(Path(path), lambda file: torch.save(checkpoint, file))

    def load_checkpoint(self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True) -> dict[str, Any]:
        """The content of a checkpoint; tensors that were split among processes come whole.

        Raises:
            CheckpointError: the file is missing, damaged, or holds more than tensors and plain values.
        """
        content: dict[str, Any] = put_in(self.read(path, map_location), Path(path).parent)
        return content

    def read(self, path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
        """The content of a checkpoint's file, in which marks may stand for tensors that are split among processes.

        Raises:
            CheckpointError: the file is missing, damaged, or holds more than tensors and plain values.
        """
        if not Path(path).is_file():
            raise CheckpointError(f"{path}: there is no such checkpoint")
        try:
            return torch.load(path, map_location=map_location, weights_only=True)  # type: ignore[no-any-return]
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointError(f"{path}: cannot be read as a checkpoint; it is damaged or not concord's ({reason})") from error
