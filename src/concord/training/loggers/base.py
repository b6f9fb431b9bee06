"""What all loggers share: a run folder, one meaning of a step, and failures that never stop a run."""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only


class RunLogger(Logger):
    """A logger that belongs to a run folder. Whatever it raises is warned of once and turns it off.

    Lightning numbers a training step by the optimizer steps before it. All loggers here write the number of steps done, so
    that the values after the 500th step stand at 500. Only the first rank writes.

    A subclass writes `_write` and, where it has something to do, the other methods with an underscore.

    Args:
        media: whether sample predictions are shown, with pictures and texts: those of open data (null), never (false), or
            always (true), so that a run with guarded data is refused; see `concord.access`.
    """

    def __init__(self, media: bool | None = None) -> None:
        super().__init__()
        self.media = media
        self.failed = False
        self._folder: Path | None = None

    def open(self, folder: Path) -> None:
        """Tell the logger its run folder; called before anything is logged."""
        self._folder = folder

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise RuntimeError(f"{type(self).__name__}.open(folder) must be called first")
        return self._folder

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write values of one moment. `step` is the number of optimizer steps done before the last one, as Lightning counts."""
        done = (step if step is not None else -1) + 1
        values = {key: float(value) for key, value in metrics.items() if key != "epoch"}  # there is one endless epoch
        self._attempt(lambda: self._write(values, done))

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Record the resolved configuration."""
        config = vars(params) if isinstance(params, Namespace) else params
        self._attempt(lambda: self._write_config(dict(config)))

    @rank_zero_only
    def log_predictions(self, items: Sequence[Mapping[str, Any]], folder: Path, step: int) -> None:
        """Show sample predictions.

        Args:
            items: as in `gallery.json`: task, dataset, image, query, truth, top.
            folder: where the image files lie that the items name.
            step: optimizer steps done.
        """
        if items and self.media is not False:
            self._attempt(lambda: self._write_predictions(items, folder, step))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self._attempt(lambda: self._close(status))

    def _attempt(self, action: Callable[[], None]) -> None:
        if self.failed:
            return
        try:
            action()
        except Exception as error:
            self.failed = True
            reason = " ".join(str(error).split())[:200]
            warnings.warn(f"{self.name} failed and is off for the rest of this run ({type(error).__name__}: {reason})", stacklevel=3)

    def _write(self, metrics: dict[str, float], step: int) -> None:
        raise NotImplementedError

    def _write_config(self, config: dict[str, Any]) -> None:
        pass

    def _write_predictions(self, items: Sequence[Mapping[str, Any]], folder: Path, step: int) -> None:
        pass

    def _close(self, status: str) -> None:
        pass
