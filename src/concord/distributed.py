"""All collectives of the project, in one place, with gradients.

One meaning for any number of processes: the mean over ranks of the losses, differentiated and averaged over ranks as DDP
does, equals the loss and gradient of one process that holds the global batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from concord.errors import ConcordError

J = TypeVar("J")
R = TypeVar("R")


class _Gather(torch.autograd.Function):
    """All-gather along the first axis. The backward pass sums what every rank wants of a row, at the row's owner."""

    @staticmethod
    def forward(ctx: Any, local: Tensor, ranks: Ranks) -> Tensor:
        ctx.rows, ctx.ranks = local.shape[0], ranks
        parts = [torch.empty_like(local) for _ in range(ranks.world)]
        dist.all_gather(parts, local.contiguous(), group=ranks.group)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        total = grads[0].contiguous()
        dist.all_reduce(total, group=ctx.ranks.group)
        start = ctx.ranks.offset(ctx.rows)
        return total[start : start + ctx.rows], None


class _Shift(torch.autograd.Function):
    """Hand a tensor to the next rank of the ring and take the previous rank's; the gradient travels back."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, step: int, ranks: Ranks) -> Tensor:
        ctx.step, ctx.ranks = step, ranks
        return _exchange(tensor, step, ranks)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return _exchange(grads[0], -ctx.step, ctx.ranks), None, None


def _exchange(tensor: Tensor, step: int, ranks: Ranks) -> Tensor:
    received = torch.empty_like(tensor, memory_format=torch.contiguous_format)
    to, source = (ranks.rank + step) % ranks.world, (ranks.rank - step) % ranks.world
    operations = [
        dist.P2POp(dist.isend, tensor.contiguous(), group=ranks.group, group_peer=to),
        dist.P2POp(dist.irecv, received, group=ranks.group, group_peer=source),
    ]
    for work in dist.batch_isend_irecv(operations):
        work.wait()
    return received


@dataclass(frozen=True)
class Ranks:
    """This process among its peers: all processes, or some neighbours. Alone, every operation is the identity and communicates
    nothing.

    Attributes:
        rank: of this process among them, from 0.
        world: how many they are.
        group: PyTorch's handle of them; None for all processes.
    """

    rank: int = 0
    world: int = 1
    group: Any = None

    @staticmethod
    def current() -> Ranks:
        if (planned := _PLANNED.get()) is not None:
            return planned
        if dist.is_available() and dist.is_initialized():
            return Ranks(dist.get_rank(), dist.get_world_size())
        return Ranks()

    def among(self, count: int) -> Ranks:
        """This process among `count` neighbours, ranks 0..count-1, count..2 count - 1 and so on. All processes must call it."""
        if count == self.world:
            return self
        return Ranks() if count == 1 else Ranks(self.rank % count, count, _neighbours(dist.group.WORLD, count))

    def gather(self, local: Tensor) -> Tensor:
        """Rows [b, ...] of every rank, in rank order: [W * b, ...], with exact gradients. b is the same on every rank."""
        return local if self.world == 1 else _Gather.apply(local, self)  # type: ignore[no-any-return, no-untyped-call]

    def gather_padded(self, local: Tensor, dim: int = 1, value: float = 0.0) -> Tensor:
        """Like `gather`, for a tensor whose axis `dim` has another length on each rank: padded to the longest with `value`."""
        if self.world == 1:
            return local
        longest = int(self.max(torch.tensor(local.shape[dim], device=local.device)))
        missing = longest - local.shape[dim]
        if missing:
            shape = list(local.shape)
            shape[dim] = missing
            local = torch.cat([local, local.new_full(shape, value)], dim=dim)
        if local.dtype == torch.bool:
            return self.gather(local.to(torch.uint8)).bool()
        return self.gather(local)

    def offset(self, rows: int) -> int:
        """Where this rank's rows begin among the gathered ones."""
        return self.rank * rows

    def shift(self, tensor: Tensor, step: int = 1) -> Tensor:
        """One hop round the ring, with gradient: give to rank + step, take from rank - step."""
        return tensor if self.world == 1 else _Shift.apply(tensor, step, self)  # type: ignore[no-any-return, no-untyped-call]

    def sum(self, value: Tensor) -> Tensor:
        """Sum over ranks, without gradient."""
        return self._reduce(value, dist.ReduceOp.SUM)

    def mean(self, value: Tensor) -> Tensor:
        """Mean over ranks, without gradient."""
        return self.sum(value) / self.world

    def max(self, value: Tensor) -> Tensor:
        """Maximum over ranks, without gradient."""
        return self._reduce(value, dist.ReduceOp.MAX)

    def gather_objects(self, value: Any) -> list[Any]:
        """A plain Python value of every rank, in rank order. It is pickled and slow: for logging steps, not for every step."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value, group=self.group)
        return values

    def spread(self, jobs: Sequence[J], work: Callable[[J], R]) -> list[R]:
        """Do independent jobs on all ranks, each rank every W-th one; the answers to all of them, in order, on every rank.

        What a job is must not depend on the number of ranks; then the answers do not either, to the bit. An error on one rank
        ends all of them. The answers are pickled: tensors in them belong on the CPU.
        """
        return self.spread_in_turn(jobs, lambda own: map(work, own))

    def spread_in_turn(self, jobs: Sequence[J], work: Callable[[Sequence[J]], Iterable[R]]) -> list[R]:
        """As `spread`, for work that is handed all jobs of a rank and answers them in turn, so that it can prepare the next ones."""
        own: list[R] = []
        error: Exception | None = None
        try:
            own = list(work(jobs[self.rank :: self.world]))
        except Exception as caught:
            if self.world == 1:
                raise
            error = caught
        word = None if error is None else error if isinstance(error, ConcordError) else RuntimeError(f"{type(error).__name__}: {error}")
        answers = self.gather_objects((own, word))
        if error is not None:
            raise error
        for _, failure in answers:
            if failure is not None:
                raise failure
        return [answers[place % self.world][0][place // self.world] for place in range(len(jobs))]

    @contextmanager
    def as_on_first(self, tensors: Iterable[Tensor]) -> Iterator[None]:
        """Inside, the tensors hold what they hold on the first rank; afterwards what they held before."""
        tensors = list(tensors) if self.world > 1 else []
        before = [tensor.clone() for tensor in tensors]
        for tensor in tensors:
            first = tensor.contiguous()
            dist.broadcast(first, group=self.group, group_src=0)
            tensor.copy_(first)
        try:
            yield
        finally:
            for tensor, own in zip(tensors, before, strict=True):
                tensor.copy_(own)

    def _reduce(self, value: Tensor, operation: Any) -> Tensor:
        total = value.detach().clone()
        if self.world > 1:
            dist.all_reduce(total, op=operation, group=self.group)
        return total


def local(tensor: Tensor) -> Tensor:
    """What of a tensor this process holds: all of it, or its rows where FSDP has split it. Shares memory with it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """A tensor with the rows of all processes; every one of them must call. The tensor itself where it is not split."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def split_as(value: Any, like: Tensor | None) -> Any:
    """A whole tensor split among the processes as another one of its shape is; any other value as it is."""
    if isinstance(like, DTensor) and isinstance(value, Tensor) and not isinstance(value, DTensor) and value.shape == like.shape:
        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
    return value


@lru_cache(maxsize=8)
def _neighbours(world: Any, count: int) -> Any:
    """The group of this process; made once for each set of all processes, because making one is a collective."""
    group, _ = dist.new_subgroups(count, group=world)  # type: ignore[no-untyped-call]
    return group


_PLANNED: ContextVar[Ranks | None] = ContextVar("planned", default=None)


@contextmanager
def standing_in(ranks: Ranks) -> Iterator[None]:
    """Inside, `Ranks.current()` gives these: to plan for processes that are not there."""
    token = _PLANNED.set(ranks)
    try:
        yield
    finally:
        _PLANNED.reset(token)


class Alarm:
    """A word that a process leaves for the others beside all collectives: whoever waits inside of one hears nothing else."""

    PERIOD = 0.5
    """Seconds between two times that a listening process looks."""

    GRACE = 3.0
    """Seconds that a process which rang waits before it ends, so that the others can hear it, and write down why they end."""

    _KEY = "concord/alarm"

    @staticmethod
    def ring(word: str, code: int) -> bool:
        """Leave a word and an exit code. False where there is no group of processes, or nobody keeps its words any more."""
        try:
            _store().set(Alarm._KEY, f"{code} {word}")
        except (RuntimeError, ValueError):
            return False
        return True

    @staticmethod
    def heard() -> tuple[str, int] | None:
        """The word and the exit code that a process left, if one did."""
        try:
            if not _store().check([Alarm._KEY]):
                return None
            code, _, word = _store().get(Alarm._KEY).decode().partition(" ")
        except (RuntimeError, ValueError):  # the process that keeps the words has ended
            return None
        return word, int(code)

    @staticmethod
    def listen(over: threading.Event, follow: Callable[[str, int], None]) -> None:
        """Call `follow` with the word and the exit code as soon as a process left them, in a thread that ends when it is over."""

        def wait() -> None:
            while not over.wait(Alarm.PERIOD):
                if (heard := Alarm.heard()) is not None:
                    over.set()
                    follow(*heard)

        threading.Thread(target=wait, name="alarm", daemon=True).start()


def _store() -> Any:
    """Where the processes of the group found one another."""
    return dist.distributed_c10d._get_default_store()
