"""What delivering batches took, added up from one report to the next."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from concord.data.batches import Delivery


@dataclass(frozen=True)
class LoaderReport:
    """What the batches that this process received took.

    Attributes:
        seconds: that the report covers.
        examples: that were received.
        waited: seconds that this process stood waiting for a batch.
        stages: seconds per stage, added up over the reading processes.
        busy: of each reading process, the share of the time in which it worked, in [0, 1].
        read_bytes: of the images as they are stored; 0 for sources that paint them.
        captions, truncated: captions that were tokenised, and those of them that were longer than the context length.
    """

    seconds: float
    examples: int
    waited: float
    stages: dict[str, float] = field(default_factory=dict)
    busy: tuple[float, ...] = ()
    read_bytes: int = 0
    captions: int = 0
    truncated: int = 0

    @property
    def examples_per_second(self) -> float:
        return self.examples / self.seconds if self.seconds > 0 else 0.0

    @property
    def wait_share(self) -> float:
        """Share of the time in which this process stood waiting, in [0, 1]."""
        return min(1.0, self.waited / self.seconds) if self.seconds > 0 else 0.0

    @property
    def truncated_share(self) -> float:
        return self.truncated / max(1, self.captions)

    def values(self) -> dict[str, float]:
        """What the logs keep: milliseconds per example by stage and waiting, and the share of captions that were cut."""
        names = ("read", "decode", "transform", "tokenise", "wait")
        return {**{f"{name}_ms": self.milliseconds(name) for name in names}, "truncated": self.truncated_share}

    def milliseconds(self, stage: str) -> float:
        """Per example, of a stage of the reading processes, or of the main process's "wait"."""
        seconds = self.waited if stage == "wait" else self.stages.get(stage, 0.0)
        return 1000 * seconds / max(1, self.examples)


class Meter:
    """Adds up deliveries.

    Args:
        readers: reading processes.
    """

    def __init__(self, readers: int) -> None:
        self.readers = readers
        self._restart()

    def add(self, delivery: Delivery, waited: float) -> None:
        """Count a delivery, and the seconds that were waited for it."""
        self._waited += waited
        self._examples += len(delivery.batch) if delivery.batch is not None else 0
        for stage, seconds in delivery.seconds.items():
            self._stages[stage] += seconds
            self._busy[delivery.worker] += seconds
        self._counts.update(read_bytes=delivery.read_bytes, captions=delivery.captions, truncated=delivery.truncated)

    def take(self) -> LoaderReport:
        """What was added since the last call."""
        seconds = time.monotonic() - self._since
        busy = tuple(min(1.0, self._busy[reader] / max(seconds, 1e-9)) for reader in range(self.readers))
        report = LoaderReport(seconds, self._examples, self._waited, dict(self._stages), busy, **self._counts)
        self._restart()
        return report

    def _restart(self) -> None:
        self._since = time.monotonic()
        self._examples = 0
        self._waited = 0.0
        self._stages: defaultdict[str, float] = defaultdict(float)
        self._busy: defaultdict[int, float] = defaultdict(float)
        self._counts: Counter[str] = Counter()
