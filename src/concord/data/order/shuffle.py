"""The usual order: every example once per epoch, anywhere."""

from __future__ import annotations

from functools import partial

from concord.data.order.epochs import Epochs
from concord.data.order.permutation import Permutation
from concord.data.order.sampling import Sampling, Setting
from concord.data.source import Source


class Shuffle:
    """Every example once per epoch, in another order in every epoch, each order as likely as any other.

    Examples are read from anywhere in the source at any time: right for local disks and object stores; for sources that are
    read block by block, see `Windows`. It takes no memory.
    """

    def over(self, source: Source, key: str) -> Sampling:
        return Epochs(len(source), partial(_shuffled, len(source), key))

    def settings(self) -> dict[str, Setting]:
        return {"order": "shuffle"}


def _shuffled(size: int, key: str, epoch: int) -> Permutation:
    return Permutation(size, f"{key}/{epoch}")
