"""Looking once at every example of a source, by several threads, to say which pass the filters."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rich
from rich.progress import track

from concord.data.filters.candidate import Candidate
from concord.data.filters.limits import Limit, within
from concord.data.filters.predicates import Predicate
from concord.data.source import BadSample, Source, number_for
from concord.files import write_atomically

logger = logging.getLogger(__name__)

SLICE = 256
"""Examples that a thread looks at in a row: neighbours, as they are cheap to read together."""

LONG = 10_000
"""Examples above which a terminal shows a progress bar."""

PASSED = -1


@dataclass(frozen=True)
class Verdict:
    """What the filters said of a source.

    Attributes:
        indices: of the examples that pass, rising, int64 [n].
        dropped: how many examples each filter dropped, in the order of the filters.
        unjudged: how many passed because a filter could not read what it asks for.
    """

    indices: np.ndarray
    dropped: list[int]
    unjudged: int

    @staticmethod
    def load(file: Path) -> Verdict | None:
        """What `save` wrote; None where nothing lies there, or something broken."""
        try:
            with np.load(file, allow_pickle=False) as saved:
                return Verdict(saved["indices"], saved["dropped"].tolist(), int(saved["unjudged"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            logger.warning("%s cannot be read (%s); the filters look again", file, " ".join(str(error).split()))
            return None

    def save(self, file: Path) -> None:
        """Remember it; a folder that cannot be written costs only the next start its time."""
        values: dict[str, Any] = {"indices": self.indices, "dropped": np.array(self.dropped), "unjudged": np.array(self.unjudged)}
        try:
            write_atomically(file, lambda stream: np.savez(stream, **values))
        except OSError as error:
            logger.warning("%s cannot be written (%s); the next start will look at all examples again", file, error.strerror)


class _Looks(NamedTuple):
    """What was found out about n examples.

    Attributes:
        dropped_by: the first predicate that drops the example, by its place among the filters, or `PASSED`, int16 [n].
        unjudged: whether a filter could not read what it asks for, bool [n].
        shared: for each of L limits what the example has in common with others, uint64 [L, n]; see `number_for`; 0 for nothing.
    """

    dropped_by: np.ndarray
    unjudged: np.ndarray
    shared: np.ndarray


def scan(source: Source, filters: Sequence[Predicate | Limit], threads: int) -> Verdict:
    """Look at every example of a source; see `Filtered`."""
    looks = _look_at_all(source, filters, threads)
    dropped_by = looks.dropped_by
    limits = [(place, filter) for place, filter in enumerate(filters) if isinstance(filter, Limit)]
    for (place, limit), shared in zip(limits, looks.shared, strict=True):
        left = np.flatnonzero(dropped_by == PASSED)
        dropped_by[left[~within(shared[left], limit.max)]] = place
    passed = dropped_by == PASSED
    dropped = np.bincount(dropped_by[~passed], minlength=len(filters))
    return Verdict(np.flatnonzero(passed), dropped.tolist(), int(looks.unjudged[passed].sum()))


def _look_at_all(source: Source, filters: Sequence[Predicate | Limit], threads: int) -> _Looks:
    starts = range(0, len(source), SLICE)
    pool = ThreadPoolExecutor(threads)
    try:
        slices = pool.map(partial(_look_at_slice, source, filters), starts)
        silent = len(source) < LONG or not rich.get_console().is_terminal
        found = list(track(slices, f"filtering {source.name}", len(starts), disable=silent, transient=True))
    finally:
        pool.shutdown(cancel_futures=True)  # else an interruption would wait until all is read
    return _Looks(*(np.concatenate(parts, axis=-1) for parts in zip(*found, strict=True)))


def _look_at_slice(source: Source, filters: Sequence[Predicate | Limit], start: int) -> _Looks:
    predicates = [(place, filter) for place, filter in enumerate(filters) if isinstance(filter, Predicate)]
    limits = [filter for filter in filters if isinstance(filter, Limit)]
    candidates = [Candidate(source, index) for index in range(start, min(start + SLICE, len(source)))]
    looks = [_look(candidate, predicates, limits) for candidate in candidates]
    dropped_by, unjudged, shared = zip(*looks, strict=True)
    numbers = np.array(shared, dtype=np.uint64).reshape(len(candidates), len(limits)).T
    return _Looks(np.array(dropped_by, dtype=np.int16), np.array(unjudged), numbers)


def _look(candidate: Candidate, predicates: Sequence[tuple[int, Predicate]], limits: Sequence[Limit]) -> tuple[int, bool, list[int]]:
    """One example's part of `_Looks`."""
    unjudged = False
    for place, predicate in predicates:
        try:
            if not predicate(candidate):
                return place, unjudged, [0] * len(limits)
        except BadSample:
            unjudged = True
    try:
        return PASSED, unjudged, [_number(limit.shared(candidate)) for limit in limits]
    except BadSample:
        return PASSED, True, [0] * len(limits)


def _number(shared: str | None) -> int:
    return number_for(shared) or 1 if shared is not None else 0
