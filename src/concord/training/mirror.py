"""A copy of a run somewhere else, made while it trains."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import warnings
from pathlib import Path, PurePosixPath

import fsspec

from concord.errors import CheckpointError
from concord.files import link_atomically
from concord.training.checkpointing import BEST, SHARDS, shards_of

_RECORDS = "records"
RECORDS = (".hydra/overrides.yaml", "config.yaml", "run.json", "metrics.csv", "metrics.json", "wandb_run_id")
"""What of a run folder beside its checkpoints is needed to go on."""


class Mirror:
    """Copies checkpoints, and what else is needed to go on from them, to a URL in a thread of its own.

    The copy is laid out as the run folder, with the two latest checkpoints by number and `best.ckpt`, and the folders of split
    tensors that they name: fetched into an empty folder, it can be resumed. A newer checkpoint takes the place of one that is
    still waiting. What fails is warned of once and tried again with the next checkpoint; training never waits, but for the end,
    and there no longer than `wait`.

    Args:
        url: a folder as fsspec understands it, such as s3://bucket/run.
        wait: seconds to wait at the end for what is still to be copied, at least 0.
    """

    KEEP = 2

    def __init__(self, url: str, wait: float = 300.0) -> None:
        if "://" not in url:
            raise ValueError(f"mirror must be a URL, such as s3://bucket/run or file:///mnt/backup/run, got {url!r}")
        if wait < 0:
            raise ValueError(f"wait must be at least 0 seconds, got {wait}")
        self.url = url
        self.wait = wait
        self.failures = 0
        self._folder: Path | None = None
        self._waiting: dict[str, Path] = {}
        self._owed: set[str] = set()
        self._named: dict[str, set[str]] = {}  # by the name of a copy the folders of split tensors that it names
        self._changed = threading.Condition()
        self._busy = self._closing = self._records_wait = False
        self._thread: threading.Thread | None = None

    def copy(self, folder: Path, checkpoint: Path, is_best: bool) -> None:
        """Copy a checkpoint of a run folder as soon as there is time; it may be removed meanwhile."""
        with self._changed:
            self._folder, self._closing = folder, False
            for old in [name for name in self._waiting if name != BEST or is_best]:
                self._waiting.pop(old).unlink(missing_ok=True)
            best = {BEST} if is_best or BEST in self._owed else set()
            for name in {checkpoint.name} | best - self._waiting.keys():
                # A name of its own, so that the file stays until it has been copied. It ends as files do that are cleared away.
                held = checkpoint.with_name(f".{name}.{os.getpid()}.mirror.link")
                link_atomically(checkpoint.with_name(name), held)
                self._waiting[name] = held
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Wait for what is still to be copied, the final records among it, and say so when it takes too long or has failed."""
        if self._folder is None:
            return
        deadline = time.monotonic() + self.wait
        with self._changed:
            self._closing = self._records_wait = True
            self._changed.notify_all()
            while (self._is_due() or self._busy) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            late = self._is_due() or self._busy
        if late or self._owed:
            reason = f"copying was not done after {self.wait:.0f} s" if late else "the last copy failed"
            warnings.warn(f"callbacks.checkpoints.mirror: {reason}; the mirror lacks the end of the run", stacklevel=2)

    def _is_due(self) -> bool:
        return bool(self._waiting) or self._records_wait

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_due() or self._closing)
                if not self._is_due() or self._folder is None:
                    return
                self._busy, self._records_wait = True, False
                waiting, self._waiting, folder = self._waiting, {}, self._folder
            try:
                self._copy_all(folder, waiting)
                self._owed = (self._owed & {BEST}) - waiting.keys() if waiting else self._owed - {_RECORDS}
            except Exception as error:  # whatever a file system of any kind may raise
                self._owed |= waiting.keys() or {_RECORDS}
                self._warn(error)
            with self._changed:
                self._busy = False
                for held in waiting.values():
                    held.unlink(missing_ok=True)
                self._changed.notify_all()

    def _copy_all(self, folder: Path, held: dict[str, Path]) -> None:
        system, root = fsspec.core.url_to_fs(self.url)
        target = PurePosixPath(root)
        checkpoints = target / "checkpoints"
        system.makedirs(str(checkpoints), exist_ok=True)
        system.makedirs(str(target / ".hydra"), exist_ok=True)
        for name, file in held.items():
            self._named[name] = shards_of(file) if any(file.parent.glob(f"{SHARDS}*")) else set()
            for shards in self._named[name]:  # before the checkpoint, as they are written
                _copy_folder(system, file.with_name(shards), checkpoints / shards)
            system.put_file(str(file), str(checkpoints / name))
        for name in RECORDS:  # after the checkpoint: they may know more than it, never less
            if (folder / name).is_file():
                system.put_file(str(folder / name), str(target / name))
        self._remove_old(system, checkpoints)

    def _remove_old(self, system: fsspec.AbstractFileSystem, checkpoints: PurePosixPath) -> None:
        names = sorted(PurePosixPath(path).name for path in system.ls(str(checkpoints), detail=False, refresh=True))
        numbered = [name for name in names if name.startswith("step_")]
        for old in numbered[: -self.KEEP]:
            system.rm_file(str(checkpoints / old))
        shards = {name for name in names if name.startswith(SHARDS)}
        if not shards:
            return
        try:
            kept = {BEST} & set(names) | set(numbered[-self.KEEP :])
            named = set().union(*(self._shards_of_copy(system, checkpoints / name) for name in kept))
        except CheckpointError:  # a damaged copy does not tell what it names, so nothing is removed
            return
        for unnamed in shards - named:
            system.rm(str(checkpoints / unnamed), recursive=True)

    def _shards_of_copy(self, system: fsspec.AbstractFileSystem, path: PurePosixPath) -> set[str]:
        if path.name not in self._named:  # an earlier process of the run copied it
            with tempfile.TemporaryDirectory() as folder:
                fetched = Path(folder) / path.name
                system.get_file(str(path), str(fetched))
                self._named[path.name] = shards_of(fetched)
        return self._named[path.name]

    def _warn(self, error: Exception) -> None:
        self.failures += 1
        if self.failures == 1:
            # Not the URL and not the words of the error: both may hold a password or a token.
            reason = f"{type(error).__name__}{f': {error.strerror}' if isinstance(error, OSError) and error.strerror else ''}"
            warnings.warn(
                f"callbacks.checkpoints.mirror: a checkpoint could not be copied ({reason}); it is tried again with the next", stacklevel=2
            )


def _copy_folder(system: fsspec.AbstractFileSystem, source: Path, target: PurePosixPath) -> None:
    """Copy the files of a folder whose content never changes, but those that are there."""
    system.makedirs(str(target), exist_ok=True)
    for file in sorted(source.iterdir()):
        place = str(target / file.name)
        if not (system.exists(place) and system.size(place) == file.stat().st_size):
            system.put_file(str(file), place)
