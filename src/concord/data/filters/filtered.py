"""A source without the examples that filters drop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from concord.access import guarding
from concord.data.filters.limits import Limit
from concord.data.filters.predicates import OnField, Predicate
from concord.data.filters.scan import Verdict, scan
from concord.data.readers.captions import at_path
from concord.data.source import BadSample, Source, digest, fingerprint_of, metadata_at, probes
from concord.data.wrapper import Selection
from concord.errors import DataError, nearest

logger = logging.getLogger(__name__)

Filter = Predicate | Limit

FORMAT = 1
"""To be raised when a filter comes to mean something else: verdicts of before are then forgotten."""


class Filtered(Selection):
    """The examples of a source that pass all filters, in its order.

    The source is looked at once, when this is made; of an example only what the filters ask for is read. With a cache, the next
    start is quick as long as the source and the filters stay as they are.

    Args:
        source: what is filtered.
        filters: by name, in the order in which they look. Limits come last, whatever their place. A filter that cannot read
            what it asks for lets the example pass: the loader will meet it and count it by its cause.
        threads: that look at the same time.
        cache: a local folder in which it is remembered what passed; None remembers nothing. Nor is anything remembered of a
            source that cannot tell whether it is still the same.

    Attributes:
        counts: how many examples each filter dropped, by its name; one is counted by the first filter that drops it.
        unjudged: examples that passed because some filter could not read what it asks for.

    Raises:
        DataError: when no example that was looked at has a field that a filter reads, and when nothing is left.
        ValueError: for no filters, or fewer than one thread.
    """

    def __init__(self, source: Source, filters: Mapping[str, Filter], threads: int = 8, cache: str | None = None) -> None:
        if not filters:
            raise ValueError("filters must name at least one filter, got none")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        _check_fields(source, filters)
        with guarding(source):
            verdict = _verdict(source, filters, threads, Path(cache).expanduser() if cache is not None else None)
        super().__init__(source, verdict.indices)
        self.counts = dict(zip(filters, verdict.dropped, strict=True))
        self.unjudged = verdict.unjudged
        if not len(self):
            raise DataError(f"{source.name}: the filters leave nothing of {len(source)} examples: {self.summary()}")
        logger.info("%s: %d of %d examples pass the filters: %s", source.name, len(self), len(source), self.summary())

    def summary(self) -> str:
        """One line: how many each filter dropped."""
        parts = [f"{name} dropped {count}" for name, count in self.counts.items()]
        return ", ".join(parts + ([f"{self.unjudged} could not be judged and were kept"] if self.unjudged else []))


def _check_fields(source: Source, filters: Mapping[str, Filter]) -> None:
    """Refuse a field that none of the examples looked at has: it is misspelt more often than it is rare."""
    fields = {name: filter.field for name, filter in filters.items() if isinstance(filter, OnField)}
    if not fields:
        return
    found = []
    for part, index in probes(source):
        try:
            found.append(metadata_at(part, index))
        except BadSample:
            continue
    for name, field in fields.items():
        if found and all(at_path(metadata, field) is None for metadata in found):
            known = {path for metadata in found for path in _paths(metadata)}
            advice = nearest(field, known) if known else "nothing is known of them; shards need metadata=json or metadata=parquet"
            raise DataError(f"filters.{name}: none of {len(found)} examples of {source.name} has a field {field!r}; {advice}")


def _paths(metadata: Mapping[str, object]) -> list[str]:
    """Dotted keys of the values, two levels deep."""
    inner = [f"{key}.{name}" for key, value in metadata.items() if isinstance(value, Mapping) for name in value]
    return [key for key, value in metadata.items() if not isinstance(value, Mapping)] + inner


def _verdict(source: Source, filters: Mapping[str, Filter], threads: int, cache: Path | None) -> Verdict:
    """From the cache where it is there, else a new one, which is put there."""
    fingerprint = fingerprint_of(source)
    if cache is None or fingerprint is None:
        return scan(source, list(filters.values()), threads)
    settings = [repr(filter) for filter in filters.values()]
    file = cache / "filters" / f"{digest(FORMAT, fingerprint, len(source), settings)}.npz"
    verdict = Verdict.load(file)
    if verdict is None:
        verdict = scan(source, list(filters.values()), threads)
        verdict.save(file)
    return verdict
