"""What the configured data share with the data sets of the configured benchmark, for `task=inspect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from concord.benchmarks import Bench
from concord.data import Source
from concord.data.inspection import Hashes, Overlap, hashes_of, same_looks, same_names
from concord.tasks.measure import build_bench
from concord.tasks.progress import progress

Compared = Literal["names", "looks"]


def overlaps(
    source: Source, benchmark: Mapping[str, Any], compared: Compared, chosen: Sequence[int], workers: int
) -> tuple[list[Overlap], dict[str, str]]:
    """What is shared with each data set of a benchmark, and why some could not be compared, by task.

    Args:
        source: what is inspected.
        benchmark: the configuration of the benchmark; tests whose data are not there are left out.
        compared: "names": patients and pictures by their names; "looks": also pictures that look the same.
        chosen: indices of the examples whose looks are compared.
        workers: reading processes.

    Raises:
        MissingExtraError: for looks without the package `imagehash`.
    """
    bench = build_bench({**benchmark, "skip_missing": True})
    found = []
    ours = _hashed(source, chosen, workers) if compared == "looks" and bench.tasks else None
    for reader, tasks in _readers(bench).items():
        overlap = replace(same_names(source, reader), tasks=tuple(tasks))
        if ours is not None:
            overlap = same_looks(overlap, source, ours, reader, _hashed(reader, range(len(reader)), workers))
        found.append(overlap)
    return found, bench.skipped


def _readers(bench: Bench) -> dict[Source, list[str]]:
    """The data sets of single examples that a benchmark tests on, with the tasks of each."""
    found: dict[Source, list[str]] = {}
    for name, task in bench.tasks.items():
        if isinstance(task.reader, Source):
            found.setdefault(task.reader, []).append(name)
    return found


def _hashed(source: Source, indices: Sequence[int], workers: int) -> Hashes:
    with progress(f"hashing {source.name}", len(indices)) as report:
        return hashes_of(source, indices, workers, report)
