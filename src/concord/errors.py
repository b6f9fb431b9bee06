"""The errors that a user can cause. `run.py` prints their one line and exits with code 2, without a stack trace."""

from __future__ import annotations

import difflib
import os
import signal
from collections.abc import Iterable


class ConcordError(Exception):
    """A mistake that the user can mend. The message is one line: what is wrong, where, and the way out."""


class ConfigError(ConcordError):
    """A key, an option or a value of the configuration that cannot be used."""


class IncompatibleError(ConfigError):
    """Parts that are right by themselves and do not fit together, such as captioning on a model without a decoder."""


class DataError(ConcordError):
    """A file, a column or a caption that is missing or broken."""


class CheckpointError(ConcordError):
    """A checkpoint that is missing, damaged, or not concord's."""


class LaunchError(ConcordError):
    """A job that the cluster does not take."""


class MissingExtraError(ConcordError):
    """A package of an optional extra that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; install it with: pip install 'concord[{extra}]'")
        self._named = package, extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), self._named  # by itself, an exception is unpickled from its message


class Preempted(BaseException):
    """A run that a signal stopped after a whole step, with a checkpoint. No mistake: who catches errors lets it pass, as Ctrl+C.

    Args:
        by: the signal.
        step: after which it stopped.
        folder: of the run.
        first: whether this is the process that speaks for all of them.

    Attributes:
        code: what `run.py` exits with: 75 where whoever sent SIGUSR1 is to start the run again, 143 after SIGTERM; 0 on all
            processes but the first.
    """

    def __init__(self, by: signal.Signals, step: int, folder: str, first: bool = True) -> None:
        super().__init__(f"stopped by {by.name} after step {step}; resume={folder} goes on from there")
        self.first = first
        self.code = (os.EX_TEMPFAIL if by is signal.SIGUSR1 else 128 + by) if first else 0


def nearest(name: str, valid: Iterable[str], count: int = 3) -> str:
    """A phrase that helps after a wrong name: the nearest valid ones, or all of them when none is near."""
    known = sorted(set(valid))
    close = difflib.get_close_matches(name, known, n=count, cutoff=0.5)
    if close:
        return "did you mean " + ", ".join(close) + "?"
    return "valid: " + ", ".join(known) if known else "nothing is valid here"
