"""Checkpoint files that are never damaged unnoticed and that run no code when they are read."""

from __future__ import annotations

import re
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from concord.errors import CheckpointError
from concord.files import disk_error, write_atomically
from concord.integrity import damage
from concord.shards import damage as shard_damage
from concord.shards import folders_named, put_in

LAST, BEST = "last.ckpt", "best.ckpt"
SHARDS = "shards_"
"""What the names of the folders begin with in which the split tensors of checkpoints stand, beside the .ckpt files."""

_NUMBERED = re.compile(r"step_(\d+)\.ckpt")


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints atomically, and reads them without unpickling code and not before their checksums were looked at.

    A disk that is full, or gone, raises nothing while saving: the other processes would wait for this one for ever. Whoever
    saves looks at `failure` afterwards.

    Attributes:
        failure: why the last checkpoint could not be written; None where it was.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failure: OSError | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        self.failure = None
        try:
            write_atomically(Path(path), lambda file: torch.save(checkpoint, file))
        except (OSError, RuntimeError) as error:
            self.failure = disk_error(error)
            if self.failure is None:
                raise

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
        if (reason := damage(Path(path))) is not None:
            raise CheckpointError(f"{path}: cannot be read as a checkpoint; it is damaged or not concord's ({reason})")
        return torch.load(path, map_location=map_location, weights_only=True)  # type: ignore[no-any-return]


def numbered_name(step: int) -> str:
    """The name of the checkpoint after so many optimizer steps."""
    return f"step_{step:09d}.ckpt"


def numbered(folder: Path) -> dict[int, Path]:
    """The numbered checkpoints of a folder by their step, in the order of the steps."""
    found = ((_NUMBERED.fullmatch(path.name), path) for path in folder.glob("step_*.ckpt"))
    return dict(sorted((int(match[1]), path) for match, path in found if match is not None))


def newest_good(folder: Path) -> Path | None:
    """The newest checkpoint of a folder that is whole, with a warning of newer ones that are damaged; None where there is none.

    Raises:
        CheckpointError: when there are checkpoints and all of them are damaged.
    """
    by_age = [path for path in (folder / LAST, *reversed(numbered(folder).values())) if path.is_file()]
    reasons: dict[Path, str] = {}
    good = None
    for path in by_age:
        reason = _damage_with_shards(path)
        if reason is None:
            good = path
            break
        reasons[path] = reason
    if by_age and good is None:
        raise CheckpointError(f"{by_age[0]}: damaged ({reasons[by_age[0]]}), and so is every other checkpoint in {folder}")
    if good is not None and good != by_age[0]:
        bad, step, lost_from = by_age[0], step_of(good), step_of(by_age[0])
        lost = f"{lost_from - step} steps" if lost_from is not None and step is not None else "an unknown number of steps"
        warnings.warn(f"{bad} is damaged ({reasons[bad]}); going on from {good}, after step {step}: {lost} are lost", stacklevel=2)
    return good


def step_of(path: Path) -> int | None:
    """The optimizer steps that a checkpoint was trained for; None where a damaged one does not tell."""
    for step, other in numbered(path.parent).items():
        if path.samefile(other):
            return step
    try:
        return int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["global_step"])
    except Exception:  # broken archives raise errors of every class
        return None


def shards_of(path: Path) -> set[str]:
    """The folders of split tensors that a checkpoint names. Of large files little is read.

    Raises:
        CheckpointError: the file is missing or damaged where the names stand.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for record in archive.namelist():
                if record.endswith("/data.pkl"):
                    archive.read(record)  # looks at its checksum
        return folders_named(torch.load(path, map_location="cpu", weights_only=True, mmap=True))
    except Exception as error:  # broken archives raise errors of every class
        raise CheckpointError(f"{path}: cannot be read as a checkpoint") from error


def remove_unnamed(folder: Path) -> None:
    """Remove the split tensors that no checkpoint of a folder names: of removed ones, and of those whose writing was cut off."""
    shards = list(folder.glob(f"{SHARDS}*"))
    if not shards:
        return
    held = folder.glob(".*.ckpt.*.link")  # still to be copied elsewhere
    try:
        named = set().union(*(shards_of(path) for path in (*folder.glob("*.ckpt"), *held)))
    except CheckpointError:  # a damaged one does not tell what it names, so nothing is removed
        return
    for unnamed in shards:
        if unnamed.name not in named:
            shutil.rmtree(unnamed, ignore_errors=True)


def _damage_with_shards(path: Path) -> str | None:
    """What is wrong with a checkpoint, or with what of it lies in folders of split tensors; None where nothing is."""
    if (reason := damage(path)) is not None:
        return reason
    return next((reason for name in shards_of(path) if (reason := shard_damage(path.parent / name)) is not None), None)
