"""What a reading process does: from a place in the stream to a batch."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from torch.utils.data import Dataset, get_worker_info

from concord.access import guarding
from concord.data.order import TrainingOrder
from concord.data.source import BadSample, Source
from concord.data.stages import stage, take_seconds
from concord.data.views import Example, Views
from concord.errors import ConcordError, DataError
from concord.types import Batch

LONGEST_GAP = 100
"""Bad examples in a row that end the search for a replacement."""


@dataclass
class Delivery:
    """What a reading process hands over: a batch with the bad examples met on the way, or why there is no batch.

    Attributes:
        worker: the reading process.
        seconds: that this process spent in each stage for it.
        read_bytes: of the images as they are stored, where the source gives bytes.
        captions, truncated: captions that were tokenised, and those of them that were cut.
    """

    batch: Batch | None
    bad: list[BadSample]
    failure: str = ""
    worker: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    read_bytes: int = 0
    captions: int = 0
    truncated: int = 0

    def pin_memory(self) -> Delivery:
        return replace(self, batch=self.batch.pin_memory() if self.batch is not None else None)


class Batches(Dataset[Delivery]):
    """Global batches by the position in the stream at which they start; of each, this process's rows."""

    def __init__(self, source: Source, order: TrainingOrder, views: Views) -> None:
        self.source = source
        self.order = order
        self.views = views
        self._read_bytes = 0

    def __getitem__(self, start: int) -> Delivery:
        tokenizer = self.views.texts.tokenizer
        self._read_bytes, seen, truncated = 0, tokenizer.seen, tokenizer.truncated
        take_seconds()  # of whatever else this process did with views
        with stage("collate"):
            delivery = self._deliver(start)
        worker = get_worker_info()
        delivery.worker = worker.id if worker is not None else 0
        delivery.seconds = take_seconds()
        delivery.read_bytes = self._read_bytes
        delivery.captions, delivery.truncated = tokenizer.seen - seen, tokenizer.truncated - truncated
        return delivery

    def _deliver(self, start: int) -> Delivery:
        bad: list[BadSample] = []
        try:
            with guarding(self.source):
                examples = [self._example(start, row, epoch, index, bad) for row, (epoch, index) in enumerate(self.order.rows(start))]
                return Delivery(self.views.collate(examples), bad)
        except ConcordError as error:  # handed over as text: errors that cross processes come back as stack traces
            return Delivery(None, bad, str(error))

    def _example(self, start: int, row: int, epoch: int, index: int, bad: list[BadSample]) -> Example:
        """The example of a row, or in its place the first of its replacements that is good; see `TrainingOrder.replacements`."""
        visits = itertools.chain([(epoch, index)], self.order.replacements(start, row))
        for epoch, index in itertools.islice(visits, LONGEST_GAP):
            try:
                with stage("read", example=index):
                    pair = self.source[index]
                self._read_bytes += len(pair.image) if isinstance(pair.image, bytes) else 0
                return self.views.example(pair, epoch, index)
            except BadSample as sample:
                bad.append(sample.of(self.source))
        raise DataError(f"{LONGEST_GAP} bad examples in a row, the last is {bad[-1]}")
