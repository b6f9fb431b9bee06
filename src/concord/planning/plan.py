"""The plan of a run: what it has, does, needs, sends, takes and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from concord.planning.advice import warnings_of
from concord.planning.device import Device
from concord.planning.memory import USABLE, Spread, memory_of
from concord.planning.parameters import Count, block_bytes, count, count_parts, trained_bytes
from concord.planning.rehearsal import Rehearsal, Trace
from concord.planning.timing import StepTime, step_time, synchronisation
from concord.planning.tracing import OPTIMIZER


@dataclass(frozen=True)
class Run:
    """The size of a run.

    Args:
        pairs: of a global batch.
        world: number of devices.
        steps: optimizer steps.
        accumulate: batches per optimizer step.
        spread: over the devices.
        averaged: whether an average of the weights is kept (EMA).
    """

    pairs: int
    world: int
    steps: int
    accumulate: int
    spread: Spread
    averaged: bool = False

    @property
    def samples(self) -> int:
        """Pairs that the whole run is trained on."""
        return self.pairs * self.steps * self.accumulate


@dataclass(frozen=True)
class Work:
    """FLOPs per pair of a part."""

    forward: float
    backward: float

    @property
    def total(self) -> float:
        return self.forward + self.backward


@dataclass(frozen=True)
class Plan:
    """What is known of a run before it starts.

    Attributes:
        run, device: what was planned.
        parameters: by part; "all" of the whole method.
        work: FLOPs per pair by part; "all" of everything, the optimizer left out.
        added: FLOPs per pair that a step would be spared without an objective, second passes through a tower included; of methods
            with several objectives.
        memory: bytes of one device at the fullest moment of a step, by what they are for.
        most: the most that each of these takes at any moment.
        sent: bytes that each device sends in a step, by what they are.
        time: of an optimizer step.
        tokens: by tower, that the whole run sees at most.
        warnings: what will not fit, and the way out.
    """

    run: Run
    device: Device
    parameters: dict[str, Count]
    work: dict[str, Work]
    added: dict[str, float]
    memory: dict[str, int]
    most: dict[str, int]
    sent: dict[str, float]
    time: StepTime
    tokens: dict[str, int]
    warnings: list[str]

    @property
    def fits(self) -> bool:
        return sum(self.memory.values()) <= USABLE * self.device.bytes

    @property
    def seconds(self) -> float:
        """Of the whole run, benchmarks and checkpoints left out."""
        return self.time.total * self.run.steps

    @property
    def samples_per_second(self) -> float:
        return self.run.pairs * self.run.accumulate / self.time.total

    @property
    def utilisation(self) -> float:
        """Share of the device's fastest arithmetic that the step uses."""
        fastest = 1e12 * max(self.device.teraflops_32, self.device.teraflops_bf16, self.device.teraflops_16)
        return self.work["all"].total * self.samples_per_second / self.run.world / fastest

    def cost(self, price: float) -> float:
        """Of the whole run, for a price per device and hour."""
        return price * self.run.world * self.seconds / 3600

    def as_dict(self) -> dict[str, Any]:
        """All numbers, as plain values."""
        more = {"fits": self.fits, "seconds": self.seconds, "samples": self.run.samples, "utilisation": self.utilisation}
        return {**asdict(self), **more, "samples_per_second": self.samples_per_second, "seconds_per_step": self.time.total}


def make_plan(
    rehearsal: Rehearsal, run: Run, device: Device, keys: Sequence[str], tokens: Mapping[str, int], of_objectives: bool = True
) -> Plan:
    """Plan a run.

    Args:
        rehearsal: of its method.
        run: its size; the devices must divide the batch.
        device: on which.
        keys: of the configuration that a warning may name.
        tokens: by tower, per pair.
        of_objectives: whether to find out what each objective adds, at the price of one more rehearsal for each.
    """
    trace = rehearsal.run(run.pairs // run.world, run.world, run.accumulate > 1)
    module = rehearsal.subject.module
    weights = sum(parameter.nbytes for parameter in module.parameters())
    trained, block = trained_bytes(module), block_bytes(module)
    behind = synchronisation(run.spread, run.world, weights, trained, block)
    memory = memory_of(trace, run.spread, trained, block, run.averaged)
    sent: Counter[str] = Counter()
    for one in (*trace.transfers * run.accumulate, *behind):
        sent[one.what] += one.sent  # type: ignore[assignment]
    return Plan(
        run=run,
        device=device,
        parameters={**count_parts(rehearsal.subject.parts), "all": count(module)},
        work=_work(trace),
        added=_added(rehearsal, trace) if of_objectives else {},
        memory=memory,
        most=trace.most,
        sent=dict(sent),
        time=step_time(trace, device, run.spread, behind, run.accumulate),
        tokens={tower: number * run.samples for tower, number in tokens.items()},
        warnings=warnings_of(memory, device, run.spread, run.world, keys),
    )


def _work(trace: Trace) -> dict[str, Work]:
    parts = sorted({operation.part for operation in trace.operations if operation.flops and operation.part != OPTIMIZER})
    found = {part: Work(trace.flops(part, False) / trace.pairs, trace.flops(part, True) / trace.pairs) for part in parts}
    total = Work(sum(one.forward for one in found.values()), sum(one.backward for one in found.values()))
    return {**found, "all": total}


def _added(rehearsal: Rehearsal, trace: Trace) -> dict[str, float]:
    """What each objective adds to the others; nothing where there is one alone, as a step without any is no step."""
    names = list(rehearsal.subject.objectives)
    if len(names) < 2:
        return {}
    whole, added = _work(trace)["all"].total, {}
    for name in names:
        with rehearsal.without(name):
            added[name] = whole - _work(rehearsal.run(trace.pairs, trace.world))["all"].total
    return added
