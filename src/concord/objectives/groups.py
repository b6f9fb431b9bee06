"""Contrast within groups of pairs instead of the whole batch (M2-Encoder, Guo et al. 2024).

Dimensions: b pairs on this rank, W ranks, N = W * b pairs on all, g pairs in a group.
"""

from __future__ import annotations

from typing import NamedTuple

from concord.distributed import Ranks
from concord.errors import IncompatibleError
from concord.objectives.base import Step


class Block(NamedTuple):
    """Some rows of this rank, and the ranks whose rows in the same place they are compared with."""

    rows: slice
    ranks: Ranks


class Groups:
    """The global batch cut into runs of `group` neighbouring pairs, whatever number of processes holds them.

    A pair has the other pairs of its group as negatives. Ranks that share a group talk to one another alone, and where a rank
    holds whole groups it talks to nobody.

    Args:
        group: g, at least 2; None for the whole batch.
        group_until: share of training, in (0, 1], after which the whole batch is the group; None for never.
    """

    def __init__(self, group: int | None = None, group_until: float | None = None) -> None:
        if group is not None and group < 2:
            raise ValueError(f"group must be at least 2 or null, got {group}")
        if group_until is not None and not 0 < group_until <= 1:
            raise ValueError(f"group_until must lie in (0, 1] or be null, got {group_until}")
        if group_until is not None and group is None:
            raise ValueError(f"group_until={group_until} needs a group")
        self.group = group
        self.group_until = group_until

    def of(self, step: Step) -> list[Block]:
        """What to compare with what in this step.

        Raises:
            IncompatibleError: see `check`.
        """
        pairs, ranks = len(step), step.ranks
        if self.group is None or (self.group_until is not None and step.progress >= self.group_until):
            return [Block(slice(0, pairs), ranks)]
        self.check(pairs, ranks.world)
        if self.group < pairs:
            return [Block(slice(start, start + self.group), Ranks()) for start in range(0, pairs, self.group)]
        return [Block(slice(0, pairs), ranks.among(self.group // pairs))]

    def check(self, pairs: int, world: int) -> None:
        """Refuse groups of unequal size, and groups that end inside of a rank that shares them.

        Raises:
            IncompatibleError: with the groups that are possible.
        """
        if self.group is None or self.group in (possible := possible_groups(pairs, world)):
            return
        raise IncompatibleError(
            f"group={self.group} cuts a batch of {pairs * world} pairs, {pairs} on each of {world} processes, inside of a process "
            f"that shares its group, or into unequal parts; use {_nearest(self.group, possible)}"
        )


def possible_groups(pairs: int, world: int) -> list[int]:
    """Sizes above 1 that divide the batch and are a multiple or a divisor of the pairs of a rank."""
    sizes = [pairs // parts for parts in range(pairs, 0, -1) if pairs % parts == 0]
    sizes += [pairs * count for count in range(2, world + 1) if world % count == 0]
    return [size for size in sizes if size > 1]


def _nearest(group: int, possible: list[int]) -> str:
    """The next possible ones below and above, in words."""
    below, above = [size for size in possible if size < group][-1:], [size for size in possible if size > group][:1]
    return " or ".join(f"group={size}" for size in below + above) or "group=null"
