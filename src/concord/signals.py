"""Signals that ask a process to stop where it can go on later. They are remembered until somebody looks."""

from __future__ import annotations

import signal
import threading

GO_ON_LATER = signal.SIGUSR1
"""Stop, and be started again by whoever sent it: SLURM sends it before the time is over."""

STOP = signal.SIGTERM
"""Stop; whoever sent it decides what comes next."""

_heard: set[int] = set()


def listen(*numbers: signal.Signals) -> None:
    """Remember these signals from now on instead of ending at once. Only the main thread can listen; in others this does nothing."""
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            signal.signal(number, lambda received, _: _heard.add(received))


def heard() -> signal.Signals | None:
    """What was heard since `forget`, if anything; STOP where both were."""
    return next((number for number in (STOP, GO_ON_LATER) if number in _heard), None)


def forget() -> None:
    """Begin anew."""
    _heard.clear()
