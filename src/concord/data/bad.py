"""Examples that could not be used, counted by cause."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

from concord.data.source import BadSample
from concord.errors import DataError

logger = logging.getLogger(__name__)

MEASURED = 100
"""Examples that must have been read before the share of bad ones can stop a run."""


@dataclass
class BadSamples:
    """What could not be used, by cause, since this process began to read. Attempts count: a bad example met twice counts twice.

    Attributes:
        read: examples tried, good and bad.
        causes: bad ones by cause.
        first: by cause, the first that was met.
    """

    read: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return self.causes.total() / max(1, self.read)

    def add(self, good: int, bad: list[BadSample]) -> None:
        """Count; the first example of every cause is logged."""
        self.read += good + len(bad)
        for sample in bad:
            self.causes[sample.cause] += 1
            if sample.cause not in self.first:
                self.first[sample.cause] = str(sample)
                logger.warning("bad example, another takes its place: %s (more of this cause are only counted)", sample)

    def check(self, most: float) -> None:
        """Stop the run once the share is too large and enough was read to say so.

        Raises:
            DataError: with the counts.
        """
        if self.read >= MEASURED and self.share > most:
            raise DataError(f"{self.share:.1%} of {self.read} examples are bad, data.max_bad_share allows {most:.1%}: {self.summary()}")

    def summary(self) -> str:
        """One line: every cause with its count and its first example."""
        return "; ".join(f"{count} x {cause}, such as {self.first[cause]}" for cause, count in self.causes.most_common()) or "none"
